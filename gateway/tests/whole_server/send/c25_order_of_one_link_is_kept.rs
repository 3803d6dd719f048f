//! C25: messages sent in order on one connection arrive in that order with seqs that increase by exactly 1.

use crate::support::link::message;
use crate::support::server::Server;

#[test]
fn c25_ten_pipelined_messages_arrive_in_order() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    for n in 0..10 {
        let envelope = alice.envelope(1003, &message("bob", &format!("m{n}"), &format!("{n}")));
        alice.send_text(envelope);
    }
    for n in 0..10 {
        let reply = alice.reply();
        assert_eq!(
            (&reply["errCode"], &reply["data"]["clientMsgID"]),
            (&0.into(), &format!("m{n}").into())
        );
    }
    for n in 0..10 {
        let push = bob.pushed();
        assert_eq!((&push["seq"], &push["content"]), (&(n + 1).into(), &n.to_string().into()));
    }
}
