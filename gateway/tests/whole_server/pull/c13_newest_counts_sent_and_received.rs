//! C13: newest seq is the number of messages sent plus received.

use crate::support::server::Server;

#[test]
fn c13_newest_is_sent_plus_received() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    for n in 0..5 {
        alice.say("bob", &format!("a{n}"), "out");
        assert_eq!(alice.newest(), n + 1);
    }
    for n in 0..3 {
        bob.say("alice", &format!("b{n}"), "in");
        alice.push();
        assert_eq!(alice.newest(), 6 + n);
    }
    alice.say("carol", "c", "to somebody else");
    assert_eq!(alice.newest(), 9);
    assert_eq!(bob.newest(), 8);
}
