//! `/group/kick_group`: the owner and the administrators remove members; nobody the owner, themselves, or, of the
//! administrators, each other.

use serde_json::{Value, json};

use super::{led, roles};
use crate::support::platform::IOS;
use crate::support::rest::{User, op, with_data};
use crate::support::server::Server;

fn kick(server: &Server, by: &User, group: &str, uids: &[&str]) -> Value {
    let listed: Vec<Value> = uids.iter().map(|uid| json!({ "userId": uid })).collect();
    let body = op(json!({"groupID": group, "uidListInfo": listed, "reason": "because"}));
    server.ask_as(by, "/group/kick_group", &body)
}

fn each(results: &[(&str, i64)]) -> Value {
    let results: Vec<Value> =
        results.iter().map(|(uid, result)| json!({"uid": uid, "result": result})).collect();
    with_data(0, "", json!(results))
}

fn refused() -> Value {
    with_data(800, "no permission", json!([]))
}

#[test]
fn the_owner_removes_anybody_else() {
    let (mut server, [alice, bob, bea, carol, cleo], group) = led();
    server.register("dave", IOS);
    let answer = kick(&server, &alice, &group, &["bob", "dave", "alice", "carol", "nobody"]);
    let expected = [("bob", 0), ("dave", 0), ("alice", -1), ("carol", 0), ("nobody", 0)];
    assert_eq!(answer, each(&expected));
    for _ in 0..2 {
        for user in [&alice, &bea, &cleo] {
            assert_eq!(roles(&server, user, &group), ["alice 1", "bea 2", "cleo 0"]);
        }
        for user in [&bob, &carol] {
            let joined = server.done_as(user, "/group/get_joined_group_list", &op(json!({})));
            assert_eq!(joined["data"], json!([]), "{}", user.uid);
            // They are shown what any stranger is.
            assert_eq!(roles(&server, user, &group), ["alice 1"]);
        }
        // Again: who is no member is removed already.
        let answer = kick(&server, &alice, &group, &["bob", "carol", "bob"]);
        assert_eq!(answer, each(&[("bob", 0), ("carol", 0), ("bob", 0)]));
        server.restart();
    }
    let info = op(json!({ "groupIDList": [group] }));
    let info = server.done_as(&cleo, "/group/get_groups_info", &info);
    assert_eq!(info["data"][0]["memberCount"], 3, "{info}");
}

#[test]
fn administrators_remove_ordinary_members_alone() {
    let (mut server, [alice, bob, bea, _, _], group) = led();
    let uids = ["alice", "bea", "bob", "carol"];
    let answer = kick(&server, &bob, &group, &uids);
    assert_eq!(answer, each(&[("alice", -1), ("bea", -1), ("bob", -1), ("carol", 0)]));
    let answer = kick(&server, &bea, &group, &["bob", "alice"]);
    assert_eq!(answer, each(&[("bob", -1), ("alice", -1)]));
    for _ in 0..2 {
        assert_eq!(roles(&server, &alice, &group), ["alice 1", "bea 2", "bob 2", "cleo 0"]);
        server.restart();
    }
}

#[test]
fn nobody_else_does() {
    let (server, [alice, bob, _, carol, _], group) = led();
    let dave = server.register("dave", IOS);
    for by in [&carol, &dave] {
        for uids in [&["cleo"][..], &["carol"], &["dave"], &["alice"], &["nobody"]] {
            assert_eq!(kick(&server, by, &group, uids), refused(), "{} {uids:?}", by.uid);
        }
    }
    // Who was an administrator until now is none.
    assert_eq!(kick(&server, &alice, &group, &["bob"]), each(&[("bob", 0)]));
    assert_eq!(kick(&server, &bob, &group, &["cleo"]), refused());
    let expected = ["alice 1", "bea 2", "carol 0", "cleo 0"];
    assert_eq!(roles(&server, &alice, &group), expected);
}

#[test]
fn an_administrator_who_comes_back_is_ordinary() {
    let (server, [alice, bob, ..], group) = led();
    kick(&server, &alice, &group, &["bob"]);
    assert_eq!(server.invite(&alice, &group, &["bob"]), [0]);
    assert_eq!(kick(&server, &bob, &group, &["carol"]), refused());
    let expected = ["alice 1", "bea 2", "bob 0", "carol 0", "cleo 0"];
    assert_eq!(roles(&server, &bob, &group), expected);
}

#[test]
fn who_is_removed_must_be_said() {
    let (server, [alice, bob, ..], group) = led();
    let manager = server.manager();
    for by in [&alice, &bob, &manager] {
        let answer = kick(&server, by, &group, &[]);
        assert_eq!(answer, with_data(700, "param failed", json!([])), "{}", by.uid);
    }
    // An element that names nobody removes nobody.
    let body = op(json!({"groupID": group, "uidListInfo": [{}, {"userId": ""}]}));
    let answer = server.done_as(&alice, "/group/kick_group", &body);
    assert_eq!(answer["data"].as_array().map(Vec::len), Some(2), "{answer}");
    assert_eq!(roles(&server, &alice, &group).len(), 5);
}

#[test]
fn what_else_is_said_of_them_does_not_matter() {
    let (server, [alice, ..], group) = led();
    let carol = json!({"groupID": "x", "userId": "carol", "role": 1, "joinTime": 0,
        "nickName": "alice", "faceUrl": "f", "uid": "cleo"});
    let body = op(json!({"groupID": group, "uidListInfo": [carol]}));
    let answer = server.ask_as(&alice, "/group/kick_group", &body);
    assert_eq!(answer, each(&[("carol", 0)]));
    assert_eq!(roles(&server, &alice, &group), ["alice 1", "bea 2", "bob 2", "cleo 0"]);
}

#[test]
fn managers_remove_anybody_but_the_owner() {
    let (mut server, [alice, ..], group) = led();
    let manager = server.manager();
    let answer = kick(&server, &manager, &group, &["alice", "bob", "carol", "nobody"]);
    assert_eq!(answer, each(&[("alice", -1), ("bob", 0), ("carol", 0), ("nobody", 0)]));
    server.restart();
    assert_eq!(roles(&server, &alice, &group), ["alice 1", "bea 2", "cleo 0"]);
}

#[test]
fn of_an_unknown_group_nobody_is_removed() {
    let (server, [alice, ..], group) = led();
    for unknown in ["0123456789abcdef0123456789abcdef", "no group", ""] {
        assert_eq!(kick(&server, &alice, unknown, &["bob"]), refused(), "{unknown}");
    }
    let body = op(json!({"uidListInfo": [{"userId": "bob"}]}));
    assert_eq!(server.ask_as(&alice, "/group/kick_group", &body), refused());
    assert_eq!(roles(&server, &alice, &group).len(), 5);
}
