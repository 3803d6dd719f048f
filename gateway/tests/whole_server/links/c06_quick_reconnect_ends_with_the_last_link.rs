//! C06: connect, close, connect in quick succession ends with the last link receiving.

use crate::support::server::Server;

#[test]
fn c06_an_abrupt_reconnect_receives() {
    let server = Server::start();
    let mut bob = server.newcomer("bob");
    let first = server.newcomer("alice");
    let user = first.user.clone();
    drop(first);
    for round in 0..20 {
        drop(server.connect(&user));
        let mut last = server.connect(&user);
        let ack = bob.say("alice", &format!("m{round}"), "hello again");
        assert_eq!(last.pushed()["serverMsgID"], *ack.server_id, "round {round}");
    }
}
