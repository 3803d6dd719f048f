//! C24: the sending device is not pushed its own message, but pulls it.

use crate::support::server::Server;

#[test]
fn c24_no_echo_to_the_sending_device() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let ack = alice.say("bob", "m", "hello");
    assert_eq!(alice.inbox()[0]["serverMsgID"], *ack.server_id);
    // Whatever would have been pushed for the send comes before what bob answers after it.
    bob.push();
    let answer = bob.say("alice", "r", "answer");
    assert_eq!(alice.pushed()["serverMsgID"], *answer.server_id);
}
