//! How often a service may be asked: so many times a second, a second's worth at once, and not before it said so. Pure.

/// See the module.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: u32,
    /// The next one is due then, unix milliseconds times [`PARTS`].
    next: i64,
    not_before_ms: i64,
}

const PARTS: i64 = 1000;

impl Rate {
    pub(crate) const fn new(per_second: u32) -> Self {
        Self { per_second, next: 0, not_before_ms: 0 }
    }

    /// Takes a place, and gives how long to wait for it, in milliseconds.
    pub(crate) fn take(&mut self, now_ms: i64) -> u64 {
        let step = 1000 * PARTS / i64::from(self.per_second.max(1));
        let now = now_ms.saturating_mul(PARTS);
        // A clock that was set back leaves nobody waiting for more than a second's worth.
        self.next = self.next.clamp(now - 1000 * PARTS, now.saturating_add(60_000 * PARTS));
        self.next += step;
        let wait = ((self.next - now) / PARTS).max(self.not_before_ms - now_ms);
        u64::try_from(wait).unwrap_or(0)
    }

    /// The service wants to be left alone for so long.
    pub(crate) fn pause(&mut self, now_ms: i64, for_ms: i64) {
        self.not_before_ms = self.not_before_ms.max(now_ms.saturating_add(for_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_goes_at_once_and_the_rest_in_its_turn() {
        let mut rate = Rate::new(10);
        let waits: Vec<u64> = (0..13).map(|_| rate.take(1_000_000)).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 200, 300]);
        assert_eq!(rate.take(1_001_000), 0);
        rate.pause(1_002_000, 7_000);
        assert_eq!(rate.take(1_004_000), 5_000);
        assert_eq!(rate.take(1_009_000), 0);
        // Set back by a day.
        assert!(rate.take(1_009_000 - 86_400_000) <= 86_400_000 + 60_200);
    }
}
