//! `/group/get_group_all_member_list`: everybody at once for who is in the group; others are shown whom to ask.

use serde_json::{Value, json};

use super::led;
use crate::support::platform::IOS;
use crate::support::rest::{User, listed, op, registration, with_data};
use crate::support::server::Server;

const ROUTE: &str = "/group/get_group_all_member_list";

fn all(server: &Server, by: &User, group: &str) -> Value {
    server.ask_as(by, ROUTE, &op(json!({ "groupID": group })))
}

/// Takes the times out of an answer, each of which must be one.
#[track_caller]
fn without_times(mut answer: Value) -> Value {
    for member in answer["data"].as_array_mut().expect("a list") {
        let joined = member.as_object_mut().and_then(|member| member.remove("joinTime"));
        assert!(joined.is_some_and(|time| time.as_u64().is_some_and(|time| time > 0)), "{member}");
    }
    answer
}

#[test]
fn members_are_shown_with_their_faces() {
    let mut server = Server::start();
    let [alice, bob] = ["alice", "bob"].map(|uid| {
        let mut body = registration(uid, IOS);
        body["icon"] = json!(format!("face of {uid}"));
        server.post("/auth/user_register", &body);
        server.login(uid, IOS)
    });
    let carol = server.register("carol", IOS);
    let group = server.group(&alice, &[&carol]);
    server.invite(&alice, &group, &["bob"]);
    let shown = |uid: &str, role: i32, face: &str| {
        json!({"groupID": group, "userId": uid,
        "role": role, "nickName": format!("name of {uid}"), "faceUrl": face})
    };
    let expected = json!([
        shown("alice", 1, "face of alice"),
        shown("bob", 0, "face of bob"),
        shown("carol", 0, "")
    ]);
    for _ in 0..2 {
        for by in [&alice, &bob, &carol, &server.manager()] {
            let answer = without_times(all(&server, by, &group));
            assert_eq!(answer, with_data(0, "", expected.clone()), "{}", by.uid);
        }
        server.restart();
    }
}

#[test]
fn strangers_are_shown_the_owner() {
    let (server, [alice, bob, _, carol, _], group) = led();
    let dave = server.register("dave", IOS);
    let owner = |uid: &str| {
        let owner = json!({"groupID": group, "userId": uid, "role": 1,
            "nickName": format!("name of {uid}"), "faceUrl": ""});
        with_data(0, "", json!([owner]))
    };
    assert_eq!(without_times(all(&server, &dave, &group)), owner("alice"));
    server.kick(&alice, &group, &["carol"]);
    assert_eq!(without_times(all(&server, &carol, &group)), owner("alice"));
    // It is the owner of now.
    let transfer = op(json!({"groupID": group, "uid": "cleo"}));
    server.done_as(&alice, "/group/transfer_group", &transfer);
    server.done_as(&bob, "/group/quit_group", &op(json!({ "groupID": group })));
    for by in [&dave, &carol, &bob] {
        assert_eq!(without_times(all(&server, by, &group)), owner("cleo"), "{}", by.uid);
    }
}

#[test]
fn an_unknown_group_has_nobody() {
    let (server, [alice, ..], _) = led();
    let manager = server.manager();
    for by in [&alice, &manager] {
        for group in ["0123456789abcdef0123456789abcdef", "no group", ""] {
            let answer = all(&server, by, group);
            assert_eq!(answer, with_data(0, "", json!([])), "{} {group}", by.uid);
        }
        assert_eq!(server.ask_as(by, ROUTE, &json!({})), with_data(0, "", json!([])));
    }
}

#[test]
fn nobody_is_left_out_however_many_there_are() {
    let server = Server::start();
    let users = server.register_many("user", 120);
    let others: Vec<&User> = users[1..].iter().collect();
    let group = server.group(&users[0], &others);
    let mut uids: Vec<&str> = users.iter().map(|user| user.uid.as_str()).collect();
    uids.sort_unstable();
    let answer = all(&server, &users[7], &group);
    assert_eq!(listed(&answer, "userId"), uids);
}
