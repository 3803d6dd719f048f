//! `policy.blacklistBlocks`: who is on the receiver's blacklist cannot write to them, on neither way.

use serde_json::json;

use super::only_friends_write_where_that_is_the_rule::{assert_accepted, assert_refused};
use crate::support::link::group_message;
use crate::support::rest::op;
use crate::support::server::{Server, Setup};

const TEXT: &str = "the receiver has blocked the sender";

fn server() -> Server {
    Setup::new().set("OPENIM_POLICY_BLACKLISTBLOCKS", "true").start()
}

#[test]
fn both_ways_are_refused_until_the_block_ends() {
    let server = server();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    assert_accepted(&server, &mut bob, &mut alice, "before");
    server.done_as(&alice.user, "/friend/add_blacklist", &op(json!({"uid": "bob"})));
    assert_refused(&server, &mut bob, &mut alice, TEXT);
    assert_accepted(&server, &mut alice, &mut bob, "the other way");
    server.done_as(&alice.user, "/friend/remove_blacklist", &op(json!({"uid": "bob"})));
    assert_accepted(&server, &mut bob, &mut alice, "after");
}

#[test]
fn oneself_and_groups_are_written_to() {
    let server = server();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    for uid in ["alice", "bob"] {
        server.done_as(&alice.user, "/friend/add_blacklist", &op(json!({ "uid": uid })));
    }
    alice.say("alice", "self", "a note");
    let group = server.group(&alice.user, &[&bob.user]);
    server.rest_send(&alice.user, "alice", "self-2", "another");
    let ack = bob.say_data(&group_message(&group, "g", "to all"));
    assert_eq!(alice.pushed()["serverMsgID"], ack.server_id);
    assert_eq!(alice.newest(), 3);
}

#[test]
fn a_block_is_kept_over_a_kill() {
    let mut server = server();
    let (alice, bob) = (server.newcomer("alice").user, server.newcomer("bob").user);
    server.done_as(&alice, "/friend/add_blacklist", &op(json!({"uid": "bob"})));
    server.restart();
    let (mut alice, mut bob) = (server.connect(&alice), server.connect(&bob));
    assert_refused(&server, &mut bob, &mut alice, TEXT);
}

#[test]
fn tips_and_managers_are_not_refused() {
    let server = server();
    let (mut alice, bob) = (server.newcomer("alice"), server.newcomer("bob"));
    server.done_as(&alice.user, "/friend/add_blacklist", &op(json!({"uid": "bob"})));
    server.befriend(&bob.user, &alice.user);
    assert_eq!(alice.pushed()["contentType"], 202);
    let body = op(json!({"sendID": "bob", "recvID": "alice", "content": {"text": "by the staff"},
        "contentType": 101, "sessionType": 1}));
    server.done_as(&server.manager(), "/manager/send_msg", &body);
    assert_eq!(alice.newest(), 3, "the request, the agreement, the manager's message");
}
