//! Existence, friendship and blacklist of a receiver are not checked: who registers later finds what was sent.

use crate::support::server::Server;

#[test]
fn a_message_waits_for_its_receiver_to_register() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let ack = alice.say("later", "m", "welcome");
    let mut later = server.newcomer("later");
    assert_eq!(later.inbox()[0]["serverMsgID"], *ack.server_id);
}
