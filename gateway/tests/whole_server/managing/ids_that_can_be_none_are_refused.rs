//! A manager's mistake harms nobody: what can be no uid is refused as sender and as receiver, and the server goes on
//! and starts again.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::op;
use crate::support::server::Server;

fn body(from: &str, to: &str) -> Value {
    op(
        json!({"sendID": from, "recvID": to, "content": {"text": "hello"}, "contentType": 101, "sessionType": 1}),
    )
}

#[track_caller]
fn assert_refused(from: &str, to: &str) {
    let mut server = Server::start();
    let (manager, mut bob) = (server.manager(), server.newcomer("bob"));
    let answer = server.post_as(&manager.token, "/manager/send_msg", &body(from, to));
    assert_ne!(answer.json()["errCode"], 0, "{} to {} characters", from.len(), to.len());
    server.done_as(&manager, "/manager/send_msg", &body("alice", "bob"));
    assert_eq!(bob.pushed()["seq"], 1);
    drop(bob);
    server.restart();
    let bob = server.login("bob", IOS);
    assert_eq!(server.connect(&bob).newest(), 1);
}

#[test]
fn a_sender_with_a_blank() {
    assert_refused("al ice", "bob");
}

#[test]
fn a_receiver_with_a_blank() {
    assert_refused("alice", "b ob");
}

#[test]
fn a_sender_longer_than_any_key() {
    assert_refused(&"a".repeat(70_000), "bob");
}

#[test]
fn a_receiver_longer_than_any_key() {
    assert_refused("alice", &"b".repeat(70_000));
}
