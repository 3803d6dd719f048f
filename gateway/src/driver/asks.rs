//! What a shard asks of the workers: users to load, questions, changes, batches to store.
//!
//! Owns the ways to them, who waits for which answer, and how many questions are open: never more than the queue of
//! answers has places, so an answer always fits. In: questions, and what the workers answer. Out: answers, to whoever
//! waits. Never: a wait without its caller's own end ([`Core::in_time`](super::Core::in_time)).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crossbeam_channel::Sender;
use openim_bus::Shared;
use openim_record::{StoreBatch, UserId, broken};
use openim_workers::reads::Read;
use openim_workers::writes::Write;
use openim_workers::{Done, Outlet, Ticket};

#[cfg(feature = "cluster")]
use tokio::sync::oneshot;

use super::waits::Waits;

/// Questions that one shard may have open with the workers: its answer queue holds as many.
pub(crate) const ASKED_MAX: usize = 1024;
/// Questions at which nothing is asked any more that only may be wanted later.
const EXPECTED_MAX: usize = ASKED_MAX / 4;

/// The stores could not give a user's state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadFailed;

/// A bounded channel is full, or what was asked is not answered in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoRoom;

/// Channels to the workers.
#[derive(Clone)]
pub(crate) struct Workers {
    pub(crate) reads: Sender<(u16, Read)>,
    pub(crate) writes: Sender<(u16, Write)>,
    pub(crate) store: Sender<(u16, StoreBatch)>,
}

/// See the module.
pub(crate) struct Asks {
    /// This shard's place among the queues of answers.
    index: u16,
    workers: Workers,
    outlet: Outlet,
    /// Questions that are not answered.
    open: Cell<usize>,
    waits: RefCell<Waits<Done>>,
    loading: RefCell<HashMap<UserId, Loading>>,
    /// Who waits for tokens that are read again; told whether they were.
    #[cfg(feature = "cluster")]
    rereading: RefCell<HashMap<UserId, Vec<oneshot::Sender<bool>>>>,
}

/// Waiters for one user's state.
#[derive(Default)]
struct Loading {
    wakers: Vec<Waker>,
    /// How often loading failed while they waited.
    failures: u32,
}

impl Asks {
    pub(crate) fn new(index: u16, workers: Workers, outlet: Outlet) -> Self {
        Self {
            index,
            workers,
            outlet,
            open: Cell::new(0),
            waits: RefCell::new(Waits::new()),
            loading: RefCell::default(),
            #[cfg(feature = "cluster")]
            rereading: RefCell::default(),
        }
    }

    /// Whether another question to the readers would be taken.
    pub(crate) fn readers_have_room(&self) -> bool {
        self.open.get() < ASKED_MAX && !self.workers.reads.is_full()
    }

    /// Whether another change would be taken by the writer.
    pub(crate) fn writer_has_room(&self) -> bool {
        self.open.get() < ASKED_MAX && !self.workers.writes.is_full()
    }

    /// Asks the readers; `read` is given the ticket.
    pub(crate) async fn read(&self, read: impl FnOnce(Ticket) -> Read) -> Result<Done, NoRoom> {
        self.ask(|ticket| self.workers.reads.try_send((self.index, read(ticket))).is_ok()).await
    }

    /// Asks the writers; `write` is given the ticket.
    pub(crate) async fn write(&self, write: impl FnOnce(Ticket) -> Write) -> Result<Done, NoRoom> {
        self.ask(|ticket| self.workers.writes.try_send((self.index, write(ticket))).is_ok()).await
    }

    /// Asks by `send`, which says whether there was room, and waits for the answer.
    async fn ask(&self, send: impl FnOnce(Ticket) -> bool) -> Result<Done, NoRoom> {
        let ticket = self.waits.borrow_mut().open();
        if self.open.get() >= ASKED_MAX || !send(Ticket(ticket as u64)) {
            self.waits.borrow_mut().cancel(ticket);
            return Err(NoRoom);
        }
        self.open.set(self.open.get() + 1);
        Ok(Answering { asks: self, ticket, over: false }.await)
    }

    /// What the workers have answered or told.
    pub(crate) fn take(&self) -> Option<Done> {
        self.queue().try_recv()
    }

    /// Whether they have.
    pub(crate) fn has_answers(&self) -> bool {
        !self.queue().is_empty()
    }

    fn queue(&self) -> &Shared<Done> {
        &self.outlet[usize::from(self.index)]
    }

