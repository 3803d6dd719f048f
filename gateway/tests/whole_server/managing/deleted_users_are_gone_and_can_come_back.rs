//! `/manager/delete_user` takes everything from a user but the messages that others have; it can be repeated, and
//! the uid registered again by somebody else.

use serde_json::{Value, json};

use crate::links::replaced_link_gets_the_kick_notice::assert_kick_notice;
use crate::support::SECRET;
use crate::support::link::messages;
use crate::support::platform::{IOS, WEB};
use crate::support::rest::{op, send_body};
use crate::support::server::{Server, Setup};

#[track_caller]
fn delete(server: &Server, uids: &[&str]) {
    let body = op(json!({ "deleteUidList": uids }));
    let answer = server.ask_as(&server.manager(), "/manager/delete_user", &body);
    assert_eq!(answer, json!({"errCode": 0, "errMsg": "", "failedUidList": []}));
}

fn profiles(server: &Server, uids: &[&str]) -> Value {
    let answer = server.post("/user/get_user_info", &op(json!({ "uidList": uids }))).json();
    answer["data"].clone()
}

#[test]
fn every_route_sees_at_once_that_they_are_gone() {
    let mut server = Server::start();
    let [_, _, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    assert_eq!(profiles(&server, &["alice", "bob"]).as_array().map(Vec::len), Some(2));
    delete(&server, &["alice", "nobody", "alice", "no body"]);
    delete(&server, &["alice"]);
    delete(&server, &[]);
    for _ in 0..2 {
        assert_eq!(profiles(&server, &["alice"]), json!([]));
        assert_eq!(profiles(&server, &["bob", "carol"]).as_array().map(Vec::len), Some(2));
        let check = op(json!({"userIDList": ["alice", "bob"]}));
        let answer = server.done_as(&server.manager(), "/manager/account_check", &check);
        let status = |n: usize| answer["result"][n]["accountStatus"].clone();
        assert_eq!((status(0), status(1)), (json!("unregistered"), json!("registered")));
        let answer =
            server.done_as(&server.manager(), "/manager/get_all_users_uid", &op(json!({})));
        let left = json!(["bob", "carol", "openIM123456", "openIM654321"]);
        assert_eq!(answer["uidList"], left);
        let found = server.ask_as(&carol, "/friend/search_friend", &op(json!({"uid": "alice"})));
        assert_eq!(found["errCode"], 614, "{found}");
        let login = json!({"secret": SECRET, "platform": 1, "uid": "alice"});
        let answer = server.post("/auth/user_token", &login);
        assert_eq!((answer.status, &answer.json()["errCode"]), (500, &json!(500)));
        server.restart();
    }
}

#[test]
fn their_tokens_and_links_end_at_once() {
    let mut server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    let web = server.login("alice", WEB);
    server.connect(&bob).say("alice", "m1", "for the first alice");
    let mut links = [server.connect(&alice), server.connect(&web)];
    delete(&server, &["alice"]);
    for link in &mut links {
        let (frames, code) = link.drain_to_close();
        assert_eq!(code, Some(1008));
        assert_kick_notice(frames.last().expect("a notice"), "alice", 303);
    }
    let refused = |server: &Server| {
        for user in [&alice, &web] {
            assert_eq!(server.refusal(user), 401);
            let send = send_body(user, "bob", "m2", "from the dead");
            assert_eq!(server.post_as(&user.token, "/chat/send_msg", &send).status, 400);
            let pull = op(json!({"reqIdentifier": 1002, "sendID": "alice", "msgIncr": 1,
                "data": {"seqBegin": 1, "seqEnd": 9}}));
            assert_eq!(server.post_as(&user.token, "/chat/pull_msg", &pull).status, 400);
        }
    };
    refused(&server);
    server.restart();
    refused(&server);
    // Nor do they open what the next one has.
    let again = server.register("alice", IOS);
    refused(&server);
    assert_eq!(server.connect(&again).inbox(), [] as [Value; 0]);
    server.restart();
    refused(&server);
    assert_eq!(server.connect(&bob).newest(), 1);
}

#[test]
fn who_registers_again_begins_with_an_empty_inbox() {
    let mut server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    for n in 0..3 {
        server.connect(&bob).say("alice", &format!("m{n}"), "for the first alice");
    }
    assert_eq!(server.connect(&alice).newest(), 3);
    delete(&server, &["alice"]);
    server.connect(&bob).say("alice", "m3", "for nobody");
    server.at_rest();
    let again = server.register("alice", IOS);
    for life in 0..2 {
        let mut link = server.connect(&again);
        let bounds = link.request(1001, &Value::Null)["data"].clone();
        // Numbers go on: none is ever given twice.
        assert_eq!((&bounds["maxSeq"], &bounds["minSeq"]), (&json!(4 + life), &json!(5)));
        let pulled = link.pull(1, 9);
        let seqs = messages(&pulled).iter().map(|m| m["seq"].as_i64()).collect::<Vec<_>>();
        assert_eq!(seqs, (5..5 + life).map(Some).collect::<Vec<_>>(), "{pulled}");
        server.connect(&bob).say("alice", &format!("n{life}"), "for the second alice");
        assert_eq!(link.pushed()["seq"], 5 + life);
        server.restart();
    }
    // Of who was never deleted everything is kept, though nobody had registered yet.
    server.connect(&bob).say("late", "m", "hello");
    assert_eq!(server.newcomer("late").newest(), 1);
}

/// More friends than one step of the walk looks at.
#[test]
fn they_are_in_nobodys_lists() {
    let server = Server::start();
    let (alice, manager) = (server.register("alice", IOS), server.manager());
    let friends = server.register_many("friend", 400);
    let uids: Vec<&str> = friends.iter().map(|friend| friend.uid.as_str()).collect();
    let import = op(json!({"uidList": uids, "ownerUid": "alice"}));
    server.done_as(&manager, "/friend/import_friend", &import);
    // One who still has alice, whom she does not have any more.
    server.done_as(&alice, "/friend/delete_friend", &op(json!({"uid": "friend7"})));
    server.done_as(&friends[8], "/friend/add_blacklist", &op(json!({"uid": "alice"})));
    delete(&server, &["alice"]);
    server.register("alice", IOS);
    for friend in &friends {
        for route in ["get_friend_list", "get_blacklist"] {
            let answer = server.done_as(friend, &format!("/friend/{route}"), &op(json!({})));
            assert_eq!(answer["data"], json!([]), "{}", friend.uid);
        }
    }
}

/// Neither open requests nor those that were handled, in whichever group; who registers under the uid later asks anew.
#[test]
fn they_ask_to_be_in_no_group() {
    let server = Server::start();
    let [owner, alice, bob] = ["owner", "alice", "bob"].map(|uid| server.register(uid, IOS));
    let groups = [(); 2].map(|()| server.group_of(&owner, &[]));
    for (group, user) in groups.iter().flat_map(|group| [(group, &alice), (group, &bob)]) {
        server.done_as(user, "/group/join_group", &op(json!({"groupID": group, "message": "me"})));
    }
    let refuse = op(json!({"groupID": groups[1], "fromUserID": "alice", "toUserID": "0",
        "handledMsg": "", "handleResult": 0}));
    server.done_as(&owner, "/group/group_application_response", &refuse);
    let asking = |server: &Server| {
        let answer = server.done_as(&owner, "/group/get_group_applicationList", &op(json!({})));
        let list = answer["data"]["user"].as_array().expect("a list").clone();
        let from = list.iter().map(|row| row["fromUserID"].as_str().expect("a uid").to_owned());
        let mut from: Vec<String> = from.collect();
        from.sort();
        from
    };
    assert_eq!(asking(&server), ["alice", "alice", "bob", "bob"]);
    delete(&server, &["alice"]);
    assert_eq!(asking(&server), ["bob", "bob"]);
    let again = server.register("alice", IOS);
    assert_eq!(asking(&server), ["bob", "bob"]);
    server.done_as(&again, "/group/join_group", &op(json!({"groupID": groups[0], "message": ""})));
    assert_eq!(asking(&server), ["alice", "bob", "bob"]);
}
