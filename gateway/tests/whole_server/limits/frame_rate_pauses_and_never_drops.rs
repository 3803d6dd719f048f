//! Above the frame rate the server reads more slowly; every request is answered, in order, none dropped.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::server::Setup;

#[test]
fn every_frame_of_a_burst_is_answered_at_the_limited_rate() {
    let server = Setup::new().set("OPENIM_LIMITS_FRAMESPERSECOND", 20).start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let started = Instant::now();
    let asked: Vec<Value> = (0..120).map(|_| alice.envelope(1001, &Value::Null)).collect();
    for envelope in &asked {
        alice.send_text(envelope);
    }
    assert_eq!(bob.newest(), 0, "another link is not paused");
    for envelope in &asked {
        assert_eq!(alice.reply()["msgIncr"], envelope["msgIncr"]);
    }
    // 120 frames at 20 a second with a burst of 40 are 4 seconds; far less would mean no limit at all.
    assert!(started.elapsed() > Duration::from_secs(2), "{:?}", started.elapsed());
}
