//! C34 in groups: while the log takes nothing, sends to groups are refused, and repeating them afterwards makes exactly
//! one message of each. Who is in the group is not touched by it, and changes of that end with an error as well.

use std::fs;
use std::time::Instant;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::groups::post_to;
use crate::support::link::{Arrival, group_message};
use crate::support::rest::{User, group_body, op};
use crate::support::server::Setup;

#[test]
fn and_completed_when_repeated() {
    if embedded_only(
        "it stalls the engine inside of the process; components are stalled by scripts/faults",
    ) {
        return;
    }
    let setup = Setup::new().allow("stall").allow("log");
    let stall = setup.path("stall");
    let mut server = setup.set("OPENIM_TEST_STALL_FILE", stall.display()).start();
    let [ann, bob, cat, eve] = server.register_all(["ann", "bob", "cat", "eve"]);
    let group = server.group(&ann, &[&bob, &cat]);
    let mut link = server.connect(&ann);
    link.say_data(&group_message(&group, "before", "hello"));

    fs::write(&stall, "").expect("written");
    let refused = link.request(1003, &group_message(&group, "during", "hello"));
    assert_eq!(refused["reqIdentifier"], 1003, "{refused}");
    assert!(![0, 800].map(|code| json!(code)).contains(&refused["errCode"]), "{refused}");
    let again = group_body(&cat, &group, "rest", "hello");
    let answer = server.post_as(&cat.token, "/chat/send_msg", &again).json();
    assert!(![0, 800].map(|code| json!(code)).contains(&answer["errCode"]), "{answer}");
    link.send(Message::Ping(b"up?".to_vec().into()));
    assert!(matches!(link.arrival(), Arrival::Pong(_)), "the link stays up");
    let expected = [("ann", 1), ("bob", 0), ("cat", 0)].map(|(uid, role)| (uid.to_owned(), role));
    assert_eq!(server.roles(&ann, &group), expected);
    // Still the refusal of a stranger, not of the log.
    let body = group_body(&eve, &group, "m", "hello");
    let stranger = server.post_as(&eve.token, "/chat/send_msg", &body).json();
    assert_ne!(stranger["errCode"], 0, "{stranger}");

    fs::remove_file(&stall).expect("written above");
    let deadline = Instant::now() + PATIENCE;
    let receipt = loop {
        let reply = link.request(1003, &group_message(&group, "during", "hello"));
        if reply["errCode"] == 0 {
            break reply["data"]["serverMsgID"].clone();
        }
        assert!(Instant::now() < deadline, "sends are accepted again: {reply}");
    };
    while server.post_as(&cat.token, "/chat/send_msg", &again).json()["errCode"] != 0 {
        assert!(Instant::now() < deadline, "sends are accepted again over REST");
    }
    for life in 0..2 {
        for user in [&ann, &bob, &cat] {
            let inbox = server.connect(user).inbox();
            for id in ["before", "during", "rest"] {
                let count = inbox.iter().filter(|message| message["clientMsgID"] == id).count();
                assert_eq!(count, 1, "{id} at {} in life {life}", user.uid);
            }
            assert_eq!(inbox.len(), 3, "{}", user.uid);
            assert!(inbox.iter().any(|message| message["serverMsgID"] == receipt));
        }
        assert_eq!(server.connect(&eve).newest(), 0);
        assert_eq!(server.roles(&ann, &group), expected);
        server.restart();
    }
}

#[test]
fn changes_of_members_end_with_an_error_meanwhile_and_take_effect_when_repeated() {
    if embedded_only(
        "it stalls the engine inside of the process; components are stalled by scripts/faults",
    ) {
        return;
    }
    let setup = Setup::new().allow("stall").allow("log").set("OPENIM_LIMITS_STORETIMEOUTMS", 2_000);
    let stall = setup.path("stall");
    let server = setup.set("OPENIM_TEST_STALL_FILE", stall.display()).start();
    let [ann, bob, ..] = server.register_all(["ann", "bob", "cat"]);
    let group = server.group(&ann, &[&bob]);
    let kick = op(json!({"groupID": group, "uidListInfo": [{"userId": "bob"}]}));
    let invite = op(json!({"groupID": group, "uidList": ["cat"]}));
    let changes = [("/group/kick_group", kick), ("/group/invite_user_to_group", invite)];
    fs::write(&stall, "").expect("written");
    for (path, body) in &changes {
        let answer = server.post_as(&ann.token, path, body).json();
        assert_ne!(answer["errCode"], 0, "{path}: {answer}");
    }
    fs::remove_file(&stall).expect("written above");
    // What was late may have been made since: to ask again changes nothing more.
    let deadline = Instant::now() + PATIENCE;
    for (path, body) in &changes {
        while server.post_as(&ann.token, path, body).json()["errCode"] != 0 {
            assert!(Instant::now() < deadline, "{path} is done again");
        }
    }
    let mut members = server.roles(&ann, &group);
    members.sort();
    assert_eq!(members, [("ann".to_owned(), 1), ("cat".to_owned(), 0)]);
    let second = server.group(&ann, &[&bob]);
    for group in [&group, &second] {
        let body = group_body(&ann, group, &format!("after {group}"), "hello");
        while server.post_as(&ann.token, "/chat/send_msg", &body).json()["errCode"] != 0 {
            assert!(Instant::now() < deadline, "sends are accepted again");
        }
    }
    let of = |uid: &str, content: &str| {
        let inbox = server.connect(&server.login(uid, 1)).inbox();
        let after = |message: &&serde_json::Value| {
            message["clientMsgID"].as_str().is_some_and(|id| id.starts_with(content))
        };
        inbox.iter().filter(after).count()
    };
    assert_eq!([of("ann", "after"), of("bob", "after"), of("cat", "after")], [2, 1, 1]);
}

#[test]
fn more_waiting_than_the_bound_on_deliveries_leave_it_free() {
    if embedded_only(
        "it stalls the engine inside of the process; components are stalled by scripts/faults",
    ) {
        return;
    }
    let setup = Setup::new().allow("stall").allow("log");
    let stall = setup.path("stall");
    let server = setup
        .set("OPENIM_TEST_STALL_FILE", stall.display())
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .set("OPENIM_LIMITS_GROUPFANOUTMAX", 1000)
        .start();
    let users: Vec<User> = (0..60).map(|n| server.register(&format!("user{n}"), 1)).collect();
    let group = server.group(&users[0], &users.iter().collect::<Vec<_>>());
    let body = |user: &User| group_body(user, &group, "m", "hello");
    fs::write(&stall, "").expect("written");
    std::thread::scope(|scope| {
        for user in &users[..40] {
            let (to, body) = (server.rest(), body(user));
            scope.spawn(move || {
                let answer = post_to(to, user, "/chat/send_msg", &body).json();
                assert_ne!(answer["errCode"], 0, "{answer}");
            });
        }
    });
    fs::remove_file(&stall).expect("written above");
    let deadline = Instant::now() + PATIENCE;
    for user in &users[..40] {
        while server.post_as(&user.token, "/chat/send_msg", &body(user)).json()["errCode"] != 0 {
            assert!(Instant::now() < deadline, "sends are accepted again");
        }
    }
    let mut link = server.connect(&users[0]);
    for n in 0..40 {
        link.say_data(&group_message(&group, &format!("later{n}"), "hello"));
    }
    for user in users.iter().step_by(9) {
        assert_eq!(server.connect(user).inbox().len(), 80, "{}", user.uid);
    }
}
