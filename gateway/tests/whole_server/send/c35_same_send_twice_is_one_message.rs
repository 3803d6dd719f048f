//! C35: the same sender, receiver and client id again is the same message again, on whatever way it comes.

use std::thread;

use crate::support::link::Ack;
use crate::support::platform::WEB;
use crate::support::server::Server;

#[test]
fn c35_a_repeated_send_gets_the_first_receipt_and_creates_nothing() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut web = server.connect(&server.login("alice", WEB));
    let mut bob = server.newcomer("bob");
    let first = alice.say("bob", "m", "once");
    assert_eq!(alice.say("bob", "m", "once"), first, "on the same link");
    assert_eq!(web.say("bob", "m", "once"), first, "on another device");
    let over_rest = server.rest_send(&alice.user, "bob", "m", "once");
    assert_eq!(Ack::from_data(&over_rest), first, "over REST");
    assert_eq!((alice.newest(), bob.newest()), (1, 1));
    assert_eq!(bob.pushed()["seq"], 1);
    let next = alice.say("bob", "next", "the next push is the next message");
    assert_eq!(bob.pushed()["serverMsgID"], *next.server_id);
}

#[test]
fn another_receiver_or_sender_makes_another_message() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let ids = [
        alice.say("bob", "m", "hello").server_id,
        alice.say("carol", "m", "hello").server_id,
        bob.say("carol", "m", "hello").server_id,
        bob.say("alice", "m", "hello").server_id,
    ];
    for (n, id) in ids.iter().enumerate() {
        assert!(!ids[..n].contains(id), "{ids:?}");
    }
    assert_eq!((alice.newest(), bob.newest()), (3, 3));
}

#[test]
fn c35_copies_racing_on_several_links_are_one_message() {
    let server = Server::start();
    let phone = server.newcomer("alice");
    let web = server.connect(&server.login("alice", WEB));
    let mut bob = server.newcomer("bob");
    let both = [phone, web].map(|mut link| {
        thread::spawn(move || {
            (0..25).map(|n| link.say("bob", &format!("m{n}"), "race")).collect::<Vec<Ack>>()
        })
    });
    let [one, other] = both.map(|racer| racer.join().expect("every send is accepted"));
    assert_eq!(one, other, "both copies get the same receipts");
    assert_eq!(bob.newest(), 25);
    let mut pushed: Vec<String> =
        (0..25).map(|_| bob.pushed()["serverMsgID"].as_str().expect("an id").to_owned()).collect();
    pushed.sort();
    pushed.dedup();
    assert_eq!(pushed.len(), 25, "each is pushed once");
}
