//! How long a lane does not try again: twice as long each time, up to a bound, and never all lanes at once.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
/// Behind these any bound is reached.
const DOUBLINGS_MAX: u32 = 10;

#[derive(Default)]
pub(super) struct Pause {
    failures: u32,
}

impl Pause {
    pub(super) const fn start_over(&mut self) {
        self.failures = 0;
    }

    /// The next one: between half of what is due and all of it.
    pub(super) fn next(&mut self, max: Duration) -> Duration {
        let due = (FIRST * (1 << self.failures.min(DOUBLINGS_MAX))).min(max);
        self.failures = self.failures.saturating_add(1);
        // Chance enough, without a source of it: the keys of a fresh hasher.
        let parts = u32::try_from(RandomState::new().build_hasher().finish() % 1024).unwrap_or(0);
        due / 2 + due * parts / 2048
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_its_bound_and_starts_over() {
        let max = Duration::from_secs(2);
        let mut pause = Pause::default();
        let first = pause.next(max);
        assert!(first >= FIRST / 2 && first <= FIRST, "{first:?}");
        for _ in 0..40 {
            pause.next(max);
        }
        let late = pause.next(max);
        assert!(late >= max / 2 && late <= max, "{late:?}");
        pause.start_over();
        assert!(pause.next(max) <= FIRST);
    }
}
