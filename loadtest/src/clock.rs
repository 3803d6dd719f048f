//! One origin of time for a whole run, so that threads and histograms agree.
//!
//! Out: nanoseconds since the origin. Never the wall clock.

use std::time::{Duration, Instant};

/// Counts from the moment it was made; copies agree with each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// A clock that begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since the start.
    pub(crate) fn now_ns(self) -> u64 {
        nanos(self.0.elapsed())
    }
}

/// A duration in nanoseconds, capped at the largest number (584 years).
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds from `now_ns` until `then_ns`, zero when that has passed.
pub(crate) fn until(then_ns: u64, now_ns: u64) -> Duration {
    Duration::from_nanos(then_ns.saturating_sub(now_ns))
}
