//! The index while it is in use: lent to one call at a time that needs it, and taken away from all of them when its
//! engine has given up, so that it can be opened again.
//!
//! In: calls, and what of the index is kept in memory. Out: the index for as long as a call takes, or that there is none at
//! the moment, which whoever asked may repeat. Never: an engine that is dropped while somebody reads in it; anybody who
//! waits for it, but for a change that the log has already ([`Notice::until_taken_up`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use openim_record::Position;
use parking_lot::{Condvar, Mutex, RwLock};

use super::applied::Applied;
use super::commits::Commits;
use super::data_dir::Lock;
use super::error::is_of_index;
use super::index::Index;
use super::rebuild::Mend;
use super::retention::Retention;
use crate::port::StoreError;

/// Between two looks whether all have given it back.
const LOOK: Duration = Duration::from_millis(1);

/// See the module.
pub(super) struct Lender {
    index: RwLock<Option<Arc<Index>>>,
    commits: Arc<Commits>,
    notice: Arc<Notice>,
    mend: Arc<Mend>,
    /// Held by whoever changes inbox rows: a batch, or one step of retention.
    pub(super) applied: Mutex<Applied>,
    pub(super) retention: Mutex<Retention>,
    /// What is stored below has expired: only a log that is read again brings it.
    expired: AtomicU64,
    /// Every record of rows below is applied.
    through: AtomicU64,
    /// Every record of rows below is in the index for good, and this is noted there.
    pub(super) settled: Mutex<Position>,
    /// Nobody else has the directory, also while there is no index. Last, so that it is dropped last.
    lock: Arc<Lock>,
}

/// An index with what of it is kept in memory.
pub(super) struct Loan {
    pub(super) index: Arc<Index>,
    pub(super) applied: Applied,
    pub(super) retention: Retention,
    /// Up to where it has records of rows.
    pub(super) through: Position,
    /// What is stored below has expired.
    pub(super) expired: Position,
}

impl Lender {
    pub(super) fn new(loan: Loan, mend: Arc<Mend>, lock: Arc<Lock>) -> Self {
        let Loan { index, applied, retention, through, expired } = loan;
        let notice = Arc::clone(mend.notice());
        Self {
            commits: Arc::clone(index.commits()),
            index: RwLock::new(Some(index)),
            notice,
            mend,
            applied: Mutex::new(applied),
            retention: Mutex::new(retention),
            expired: AtomicU64::new(expired.0),
            through: AtomicU64::new(through.0),
            settled: Mutex::default(),
            lock,
        }
    }

    /// From now on an engine that gives up is taken up again, and calls that meet it may be repeated.
    pub(super) fn serve(&self) {
        if let Some(index) = &*self.index.read() {
            index.tell(&self.notice);
        }
    }

    /// The index, for a call of `doing`.
    pub(super) fn lend(&self, doing: &str) -> Result<Arc<Index>, StoreError> {
        let index = self.index.read().clone();
        index.ok_or_else(|| self.notice.away(doing))
    }

    pub(super) const fn commits(&self) -> &Arc<Commits> {
        &self.commits
    }

    /// Who is told when the engine gives up.
    pub(super) const fn notice(&self) -> &Arc<Notice> {
        &self.notice
    }

    /// Has the directory for whoever opens all of it again.
    pub(super) const fn lock(&self) -> &Arc<Lock> {
        &self.lock
    }

    pub(super) fn through(&self) -> Position {
        Position(self.through.load(Ordering::Acquire))
    }

    /// Every record of rows below is applied.
    pub(super) fn is_through(&self, position: Position) {
        self.through.store(position.0, Ordering::Release);
    }

    pub(super) fn expired(&self) -> Position {
        Position(self.expired.load(Ordering::Acquire))
    }

    /// The log that is followed tells that all below has expired.
    pub(super) fn expires(&self, below: Position) {
        self.expired.fetch_max(below.0, Ordering::AcqRel);
    }

    /// What the log has could not be applied: nobody tries again, so the index lacks it until it is opened again. What else
    /// went wrong is given back.
    pub(super) fn lacks(&self, error: StoreError) -> StoreError {
        match self.amiss(error) {
            error @ StoreError::Unavailable { .. } => self.notice.give(error),
            error => error,
        }
    }

    /// What was read of the index stands in the way of messages: it is taken up again, and made anew where it is damaged. What
    /// else went wrong is given back.
    pub(super) fn amiss(&self, error: StoreError) -> StoreError {
        if !is_of_index(&error) {
            return error;
        }
        self.mend.met(&error);
        if let Some(index) = &*self.index.read() {
            index.doubt();
        }
        self.notice.give(error)
    }

