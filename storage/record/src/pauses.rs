//! Pauses between tries of what fails: each twice as long as the one before, up to the longest. Pure: chance is an argument.

use std::time::Duration;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Pauses {
    /// Nothing has failed yet.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The pause behind so many failures in a row; none behind none.
    #[must_use]
    pub fn behind(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// One more try has failed: the pause before the next.
    pub fn failed(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.behind(self.failures)
    }

    /// A try has succeeded.
    pub const fn start_over(&mut self) {
        self.failures = 0;
    }
}

/// Half of a pause and a part of the other half by chance: who failed together does not come back together.
#[must_use]
pub fn spread(pause: Duration, chance: u16) -> Duration {
    pause / 2 + pause.mul_f64(f64::from(chance) / (2.0 * f64::from(u16::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn they_double_to_the_longest_and_start_over() {
        let mut pauses = Pauses::new(ms(100), ms(1_000));
        for whole in [100, 200, 400, 800, 1_000, 1_000] {
            assert_eq!(pauses.failed(), ms(whole));
        }
        pauses.start_over();
        assert_eq!(pauses.failed(), ms(100));
        let behind = [0, 1, 4, 5, 33, u32::MAX].map(|failures| pauses.behind(failures));
        assert_eq!(behind, [0, 100, 800, 1_000, 1_000, 1_000].map(ms));
    }

    #[test]
    fn chance_takes_half_at_most() {
        assert_eq!(spread(ms(100), 0), ms(50));
        assert_eq!(spread(ms(100), u16::MAX), ms(100));
        let some = spread(ms(100), 1_000);
        assert!(some > ms(50) && some < ms(100), "{some:?}");
    }
}
