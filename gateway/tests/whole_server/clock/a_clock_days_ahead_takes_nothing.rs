//! A start with a clock eight days ahead: history is kept for seven days and tokens live for seven, and yet nothing
//! goes; what was sent meanwhile is the only thing that has a wrong time.

use std::time::Duration;

use super::{DAY_S, NEAR_S, figure, off, reaches, shift, wrong_clock};
use crate::support::engine::embedded_only;
use crate::support::link::column;
use crate::support::platform::WEB;

/// Longer than retention waits before its first look.
const RETENTION_LOOKED: Duration = Duration::from_secs(8);

#[test]
fn history_tokens_and_duplicates_stay_and_send_times_come_back() {
    if embedded_only("times are those of the log, whose clock is the brokers'") {
        return;
    }
    let (setup, clock) = wrong_clock();
    let mut server = setup.start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let first = alice.say("bob", "m0", "hello");
    alice.say("bob", "m1", "hello");
    assert_eq!(bob.newest(), 2);

    shift(&clock, 8 * DAY_S);
    server.restart();
    server.logged(&["WARN", "clock is in doubt", "8 days", "confirm-clock"]);
    reaches(&server, "openim_clock_in_doubt", 1.0);
    let mut alice = server.connect(&alice.user);
    assert_eq!(alice.say("bob", "m0", "hello"), first, "a repeat is known");
    let during = alice.say("bob", "m2", "hello");
    let web = server.login("alice", WEB);
    std::thread::sleep(RETENTION_LOOKED);
    assert_eq!(figure(&server, "openim_store_expired_entries_total"), 0.0);
    assert!(off(during.send_time) > 7 * DAY_S, "what it shows is what people are told");
    drop(alice);

    shift(&clock, 0);
    server.restart();
    let mut alice = server.connect(&web);
    let mut bob = server.connect(&bob.user);
    reaches(&server, "openim_clock_in_doubt", 0.0);
    let after = alice.say("bob", "m3", "hello");
    assert!(off(after.send_time) < NEAR_S, "{after:?}");
    let later = alice.say("bob", "m4", "hello");
    assert!(later.send_time >= after.send_time, "times of one sender rise again: {later:?}");
    assert_eq!(column(&bob.inbox(), "clientMsgID"), ["m0", "m1", "m2", "m3", "m4"]);
    let doubts = server.log().iter().filter(|line| line.contains("in doubt")).count();
    assert_eq!(doubts, 0, "what was sent with a wrong clock has no wrong time in the log");
}
