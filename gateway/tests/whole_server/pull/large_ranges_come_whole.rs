//! A pull is never cut: a June client would lose the rest. Large ranges come in one reply, many times what a link may
//! have pending, also to a client that takes a moment before it reads.

use std::thread;
use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::link::{Link, message, messages};
use crate::support::server::Server;

const CONTENT_BYTES: usize = 60_000;
const COUNT: usize = 300;

#[test]
fn a_pull_of_many_large_messages_is_complete() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let content = "x".repeat(CONTENT_BYTES);
    for batch in 0..COUNT / 30 {
        for n in 0..30 {
            let data = message("bob", &format!("m{batch}.{n}"), &content);
            let envelope = alice.envelope(1003, &data);
            alice.send(Message::text(envelope.to_string()));
        }
        for _ in 0..30 {
            let reply = alice.reply();
            assert_eq!(reply["errCode"], 0, "{reply}");
        }
    }
    assert_complete(&mut alice);
    assert_eq!(alice.newest(), COUNT as i64, "the link is still good");
}

#[track_caller]
fn assert_complete(link: &mut Link) {
    let ask = link.envelope(1002, &json!({"seqBegin": 1, "seqEnd": COUNT}));
    link.send_text(&ask);
    // Time for the server to fill every buffer on the way.
    thread::sleep(Duration::from_millis(500));
    let reply = link.reply();
    assert_eq!((&reply["msgIncr"], &reply["errCode"]), (&ask["msgIncr"], &json!(0)));
    let all = messages(&reply["data"]);
    let seqs: Vec<i64> = all.iter().filter_map(|message| message["seq"].as_i64()).collect();
    assert_eq!(seqs, (1..=COUNT as i64).collect::<Vec<i64>>());
    for message in &all {
        assert_eq!(message["content"].as_str().map(str::len), Some(CONTENT_BYTES));
    }
}
