//! The worker threads of a run and the board that they and the main thread write on.
//!
//! In: one closure per thread. Out: their results, or the first error. Each thread gets a
//! descriptor table of its own, so that the limit of open files holds per thread. The main thread
//! never waits for a thread that has already ended.

use crate::console;
use crate::sys;
use anyhow::{Context, anyhow};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// Counters for the live line and signals between threads. All are independent of each other, so
/// no ordering is needed between them, except that signals publish what was written before.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// Links opened so far.
    pub(crate) opened: AtomicU64,
    /// Links that did not open, or calls that failed.
    pub(crate) failed: AtomicU64,
    /// Links that were open and ended.
    pub(crate) lost: AtomicU64,
    /// Messages or calls sent.
    pub(crate) sent: AtomicU64,
    /// Messages acknowledged, or calls answered.
    pub(crate) acked: AtomicU64,
    /// Messages delivered.
    pub(crate) delivered: AtomicU64,
    /// Messages pulled and compared.
    pub(crate) pulled: AtomicU64,
    /// When the measured part begins, on the run's clock; 0 until the main thread decides.
    begin_ns: AtomicU64,
    /// Threads that have finished the step in progress.
    arrived: AtomicUsize,
    /// Step that threads may take.
    step: AtomicUsize,
    stop: AtomicBool,
    /// A thread ended with an error.
    broken: AtomicBool,
}

impl Board {
    /// Reads a counter.
    pub(crate) fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    /// Adds to a counter.
    pub(crate) fn add(counter: &AtomicU64, more: u64) {
        if more > 0 {
            counter.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// A thread reports that it has finished its step.
    pub(crate) fn arrive(&self) {
        self.arrived.fetch_add(1, Ordering::AcqRel);
    }

    /// How many threads have reported, counted over all steps.
    pub(crate) fn arrived(&self) -> usize {
        self.arrived.load(Ordering::Acquire)
    }

    /// Allows step `step`, which begins at `begin_ns`.
    pub(crate) fn allow(&self, step: usize, begin_ns: u64) {
        self.begin_ns.store(begin_ns, Ordering::Relaxed);
        self.step.store(step, Ordering::Release);
    }

    /// When step `step` begins, once it is allowed.
    pub(crate) fn allowed(&self, step: usize) -> Option<u64> {
        let allowed = self.step.load(Ordering::Acquire) >= step;
        allowed.then(|| self.begin_ns.load(Ordering::Relaxed))
    }

    /// Tells all threads to end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Whether threads are to end.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Running threads.
pub(crate) struct Crew<T> {
    threads: Vec<JoinHandle<anyhow::Result<T>>>,
    board: Arc<Board>,
}

impl<T: Send + 'static> Crew<T> {
    /// Starts `count` threads on `work`, which is told its number.
    pub(crate) fn start<W>(count: usize, board: Arc<Board>, work: W) -> anyhow::Result<Self>
    where
        W: Fn(usize, &Board) -> anyhow::Result<T> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        let mut threads = Vec::with_capacity(count);
        for number in 0..count {
            let (work, shared) = (Arc::clone(&work), Arc::clone(&board));
            let thread = Builder::new().name(format!("load-{number}")).spawn(move || {
                sys::precise_waits();
                let outcome = sys::own_descriptor_table()
                    .context("cannot take a descriptor table")
                    .and_then(|()| work(number, &shared));
                if outcome.is_err() {
                    shared.broken.store(true, Ordering::Release);
                }
                outcome
            });
            threads.push(thread.context("cannot start a thread")?);
        }
        Ok(Self { threads, board })
    }

    /// Threads started.
    pub(crate) fn len(&self) -> usize {
        self.threads.len()
    }

    /// Waits until `done`, calling `each_second` about once a second; `false` when a thread
    /// failed first, so that waiting on is pointless.
    pub(crate) fn wait(
        &self,
        mut each_second: impl FnMut(),
        done: impl Fn(&Board) -> bool,
    ) -> bool {
        let mut next = Instant::now() + Duration::from_secs(1);
        loop {
            if done(&self.board) {
                return true;
            }
            let broken = self.board.broken.load(Ordering::Acquire);
            if broken || self.threads.iter().all(JoinHandle::is_finished) {
                return done(&self.board);
            }
            sleep(Duration::from_millis(5));
            if Instant::now() >= next {
                next += Duration::from_secs(1);
                each_second();
            }
        }
    }

    /// Waits for all threads to end; their results, or the first error.
    pub(crate) fn join(self) -> anyhow::Result<Vec<T>> {
        let outcomes: Vec<_> = self
            .threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
            .collect();
        outcomes.into_iter().collect()
    }

    /// Tells all threads to end and joins them, for a run that cannot go on.
    pub(crate) fn abandon(self) -> anyhow::Error {
        self.board.stop();
        match self.join() {
            Ok(_) => anyhow!("a thread ended early"),
            Err(error) => error,
        }
    }
}

/// The part of `total` that thread `number` of `count` takes: first index and size.
pub(crate) fn share(total: usize, count: usize, number: usize) -> (usize, usize) {
    let (each, more) = (total / count, total % count);
    (number * each + number.min(more), each + usize::from(number < more))
}

/// Overwrites the live line.
pub(crate) fn live(shown: bool, text: impl FnOnce() -> String) {
    if shown {
        console::err(&format!("\r\x1b[K{}", text()));
    }
}

/// Ends the live line.
pub(crate) fn live_end(shown: bool) {
    if shown {
        console::err("\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_everything_once() {
        for (total, count) in [(10, 3), (2, 4), (0, 2), (15_000, 1)] {
            let mut next = 0;
            for number in 0..count {
                let (first, size) = share(total, count, number);
                assert_eq!(first, next);
                next += size;
            }
            assert_eq!(next, total);
        }
    }

    #[test]
    fn a_thread_that_fails_ends_the_waiting() {
        let board = Arc::new(Board::default());
        let crew = Crew::<()>::start(2, Arc::clone(&board), |number, board| {
            if number == 0 {
                anyhow::bail!("no luck");
            }
            while !board.stopped() {
                std::thread::yield_now();
            }
            Ok(())
        })
        .unwrap();
        assert!(!crew.wait(|| {}, |_| false));
        assert_eq!(crew.abandon().to_string(), "no luck");
    }
}
