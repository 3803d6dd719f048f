//! What a manager does to a group is told to it by the server (509, 510), also to who is away; what others do is not.

use serde_json::{Value, json};

use super::led;
use crate::support::link::column;
use crate::support::platform::IOS;
use crate::support::rest::{MANAGER, User, op};
use crate::support::server::Server;

fn kick(server: &Server, by: &User, group: &str, uids: &[&str]) {
    let listed: Vec<Value> = uids.iter().map(|uid| json!({ "userId": uid })).collect();
    let body =
        json!({"operationID": "op-9", "groupID": group, "uidListInfo": listed, "reason": "r"});
    server.done_as(by, "/group/kick_group", &body);
}

fn invite(server: &Server, by: &User, group: &str, uids: &[&str]) {
    let body =
        json!({"operationID": "op-9", "groupID": group, "uidList": uids, "reason": "because"});
    server.done_as(by, "/group/invite_user_to_group", &body);
}

fn newest(server: &Server, user: &User) -> i64 {
    server.connect(user).newest()
}

/// Checks everything of a tip but its ids and times; the JSON in it is compared as JSON.
#[track_caller]
fn assert_tip(message: &Value, kind: i64, to: &str, shown: &str, detail: &Value) {
    let seen = json!([
        message["contentType"],
        message["sendID"],
        message["recvID"],
        message["msgFrom"],
        message["senderPlatformID"]
    ]);
    assert_eq!(seen, json!([kind, MANAGER, to, 100, 0]), "{message}");
    let content = message["content"].as_str().expect("a text");
    let mut content: Value = serde_json::from_str(content).expect("JSON in the content");
    let told = content["detail"].take();
    let told: Value = serde_json::from_str(told.as_str().expect("a text")).expect("JSON inside");
    assert_eq!((content["defaultTips"].as_str(), &told), (Some(shown), detail), "{message}");
    assert!(content["isDisplay"].is_i64(), "{message}");
}

fn invited(group: &str, uids: &[&str]) -> Value {
    json!({"groupID": group, "uidList": uids, "reason": "because", "operationID": "op-9"})
}

fn kicked(group: &str, uids: &[&str]) -> Value {
    let member = |uid: &&str| {
        json!({"groupID": group, "userId": uid, "role": 0, "joinTime": 0,
        "nickName": "", "faceUrl": ""})
    };
    let listed: Vec<Value> = uids.iter().map(member).collect();
    json!({"groupID": group, "uidListInfo": listed, "reason": "", "operationID": "op-9"})
}

const SHOWN: &str = "name of dave name of dora   invited into the group chat by AppManager1";

#[test]
fn who_was_let_in_and_who_was_there_are_told() {
    let (mut server, [alice, bob, ..], group) = led();
    let [dave, dora] = ["dave", "dora"].map(|uid| server.register(uid, IOS));
    let manager = server.manager();
    let mut online = server.connect(&alice);
    // Of those who were not let in nothing is said.
    invite(&server, &manager, &group, &["dave", "nobody", "bob", "dora"]);
    let detail = invited(&group, &["dave", "dora"]);
    assert_tip(&online.pushed(), 510, &format!("alice {group}"), SHOWN, &detail);
    drop(online);
    for _ in 0..2 {
        for user in [&alice, &bob, &dave, &dora] {
            let inbox = server.connect(user).inbox();
            assert_eq!(inbox.len(), 1, "{}", user.uid);
            let to = format!("{} {group}", user.uid);
            assert_tip(&inbox[0], 510, &to, SHOWN, &detail);
        }
        server.restart();
    }
}

