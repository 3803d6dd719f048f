//! Latency figures: a histogram of fixed size and the summary that goes into the result.
//!
//! In: nanoseconds. Out: microseconds with three significant digits. Memory does not depend on
//! how much is recorded.

use crate::plot::{BY_NINES, Line, Plot};
use hdrhistogram::Histogram;
use serde::Serialize;

const LOWEST_NS: u64 = 1_000;
const HIGHEST_NS: u64 = 600_000_000_000;

/// How far a curve goes: 99.999 %.
const NINES: u32 = 5;
const STEPS_OF_A_NINE: u32 = 20;

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

    /// How long the slowest took, over how many nines of all were faster: (nines, milliseconds), 1 nine
    /// for 90 %, up to 5, and no further than there are recordings for.
    pub(crate) fn by_nines(&self) -> Vec<(f64, f64)> {
        let recorded = self.0.len();
        let known = |nines: f64| recorded as f64 * 10f64.powf(-nines) >= 1.0;
        let steps =
            (0..=STEPS_OF_A_NINE * NINES).map(|step| f64::from(step) / f64::from(STEPS_OF_A_NINE));
        let at = |nines: f64| self.0.value_at_quantile(1.0 - 10f64.powf(-nines)) as f64 / 1e6;
        steps.take_while(|nines| known(*nines)).map(|nines| (nines, at(nines))).collect()
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
            p9999_us: at(0.9999),
            p99999_us: at(0.99999),
            max_us: self.0.max() as f64 / 1e3,
        }
    }
}

/// The curves of some histograms, by name.
pub(crate) fn plot(of: &[(&'static str, &Latency)]) -> Plot {
    Plot {
        title: "Latency",
        across: "share that was faster",
        up: "milliseconds",
        marks: BY_NINES,
        lines: of.iter().map(|(name, of)| Line { name, points: of.by_nines() }).collect(),
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
    pub(crate) p9999_us: f64,
    pub(crate) p99999_us: f64,
    pub(crate) max_us: f64,
}

impl Summary {
    /// One line of the report.
    pub(crate) fn line(&self) -> String {
        if self.count == 0 {
            return "none recorded".to_owned();
        }
        format!(
            "p50 {}  p99 {}  p99.9 {}  p99.99 {}  p99.999 {}  max {}",
            short(self.p50_us),
            short(self.p99_us),
            short(self.p999_us),
            short(self.p9999_us),
            short(self.p99999_us),
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
    fn a_curve_ends_where_recordings_do() {
        let mut latency = Latency::new();
        (1..=1000).for_each(|us| latency.record(us * 1_000));
        let curve = latency.by_nines();
        let (nines, ms) = curve[curve.len() - 1];
        assert!((nines - 3.0).abs() < 1e-9, "{nines}");
        assert!((ms - 1.0).abs() < 0.01, "{ms}");
        assert!(curve.windows(2).all(|two| two[0].1 <= two[1].1));
        assert!(Latency::new().by_nines().is_empty());
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
