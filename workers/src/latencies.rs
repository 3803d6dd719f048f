//! How long something took, counted by bounds that are the same for everything.
//!
//! In: one observation at a time, from one thread. Out: counts that any thread may read. Never: a lock, or
//! more memory than a dozen numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in microseconds: from a flush of a good disk to what nobody waits for.
pub const BOUNDS_US: [u64; 11] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];

/// Observations by bound, and their sum. One thread writes.
#[derive(Debug, Default)]
pub struct Latencies {
    counts: [AtomicU64; BOUNDS_US.len()],
    above: AtomicU64,
    sum_us: AtomicU64,
}

impl Latencies {
    /// Counts one observation. Called by the owning thread only.
    pub fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS_US.partition_point(|bound| *bound < us);
        add(self.counts.get(at).unwrap_or(&self.above), 1);
        add(&self.sum_us, us);
    }

    /// Observations up to each bound, then all of them.
    pub fn up_to(&self) -> ([u64; BOUNDS_US.len()], u64) {
        let mut sum = 0;
        let counts = std::array::from_fn(|at| {
            sum += self.counts[at].load(Ordering::Relaxed);
            sum
        });
        (counts, sum + self.above.load(Ordering::Relaxed))
    }

    /// All observations together.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_us.load(Ordering::Relaxed) as f64 / 1e6
    }
}

/// One writer: nothing can come between the load and the store.
fn add(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_includes_what_is_equal_to_it() {
        let latencies = Latencies::default();
        for us in [0, 500, 501, 5_000_000, 5_000_001] {
            latencies.observe(Duration::from_micros(us));
        }
        let (counts, all) = latencies.up_to();
        assert_eq!((counts[0], counts[1], counts[10], all), (2, 3, 4, 5));
        assert!((latencies.sum_seconds() - 10.001_002).abs() < 1e-9);
    }
}
