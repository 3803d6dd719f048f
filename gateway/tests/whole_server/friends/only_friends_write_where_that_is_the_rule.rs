//! `policy.friendsOnly`: only who is on the receiver's friend list can write to them, on neither way.

use serde_json::json;

use crate::support::link::{Link, message};
use crate::support::platform::IOS;
use crate::support::rest::{op, send_body};
use crate::support::server::{Server, Setup};

const TEXT: &str = "only friends may write to this user";

fn server() -> Server {
    Setup::new().set("OPENIM_POLICY_FRIENDSONLY", "true").start()
}

/// Checks that `from` cannot write to `to` on any way, and that no inbox changes by trying.
#[track_caller]
pub(crate) fn assert_refused(server: &Server, from: &mut Link, to: &mut Link, text: &str) {
    let before = (from.newest(), to.newest());
    let mut envelope = from.envelope(1003, &message(&to.user.uid, "refused-ws", "let me in"));
    envelope["msgIncr"] = json!(4711);
    let reply = from.ask(&envelope);
    let head = json!([reply["errCode"], reply["errMsg"], reply["reqIdentifier"], reply["msgIncr"]]);
    assert_eq!(head, json!([800, text, 1003, 4711]), "{reply}");
    assert_eq!(reply["data"]["serverMsgID"], "", "{reply}");
    let body = send_body(&from.user, &to.user.uid, "refused-rest", "let me in");
    let answer = server.ask_as(&from.user, "/chat/send_msg", &body);
    assert_eq!((&answer["errCode"], &answer["errMsg"]), (&json!(800), &json!(text)), "{answer}");
    assert_eq!((from.newest(), to.newest()), before, "no inbox changed");
}

/// Checks that `from` can write to `to` on both ways.
#[track_caller]
pub(crate) fn assert_accepted(server: &Server, from: &mut Link, to: &mut Link, tag: &str) {
    let before = (from.newest(), to.newest());
    from.say(&to.user.uid, &format!("{tag}-ws"), tag);
    server.rest_send(&from.user, &to.user.uid, &format!("{tag}-rest"), tag);
    assert_eq!((from.newest(), to.newest()), (before.0 + 2, before.1 + 2));
}

#[test]
fn strangers_are_refused_and_friends_are_not() {
    let server = server();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    assert_refused(&server, &mut alice, &mut bob, TEXT);
    assert_refused(&server, &mut bob, &mut alice, TEXT);
    server.befriend(&alice.user, &bob.user);
    assert_accepted(&server, &mut alice, &mut bob, "out");
    assert_accepted(&server, &mut bob, &mut alice, "back");
    // The receiver's list decides.
    server.done_as(&alice.user, "/friend/delete_friend", &op(json!({"uid": "bob"})));
    assert_refused(&server, &mut bob, &mut alice, TEXT);
    assert_accepted(&server, &mut alice, &mut bob, "still");
}

#[test]
fn oneself_is_written_to_and_the_unknown_are_not() {
    let server = server();
    let mut alice = server.newcomer("alice");
    alice.say("alice", "self", "a note");
    server.rest_send(&alice.user, "alice", "self-2", "another");
    assert_eq!(alice.newest(), 2);
    let reply = alice.request(1003, &message("nobody", "m", "hello"));
    assert_eq!((&reply["errCode"], &reply["errMsg"]), (&json!(800), &json!(TEXT)), "{reply}");
    assert_eq!(alice.newest(), 2);
}

#[test]
fn a_refused_send_is_accepted_later_under_the_same_id() {
    let server = server();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    let reply = alice.request(1003, &message("bob", "once", "hello"));
    assert_eq!(reply["errCode"], 800, "{reply}");
    server.befriend(&alice.user, &bob.user);
    let ack = alice.say("bob", "once", "hello");
    assert_eq!(alice.say("bob", "once", "hello"), ack, "and then it is one message");
    let inbox = bob.inbox();
    assert_eq!(inbox.last().expect("the message")["serverMsgID"], ack.server_id);
    assert_eq!(inbox.len(), 3, "request, agreement, message");
}

/// Refusals and acceptances of one connection keep their order, though some of them ask the directory.
#[test]
fn replies_keep_their_order() {
    let server = server();
    let (mut alice, bob) = (server.newcomer("alice"), server.newcomer("bob"));
    server.register("carol", IOS);
    server.befriend(&alice.user, &bob.user);
    let mut wanted = Vec::new();
    for n in 0..30 {
        let (to, code) = [("bob", 0), ("carol", 800), ("alice", 0)][n % 3];
        let envelope = alice.envelope(1003, &message(to, &format!("m{n}"), "text"));
        wanted.push((envelope["msgIncr"].clone(), json!(code)));
        alice.send_text(envelope);
    }
    let seen: Vec<_> = wanted
        .iter()
        .map(|_| alice.reply())
        .map(|reply| (reply["msgIncr"].clone(), reply["errCode"].clone()))
        .collect();
    assert_eq!(seen, wanted);
    assert_eq!(alice.newest(), 2 + 20);
}
