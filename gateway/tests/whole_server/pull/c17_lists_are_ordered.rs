//! C17: inside a list seq strictly increases, and for each sender sendTime never decreases.

use std::collections::HashMap;

use crate::support::server::Server;

#[test]
fn c17_seq_rises_and_time_never_falls_per_sender() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    for n in 0..30 {
        if n % 3 == 0 {
            bob.say("alice", &format!("b{n}"), "in");
        } else {
            alice.say("bob", &format!("a{n}"), "out");
        }
    }
    for _ in 0..10 {
        alice.push();
    }
    let data = alice.pull(1, 1000);
    for entry in data["single"].as_array().expect("a list") {
        let list = entry["list"].as_array().expect("a list");
        assert_eq!(list.len(), 30);
        let mut last_time: HashMap<&str, i64> = HashMap::new();
        for pair in list.windows(2) {
            assert!(pair[0]["seq"].as_i64() < pair[1]["seq"].as_i64(), "{pair:?}");
        }
        for message in list {
            let sender = message["sendID"].as_str().expect("a sender");
            let time = message["sendTime"].as_i64().expect("an integer");
            let last = last_time.insert(sender, time);
            assert!(last.is_none_or(|last| last <= time), "{message}");
        }
    }
}
