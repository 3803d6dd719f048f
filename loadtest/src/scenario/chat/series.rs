//! One sample a second of throughput and of the server's memory, for the live line and the result.
//!
//! Bounded: when it is full, every other sample is dropped and the distance doubles.

use crate::clock::Clock;
use crate::crew::{Board, live};
use crate::plot::{Line, Plot};
use crate::report::{bytes, rounded};
use crate::server::Usage;
use crate::setup::Setup;
use serde::Serialize;

const SAMPLES_MAX: usize = 4096;
const MIB: f64 = 1_048_576.0;
/// Characters of the bar that shows how much of the time is over.
const BAR: usize = 20;

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
    /// How long is sent.
    duration_s: f64,
    every: u64,
    ticks: u64,
    last: Option<Sample>,
    /// Evenly spaced samples, oldest first.
    pub(crate) samples: Vec<Sample>,
}

impl Series {
    /// No samples yet, of sending that begins at `begin_ns` and goes on for `duration_ns`.
    pub(crate) fn new(setup: &Setup, begin_ns: u64, duration_ns: u64) -> Self {
        Self {
            clock: setup.clock,
            begin_ns,
            pid: setup.pid,
            progress: setup.progress,
            duration_s: duration_ns as f64 / 1e9,
            every: 1,
            ticks: 0,
            last: None,
            samples: Vec::new(),
        }
    }

    /// Rates, and what the server used, over time.
    pub(crate) fn plots(&self) -> Vec<Plot> {
        let rates = |count: fn(&Sample) -> u64| self.slopes(move |sample| count(sample) as f64);
        let memory = self.samples.iter().map(|sample| (sample.s, sample.rss_bytes as f64 / MIB));
        let across = "seconds";
        let mut plots = vec![Plot {
            title: "Rate",
            across,
            up: "messages a second",
            marks: &[],
            lines: vec![
                Line { name: "acknowledged", points: rates(|sample| sample.acked) },
                Line { name: "delivered", points: rates(|sample| sample.delivered) },
            ],
        }];
        if self.pid.is_some() {
            let cores = self.slopes(|sample| sample.cpu_us as f64 / 1e6);
            let lines = vec![Line { name: "server", points: cores }];
            plots.push(Plot { title: "CPU time", across, up: "cores", marks: &[], lines });
            let lines = vec![Line { name: "server", points: memory.collect() }];
            plots.push(Plot { title: "Memory", across, up: "MiB resident", marks: &[], lines });
        }
        plots
    }

    /// How much more a second there was of something from sample to sample.
    fn slopes(&self, count: impl Fn(&Sample) -> f64) -> Vec<(f64, f64)> {
        let pairs = self.samples.windows(2).filter(|two| two[1].s > two[0].s);
        let slope = |two: &[Sample]| (count(&two[1]) - count(&two[0])) / (two[1].s - two[0].s);
        pairs.map(|two| (two[1].s, slope(two).max(0.0))).collect()
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
                "{} {:.0} s: {:.0} acked/s, {:.0} delivered/s, {} in flight",
                bar(now.s / self.duration_s),
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

fn bar(share: f64) -> String {
    let full = (share.clamp(0.0, 1.0) * BAR as f64) as usize;
    format!("[{}{}]", "#".repeat(full), "-".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        Series {
            clock: Clock::start(),
            begin_ns: 0,
            pid: Some(1),
            progress: false,
            duration_s: 10.0,
            every: 1,
            ticks: 0,
            last: None,
            samples: Vec::new(),
        }
    }

    #[test]
    fn a_bar_is_full_at_the_end_and_behind_it() {
        assert_eq!(bar(0.0), "[--------------------]");
        assert_eq!(bar(0.5), "[##########----------]");
        assert_eq!(bar(1.7), "[####################]");
        assert_eq!(bar(f64::NAN), bar(0.0));
    }

    #[test]
    fn plots_show_rates_and_cores() {
        let mut series = series();
        for second in 1..=3u64 {
            series.keep(Sample {
                s: 2.0 * second as f64,
                sent: 0,
                acked: 100 * second,
                delivered: 50 * second,
                rss_bytes: 1 << 20,
                cpu_us: 500_000 * second,
            });
        }
        let plots = series.plots();
        assert_eq!(plots[0].lines[0].points, [(4.0, 50.0), (6.0, 50.0)]);
        assert_eq!(plots[0].lines[1].points, [(4.0, 25.0), (6.0, 25.0)]);
        assert_eq!(plots[1].lines[0].points, [(4.0, 0.25), (6.0, 0.25)]);
        assert_eq!(plots[2].lines[0].points[0], (2.0, 1.0));
    }

    #[test]
    fn a_long_run_keeps_evenly_spaced_samples_in_bounded_memory() {
        let mut series = series();
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
