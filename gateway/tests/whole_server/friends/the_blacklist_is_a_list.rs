//! The blacklist: idempotent, its owner's alone, and by default without effect on anything else.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{User, listed, op, plain};
use crate::support::server::Server;

fn change(server: &Server, by: &User, route: &str, uid: &str) -> Value {
    server.ask_as(by, &format!("/friend/{route}"), &op(json!({ "uid": uid })))
}

#[track_caller]
fn assert_list(server: &Server, of: &User, expected: &[&str]) {
    let answer = server.done_as(of, "/friend/get_blacklist", &op(json!({})));
    assert_eq!(listed(&answer, "uid"), expected, "{}", of.uid);
}

#[test]
fn adding_and_removing_can_be_repeated() {
    let server = Server::start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    for uid in ["carol", "bob", "bob", "unregistered"] {
        assert_eq!(change(&server, &alice, "add_blacklist", uid), plain(0, ""), "{uid}");
    }
    assert_list(&server, &alice, &["bob", "carol"]);
    for user in [&bob, &carol] {
        assert_list(&server, user, &[]);
    }
    let answer = server.done_as(&alice, "/friend/get_blacklist", &op(json!({})));
    let element = json!({"uid": "bob", "name": "name of bob", "icon": "", "gender": 0, "mobile": "", "birth": "",
        "email": "", "ex": ""});
    assert_eq!(answer["data"][0], element);
    for uid in ["bob", "bob", "nobody"] {
        assert_eq!(change(&server, &alice, "remove_blacklist", uid), plain(0, ""), "{uid}");
        assert_list(&server, &alice, &["carol"]);
    }
}

#[test]
fn a_manager_blocks_for_others_and_others_for_themselves() {
    let server = Server::start();
    let [alice, bob] = ["alice", "bob"].map(|uid| server.register(uid, IOS));
    let manager = server.manager();
    let body = op(json!({"uid": "bob", "ownerUid": "alice"}));
    server.done_as(&manager, "/friend/add_blacklist", &body);
    assert_list(&server, &alice, &["bob"]);
    assert_list(&server, &manager, &[]);
    // Bob cannot make alice block anybody.
    let body = op(json!({"uid": "alice", "ownerUid": "alice"}));
    server.done_as(&bob, "/friend/add_blacklist", &body);
    assert_list(&server, &alice, &["bob"]);
    assert_list(&server, &bob, &["alice"]);
    change(&server, &manager, "add_blacklist", "bob");
    assert_list(&server, &manager, &["bob"]);
}

#[test]
fn by_default_who_is_blocked_still_writes_and_asks() {
    let server = Server::start();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    change(&server, &alice.user, "add_blacklist", "bob");
    let ack = bob.say("alice", "m", "hello");
    assert_eq!(alice.pushed()["serverMsgID"], ack.server_id);
    server.befriend(&bob.user, &alice.user);
    assert_list(&server, &alice.user, &["bob"]);
    assert_eq!(alice.newest(), 3, "the message, the request and the agreement");
}
