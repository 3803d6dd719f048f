//! What is waited between two tries: longer and longer, and not the same in all processes.

use std::time::Duration;

use openim_record::{Pauses, spread};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Rest(Pauses);

impl Rest {
    pub(super) const fn new() -> Self {
        Self(Pauses::new(FIRST, LONGEST))
    }

    /// Before the next try.
    pub(super) fn next(&mut self) -> Duration {
        // Without chance all wait the same.
        let chance = getrandom::u32().map_or(u16::MAX, |chance| chance as u16);
        spread(self.0.failed(), chance)
    }

    /// A try has succeeded.
    pub(super) const fn over(&mut self) {
        self.0.start_over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_to_their_bound() {
        let mut rest = Rest::new();
        let rests: Vec<_> = (0..8).map(|_| rest.next()).collect();
        for (rest, whole_ms) in rests.iter().zip([100, 200, 400, 800, 1600, 2000, 2000, 2000]) {
            let whole = Duration::from_millis(whole_ms);
            assert!((whole / 2..=whole).contains(rest), "{rest:?} of {whole:?}");
        }
        rest.over();
        assert!(rest.next() <= FIRST);
    }
}
