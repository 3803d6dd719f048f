//! `/manager/send_msg`: a message on behalf of anybody, to a user or a group, stored or only shown.

use serde_json::{Value, json};

use crate::support::jwt::now;
use crate::support::platform::{IOS, WEB};
use crate::support::rest::{keys, op};
use crate::support::server::{Server, Setup};

fn body(from: &str, to: &str, text: &str) -> Value {
    op(
        json!({"sendID": from, "recvID": to, "content": {"text": text}, "contentType": 101, "sessionType": 1}),
    )
}

#[track_caller]
fn send(server: &Server, body: &Value) -> Value {
    let answer = server.done_as(&server.manager(), "/manager/send_msg", body);
    assert_eq!(keys(&answer), ["errCode", "errMsg", "msgID", "sendTime"], "{answer}");
    let time = answer["sendTime"].as_i64().expect("an integer");
    let nanoseconds = (now() - 60) * 1_000_000_000..(now() + 60) * 1_000_000_000;
    assert!(nanoseconds.contains(&time), "{answer}");
    let id = answer["msgID"].as_str().expect("a string");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{answer}");
    answer
}

#[test]
fn the_receiver_sees_the_named_sender_and_both_inboxes_have_it() {
    let server = Server::start();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    let mut body = body("alice", "bob", "from the <staff>");
    body["senderNickName"] = json!("The Staff");
    body["senderFaceURL"] = json!("http://face");
    body["senderPlatformID"] = json!(WEB);
    let answer = send(&server, &body);
    for link in [&mut bob, &mut alice] {
        let push = link.pushed();
        let seen = json!([
            push["sendID"],
            push["recvID"],
            push["content"],
            push["contentType"],
            push["msgFrom"],
            push["sessionType"],
            push["senderPlatformID"],
            push["senderNickName"],
            push["senderFaceUrl"],
            push["clientMsgID"],
            push["seq"]
        ]);
        let face = "http://face";
        let expected = json!([
            "alice",
            "bob",
            "from the <staff>",
            101,
            100,
            1,
            WEB,
            "The Staff",
            face,
            answer["msgID"],
            1
        ]);
        assert_eq!(seen, expected, "{push}");
        let inbox = link.inbox();
        assert_eq!(inbox.len(), 1);
        assert_eq!(inbox[0]["serverMsgID"], push["serverMsgID"]);
    }
    let again = send(&server, &body);
    assert_ne!(again["msgID"], answer["msgID"], "every call is a message");
    assert_eq!(bob.newest(), 2);
    assert_eq!(server.connect(&server.manager()).newest(), 0, "the manager's inbox has none");
}

#[test]
fn neither_sender_nor_receiver_need_exist() {
    let server = Server::start();
    send(&server, &body("ghost", "later", "boo"));
    let inbox = server.newcomer("later").inbox();
    assert_eq!((&inbox[0]["sendID"], &inbox[0]["content"]), (&json!("ghost"), &json!("boo")));
    assert_eq!(server.newcomer("ghost").newest(), 1);
}

#[test]
fn what_is_online_only_is_shown_and_not_stored() {
    let server = Server::start();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    let mut body = body("alice", "bob", "now or never");
    body["isOnlineOnly"] = json!(true);
    send(&server, &body);
    let push = bob.pushed();
    assert_eq!((&push["content"], &push["seq"]), (&json!("now or never"), &json!(0)), "{push}");
    assert_eq!((alice.newest(), bob.newest()), (0, 0));
    body["isOnlineOnly"] = json!(false);
    send(&server, &body);
    assert_eq!(bob.pushed()["seq"], 1);
}

#[test]
fn a_group_gets_it_whoever_the_sender_is() {
    let server = Server::start();
    let users: Vec<_> = (0..3).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &[&users[1], &users[2]]);
    let mut links: Vec<_> = users.iter().map(|user| server.connect(user)).collect();
    for (seq, from) in [(1, "user0"), (2, "stranger")] {
        let mut body = body(from, &group, "to all");
        body["sessionType"] = json!(2);
        body["forceList"] = json!(["user2"]);
        let answer = send(&server, &body);
        for (n, link) in links.iter_mut().enumerate() {
            let push = link.pushed();
            let seen = json!([
                push["sendID"],
                push["recvID"],
                push["sessionType"],
                push["seq"],
                push["clientMsgID"],
                push["isEmphasize"]
            ]);
            let recv = format!("user{n} {group}");
            assert_eq!(seen, json!([from, recv, 2, seq, answer["msgID"], n == 2]), "{push}");
        }
    }
    assert_eq!(server.newcomer("stranger").newest(), 1, "the sender has a copy");
    let mut body = body("user0", &group, "now or never");
    body["sessionType"] = json!(2);
    body["isOnlineOnly"] = json!(true);
    send(&server, &body);
    for link in &mut links[1..] {
        let push = link.pushed();
        assert_eq!((&push["content"], &push["seq"]), (&json!("now or never"), &json!(0)), "{push}");
        assert_eq!(link.newest(), 2);
    }
}

#[test]
fn rules_for_clients_do_not_bind_managers() {
    let server = Setup::new()
        .set("OPENIM_POLICY_FRIENDSONLY", "true")
        .set("OPENIM_POLICY_BLACKLISTBLOCKS", "true")
        .start();
    let mut bob = server.newcomer("bob");
    server.register("alice", IOS);
    server.done_as(&bob.user, "/friend/add_blacklist", &op(json!({"uid": "alice"})));
    send(&server, &body("alice", "bob", "hello"));
    assert_eq!(bob.pushed()["content"], "hello");
}

#[test]
fn what_is_neither_single_nor_group_or_to_no_group_is_refused() {
    let server = Server::start();
    let manager = server.manager();
    let mut bob = server.newcomer("bob");
    for (to, session) in [("bob", 3), ("bob", -1), ("no such group", 2), ("bob", 2)] {
        let mut body = body("alice", to, "hello");
        body["sessionType"] = json!(session);
        let answer = server.post_as(&manager.token, "/manager/send_msg", &body);
        assert_ne!(answer.json()["errCode"], 0, "{to} {session}: {}", answer.text());
    }
    assert_eq!(bob.newest(), 0);
}
