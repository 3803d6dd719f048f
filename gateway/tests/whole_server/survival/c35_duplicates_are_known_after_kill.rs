//! C35 across `kill -9`: a client that repeats what it is not sure of creates nothing new.

use crate::support::engine::assert_same_receipts;
use crate::support::link::Ack;
use crate::support::server::Server;

#[test]
fn c35_the_first_receipt_is_given_again_after_a_restart() {
    let mut server = Server::start();
    let mut alice = server.newcomer("alice");
    let first: Vec<Ack> = (0..5).map(|n| alice.say("bob", &format!("m{n}"), "hello")).collect();
    server.kill();
    server.restart();
    let mut alice = server.connect(&alice.user);
    let again: Vec<Ack> = (0..5).map(|n| alice.say("bob", &format!("m{n}"), "hello")).collect();
    assert_same_receipts(&again, &first);
    alice.say("bob", "new", "hello");
    assert_eq!(alice.newest(), 6);
    assert_eq!(server.newcomer("bob").newest(), 6);
}
