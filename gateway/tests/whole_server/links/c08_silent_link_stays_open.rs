//! C08, scaled down: a client that never sends a frame of its own stays connected and receives. The check says ten
//! minutes, which are ten of the server's default ping intervals; here the interval is one second and the silence
//! five of them, so the same code decides as often per interval.

use std::time::Duration;

use crate::support::platform::IOS;
use crate::support::server::Setup;

#[test]
fn c08_a_silent_client_that_only_answers_pings_stays_and_receives() {
    let server = Setup::new().set("OPENIM_LIMITS_PINGSECONDS", 1).start();
    let bob = server.register("bob", IOS);
    let mut alice = server.newcomer("alice");
    let heard = alice.arrival_within(Duration::from_secs(5));
    assert!(heard.is_none(), "only pings come to a silent client, not {heard:?}");
    let sent = server.rest_send(&bob, "alice", "m", "still there?");
    assert_eq!(alice.pushed()["serverMsgID"], sent["serverMsgID"]);
}