    /// Takes the index away, and drops it when nobody has it any more; it may be away already. Refused when all ends before:
    /// it is lent then as before.
    pub(super) fn take_away(&self) -> Result<(), StoreError> {
        let taken = self.index.write().take();
        let Some(mut index) = taken else { return Ok(()) };
        loop {
            match Arc::try_unwrap(index) {
                Ok(index) => {
                    drop(index);
                    return Ok(());
                }
                Err(lent) => index = lent,
            }
            if self.notice.is_closed() {
                *self.index.write() = Some(index);
                let what = "taking the index away".to_owned();
                let cause = "it is in use, and the process ends".into();
                return Err(StoreError::Unavailable { what, cause });
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Lends this one from now on.
    pub(super) fn give(&self, loan: Loan) {
        let Loan { index, applied, retention, through, expired } = loan;
        *self.applied.lock() = applied;
        self.retention.lock().go_on_with(retention);
        self.expired.store(expired.0, Ordering::Release);
        self.is_through(through);
        *self.settled.lock() = Position(0);
        index.tell(&self.notice);
        *self.index.write() = Some(index);
    }

    /// What is lent here, as it is by now, to be lent elsewhere.
    pub(super) fn take_loan(&self) -> Result<Loan, StoreError> {
        let index = self.lend("bringing inboxes to where they were")?;
        let applied = std::mem::take(&mut *self.applied.lock());
        let retention = std::mem::take(&mut *self.retention.lock());
        let (through, expired) = (self.through(), self.expired());
        Ok(Loan { index, applied, retention, through, expired })
    }
}

/// Says that the engine of the index has given up, until it is taken up again.
#[derive(Default)]
pub(super) struct Notice {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What it gave up on, and since when.
    why: Option<(String, Instant)>,
    /// Times that it was taken up again.
    turn: u64,
    closed: bool,
}

impl Notice {
    /// The engine has given up with this error, which whoever met it may meet no more later.
    pub(super) fn give(&self, error: StoreError) -> StoreError {
        let mut state = self.state.lock();
        if state.why.is_none() {
            state.why = Some((error.to_string().replace('\n', " "), Instant::now()));
            self.changed.notify_all();
        }
        match error {
            StoreError::Corrupt { place, cause } => {
                StoreError::Unavailable { what: place.to_string(), cause }
            }
            other => other,
        }
    }

    /// No index is lent at the moment.
    fn away(&self, doing: &str) -> StoreError {
        let why = self.trouble().map_or_else(String::new, |(why, _)| format!(": {why}"));
        let cause = format!("the index is being opened again{why}").into();
        StoreError::Unavailable { what: doing.to_owned(), cause }
    }

    /// Refuses `doing` while the engine takes nothing.
    pub(super) fn check(&self, doing: &str) -> Result<(), StoreError> {
        match self.is_given() {
            true => Err(self.away(doing)),
            false => Ok(()),
        }
    }

    /// Whether it has given up.
    pub(super) fn is_given(&self) -> bool {
        self.state.lock().why.is_some()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// What it gave up on and how long ago, until it is taken up again.
    pub(super) fn trouble(&self) -> Option<(String, Duration)> {
        self.state.lock().why.as_ref().map(|(why, since)| (why.clone(), since.elapsed()))
    }

    /// How often it was taken up again.
    pub(super) fn turn(&self) -> u64 {
        self.state.lock().turn
    }

    /// It takes up what it had when its engine gave up, and all that the log has besides.
    pub(super) fn is_over(&self) {
        let mut state = self.state.lock();
        (state.why, state.turn) = (None, state.turn + 1);
        self.changed.notify_all();
    }

    /// What was tried last failed with this.
    pub(super) fn still(&self, why: &str) {
        if let Some((was, _)) = &mut self.state.lock().why {
            *was = why.replace('\n', " ");
        }
    }

    /// Waits until an engine has been taken up that gave up after `turn`; `false` when all ends before.
    pub(super) fn until_taken_up(&self, turn: u64) -> bool {
        let mut state = self.state.lock();
        while state.turn == turn && !state.closed {
            self.changed.wait(&mut state);
        }
        state.turn != turn
    }

    /// Waits until one gives up; what it says. `None` when all ends.
    pub(super) fn until_given(&self) -> Option<String> {
        let mut state = self.state.lock();
        loop {
            match &state.why {
                _ if state.closed => return None,
                Some((why, _)) => return Some(why.clone()),
                None => self.changed.wait(&mut state),
            }
        }
    }

    /// Waits so long; `false` when all ends.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.state.lock();
        while !state.closed && !self.changed.wait_until(&mut state, until).timed_out() {}
        !state.closed
    }

    /// Nothing is taken up any more, and nobody waits for it.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }
}
