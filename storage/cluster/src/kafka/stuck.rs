//! Whether a producer's client gets nowhere though brokers answer others: librdkafka's idempotent one may, for good.

use std::time::{Duration, Instant};

/// A clock that runs while something is under way, and begins again with each success and each time that brokers do not
/// answer others either; pure.
#[derive(Debug)]
pub(super) struct Stuck {
    /// How long it takes to believe it.
    after: Duration,
    /// Time before what is under way now.
    before: Duration,
    /// Since when something is.
    since: Option<Instant>,
    /// Whether brokers are being asked how they are.
    asking: bool,
    /// When they were asked last.
    asked: Option<Instant>,
    /// Since when they have answered whenever they were asked, and when last.
    well: Option<(Instant, Instant)>,
}

/// Brokers are asked so many times before a client is believed to be stuck.
const QUESTIONS: u32 = 5;

impl Stuck {
    pub(super) const fn new(after: Duration) -> Self {
        let before = Duration::ZERO;
        Self { after, before, since: None, asking: false, asked: None, well: None }
    }

    /// Something is under way now.
    pub(super) fn busy(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// Nothing is under way any more.
    pub(super) fn idle(&mut self, now: Instant) {
        self.before = self.time(now);
        self.since = None;
    }

    /// Something was done, or there is nobody to do it.
    pub(super) fn begin_again(&mut self, now: Instant) {
        self.before = Duration::ZERO;
        self.since = self.since.map(|_| now);
        self.well = None;
    }

    /// Whether brokers should be asked now; they are, then.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let pause = self.after / QUESTIONS;
        let lately = self.asked.is_some_and(|asked| now.saturating_duration_since(asked) < pause);
        let begins = if self.since.is_some() { pause } else { self.after / 2 };
        let asks = !self.asking && !lately && self.time(now) >= begins;
        if asks {
            (self.asking, self.asked) = (true, Some(now));
        }
        asks
    }

    /// What they have said; whether the client is stuck.
    pub(super) fn told(&mut self, well: bool, now: Instant) -> bool {
        self.asking = false;
        if !well {
            self.begin_again(now);
            return false;
        }
        let since = match self.well {
            // Without a question between nobody knows.
            Some((since, last)) if now.saturating_duration_since(last) < self.after => since,
            _ => now,
        };
        self.well = Some((since, now));
        let answering = now.saturating_duration_since(since);
        // With nothing under way another client harms nobody.
        let enough = if self.since.is_some() { self.after } else { self.after / 2 };
        answering >= self.after && self.time(now) >= enough
    }

    fn time(&self, now: Instant) -> Duration {
        let since = |since| now.saturating_duration_since(since);
        self.before + self.since.map_or(Duration::ZERO, since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks each second from one to another; when it is believed to be stuck.
    fn believed(
        stuck: &mut Stuck,
        begun: Instant,
        seconds: std::ops::Range<u64>,
        well: bool,
    ) -> Option<u64> {
        seconds.into_iter().find(|second| {
            let now = begun + Duration::from_secs(*second);
            stuck.ask(now) && stuck.told(well, now)
        })
    }

    #[test]
    fn who_gets_nowhere_while_brokers_answer_is_stuck() {
        let (mut stuck, begun) = (Stuck::new(Duration::from_secs(5)), Instant::now());
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(believed(&mut stuck, begun, 0..10, true), None, "nothing is under way");
        stuck.busy(at(10));
        assert_eq!(believed(&mut stuck, begun, 10..14, true), None);
        stuck.begin_again(at(14));
        assert_eq!(believed(&mut stuck, begun, 14..100, true), Some(20));
    }

    #[test]
    fn who_waits_for_brokers_is_not() {
        let (mut stuck, begun) = (Stuck::new(Duration::from_secs(5)), Instant::now());
        stuck.busy(begun);
        assert_eq!(believed(&mut stuck, begun, 0..60, false), None);
        // They are back, and it is given as long as ever.
        assert_eq!(believed(&mut stuck, begun, 60..100, true), Some(65));
        // The answer that took the whole outage does not count for it.
        let mut stuck = Stuck::new(Duration::from_secs(5));
        stuck.busy(begun);
        assert!(stuck.ask(begun + Duration::from_secs(1)));
        assert!(!stuck.told(true, begun + Duration::from_secs(60)));
        assert_eq!(believed(&mut stuck, begun, 61..100, true), Some(65));
    }

    #[test]
    fn who_has_nothing_to_do_is_stuck_if_that_was_given_up() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        for (given_up, is_stuck) in [(1, None), (3, Some(6))] {
            let mut stuck = Stuck::new(Duration::from_secs(5));
            stuck.busy(begun);
            assert_eq!(believed(&mut stuck, begun, 0..given_up, true), None);
            stuck.idle(at(given_up));
            assert_eq!(believed(&mut stuck, begun, given_up..100, true), is_stuck);
        }
    }
}