    /// An answer goes to the task that waits for it.
    pub(crate) fn answer(&self, Ticket(ticket): Ticket, done: Done) {
        self.close();
        self.waits.borrow_mut().answer(ticket as usize, done);
    }

    fn close(&self) {
        self.open.set(self.open.get().saturating_sub(1));
    }

    // --- loads ---------------------------------------------------------------------------------

    /// Whether a user may be loaded who only may be wanted later: others leave room for those whom somebody waits
    /// for.
    pub(crate) fn expects(&self) -> bool {
        self.open.get() < EXPECTED_MAX
    }

    /// Asks for a user's state; whether there was room.
    pub(crate) fn load(&self, read: Read) -> bool {
        let sent = self.workers.reads.try_send((self.index, read)).is_ok();
        self.open.set(self.open.get() + usize::from(sent));
        sent
    }

    /// How often loading a user has failed for those who wait.
    pub(crate) fn failures(&self, uid: &UserId) -> u32 {
        self.loading.borrow().get(uid).map_or(0, |loading| loading.failures)
    }

    /// Joins those who wait for a user; whether one more load has failed since there were so many failures.
    pub(crate) fn join(
        &self,
        uid: &UserId,
        failures: u32,
        waker: &Waker,
    ) -> Result<(), LoadFailed> {
        let mut loading = self.loading.borrow_mut();
        let entry = loading.entry(uid.clone()).or_default();
        if entry.failures > failures {
            return Err(LoadFailed);
        }
        entry.wakers.push(waker.clone());
        Ok(())
    }

    /// Somebody waits for a user no longer: a load that stalls must not gather all who ever wanted it.
    pub(crate) fn leave(&self, uid: &UserId, waker: &Waker) {
        if let Some(entry) = self.loading.borrow_mut().get_mut(uid) {
            entry.wakers.retain(|other| !other.will_wake(waker));
        }
    }

    /// The answer to a load has come; `known`: what was loaded is in memory, `None` if the load failed.
    pub(crate) fn loaded(&self, uid: &UserId, known: Option<bool>) {
        self.close();
        let mut loading = self.loading.borrow_mut();
        match known {
            Some(true) => {
                if let Some(entry) = loading.remove(uid) {
                    entry.wakers.into_iter().for_each(Waker::wake);
                }
            }
            Some(false) => {}
            None => {
                if let Some(entry) = loading.get_mut(uid) {
                    entry.failures += 1;
                    entry.wakers.drain(..).for_each(Waker::wake);
                }
            }
        }
    }

    /// Waits for the tokens of a user that are to be read again: whether they were.
    #[cfg(feature = "cluster")]
    pub(crate) fn rereads(&self, uid: &UserId) -> oneshot::Receiver<bool> {
        let (tell, told) = oneshot::channel();
        let mut rereading = self.rereading.borrow_mut();
        let waiting = rereading.entry(uid.clone()).or_default();
        // A load that stalls must not gather all who ever wanted it.
        waiting.retain(|other| !other.is_closed());
        waiting.push(tell);
        told
    }

    /// A user's tokens were read, or (`false`) could not be.
    #[cfg(feature = "cluster")]
    pub(crate) fn reread(&self, uid: &UserId, read: bool) {
        for waiting in self.rereading.borrow_mut().remove(uid).into_iter().flatten() {
            // Who has waited too long is gone.
            let _gone = waiting.send(read);
        }
    }

    /// Forgets the failures that all waiters have seen.
    pub(crate) fn forget_failed_loads(&self) {
        self.loading.borrow_mut().retain(|_, entry| !entry.wakers.is_empty());
    }

    // --- batches -------------------------------------------------------------------------------

    /// Whether the history store would take a batch.
    pub(crate) fn store_has_room(&self) -> bool {
        !self.workers.store.is_full()
    }

    /// Hands a batch to the history store, which had room.
    pub(crate) fn store(&self, batch: StoreBatch) {
        // The channel has a place for each shard, and this shard's is free.
        if self.workers.store.try_send((self.index, batch)).is_err() {
            broken("the history store takes one batch of each shard while shards run");
        }
    }
}

/// Waits for an answer.
struct Answering<'a> {
    asks: &'a Asks,
    ticket: usize,
    over: bool,
}

impl Future for Answering<'_> {
    type Output = Done;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done> {
        let answer = self.asks.waits.borrow_mut().poll(self.ticket, cx.waker());
        match answer {
            Some(answer) => {
                self.over = true;
                Poll::Ready(answer)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.asks.waits.borrow_mut().abandon(self.ticket);
        }
    }
}
