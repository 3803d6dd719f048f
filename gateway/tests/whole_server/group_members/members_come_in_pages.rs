//! `/group/get_group_member_list`: thirty members at a time, in order of their uids, for who is in the group.

use serde_json::{Value, json};

use super::led;
use crate::support::platform::IOS;
use crate::support::rest::{User, keys, listed, op, registration};
use crate::support::server::Server;

const ROUTE: &str = "/group/get_group_member_list";

fn page(server: &Server, by: &User, group: &str, next: i32) -> Value {
    server.ask_as(by, ROUTE, &op(json!({"groupID": group, "nextSeq": next, "filter": 0})))
}

fn nothing(code: i64, text: &str) -> Value {
    json!({"errCode": code, "errMsg": text, "nextSeq": 0, "data": []})
}

#[test]
fn a_member_is_shown_with_these_keys() {
    let server = Server::start();
    let mut alice = registration("alice", IOS);
    alice["icon"] = json!("the face");
    server.post("/auth/user_register", &alice);
    let alice = server.login("alice", IOS);
    let bob = server.register("bob", IOS);
    let group = server.group(&alice, &[&bob]);
    let mut answer = page(&server, &bob, &group, 0);
    assert_eq!(keys(&answer), ["data", "errCode", "errMsg", "nextSeq"]);
    assert_eq!((&answer["errCode"], &answer["errMsg"]), (&json!(0), &json!("")));
    assert_eq!(answer["nextSeq"], 0);
    for member in answer["data"].as_array_mut().expect("a list") {
        let joined = member.as_object_mut().and_then(|member| member.remove("joinTime"));
        assert!(joined.is_some_and(|time| time.as_u64().is_some_and(|time| time > 0)), "{member}");
    }
    // On this route the face is never shown.
    let shown = |uid: &str, role: i32| {
        json!({"groupID": group, "userId": uid, "role": role,
        "nickName": format!("name of {uid}"), "faceUrl": ""})
    };
    assert_eq!(answer["data"], json!([shown("alice", 1), shown("bob", 0)]));
}

#[test]
fn thirty_make_a_page() {
    let mut server = Server::start();
    let users = server.register_many("user", 61);
    let others: Vec<&User> = users[1..].iter().collect();
    let group = server.group(&users[0], &others);
    let mut uids: Vec<&str> = users.iter().map(|user| user.uid.as_str()).collect();
    uids.sort_unstable();
    for _ in 0..2 {
        for (from, to, next) in [(0, 30, 30), (30, 60, 60), (60, 61, 0), (5, 35, 35), (40, 61, 0)] {
            let answer = page(&server, &users[60], &group, from);
            assert_eq!(listed(&answer, "userId"), uids[from as usize..to], "from {from}");
            assert_eq!(answer["nextSeq"], next, "from {from}");
        }
        for beyond in [61, 62, 1000, i32::MAX] {
            assert_eq!(page(&server, &users[1], &group, beyond), nothing(0, ""), "{beyond}");
        }
        server.restart();
    }
    // A page that ends with the last member is followed by an empty one.
    assert_eq!(server.kick(&users[0], &group, &[uids[60]]), [0]);
    let answer = page(&server, &users[0], &group, 30);
    assert_eq!((listed(&answer, "userId").len(), &answer["nextSeq"]), (30, &json!(60)));
    assert_eq!(page(&server, &users[0], &group, 60), nothing(0, ""));
}

#[test]
fn the_filter_is_ignored_and_little_needs_to_be_said() {
    let (server, [alice, ..], group) = led();
    let all = ["alice", "bea", "bob", "carol", "cleo"];
    for more in [
        json!({}),
        json!({"filter": 1}),
        json!({"filter": 2, "nextSeq": 0}),
        json!({"filter": -7, "nextSeq": null}),
    ] {
        let mut body = more.clone();
        body["groupID"] = json!(group);
        let answer = server.done_as(&alice, ROUTE, &body);
        assert_eq!(listed(&answer, "userId"), all, "{more}");
    }
    // There is nobody before the first: whatever is shown, it is a list.
    for before in [-1, -30, i32::MIN] {
        let answer = page(&server, &alice, &group, before);
        assert!(answer["data"].is_array() && answer["nextSeq"].is_u64(), "{before}: {answer}");
    }
}

#[test]
fn members_and_managers_read_it_and_nobody_else() {
    let (mut server, [alice, bob, _, carol, _], group) = led();
    let dave = server.register("dave", IOS);
    for by in [&alice, &bob, &carol, &server.manager()] {
        let answer = page(&server, by, &group, 0);
        assert_eq!(listed(&answer, "userId").len(), 5, "{}", by.uid);
    }
    server.kick(&alice, &group, &["carol"]);
    server.done_as(&bob, "/group/quit_group", &op(json!({ "groupID": group })));
    for _ in 0..2 {
        for by in [&dave, &carol, &bob] {
            let answer = page(&server, by, &group, 0);
            assert_eq!(answer, nothing(800, "no permission"), "{}", by.uid);
        }
        server.restart();
    }
}

#[test]
fn an_unknown_group_has_no_members() {
    let (server, [alice, ..], _) = led();
    let manager = server.manager();
    for group in ["0123456789abcdef0123456789abcdef", "no group", ""] {
        assert_eq!(page(&server, &alice, group, 0), nothing(800, "no permission"), "{group}");
        assert_eq!(page(&server, &manager, group, 0), nothing(0, ""), "{group}");
    }
    assert_eq!(server.ask_as(&alice, ROUTE, &json!({})), nothing(800, "no permission"));
}
