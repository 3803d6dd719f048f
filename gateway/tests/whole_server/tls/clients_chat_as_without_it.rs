//! What clients do without TLS they do with it: chat, pull what is long, be cut off when they do not read, and part.

use std::io::{Read, Write};
use std::time::Duration;

use serde_json::json;

use crate::support::link::messages;
use crate::support::platform::{IOS, WEB};
use crate::support::raw::RawLink;
use crate::support::server::Setup;
use crate::support::tls::dial;

#[test]
fn chat_rest_and_close_are_the_same() {
    let server = Setup::new().with_tls().start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let mut other = server.connect(&server.login("alice", WEB));
    for n in 0..20 {
        let ack = alice.say("bob", &format!("a{n}"), "hello");
        assert_eq!(bob.pushed()["serverMsgID"], *ack.server_id);
        assert_eq!(other.pushed()["clientMsgID"], format!("a{n}"));
        let ack = bob.say("alice", &format!("b{n}"), "hello yourself");
        assert_eq!(alice.pushed()["serverMsgID"], *ack.server_id);
        assert_eq!(other.pushed()["serverMsgID"], *ack.server_id);
    }
    let user = bob.user.clone();
    server.rest_send(&user, "alice", "rest", "over REST");
    assert_eq!(alice.pushed()["clientMsgID"], "rest");
    assert_eq!(bob.newest(), 41);
    let pulled = server.post_as(
        &user.token,
        "/chat/pull_msg",
        &json!({"reqIdentifier": 1002, "sendID": "bob", "operationID": "op", "data": {"seqBegin": 1, "seqEnd": 41}}),
    );
    assert_eq!(messages(&pulled.json()["data"]).len(), 41);
    alice.close();
    bob.close();
}

/// Records hold 16 KB: what is longer comes in many, and a pull in many parts of these.
#[test]
fn long_messages_and_pulls_come_whole() {
    let server = Setup::new().with_tls().set("OPENIM_LIMITS_FRAMESPERSECOND", 0).start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let lengths = [1, 100, 16_000, 16_384, 17_000, 30_000];
    for (n, length) in lengths.iter().enumerate() {
        let content = format!("{n}").repeat(*length);
        alice.say("bob", &format!("m{n}"), &content);
        assert_eq!(bob.pushed()["content"], content, "{length}");
    }
    let content = "long".repeat(7_000);
    for n in 0..150 {
        alice.say("bob", &format!("l{n}"), &content);
        bob.pushed();
    }
    let all = bob.inbox();
    assert_eq!(all.len(), lengths.len() + 150);
    assert!(all[lengths.len()..].iter().all(|message| message["content"] == content));
}

#[test]
fn who_does_not_read_is_cut_off_and_delays_nobody() {
    let server = Setup::new()
        .with_tls()
        .set("OPENIM_LIMITS_OUTBOXBYTESMAX", 256 * 1024)
        .set("OPENIM_LIMITS_WRITESTALLSECONDS", 2)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .allow("slow")
        .start();
    let mut sender = server.newcomer("sender");
    let slow = server.register("slow", IOS);
    let mut stuck = RawLink::open_narrow(server.ws(), &slow);
    let mut other = server.newcomer("other");
    let content = "x".repeat(48 * 1024);
    let count = 250;
    for n in 0..count {
        sender.say("slow", &format!("s{n}"), &content);
        let ack = sender.say("other", &format!("o{n}"), "small");
        assert_eq!(other.pushed()["serverMsgID"], *ack.server_id);
    }
    std::thread::sleep(Duration::from_secs(3));
    let mut received = 0;
    while let Some(frame) = stuck.read() {
        received += usize::from(frame.opcode == 1);
    }
    assert!(received < count, "a link that does not read is not waited for: {received}");
    assert_eq!(server.connect(&slow).newest(), count as i64);
}

/// The end is said in TLS as well, so that a client can tell it from a cut; and a client's is taken, be it said or not.
#[test]
fn ends_are_said() {
    let server = Setup::new().with_tls().start();
    let config = server.setup().tls().authority.trusting();
    let [_, rest] = server.ports();
    let mut stream = dial(rest, &config).expect("a handshake");
    let head = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("it is read");
    let mut answer = Vec::new();
    // An end without a word would be an error here.
    stream.read_to_end(&mut answer).expect("the end is said");
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 200") && text.trim_end().ends_with('}'), "{text}");
    let user = server.register("alice", IOS);
    for _ in 0..3 {
        // Gone without a word, at once.
        drop(dial(rest, &config).expect("a handshake"));
        drop(RawLink::open(server.ws(), &user));
    }
    server.connect(&user).close();
}
