//! Send times: what the clock shows, and rising for a sender though it falls.

/// How far send times may run ahead of the clock, so that they rise for a sender though it fell. One
/// that fell by more was wrong before: send times follow it, once.
pub const SEND_TIME_AHEAD_MS_MAX: i64 = 60_000;

/// The latest send time given or seen. One for all users: a user's own would leave memory with the user, and
/// `sendTime` must not fall whenever the clock is set back a little.
#[derive(Debug, Default)]
pub(crate) struct SendClock {
    last_ns: i64,
}

impl SendClock {
    /// The time for a send: now, or just after the send before when the clock fell a little.
    pub(crate) fn stamp(&mut self, now_ns: i64) -> i64 {
        // Strictly rising: two sends with one key are told apart by their times (`Inboxes::apply`).
        let rising_ns = self.last_ns.saturating_add(1);
        let ahead_ns = rising_ns.saturating_sub(now_ns);
        self.last_ns = match ahead_ns > SEND_TIME_AHEAD_MS_MAX * 1_000_000 {
            // That the clock was years ahead once must not be felt for years.
            true => now_ns,
            false => now_ns.max(rising_ns),
        };
        self.last_ns
    }

    /// A send with this time is in the log; later ones get later times.
    pub(crate) fn note(&mut self, send_time_ns: i64) {
        self.last_ns = self.last_ns.max(send_time_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn send_times_rise_though_the_clock_falls() {
        let mut before = SendClock::default();
        assert_eq!((before.stamp(50), before.stamp(50), before.stamp(10)), (50, 51, 52));
        let mut after = SendClock::default();
        after.note(52);
        assert_eq!(after.stamp(10), 53);
    }

    #[test]
    fn send_times_run_ahead_of_a_clock_that_was_wrong_by_a_bounded_time() {
        const S: i64 = 1_000_000_000;
        let now = 1_600_000_000 * S;
        let ahead_max = SEND_TIME_AHEAD_MS_MAX * 1_000_000;
        let mut times = SendClock::default();
        for (clock, expected) in [
            (now, now),
            // Set back a little: times go on rising.
            (now - ahead_max + S, now + 1),
            (now - ahead_max + S, now + 2),
            // Eight days ahead, and back: what was told then is not told to everybody for eight days.
            (now + 700_000 * S, now + 700_000 * S),
            (now + S, now + S),
            (now + S, now + S + 1),
            (now + 2 * S, now + 2 * S),
        ] {
            assert_eq!(times.stamp(clock), expected);
        }
        // A record of that time, from the log.
        times.note(now + 700_000 * S);
        assert_eq!(times.stamp(now + 3 * S), now + 3 * S);
    }
}
