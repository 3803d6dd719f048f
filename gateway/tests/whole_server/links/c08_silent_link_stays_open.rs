//! C08, scaled down: a client that never sends a frame of its own stays connected and receives. The check says ten
//! minutes, which are ten of the server's default ping intervals; here the interval is one second and the silence
//! five of them, so the same code decides the same number of times per interval.

use std::time::Duration;

use crate::support::server::Setup;

#[test]
fn c08_a_silent_client_that_only_answers_pings_stays_and_receives() {
    let server = Setup::new().set("OPENIM_LIMITS_PINGSECONDS", 1).start();
    let mut bob = server.newcomer("bob");
    let mut alice = server.newcomer("alice");
    for _ in 0..2 {
        assert!(alice.arrival_within(Duration::from_millis(2500)).is_none(), "silence on both sides");
        // Bob's own reading answers his pings.
        bob.newest();
    }
    let ack = bob.say("alice", "m", "still there?");
    assert_eq!(alice.pushed()["serverMsgID"], *ack.server_id);
}
