//! What time it is, and whether to believe it.
//!
//! A system's clock can be wrong: a battery is empty, a zone is set as if it were the time, a machine
//! comes back from a snapshot. What is told to people (send times) follows the clock. What is taken
//! away by time (history, tokens, the windows of duplicates) follows the *trusted* time: the clock's,
//! as long as it agrees with the newest record of the log and the time that has passed since; else
//! that estimate, until the clock has kept still for hours or an operator confirms it.
//!
//! In: the system's clocks. Out: [`Reading`]s for any thread, without a lock; and [`News`] for the one
//! that watches.

mod judge;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use judge::Judge;
pub use judge::{News, SETTLE};

/// The process's clock.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    /// How far the clock may be from what is expected; 0: it is always believed.
    jump_ms: i64,
    /// What the clock is expected to show when `started` was no time ago.
    base_ms: AtomicI64,
    /// Added to what the system says. Only tests set it.
    shift_ms: AtomicI64,
    in_doubt: AtomicBool,
}

/// A time for a human: `2021-06-30 12:00:00 UTC`.
#[must_use]
pub fn utc(unix_ms: i64) -> String {
    match time::OffsetDateTime::from_unix_timestamp(unix_ms.div_euclid(1_000)) {
        Ok(at) => {
            let (hour, minute, second) = at.to_hms();
            format!("{} {hour:02}:{minute:02}:{second:02} UTC", at.date())
        }
        Err(_) => format!("{unix_ms} ms from 1970"),
    }
}

/// One look at the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Monotonic milliseconds since the process began to look.
    pub mono_ms: u64,
    /// What the clock shows, unix nanoseconds.
    pub unix_ns: i64,
    /// What expiry goes by, unix milliseconds.
    pub trusted_ms: i64,
    /// The clock is not where it is expected, so `trusted_ms` is an estimate.
    pub in_doubt: bool,
}

impl Reading {
    /// What the clock shows, unix milliseconds.
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        self.unix_ns.div_euclid(1_000_000)
    }
}

/// The watching end of a [`Clock`]; one thread has it.
#[derive(Debug)]
pub struct Watch(Judge);

impl Clock {
    /// A clock that is believed within `jump` of the newest record; a `jump` of nothing believes it
    /// always, and without a record it is believed at first.
    ///
    /// `shift_ms` is added to what the system says; 0 outside tests.
    #[must_use]
    pub fn new(jump: Duration, newest_record_ms: Option<i64>, shift_ms: i64) -> (Self, Watch) {
        let jump_ms = i64::try_from(jump.as_millis()).unwrap_or(i64::MAX);
        let clock = Self {
            started: Instant::now(),
            jump_ms,
            base_ms: AtomicI64::new(0),
            shift_ms: AtomicI64::new(shift_ms),
            in_doubt: AtomicBool::new(false),
        };
        let base_ms = newest_record_ms.unwrap_or_else(|| clock.system().1.div_euclid(1_000_000));
        clock.base_ms.store(base_ms, Ordering::Relaxed);
        (clock, Watch(Judge::new(jump_ms, base_ms)))
    }

    /// Looks at the clock.
    #[must_use]
    pub fn read(&self) -> Reading {
        let (mono_ms, unix_ns) = self.system();
        let base_ms = self.base_ms.load(Ordering::Relaxed);
        let unix_ms = unix_ns.div_euclid(1_000_000);
        let expected_ms = base_ms.saturating_add_unsigned(mono_ms);
        let in_doubt = judge::is_jump(unix_ms, expected_ms, self.jump_ms);
        let trusted_ms = if in_doubt { expected_ms } else { unix_ms };
        Reading { mono_ms, unix_ns, trusted_ms, in_doubt }
    }

    /// Whether the watcher has found the clock where it is not expected.
    #[must_use]
    pub fn in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Relaxed)
    }

    /// Judges the clock anew; to be called about once a second. `confirmed`: an operator says that it
    /// is right.
    pub fn watch(&self, watch: &mut Watch, confirmed: bool) -> Option<News> {
        let (mono_ms, unix_ns) = self.system();
        let mono_ms = i64::try_from(mono_ms).unwrap_or(i64::MAX);
        let news = watch.0.look(mono_ms, unix_ns.div_euclid(1_000_000), confirmed);
        self.base_ms.store(watch.0.base_ms(), Ordering::Relaxed);
        self.in_doubt.store(watch.0.in_doubt(), Ordering::Relaxed);
        news
    }

    /// Moves the clock against the system's. For tests.
    pub fn shift(&self, shift_ms: i64) {
        self.shift_ms.store(shift_ms, Ordering::Relaxed);
    }

    /// Monotonic milliseconds, unix nanoseconds.
    fn system(&self) -> (u64, i64) {
        let mono_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ns = i64::try_from(unix.as_nanos()).unwrap_or(i64::MAX);
        let shift_ns = self.shift_ms.load(Ordering::Relaxed).saturating_mul(1_000_000);
        (mono_ms, unix_ns.saturating_add(shift_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const DAY_MS: i64 = 86_400_000;

    #[test]
    fn a_jump_is_seen_by_the_next_look_and_before_anybody_watches() {
        let (clock, mut watch) = Clock::new(DAY, None, 0);
        let before = clock.read();
        assert_eq!((before.in_doubt, before.trusted_ms), (false, before.unix_ms()));
        clock.shift(8 * DAY_MS);
        let jumped = clock.read();
        assert!(jumped.in_doubt && jumped.unix_ms() - before.unix_ms() >= 8 * DAY_MS);
        assert!(jumped.trusted_ms - before.trusted_ms < DAY_MS);
        assert!(matches!(clock.watch(&mut watch, false), Some(News::Doubted(_))));
        assert!(clock.in_doubt());
        clock.shift(0);
        assert!(!clock.read().in_doubt);
        assert_eq!(clock.watch(&mut watch, false), Some(News::Returned));
        assert!(!clock.in_doubt());
    }

    #[test]
    fn the_newest_record_judges_the_clock_of_a_start() {
        let (now, _) = Clock::new(DAY, None, 0);
        let newest_ms = now.read().unix_ms() - 8 * DAY_MS;
        let (clock, mut watch) = Clock::new(DAY, Some(newest_ms), 0);
        let reading = clock.read();
        assert!(reading.in_doubt && reading.trusted_ms - newest_ms < DAY_MS);
        assert!(matches!(clock.watch(&mut watch, true), Some(News::Confirmed(_))));
        assert!(!clock.read().in_doubt);
    }

    #[test]
    fn times_are_for_humans() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(1_625_054_405_999), "2021-06-30 12:00:05 UTC");
        assert!(utc(i64::MAX).contains("1970"));
    }
}
