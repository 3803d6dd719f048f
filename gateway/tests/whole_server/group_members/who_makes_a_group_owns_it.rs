//! `/group/create_group` by ordinary users: the caller owns the group, whoever else is listed joins.

use serde_json::{Value, json};

use super::roles;
use crate::support::platform::IOS;
use crate::support::rest::{User, keys, listed, op, plain};
use crate::support::server::{Server, Setup};

const ROUTE: &str = "/group/create_group";

#[track_caller]
fn create(server: &Server, by: &User, body: Value) -> String {
    let answer = server.done_as(by, ROUTE, &op(body));
    let id = answer["data"]["groupID"].as_str().expect("a group id").to_owned();
    let expected = json!({"errCode": 0, "errMsg": "", "data": {"groupID": id}});
    assert_eq!(answer, expected);
    let hex = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    assert!(id.len() == 32 && id.bytes().all(hex), "{id}");
    id
}

fn info(server: &Server, by: &User, group: &str) -> Value {
    let body = op(json!({ "groupIDList": [group] }));
    server.done_as(by, "/group/get_groups_info", &body)["data"][0].clone()
}

#[test]
fn the_caller_and_the_listed_are_in_it() {
    let mut server = Server::start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    let body = json!({"groupName": "the name", "introduction": "the introduction",
        "notification": "the notification", "faceUrl": "the face", "ex": "more",
        "memberList": [{"uid": "carol", "setRole": 0}, {"uid": "bob", "setRole": 2}]});
    let group = create(&server, &alice, body);
    for _ in 0..2 {
        for user in [&alice, &bob, &carol] {
            assert_eq!(roles(&server, user, &group), ["alice 1", "bob 2", "carol 0"]);
            let joined = server.done_as(user, "/group/get_joined_group_list", &op(json!({})));
            assert_eq!(listed(&joined, "groupId"), [&group]);
        }
        let mut info = info(&server, &alice, &group);
        let made = info.as_object_mut().and_then(|info| info.remove("createTime"));
        assert!(made.is_some_and(|time| time.is_u64()), "{info}");
        let expected = json!({"groupId": group, "groupName": "the name",
            "introduction": "the introduction", "notification": "the notification",
            "faceUrl": "the face", "ownerId": "alice", "memberCount": 3});
        assert_eq!(info, expected);
        server.restart();
    }
}

#[test]
fn nothing_needs_to_be_said_of_it() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    for body in [
        json!({}),
        json!({"memberList": []}),
        json!({"memberList": null, "groupName": null}),
        json!({"groupName": "", "introduction": "", "notification": "", "faceUrl": "", "ex": ""}),
    ] {
        let group = create(&server, &alice, body);
        assert_eq!(roles(&server, &alice, &group), ["alice 1"]);
        let info = info(&server, &alice, &group);
        assert_eq!(info["groupName"], "groupChat", "{info}");
        // What is empty is left out.
        let expected = ["createTime", "groupId", "groupName", "memberCount", "ownerId"];
        assert_eq!(keys(&info), expected);
    }
    // Each call made another group.
    let joined = server.done_as(&alice, "/group/get_joined_group_list", &op(json!({})));
    let mut ids = listed(&joined, "groupId");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn there_is_one_owner_whatever_roles_are_listed() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let named: Vec<Value> = [0, 1, 2, 3, -1, i32::MAX, i32::MIN]
        .iter()
        .enumerate()
        .map(|(n, role)| json!({"uid": format!("user{n}"), "setRole": role}))
        .collect();
    for n in 0..=named.len() {
        server.register(&format!("user{n}"), IOS);
    }
    let mut named = named;
    named.push(json!({"uid": "user7"}));
    let group = create(&server, &alice, json!({ "memberList": named }));
    let expected = [
        "alice 1", "user0 0", "user1 0", "user2 2", "user3 0", "user4 0", "user5 0", "user6 0",
        "user7 0",
    ];
    assert_eq!(roles(&server, &alice, &group), expected);
}

#[test]
fn the_unknown_are_skipped_and_nobody_joins_twice() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    let named = json!([{"uid": "nobody", "setRole": 0}, {"uid": "bob", "setRole": 0}, {"uid": ""},
        {"uid": "alice", "setRole": 0}, {"uid": "bob", "setRole": 0}, {"uid": "no body"}, {}]);
    let group = create(&server, &alice, json!({ "memberList": named }));
    assert_eq!(roles(&server, &bob, &group), ["alice 1", "bob 0"]);
    assert_eq!(info(&server, &bob, &group)["memberCount"], 2);
}

#[test]
fn long_texts_make_no_group() {
    let mut server = Server::start();
    let alice = server.register("alice", IOS);
    for key in ["groupName", "introduction", "notification", "faceUrl", "ex"] {
        for length in [256, 70_000] {
            let mut body = op(json!({}));
            body[key] = json!("ä".repeat(length));
            let answer = server.ask_as(&alice, ROUTE, &body);
            assert_eq!(answer, plain(619, "create group chat failed"), "{key} {length}");
        }
    }
    let joined = server.done_as(&alice, "/group/get_joined_group_list", &op(json!({})));
    assert_eq!(joined["data"], json!([]));
    let text = "ä".repeat(255);
    let body = json!({"groupName": text, "introduction": text, "notification": text,
        "faceUrl": text, "ex": text});
    let group = create(&server, &alice, body);
    server.restart();
    assert_eq!(info(&server, &alice, &group)["groupName"], json!(text));
}

#[test]
fn groups_and_their_members_are_bounded() {
    let server = Setup::new()
        .set("OPENIM_LIMITS_GROUPMEMBERSMAX", 3)
        .set("OPENIM_LIMITS_GROUPSPERUSERMAX", 2)
        .start();
    let [alice, bob] = ["alice", "bob"].map(|uid| server.register(uid, IOS));
    for uid in ["carol", "dave"] {
        server.register(uid, IOS);
    }
    let of = |uids: &[&str]| {
        let listed: Vec<Value> = uids.iter().map(|uid| json!({ "uid": uid })).collect();
        json!({ "memberList": listed })
    };
    let failed = plain(619, "create group chat failed");
    let answer = server.ask_as(&alice, ROUTE, &op(of(&["bob", "carol", "dave"])));
    assert_eq!(answer, failed, "four members");
    // Who is nobody, or listed again, takes no place.
    create(&server, &alice, of(&["bob", "carol", "nobody", "carol", "alice"]));
    create(&server, &alice, json!({}));
    assert_eq!(server.ask_as(&alice, ROUTE, &op(json!({}))), failed, "a third group");
    let joined = server.done_as(&alice, "/group/get_joined_group_list", &op(json!({})));
    assert_eq!(joined["data"].as_array().map(Vec::len), Some(2));
    create(&server, &bob, json!({}));
    assert_eq!(server.ask_as(&bob, ROUTE, &op(json!({}))), failed);
}
