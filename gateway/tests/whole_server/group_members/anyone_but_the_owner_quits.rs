//! `/group/quit_group`: members leave as they like; the owner hands the group over first, or is the last.

use serde_json::{Value, json};

use super::{led, roles};
use crate::support::link::group_message;
use crate::support::platform::IOS;
use crate::support::rest::{User, listed, op, plain};
use crate::support::server::Server;

fn quit(server: &Server, by: &User, group: &str) -> Value {
    server.ask_as(by, "/group/quit_group", &op(json!({ "groupID": group })))
}

fn failed() -> Value {
    plain(621, "Failed to quit the group")
}

#[test]
fn members_and_administrators_do() {
    let (mut server, [alice, bob, bea, carol, cleo], group) = led();
    for user in [&bob, &carol] {
        assert_eq!(quit(&server, user, &group), plain(0, ""), "{}", user.uid);
        // Again: there is nothing left to leave.
        assert_eq!(quit(&server, user, &group), failed(), "{}", user.uid);
    }
    for _ in 0..2 {
        for user in [&alice, &bea, &cleo] {
            assert_eq!(roles(&server, user, &group), ["alice 1", "bea 2", "cleo 0"]);
        }
        for user in [&bob, &carol] {
            let joined = server.done_as(user, "/group/get_joined_group_list", &op(json!({})));
            assert_eq!(joined["data"], json!([]), "{}", user.uid);
            assert_eq!(quit(&server, user, &group), failed(), "{}", user.uid);
        }
        server.restart();
    }
}

#[test]
fn the_owner_does_not() {
    let (mut server, [alice, bob, ..], group) = led();
    for _ in 0..2 {
        assert_eq!(quit(&server, &alice, &group), failed());
        assert_eq!(roles(&server, &bob, &group).first().map(String::as_str), Some("alice 1"));
        server.restart();
    }
}

#[test]
fn with_the_last_member_the_group_ends() {
    let mut server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    let group = server.group(&alice, &[&bob]);
    assert_eq!(quit(&server, &alice, &group), failed());
    assert_eq!(quit(&server, &bob, &group), plain(0, ""));
    assert_eq!(quit(&server, &alice, &group), plain(0, ""));
    // Who left may tell, as in any group; who else writes is refused.
    let mut tip = group_message(&group, "tip", "bye");
    assert_eq!(server.connect(&alice).request(1003, &tip)["errCode"], 800);
    tip["contentType"] = json!(505);
    assert_eq!(server.connect(&alice).request(1003, &tip)["errCode"], 0);
    for _ in 0..2 {
        let joined = server.done_as(&alice, "/group/get_joined_group_list", &op(json!({})));
        assert_eq!(joined["data"], json!([]));
        let info = op(json!({ "groupIDList": [group] }));
        assert_eq!(server.done_as(&bob, "/group/get_groups_info", &info)["data"], json!([]));
        assert_eq!(quit(&server, &alice, &group), failed());
        let answer = server.ask_as(&bob, "/group/join_group", &op(json!({ "groupID": group })));
        assert_eq!(answer["errCode"], 620, "{answer}");
        server.restart();
    }
}

#[test]
fn who_is_no_member_has_nothing_to_leave() {
    let (server, [alice, ..], group) = led();
    let (dave, manager) = (server.register("dave", IOS), server.manager());
    for by in [&dave, &manager] {
        assert_eq!(quit(&server, by, &group), failed(), "{}", by.uid);
    }
    for unknown in ["0123456789abcdef0123456789abcdef", "no group"] {
        assert_eq!(quit(&server, &alice, unknown), failed(), "{unknown}");
    }
    assert_eq!(roles(&server, &alice, &group).len(), 5);
}

#[test]
fn who_comes_back_is_ordinary() {
    let (server, [alice, bob, ..], group) = led();
    assert_eq!(quit(&server, &bob, &group), plain(0, ""));
    assert_eq!(server.invite(&alice, &group, &["bob"]), [0]);
    let expected = ["alice 1", "bea 2", "bob 0", "carol 0", "cleo 0"];
    assert_eq!(roles(&server, &bob, &group), expected);
}

#[test]
fn one_group_is_left_and_no_other() {
    let (server, [alice, bob, ..], group) = led();
    let other = server.group(&alice, &[&bob]);
    assert_eq!(quit(&server, &bob, &group), plain(0, ""));
    assert_eq!(roles(&server, &alice, &other), ["alice 1", "bob 0"]);
    let joined = server.done_as(&bob, "/group/get_joined_group_list", &op(json!({})));
    assert_eq!(listed(&joined, "groupId"), [&other]);
}
