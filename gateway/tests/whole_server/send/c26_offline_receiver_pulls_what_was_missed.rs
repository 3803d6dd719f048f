//! C26: who was offline finds newest advanced by what was missed and pulls exactly that.

use crate::support::link::{column, messages};
use crate::support::server::Server;

#[test]
fn c26_the_gap_is_pulled_exactly() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    alice.say("bob", "seen", "while online");
    bob.push();
    let before = bob.newest();
    let user = bob.user.clone();
    bob.close();
    let missed: Vec<String> =
        (0..7).map(|n| alice.say("bob", &format!("m{n}"), "while offline").server_id).collect();
    let mut bob = server.connect(&user);
    let after = bob.newest();
    assert_eq!(after, before + 7);
    let gap = messages(&bob.pull(before + 1, after));
    assert_eq!(column(&gap, "serverMsgID"), missed.iter().collect::<Vec<_>>());
}
