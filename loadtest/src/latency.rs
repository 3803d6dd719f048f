//! Latency figures: a histogram of fixed size and the summary that goes into the result.
//!
//! In: nanoseconds. Out: microseconds with three significant digits. Memory does not depend on
//! how much is recorded.

use hdrhistogram::Histogram;
use serde::Serialize;

const LOWEST_NS: u64 = 1_000;
const HIGHEST_NS: u64 = 600_000_000_000;

/// Durations between 1 us and 10 minutes; what is outside is recorded as the nearer bound.
#[derive(Clone, Debug)]
pub(crate) struct Latency(Histogram<u64>);

impl Latency {
    /// An empty histogram.
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, 3);
        Self(histogram.expect("constant bounds that the histogram accepts"))
    }

    /// Records one duration.
    pub(crate) fn record(&mut self, took_ns: u64) {
        self.0.saturating_record(took_ns.clamp(LOWEST_NS, HIGHEST_NS));
    }

    /// Adds another thread's recordings.
    pub(crate) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("same bounds");
    }

    /// The figures of the report.
    pub(crate) fn summary(&self) -> Summary {
        let at = |quantile: f64| self.0.value_at_quantile(quantile) as f64 / 1e3;
        Summary {
            count: self.0.len(),
            mean_us: (self.0.mean() / 10.0).round() / 100.0,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.0.max() as f64 / 1e3,
        }
    }
}

/// Quantiles of one histogram, in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) mean_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

impl Summary {
    /// One line of the report.
    pub(crate) fn line(&self) -> String {
        if self.count == 0 {
            return "none recorded".to_owned();
        }
        format!(
            "p50 {}  p99 {}  p99.9 {}  max {}",
            short(self.p50_us),
            short(self.p99_us),
            short(self.p999_us),
            short(self.max_us)
        )
    }
}

/// Microseconds in the unit a person would choose.
pub(crate) fn short(us: f64) -> String {
    match us {
        us if us < 1_000.0 => format!("{us:.0} us"),
        us if us < 10_000.0 => format!("{:.2} ms", us / 1e3),
        us if us < 1_000_000.0 => format!("{:.1} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_known_spread() {
        let (mut low, mut high) = (Latency::new(), Latency::new());
        (1..=500).for_each(|us| low.record(us * 1_000));
        (501..=1000).for_each(|us| high.record(us * 1_000));
        low.add(&high);
        let summary = low.summary();
        assert_eq!(summary.count, 1000);
        assert!((summary.p50_us - 500.0).abs() < 2.0);
        assert!((summary.p99_us - 990.0).abs() < 2.0);
        assert!((summary.max_us - 1000.0).abs() < 2.0);
    }

    #[test]
    fn durations_out_of_range_do_not_panic_or_vanish() {
        let mut latency = Latency::new();
        latency.record(0);
        latency.record(u64::MAX);
        assert_eq!(latency.summary().count, 2);
        assert!(latency.summary().line().contains("max 600"));
    }
}
