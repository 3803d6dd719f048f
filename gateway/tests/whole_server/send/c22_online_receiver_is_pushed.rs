//! C22: an online receiver gets the push with the ack's server id and the seq that is then his newest.

use crate::support::platform::IOS;
use crate::support::server::Server;

#[test]
fn c22_the_push_carries_the_acks_id_and_the_receivers_newest_seq() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    for n in 1..=5 {
        let ack = alice.say("bob", &format!("m{n}"), "hello");
        let push = bob.pushed();
        assert_eq!(push["serverMsgID"], *ack.server_id);
        assert_eq!(push["sendTime"], ack.send_time);
        assert_eq!(push["seq"], n);
        assert_eq!(bob.newest(), n, "the push tells of nothing that newest does not know");
        // Store, then tell: what was pushed can be pulled.
        assert_eq!(bob.pull(n, n)["single"][0]["list"][0]["serverMsgID"], *ack.server_id);
    }
}

#[test]
fn a_rest_send_is_pushed_like_any_other() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let mut bob = server.newcomer("bob");
    let sent = server.rest_send(&alice, "bob", "m", "over REST");
    assert_eq!(bob.pushed()["serverMsgID"], sent["serverMsgID"]);
}
