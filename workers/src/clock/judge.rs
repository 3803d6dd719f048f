//! Whether a clock is believed: pure, so that a table can test it.
//!
//! Invariant: what is expected moves at the pace of monotonic time, and is corrected by the clock only
//! while the two agree, or when the clock has been accepted.

use std::time::Duration;

/// A clock in doubt that kept pace with monotonic time for so long is accepted.
pub const SETTLE: Duration = Duration::from_secs(6 * 60 * 60);
const SETTLE_MS: i64 = SETTLE.as_millis() as i64;
/// A clock that moves by no more than this against monotonic time keeps pace with it.
const STEADY_MS: i64 = 60_000;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The clock is this far from what is expected (negative: behind), milliseconds.
    Doubted(i64),
    /// The clock is back where it was expected.
    Returned,
    /// It kept still for [`SETTLE`] and is accepted; it moved the trusted time by so much.
    Settled(i64),
    /// An operator confirmed it; it moved the trusted time by so much.
    Confirmed(i64),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Judge {
    jump_ms: i64,
    base_ms: i64,
    doubt: Option<Doubt>,
}

/// The clock as it was when doubt began, or when it moved last: it showed `offset_ms` more than
/// monotonic time.
#[derive(Debug)]
struct Doubt {
    offset_ms: i64,
    since_ms: i64,
}

/// Whether a clock at `unix_ms` is too far from where it is expected.
pub(super) fn is_jump(unix_ms: i64, expected_ms: i64, jump_ms: i64) -> bool {
    jump_ms > 0 && unix_ms.abs_diff(expected_ms) > jump_ms.unsigned_abs()
}

impl Judge {
    pub(super) const fn new(jump_ms: i64, base_ms: i64) -> Self {
        Self { jump_ms, base_ms, doubt: None }
    }

    pub(super) const fn base_ms(&self) -> i64 {
        self.base_ms
    }

