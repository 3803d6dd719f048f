//! What stands around the ports that workers ask, whichever engine is behind them: a count of calls, a deadline, a
//! circuit, and a line in the log when it begins that a store is away, and one when that is over.
//!
//! In: calls of the port. Out: their answers, or [`StoreError::Unavailable`] at once while an earlier call of the same
//! kind is late: whoever asked that one is answered by then, and a store that stalls must not gather all the threads
//! that could ask the others. A call that waits is given up when it is late; one that blocks its thread cannot be, and
//! only those who wait for it stop waiting.

mod ports;
mod spell;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

pub use self::spell::{Change, Spell};
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

impl Kind {
    /// In the words of the log.
    const fn doing(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "change",
            Self::Store => "store",
        }
    }
}

const KINDS: usize = 3;
/// A batch of history is late after so many times of what anything else may take.
const STORE_TIMES: u32 = 12;

/// Told of each call before it is made; a test makes it wait.
pub type Before = Arc<dyn Fn(Kind) + Send + Sync>;

/// Told of each error that a call gives.
pub type Telling = Arc<dyn Fn(&StoreError) + Send + Sync>;

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

/// What stands around one port: its figures, which others read, its circuit, and what is told of it.
pub struct Guard {
    name: &'static str,
    late_after: Duration,
    before: Option<Before>,
    telling: Option<Telling>,
    /// When the calls under way began, by kind; the oldest first.
    under_way: [Mutex<Vec<Instant>>; KINDS],
    /// Whether the store is away, by kind: what can be read may take no change.
    spells: [Spell; KINDS],
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
            telling: None,
            under_way: Default::default(),
            spells: Default::default(),
            calls: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            failures: Default::default(),
        }
    }

    /// The same, and this is told of errors.
    #[must_use]
    pub fn telling(self, telling: Option<Telling>) -> Self {
        Self { telling, ..self }
    }

    /// How the port is called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Makes a call, and tells when it begins or ends that none is answered.
    async fn call<T>(
        &self,
        kind: Kind,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let answer = self.ask(kind, began, call).await;
        let (spell, doing, name) = (&self.spells[kind as usize], kind.doing(), self.name);
        match &answer {
            Err(cause @ StoreError::Unavailable { .. }) => {
                if spell.failed(began) == Change::Begun {
                    tracing::error!(%cause, "cannot {doing} the {name}");
                }
            }
            // What is said of one row is an answer.
            Ok(_) | Err(_) => {
                if spell.answered(began) == Change::Over {
                    tracing::info!("can {doing} the {name} again");
                }
            }
        }
        answer
    }

    /// Makes a call, unless an earlier one of its kind is late, and gives it up when it is late itself: as soon as
    /// whoever waits for it looks again.
    async fn ask<T>(
        &self,
        kind: Kind,
        began: Instant,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let under_way = self.begin(kind, began)?;
        if let Some(before) = &self.before {
            before(kind);
        }
        let mut call = pin!(call);
        let answer = poll_fn(|context| match call.as_mut().poll(context) {
            Poll::Pending if under_way.began.elapsed() > self.late_after(kind) => {
                Poll::Ready(Err(self.late(under_way.began)))
            }
            answer => answer,
        });
        let answer = answer.await;
        if let Err(error) = &answer {
            self.failures[class(error)].fetch_add(1, Ordering::Relaxed);
            if let Some(telling) = &self.telling {
                telling(error);
            }
        }
        answer
    }

    /// A batch of history may take longer than anybody waits for an answer.
    fn late_after(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Read | Kind::Write => self.late_after,
            Kind::Store => self.late_after.saturating_mul(STORE_TIMES),
        }
    }

    fn late(&self, began: Instant) -> StoreError {
        StoreError::Unavailable {
            what: format!("asking the {}", self.name),
            cause: format!("no answer for {} ms", began.elapsed().as_millis()).into(),
        }
    }

    fn begin(&self, kind: Kind, began: Instant) -> Result<UnderWay<'_>, StoreError> {
        let list = &self.under_way[kind as usize];
        let mut under_way = list.lock();
        if let Some(late) = under_way.first().filter(|at| began - **at > self.late_after(kind)) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(self.late(*late));
        }
        under_way.push(began);
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(UnderWay { list, began })
    }
}

/// A call as long as it is under way; also one that is given up.
struct UnderWay<'a> {
    list: &'a Mutex<Vec<Instant>>,
    began: Instant,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut list = self.list.lock();
        if let Some(place) = list.iter().position(|began| *began == self.began) {
            list.remove(place);
        }
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
    use std::future::{pending, ready};
    use std::sync::mpsc::channel;

    use super::*;
    use crate::port::wait;

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
                wait(guard.call(Kind::Read, async {
                    began.send(()).expect("the test waits");
                    ended.recv().expect("the test says when");
                    Ok(1)
                }))
            });
            has_begun.recv().expect("it has begun");
            // Clocks may stand still for a moment.
            let refused = loop {
                match wait(guard.call(Kind::Read, ready(Ok(2)))) {
                    Ok(_) => std::thread::yield_now(),
                    Err(refused) => break refused,
                }
            };
            assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
            assert!(refused.to_string().contains("directory"), "{refused}");
            assert_eq!(wait(guard.call(Kind::Write, ready(Ok(3)))).expect("another kind"), 3);
            end.send(()).expect("it waits");
            assert_eq!(stuck.join().expect("it ends").expect("it was not refused"), 1);
        });
        assert_eq!(
            wait(guard.call(Kind::Read, ready(Ok(4)))).expect("nothing is late any more"),
            4
        );
        assert_eq!(guard.refused.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_call_that_waits_is_given_up_when_it_is_late() {
        let guard = guard(Duration::from_millis(1));
        let late = wait(guard.call::<()>(Kind::Read, pending())).expect_err("nobody answers");
        assert!(matches!(late, StoreError::Unavailable { .. }), "{late}");
        assert_eq!(wait(guard.call(Kind::Read, ready(Ok(1)))).expect("it is out of the way"), 1);
    }

    #[test]
    fn failures_are_counted_by_what_the_caller_does() {
        let guard = guard(Duration::MAX);
        let rejected = || StoreError::Rejected { what: "asking".to_owned(), cause: "long".into() };
        for _ in 0..2 {
            assert!(wait(guard.call::<()>(Kind::Write, ready(Err(rejected())))).is_err());
        }
        wait(guard.call(Kind::Write, ready(Ok(())))).expect("done");
        let failures = guard.failures.each_ref().map(|count| count.load(Ordering::Relaxed));
        assert_eq!((failures, guard.calls.load(Ordering::Relaxed)), ([0, 0, 2, 0], 3));
    }
}
