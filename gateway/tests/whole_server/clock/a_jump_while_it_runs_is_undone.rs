//! A clock that jumps ahead while the server runs, and comes back.

use super::{DAY_S, NEAR_S, off, reaches, shift, wrong_clock};
use crate::support::engine::embedded_only;
use crate::support::link::column;

#[test]
fn tokens_stay_good_and_send_times_come_back() {
    if embedded_only("times are those of the log, whose clock is the brokers'") {
        return;
    }
    let (setup, clock) = wrong_clock();
    let server = setup.start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let before = alice.say("bob", "before", "hello");
    for ahead_s in [30 * DAY_S, -30 * DAY_S] {
        shift(&clock, ahead_s);
        reaches(&server, "openim_clock_in_doubt", 1.0);
        assert_eq!(alice.say("bob", "before", "hello"), before, "a repeat is known");
        alice.say("bob", &format!("at {ahead_s}"), "hello");
        // One that was open, and one that comes now, with the token from before and with a new one.
        assert_eq!(bob.newest(), server.connect(&bob.user).newest());
        let carol = server.newcomer(&format!("carol{ahead_s}"));
        shift(&clock, 0);
        reaches(&server, "openim_clock_in_doubt", 0.0);
        server.connect(&carol.user).close();
        bob = server.connect(&bob.user);
        let after = alice.say("bob", &format!("after {ahead_s}"), "hello");
        assert!(off(after.send_time) < NEAR_S, "{after:?}");
    }
    let ids: Vec<String> =
        ["before"]
            .map(str::to_owned)
            .into_iter()
            .chain([30, -30].into_iter().flat_map(|days| {
                [format!("at {}", days * DAY_S), format!("after {}", days * DAY_S)]
            }))
            .collect();
    assert_eq!(column(&bob.inbox(), "clientMsgID"), ids.iter().collect::<Vec<_>>());
    server.logged(&["WARN", "clock is in doubt", "30 days", "ahead"]);
    server.logged(&["WARN", "clock is in doubt", "behind"]);
    server.logged(&["WARN", "the clock is back"]);
}