    pub(super) const fn in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    pub(super) fn look(&mut self, mono_ms: i64, unix_ms: i64, confirmed: bool) -> Option<News> {
        let expected_ms = self.base_ms.saturating_add(mono_ms);
        let offset_ms = unix_ms.saturating_sub(mono_ms);
        if !is_jump(unix_ms, expected_ms, self.jump_ms) {
            self.base_ms = offset_ms;
            return self.doubt.take().map(|_| News::Returned);
        }
        let moved_ms = unix_ms.saturating_sub(expected_ms);
        if confirmed {
            self.base_ms = offset_ms;
            self.doubt = None;
            return Some(News::Confirmed(moved_ms));
        }
        let Some(doubt) = &mut self.doubt else {
            self.doubt = Some(Doubt { offset_ms, since_ms: mono_ms });
            return Some(News::Doubted(moved_ms));
        };
        if doubt.offset_ms.abs_diff(offset_ms) > STEADY_MS.unsigned_abs() {
            let again = is_jump(offset_ms, doubt.offset_ms, self.jump_ms);
            *doubt = Doubt { offset_ms, since_ms: mono_ms };
            return again.then_some(News::Doubted(moved_ms));
        }
        if mono_ms - doubt.since_ms < SETTLE_MS {
            return None;
        }
        self.base_ms = offset_ms;
        self.doubt = None;
        Some(News::Settled(moved_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    /// The newest record's time, where monotonic time begins.
    const T: i64 = 1_600_000_000_000;

    /// A look: monotonic time, how far the clock is ahead of the newest record, confirmed; then the
    /// news, and how far the trusted time is ahead of the newest record afterwards.
    type Look = (i64, i64, bool, Option<News>, i64);

    fn judged(what: &str, looks: &[Look]) {
        let mut judge = Judge::new(DAY, T);
        for &(mono_ms, ahead_ms, confirmed, news, trusted_ms) in looks {
            let unix_ms = T + ahead_ms;
            assert_eq!(judge.look(mono_ms, unix_ms, confirmed), news, "{what}, at {mono_ms}");
            let expected_ms = judge.base_ms() + mono_ms;
            let in_doubt = is_jump(unix_ms, expected_ms, DAY);
            assert_eq!(in_doubt, judge.in_doubt(), "{what}, at {mono_ms}");
            let trusted = if in_doubt { expected_ms } else { unix_ms };
            assert_eq!(trusted - T, trusted_ms, "{what}, at {mono_ms}");
        }
    }

    #[test]
    fn clocks_are_judged() {
        judged(
            "a clock that agrees is followed, small steps included",
            &[
                (0, HOUR, false, None, HOUR),
                (1_000, HOUR + 900, false, None, HOUR + 900),
                (2_000, HOUR + 30_000, false, None, HOUR + 30_000),
                (3_000, -HOUR, false, None, -HOUR),
                (4_000, -HOUR + 1_000, true, None, -HOUR + 1_000),
            ],
        );
        judged(
            "eight days ahead at a start, for six seconds",
            &[
                (0, 8 * DAY, false, Some(News::Doubted(8 * DAY)), 0),
                (6_000, 8 * DAY + 6_000, false, None, 6_000),
                (7_000, 7_000, false, Some(News::Returned), 7_000),
                (8_000, 8_000, false, None, 8_000),
            ],
        );
        judged(
            "three days off, rightly: accepted after hours",
            &[
                (0, 3 * DAY, false, Some(News::Doubted(3 * DAY)), 0),
                (HOUR, 3 * DAY + HOUR, false, None, HOUR),
                (6 * HOUR - 1, 3 * DAY + 6 * HOUR - 1, false, None, 6 * HOUR - 1),
                (
                    6 * HOUR,
                    3 * DAY + 6 * HOUR,
                    false,
                    Some(News::Settled(3 * DAY)),
                    3 * DAY + 6 * HOUR,
                ),
                (7 * HOUR, 3 * DAY + 7 * HOUR, false, None, 3 * DAY + 7 * HOUR),
            ],
        );
        judged(
            "confirmed by an operator",
            &[
                (0, 3 * DAY, false, Some(News::Doubted(3 * DAY)), 0),
                (1_000, 3 * DAY + 1_000, true, Some(News::Confirmed(3 * DAY)), 3 * DAY + 1_000),
                (2_000, 3 * DAY + 2_000, false, None, 3 * DAY + 2_000),
            ],
        );
        judged(
            "a log of the year 2099: held, then followed back",
            &[
                (0, -26_000 * DAY, false, Some(News::Doubted(-26_000 * DAY)), 0),
                (
                    6 * HOUR,
                    -26_000 * DAY + 6 * HOUR,
                    false,
                    Some(News::Settled(-26_000 * DAY)),
                    -26_000 * DAY + 6 * HOUR,
                ),
            ],
        );
    }

    #[test]
    fn a_clock_that_jumps_while_it_runs_is_judged_too() {
        judged(
            "ahead, and back",
            &[
                (0, 0, false, None, 0),
                (60_000, 9 * DAY, false, Some(News::Doubted(9 * DAY - 60_000)), 60_000),
                (61_000, 61_000, false, Some(News::Returned), 61_000),
            ],
        );
        judged(
            "a clock that does not keep still is never accepted",
            &[
                (0, 2 * DAY, false, Some(News::Doubted(2 * DAY)), 0),
                (5 * HOUR, 2 * DAY + 8 * HOUR, false, None, 5 * HOUR),
                (10 * HOUR, 2 * DAY + 13 * HOUR, false, None, 10 * HOUR),
                (
                    10 * HOUR + 1,
                    9 * DAY,
                    false,
                    Some(News::Doubted(9 * DAY - 10 * HOUR - 1)),
                    10 * HOUR + 1,
                ),
            ],
        );
    }

    #[test]
    fn without_a_bound_every_clock_is_believed() {
        let mut judge = Judge::new(0, T);
        assert_eq!(judge.look(0, T + 900 * DAY, false), None);
        assert_eq!(judge.base_ms(), T + 900 * DAY);
        assert_eq!(judge.look(1, -T, false), None);
    }
}
