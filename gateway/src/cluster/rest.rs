//! What is waited between two tries: longer and longer, and not the same in all processes.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Rest(Duration);

impl Rest {
    pub(super) const fn new() -> Self {
        Self(FIRST)
    }

    /// Before the next try. Between the half of a time that doubles with each, and the whole.
    pub(super) fn next(&mut self) -> Duration {
        let whole = self.0;
        self.0 = (whole * 2).min(LONGEST);
        // Without chance all wait the same.
        let chance = getrandom::u32().unwrap_or(u32::MAX);
        whole / 2 + whole.mul_f64(0.5 * f64::from(chance) / f64::from(u32::MAX))
    }

    /// A try has succeeded.
    pub(super) const fn over(&mut self) {
        self.0 = FIRST;
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
