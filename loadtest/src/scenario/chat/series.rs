//! One sample a second of throughput and of the server's memory, for the live line and the result.
//!
//! Bounded: when it is full, every other sample is dropped and the distance doubles.

use crate::clock::Clock;
use crate::crew::{Board, live};
use crate::report::{bytes, rounded};
use crate::server::Usage;
use serde::Serialize;

const SAMPLES_MAX: usize = 4096;

/// Totals at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    /// Seconds since sending began.
    pub(crate) s: f64,
    pub(crate) sent: u64,
    pub(crate) acked: u64,
    pub(crate) delivered: u64,
    pub(crate) rss_bytes: u64,
    pub(crate) cpu_us: u64,
}

/// The samples of a run.
pub(crate) struct Series {
    clock: Clock,
    begin_ns: u64,
    pid: Option<u32>,
    progress: bool,
    every: u64,
    ticks: u64,
    last: Option<Sample>,
    /// Evenly spaced samples, oldest first.
    pub(crate) samples: Vec<Sample>,
}

impl Series {
    /// No samples yet.
    pub(crate) fn new(clock: Clock, begin_ns: u64, pid: Option<u32>, progress: bool) -> Self {
        Self { clock, begin_ns, pid, progress, every: 1, ticks: 0, last: None, samples: Vec::new() }
    }

    /// Takes a sample and shows it.
    pub(crate) fn sample(&mut self, board: &Board) {
        let usage = self.pid.and_then(|pid| Usage::read_light(pid).ok()).unwrap_or_default();
        let sample = Sample {
            s: rounded(self.clock.now_ns().saturating_sub(self.begin_ns) as f64 / 1e9),
            sent: Board::read(&board.sent),
            acked: Board::read(&board.acked),
            delivered: Board::read(&board.delivered),
            rss_bytes: usage.rss_bytes,
            cpu_us: usage.cpu_us,
        };
        self.show(sample, Board::read(&board.lost));
        self.last = Some(sample);
        self.keep(sample);
    }

    fn keep(&mut self, sample: Sample) {
        self.ticks += 1;
        if !self.ticks.is_multiple_of(self.every) {
            return;
        }
        self.samples.push(sample);
        if self.samples.len() >= SAMPLES_MAX {
            let mut index = 0;
            self.samples.retain(|_| {
                index += 1;
                index % 2 == 0
            });
            self.every *= 2;
        }
    }

    fn show(&self, now: Sample, links_lost: u64) {
        live(self.progress, || {
            let last =
                self.last.unwrap_or(Sample { s: 0.0, sent: 0, acked: 0, delivered: 0, ..now });
            let span = (now.s - last.s).max(0.001);
            let rate = |now: u64, last: u64| (now - last) as f64 / span;
            let mut line = format!(
                "{:.0} s: {:.0} acked/s, {:.0} delivered/s, {} in flight",
                now.s,
                rate(now.acked, last.acked),
                rate(now.delivered, last.delivered),
                now.sent.saturating_sub(now.acked)
            );
            if now.rss_bytes > 0 {
                let cores = (now.cpu_us - last.cpu_us) as f64 / (span * 1e6);
                line.push_str(&format!(", {cores:.2} cores, {}", bytes(now.rss_bytes as f64)));
            }
            if links_lost > 0 {
                line.push_str(&format!(", {links_lost} links lost"));
            }
            line
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_keeps_evenly_spaced_samples_in_bounded_memory() {
        let mut series = Series::new(Clock::start(), 0, None, false);
        for second in 1..=50_000u64 {
            series.keep(Sample {
                s: second as f64,
                sent: 0,
                acked: 0,
                delivered: 0,
                rss_bytes: 0,
                cpu_us: 0,
            });
        }
        assert!(series.samples.len() < SAMPLES_MAX);
        let gaps: Vec<f64> = series.samples.windows(2).map(|two| two[1].s - two[0].s).collect();
        assert!(gaps.iter().all(|gap| *gap == gaps[0]));
    }
}