#[test]
fn who_was_removed_and_who_remains_are_told() {
    let (mut server, [alice, bob, bea, carol, cleo], group) = led();
    let manager = server.manager();
    let mut online = server.connect(&alice);
    kick(&server, &manager, &group, &["bob", "carol"]);
    let detail = kicked(&group, &["bob", "carol"]);
    assert_tip(&online.pushed(), 509, &format!("alice {group}"), &group, &detail);
    drop(online);
    for _ in 0..2 {
        for user in [&alice, &bea, &cleo] {
            let inbox = server.connect(user).inbox();
            assert_eq!(inbox.len(), 1, "{}", user.uid);
            let to = format!("{} {group}", user.uid);
            assert_tip(&inbox[0], 509, &to, &group, &detail);
        }
        // The removed are told with the group, and by themselves, with nobody else's name.
        for user in [&bob, &carol] {
            let inbox = server.connect(user).inbox();
            let to = format!("{} {group}", user.uid);
            let of = |to: &str| inbox.iter().find(|message| message["recvID"] == to);
            assert_eq!(inbox.len(), 2, "{}: {inbox:?}", user.uid);
            assert_tip(of(&to).expect("a copy"), 509, &to, &group, &detail);
            let own = kicked(&group, &[&user.uid]);
            assert_tip(of(&user.uid).expect("their own"), 509, &user.uid, &group, &own);
        }
        server.restart();
    }
}

/// The answer for who was no member is 0, so they are told as well.
#[test]
fn who_was_no_member_is_told_alone() {
    let (server, [alice, ..], group) = led();
    let dave = server.register("dave", IOS);
    kick(&server, &server.manager(), &group, &["dave"]);
    let inbox = server.connect(&dave).inbox();
    let own = inbox.iter().find(|message| message["recvID"] == "dave").expect("their own");
    let detail = kicked(&group, &["dave"]);
    assert_tip(own, 509, "dave", &group, &detail);
    let inbox = server.connect(&alice).inbox();
    assert_eq!(inbox.len(), 1);
    assert_tip(&inbox[0], 509, &format!("alice {group}"), &group, &detail);
}

#[test]
fn nothing_is_told_where_nothing_was_done() {
    let (server, users, group) = led();
    let manager = server.manager();
    invite(&server, &manager, &group, &["bob", "nobody"]);
    invite(&server, &manager, &group, &[]);
    kick(&server, &manager, &group, &["alice"]);
    for user in &users[1..] {
        assert_eq!(newest(&server, user), 0, "{}", user.uid);
    }
    for body in [json!({}), json!({"uid": "bob"})] {
        let mut body = op(body);
        body["groupID"] = json!(group);
        for route in ["quit_group", "transfer_group"] {
            server.post_as(&manager.token, &format!("/group/{route}"), &body);
        }
    }
    for user in &users[1..] {
        assert_eq!(newest(&server, user), 0, "{}", user.uid);
    }
}

#[test]
fn the_server_tells_nothing_of_what_others_do() {
    let (server, [alice, bob, bea, carol, cleo], group) = led();
    let dave = server.register("dave", IOS);
    invite(&server, &carol, &group, &["dave"]);
    invite(&server, &alice, &group, &["bob"]);
    kick(&server, &bob, &group, &["cleo"]);
    kick(&server, &alice, &group, &["bob"]);
    server.done_as(&carol, "/group/quit_group", &op(json!({ "groupID": group })));
    let transfer = op(json!({"groupID": group, "uid": "bea"}));
    server.done_as(&alice, "/group/transfer_group", &transfer);
    for user in [&alice, &bob, &bea, &carol, &cleo, &dave] {
        assert_eq!(newest(&server, user), 0, "{}", user.uid);
    }
}

/// A manager who is a member is told as one, and each tip is one message.
#[test]
fn every_call_is_told_once() {
    let (server, [alice, ..], group) = led();
    server.register("dave", IOS);
    let manager = server.manager();
    for _ in 0..3 {
        invite(&server, &manager, &group, &["dave"]);
        kick(&server, &manager, &group, &["dave"]);
    }
    let inbox = server.connect(&alice).inbox();
    assert_eq!(column(&inbox, "contentType"), [510, 509, 510, 509, 510, 509]);
    let mut ids = column(&inbox, "serverMsgID");
    ids.sort_by_key(|id| id.to_string());
    ids.dedup();
    assert_eq!(ids.len(), 6);
}
