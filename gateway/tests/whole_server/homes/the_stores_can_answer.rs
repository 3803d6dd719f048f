//! A server whose questions about users and groups are answered by the stores says the same as one that asks their homes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::links::replaced_link_gets_the_kick_notice::assert_kick_notice;
use crate::support::PATIENCE;
use crate::support::SECRET;
use crate::support::link::{group_message, messages};
use crate::support::platform::{ANDROID, IOS};
use crate::support::rest::{User, group_body, listed, op, plain, registration};
use crate::support::server::{Server, Setup};

fn start() -> Server {
    Setup::new().set("OPENIM_TEST_HOMES", "stores").set("OPENIM_GATEWAY_SHARDS", 2).start()
}

#[track_caller]
fn ask(server: &Server, user: &User, path: &str, number: i64, data: &Value) -> Value {
    let ask = json!({"reqIdentifier": number, "sendID": user.uid, "operationID": "op", "msgIncr": 1, "data": data});
    let answer = server.post_as(&user.token, path, &ask).json();
    assert_eq!(answer["errCode"], 0, "{answer}");
    answer
}

/// Waits until the history has so much of an inbox: the stores show no more than that.
fn until_stored(server: &Server, user: &User, newest: i64) {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = ask(server, user, "/chat/newest_seq", 1001, &Value::Null);
        if answer["data"]["seq"] == json!(newest) {
            return;
        }
        assert!(Instant::now() < until, "{answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn accounts_are_made_end_and_come_back() {
    let server = start();
    let alice = server.register("alice", IOS);
    let again = server.post("/auth/user_register", &registration("alice", IOS));
    assert_ne!(again.json()["errCode"], 0, "the uid is taken");
    let mut link = server.connect(&alice);

    // A newer login of the class ends the token, its link, and its calls.
    let newer = server.login("alice", ANDROID);
    let (frames, code) = link.drain_to_close();
    assert_eq!(code, Some(1008));
    assert_kick_notice(frames.last().expect("a notice"), "alice", 303);
    assert_eq!(server.refusal(&alice), 401);
    let friends = |user: &User| server.ask_as(user, "/friend/get_friend_list", &op(json!({})));
    assert_eq!(friends(&alice)["errCode"], 200);
    assert_eq!(friends(&newer)["errCode"], 0);

    server.done_as(&newer, "/user/update_user_info", &op(json!({"name": "Alice", "gender": 2})));
    let profile = server.done_as(&newer, "/user/get_user_info", &op(json!({"uidList": ["alice"]})));
    assert_eq!(
        (&profile["data"][0]["name"], &profile["data"][0]["gender"]),
        (&json!("Alice"), &json!(2))
    );

    let mut link = server.connect(&newer);
    server.done_as(
        &server.manager(),
        "/manager/ban_user",
        &op(json!({"uid": "alice", "reason": "spam"})),
    );
    assert_eq!(link.drain_to_close().1, Some(1008));
    assert_eq!(friends(&newer)["errCode"], 200);
    let login = json!({"secret": SECRET, "platform": IOS, "uid": "alice"});
    assert_eq!(
        server.post("/auth/user_token", &login).json(),
        plain(710, "the user is banned: spam")
    );
    server.done_as(&server.manager(), "/manager/unban_user", &op(json!({"uid": "alice"})));
    let alice = server.login("alice", IOS);
    server.connect(&alice).say("bob", "m", "hello");
    until_stored(&server, &alice, 1);
    let delete = op(json!({"deleteUidList": ["alice"]}));
    server.done_as(&server.manager(), "/manager/delete_user", &delete);
    assert_eq!(server.refusal(&alice), 401);
    assert_eq!(server.post("/auth/user_token", &login).json()["errCode"], 500);
    let other = server.register("alice", IOS);
    assert_eq!(server.connect(&other).inbox(), Vec::<Value>::new(), "nothing of the first one's");
}

#[test]
fn friends_and_groups_are_as_at_their_homes() {
    let mut server = start();
    let [ann, bob, cat, eve] = ["ann", "bob", "cat", "eve"].map(|uid| server.register(uid, IOS));
    server.befriend(&ann, &bob);
    let group = server.group(&ann, &[&bob]);
    assert_eq!(server.invite(&bob, &group, &["cat", "nobody"]), [0, -1]);
    // What is in memory and what is read from the stores again.
    for round in 0..2 {
        let friends = server.done_as(&bob, "/friend/get_friend_list", &op(json!({})));
        assert_eq!(listed(&friends, "uid"), ["ann"]);
        let roles = server.roles(&cat, &group);
        let role = |uid: &str, role: i64| (uid.to_owned(), role);
        assert_eq!(roles, [role("ann", 1), role("bob", 0), role("cat", 0)]);
        let page = op(json!({"groupID": group, "filter": 0, "nextSeq": 1}));
        let page = server.done_as(&bob, "/group/get_group_member_list", &page);
        assert_eq!(listed(&page, "userId"), ["bob", "cat"]);

        let mut members = [&bob, &cat].map(|user| server.connect(user));
        let (link, rest) = (format!("link{round}"), format!("rest{round}"));
        server.connect(&ann).say_data(&group_message(&group, &link, "hello"));
        server.done_as(&cat, "/chat/send_msg", &group_body(&cat, &group, &rest, "hello"));
        for member in &mut members {
            assert_eq!(member.pushed()["clientMsgID"], link.as_str());
        }
        assert_eq!(members[0].pushed()["clientMsgID"], rest.as_str());
        let refused =
            server.ask_as(&eve, "/chat/send_msg", &group_body(&eve, &group, "m", "hello"));
        assert_eq!(refused["errCode"], 800, "{refused}");
        server.restart();
    }
    assert_eq!(server.kick(&ann, &group, &["cat"]), [0]);
    let mut cat = server.connect(&cat);
    assert_eq!(cat.request(1003, &group_message(&group, "late", "hello"))["errCode"], 800);
    server.done_as(&ann, "/group/transfer_group", &op(json!({"groupID": group, "uid": "bob"})));
    server.done_as(&ann, "/group/quit_group", &op(json!({"groupID": group})));
    let dismiss = op(json!({"groupID": group}));
    assert_eq!(server.ask_as(&bob, "/group/dismiss_group", &dismiss), plain(0, ""));
    assert_eq!(
        server.ask_as(&bob, "/chat/send_msg", &group_body(&bob, &group, "m", "hello"))["errCode"],
        800
    );
}

#[test]
fn inboxes_are_read_over_both_ways() {
    let server = start();
    let (mut ann, bob) = (server.newcomer("ann"), server.register("bob", IOS));
    for n in 0..5 {
        ann.say("bob", &format!("link{n}"), "over the websocket");
        server.rest_send(&bob, "ann", &format!("rest{n}"), "over REST");
    }
    assert_eq!(ann.newest(), 10);
    let pulled = ann.pull(1, 10);
    assert_eq!(messages(&pulled).len(), 10);

    until_stored(&server, &ann.user, 10);
    let range = json!({"seqBegin": 1, "seqEnd": 100});
    let pull = ask(&server, &ann.user, "/chat/pull_msg", 1002, &range);
    assert_eq!(pull["data"], pulled);
}
