//! What stands around every port, whichever engine is behind it: a count of its calls, and a circuit.
//!
//! In: calls of the port. Out: their answers, or [`StoreError::Unavailable`] at once while an earlier call of the same
//! kind is late: whoever asked that one is answered by then, and a store that stalls must not gather all the threads
//! that could ask the others. Never: ends a call, for a call that blocks cannot be ended; those who wait for it stop
//! waiting.

mod ports;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::port::StoreError;

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Looks something up.
    Read = 0,
    /// Changes something, durably.
    Write = 1,
    /// Stores history, or takes expired history out.
    Store = 2,
}

const KINDS: usize = 3;

/// Told of each call before it is made; a test makes it wait.
pub type Before = Arc<dyn Fn(Kind) + Send + Sync>;

/// A port with what stands around it.
pub struct Guarded<P: ?Sized> {
    port: Arc<P>,
    guard: Arc<Guard>,
}

impl<P: ?Sized> Guarded<P> {
    /// Puts `guard` around a port.
    pub const fn new(port: Arc<P>, guard: Arc<Guard>) -> Self {
        Self { port, guard }
    }
}

/// What stands around one port: its figures, which others read, and its circuit.
pub struct Guard {
    name: &'static str,
    late_after: Duration,
    before: Option<Before>,
    /// When the calls under way began, by kind; the oldest first.
    under_way: [Mutex<Vec<Instant>>; KINDS],
    /// Calls made.
    pub calls: AtomicU64,
    /// Calls that were refused because an earlier one was late.
    pub refused: AtomicU64,
    /// Calls that failed, in the order of [`CLASSES`].
    pub failures: [AtomicU64; CLASSES.len()],
}

/// The classes of [`StoreError`], as figures call them.
pub const CLASSES: [&str; 4] = ["unavailable", "conflict", "rejected", "corrupt"];

impl Guard {
    /// Of the port that is called so. A call is late when it takes longer than whoever asks waits.
    #[must_use]
    pub fn new(name: &'static str, late_after: Duration, before: Option<Before>) -> Self {
        Self {
            name,
            late_after,
            before,
            under_way: Default::default(),
            calls: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            failures: Default::default(),
        }
    }

    /// How the port is called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Makes a call, unless an earlier one of its kind is late.
    fn call<T>(
        &self,
        kind: Kind,
        call: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let began = self.begin(kind)?;
        if let Some(before) = &self.before {
            before(kind);
        }
        let answer = call();
        let mut under_way = self.under_way[kind as usize].lock();
        if let Some(place) = under_way.iter().position(|at| *at == began) {
            under_way.remove(place);
        }
        drop(under_way);
        if let Err(error) = &answer {
            self.failures[class(error)].fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    fn begin(&self, kind: Kind) -> Result<Instant, StoreError> {
        let now = Instant::now();
        let mut under_way = self.under_way[kind as usize].lock();
        if let Some(late) = under_way.first().filter(|at| now - **at > self.late_after) {
            let ms = (now - *late).as_millis();
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::Unavailable {
                what: format!("asking the {}", self.name),
                cause: format!("an earlier call has not come back for {ms} ms").into(),
            });
        }
        under_way.push(now);
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(now)
    }
}

const fn class(error: &StoreError) -> usize {
    match error {
        StoreError::Unavailable { .. } => 0,
        StoreError::Conflict { .. } => 1,
        StoreError::Rejected { .. } => 2,
        StoreError::Corrupt { .. } => 3,
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn guard(late_after: Duration) -> Guard {
        Guard::new("directory", late_after, None)
    }

    #[test]
    fn while_a_call_is_late_others_of_its_kind_are_refused_at_once() {
        let guard = guard(Duration::ZERO);
        let (began, has_begun) = channel();
        let (end, ended) = channel();
        std::thread::scope(|scope| {
            let guard = &guard;
            let stuck = scope.spawn(move || {
                guard.call(Kind::Read, || {
                    began.send(()).expect("the test waits");
                    ended.recv().expect("the test says when");
                    Ok(1)
                })
            });
            has_begun.recv().expect("it has begun");
            // Clocks may stand still for a moment.
            let refused = loop {
                match guard.call(Kind::Read, || Ok(2)) {
                    Ok(_) => std::thread::yield_now(),
                    Err(refused) => break refused,
                }
            };
            assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
            assert!(refused.to_string().contains("directory"), "{refused}");
            assert_eq!(guard.call(Kind::Write, || Ok(3)).expect("another kind"), 3);
            end.send(()).expect("it waits");
            assert_eq!(stuck.join().expect("it ends").expect("it was not refused"), 1);
        });
        assert_eq!(guard.call(Kind::Read, || Ok(4)).expect("nothing is late any more"), 4);
        assert_eq!(guard.refused.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn failures_are_counted_by_what_the_caller_does() {
        let guard = guard(Duration::MAX);
        let rejected = || StoreError::Rejected { what: "asking".to_owned(), cause: "long".into() };
        for _ in 0..2 {
            assert!(guard.call::<()>(Kind::Write, || Err(rejected())).is_err());
        }
        guard.call(Kind::Write, || Ok(())).expect("done");
        let failures = guard.failures.each_ref().map(|count| count.load(Ordering::Relaxed));
        assert_eq!((failures, guard.calls.load(Ordering::Relaxed)), ([0, 0, 2, 0], 3));
    }
}
