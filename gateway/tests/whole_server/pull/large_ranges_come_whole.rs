//! A pull is never cut: a June client would lose the rest. Large ranges come in one reply, beyond any frame limit
//! for what clients send.

use tokio_tungstenite::tungstenite::Message;

use crate::support::link::{message, messages};
use crate::support::server::Server;

#[test]
fn a_pull_of_many_large_messages_is_complete() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let (count, size) = (300, 20_000);
    let content = "x".repeat(size);
    for batch in 0..count / 30 {
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
    let all = messages(&alice.pull(1, count));
    let seqs: Vec<i64> = all.iter().filter_map(|message| message["seq"].as_i64()).collect();
    assert_eq!(seqs, (1..=count).collect::<Vec<i64>>());
    assert!(all.iter().all(|message| message["content"].as_str().map(str::len) == Some(size)));
    assert_eq!(alice.newest(), count, "the link is still good");
}
