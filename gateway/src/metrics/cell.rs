//! The numbers that one thread writes and others read.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use openim_workers::{BOUNDS_US, Latencies};

use super::label::Label;

/// A number that only grows. One thread writes it; any thread may read it.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Called by the owning thread only.
    #[inline]
    pub fn add(&self, n: u64) {
        // One writer: nothing can come between the load and the store.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// The number so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down. One thread writes it; any thread may read it.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Replaces the number. Called by the owning thread only.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds `n`. Called by the owning thread only.
    #[inline]
    pub fn add(&self, n: u64) {
        self.set(self.get().saturating_add(n));
    }

    /// Takes `n` away, down to 0 at most. Called by the owning thread only.
    #[inline]
    pub fn sub(&self, n: u64) {
        self.set(self.get().saturating_sub(n));
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One counter for each value of a label.
#[derive(Debug)]
pub struct By<L, const N: usize> {
    counters: [Counter; N],
    label: PhantomData<fn(L)>,
}

impl<L, const N: usize> Default for By<L, N> {
    fn default() -> By<L, N> {
        By { counters: std::array::from_fn(|_| Counter::default()), label: PhantomData }
    }
}

impl<L: Label, const N: usize> By<L, N> {
    /// All values together.
    pub fn all(&self) -> u64 {
        self.counters.iter().map(Counter::get).sum()
    }

    /// The counts, in the order of the values.
    pub fn each(&self) -> impl Iterator<Item = u64> {
        self.counters.iter().map(Counter::get)
    }

    /// The counter of one value.
    #[inline]
    pub fn of(&self, value: L) -> &Counter {
        &self.counters[value.index()]
    }
}

/// A time in milliseconds that is exported in seconds. Of several shards the shortest counts; 0 is none.
#[derive(Debug, Default)]
pub struct ShortestMs(Gauge);

impl ShortestMs {
    /// Replaces the time. Called by the owning thread only.
    pub fn set(&self, ms: u64) {
        self.0.set(ms);
    }
}

/// A time in seconds. Of several shards the longest counts.
#[derive(Debug, Default)]
pub struct LongestS(Gauge);

impl LongestS {
    /// Replaces the time. Called by the owning thread only.
    pub fn set(&self, seconds: u64) {
        self.0.set(seconds);
    }

    /// The time now.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// How Prometheus treats a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// How the figures of several shards become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    Sum,
    /// The lowest that is not 0.
    Lowest,
    Highest,
}

impl Join {
    pub(super) fn of(self, one: f64, other: f64) -> f64 {
        match self {
            Join::Sum => one + other,
            Join::Highest => one.max(other),
            Join::Lowest if one == 0.0 => other,
            Join::Lowest if other == 0.0 => one,
            Join::Lowest => one.min(other),
        }
    }
}

/// Labels of one sample.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

/// A cell, or a group of cells under one name.
pub(super) trait Cells {
    /// Shows each sample: what its name ends with, its labels, its value. The order never changes.
    fn samples(&self, each: &mut dyn FnMut(&'static str, Labels<'_>, f64));
}

/// A field of the table that knows its kind by its type.
pub(super) trait Kinded: Cells {
    const KIND: Kind;
    const JOIN: Join = Join::Sum;
}

impl Cells for Counter {
    fn samples(&self, each: &mut dyn FnMut(&'static str, Labels<'_>, f64)) {
        each("", &[], self.get() as f64);
    }
}

impl Kinded for Counter {
    const KIND: Kind = Kind::Counter;
}

impl Cells for Gauge {
    fn samples(&self, each: &mut dyn FnMut(&'static str, Labels<'_>, f64)) {
        each("", &[], self.get() as f64);
    }
}

impl Kinded for Gauge {
    const KIND: Kind = Kind::Gauge;
}

impl Cells for ShortestMs {
    fn samples(&self, each: &mut dyn FnMut(&'static str, Labels<'_>, f64)) {
        each("", &[], self.0.get() as f64 / 1e3);
    }
}

impl Kinded for ShortestMs {
    const KIND: Kind = Kind::Gauge;
    const JOIN: Join = Join::Lowest;
}

impl Cells for LongestS {
    fn samples(&self, each: &mut dyn FnMut(&'static str, Labels<'_>, f64)) {
        each("", &[], self.0.get() as f64);
    }
}

impl Kinded for LongestS {
    const KIND: Kind = Kind::Gauge;
    const JOIN: Join = Join::Highest;
}

impl<L: Label, const N: usize> Cells for By<L, N> {
    fn samples(&self, each: &mut dyn FnMut(&'static str, Labels<'_>, f64)) {
        for (value, counter) in L::VALUES.iter().zip(&self.counters) {
            each("", &[(L::KEY, value)], counter.get() as f64);
        }
    }
}

impl<L: Label, const N: usize> Kinded for By<L, N> {
    const KIND: Kind = Kind::Counter;
}

impl Cells for Latencies {
    fn samples(&self, each: &mut dyn FnMut(&'static str, Labels<'_>, f64)) {
        let (counts, all) = self.up_to();
        for (bound_us, count) in BOUNDS_US.iter().zip(counts) {
            let bound = (*bound_us as f64 / 1e6).to_string();
            each("_bucket", &[("le", &bound)], count as f64);
        }
        each("_bucket", &[("le", "+Inf")], all as f64);
        each("_sum", &[], self.sum_seconds());
        each("_count", &[], all as f64);
    }
}

impl Kinded for Latencies {
    const KIND: Kind = Kind::Histogram;
}
