//! `/group/create_group` by a manager: the first who is listed as owner owns the group, which the manager is not in,
//! and its members are told (502).

use serde_json::{Value, json};

use super::roles;
use crate::support::platform::IOS;
use crate::support::rest::{MANAGER, User, op, plain};
use crate::support::server::{Server, Setup};

const ROUTE: &str = "/group/create_group";

fn create(server: &Server, by: &User, named: &[(&str, i32)]) -> Value {
    let listed: Vec<Value> =
        named.iter().map(|(uid, role)| json!({"uid": uid, "setRole": role})).collect();
    let body = op(json!({"groupName": "the name", "memberList": listed}));
    server.ask_as(by, ROUTE, &body)
}

#[track_caller]
fn id(answer: &Value) -> String {
    let id = answer["data"]["groupID"].as_str().unwrap_or_else(|| panic!("an id in {answer}"));
    assert_eq!(*answer, json!({"errCode": 0, "errMsg": "", "data": {"groupID": id}}));
    id.to_owned()
}

#[test]
fn there_is_one_owner_and_it_is_not_the_manager() {
    let mut server = Server::start();
    let manager = server.manager();
    let [alice, bob, _, _] = ["alice", "bob", "carol", "dave"].map(|uid| server.register(uid, IOS));
    let named = [("dave", 7), ("bob", 1), ("alice", 1), ("nobody", 0), ("carol", 2)];
    let group = id(&create(&server, &manager, &named));
    let expected = ["alice 0", "bob 1", "carol 2", "dave 0"];
    for _ in 0..2 {
        for by in [&alice, &bob, &manager] {
            assert_eq!(roles(&server, by, &group), expected, "{}", by.uid);
        }
        let joined = server.done_as(&manager, "/group/get_joined_group_list", &op(json!({})));
        assert_eq!(joined["data"], json!([]));
        let info = op(json!({ "groupIDList": [group] }));
        let info = server.done_as(&alice, "/group/get_groups_info", &info);
        assert_eq!(info["data"][0]["ownerId"], "bob", "{info}");
        assert_eq!(info["data"][0]["memberCount"], 4, "{info}");
        server.restart();
    }
}

#[test]
fn no_group_is_without_an_owner() {
    let server = Server::start();
    let manager = server.manager();
    let mut alice = server.newcomer("alice");
    let failed = plain(619, "create group chat failed");
    for named in [
        &[][..],
        &[("alice", 0)],
        &[("alice", 2)],
        &[("nobody", 1)],
        &[("no body", 1), ("alice", 0)],
    ] {
        assert_eq!(create(&server, &manager, named), failed, "{named:?}");
    }
    assert_eq!(server.ask_as(&manager, ROUTE, &op(json!({}))), failed);
    let joined = server.done_as(&alice.user, "/group/get_joined_group_list", &op(json!({})));
    assert_eq!(joined["data"], json!([]));
    assert_eq!(alice.newest(), 0, "nobody was told of a group");
}

#[test]
fn its_members_are_told() {
    let mut server = Server::start();
    let manager = server.manager();
    let mut alice = server.newcomer("alice");
    let bob = server.register("bob", IOS);
    let group = id(&create(&server, &manager, &[("alice", 1), ("bob", 0)]));
    let content = json!({"isDisplay": 1, "defaultTips": "the name", "detail": group}).to_string();
    let content: Value = serde_json::from_str(&content).expect("JSON");
    server_tip(&alice.pushed(), &format!("alice {group}"), &content);
    drop(alice);
    server.restart();
    // Who was away finds it.
    let inbox = server.connect(&bob).inbox();
    assert_eq!(inbox.len(), 1);
    server_tip(&inbox[0], &format!("bob {group}"), &content);
}

#[track_caller]
fn server_tip(message: &Value, to: &str, content: &Value) {
    let seen = json!([
        message["contentType"],
        message["sendID"],
        message["recvID"],
        message["msgFrom"],
        message["senderPlatformID"]
    ]);
    assert_eq!(seen, json!([502, MANAGER, to, 200, 0]), "{message}");
    let said = message["content"].as_str().expect("a text");
    assert_eq!(serde_json::from_str::<Value>(said).ok().as_ref(), Some(content), "{message}");
}

#[test]
fn ordinary_users_calls_are_not_told_by_the_server() {
    let server = Server::start();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    let group = id(&create(&server, &alice.user, &[("bob", 0)]));
    assert_eq!((alice.newest(), bob.newest()), (0, 0), "{group}");
}

#[test]
fn their_groups_are_bounded_too() {
    let server = Setup::new().set("OPENIM_LIMITS_GROUPMEMBERSMAX", 2).start();
    let manager = server.manager();
    for uid in ["alice", "bob", "carol"] {
        server.register(uid, IOS);
    }
    let failed = plain(619, "create group chat failed");
    let answer = create(&server, &manager, &[("alice", 1), ("bob", 0), ("carol", 0)]);
    assert_eq!(answer, failed);
    // The manager, who is no member, takes no place.
    id(&create(&server, &manager, &[("alice", 1), ("bob", 0)]));
}
