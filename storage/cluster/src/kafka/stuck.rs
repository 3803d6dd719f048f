//! How long a producer has had something to do and nothing of it done: librdkafka's idempotent one may get stuck for good.

use std::time::{Duration, Instant};

/// A clock that runs while something is under way, and begins again with each success.
#[derive(Debug, Default)]
pub(super) struct Waited {
    /// Before what is under way now.
    before: Duration,
    /// Since when something is.
    since: Option<Instant>,
}

impl Waited {
    /// Something is under way now.
    pub(super) fn busy(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// Nothing is under way any more.
    pub(super) fn idle(&mut self, now: Instant) {
        self.before = self.time(now);
        self.since = None;
    }

    /// Something was done.
    pub(super) fn succeeded(&mut self, now: Instant) {
        self.before = Duration::ZERO;
        if let Some(since) = &mut self.since {
            *since = now;
        }
    }

    pub(super) fn time(&self, now: Instant) -> Duration {
        self.before
            + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_with_something_to_do_counts_and_a_success_ends_it() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut waited = Waited::default();
        let time = |waited: &Waited, seconds| waited.time(at(seconds)).as_secs();
        assert_eq!(time(&waited, 9), 0);
        waited.busy(at(10));
        waited.busy(at(12));
        assert_eq!(time(&waited, 13), 3);
        waited.idle(at(14));
        assert_eq!(time(&waited, 90), 4);
        waited.busy(at(100));
        assert_eq!(time(&waited, 102), 6);
        waited.succeeded(at(102));
        assert_eq!(time(&waited, 103), 1);
        waited.succeeded(at(103));
        waited.idle(at(103));
        assert_eq!(time(&waited, 200), 0);
    }
}
