//! When a shard's pump turns, and what it remembers from one turn to the next.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::Waker;

use openim_bus::Doorbell;
use tokio::sync::Notify;

/// Polls of link tasks between two turns.
const POLLS_PER_TURN: u32 = 32;

/// See the module.
pub(crate) struct Wheel {
    bell: Arc<Doorbell>,
    polls: Cell<u32>,
    waker: RefCell<Option<Waker>>,
    /// Turns in which everything that the log had handed in was taken.
    drained: Cell<u64>,
    /// Position of the log at the last store batch, and when it was taken (milliseconds).
    batched: Cell<(u64, u64)>,
    sooner: Notify,
}

impl Wheel {
    pub(crate) fn new(bell: Arc<Doorbell>) -> Self {
        Self {
            bell,
            polls: Cell::new(0),
            waker: RefCell::new(None),
            drained: Cell::new(0),
            batched: Cell::new((0, 0)),
            sooner: Notify::new(),
        }
    }

    /// Rung by whoever has something for this shard.
    pub(crate) fn bell(&self) -> &Arc<Doorbell> {
        &self.bell
    }

    /// Counts a poll of a task that does the bulk of the work; whether the rings are to have their turn.
    pub(crate) fn polled(&self) -> bool {
        let polls = self.polls.get() + 1;
        self.polls.set(polls);
        polls >= POLLS_PER_TURN
    }

    /// A turn begins.
    pub(crate) fn turns(&self) {
        self.polls.set(0);
    }

    /// The pump's task, to be woken by [`Self::nudge`].
    pub(crate) fn wake_by(&self, waker: &Waker) {
        self.waker.replace(Some(waker.clone()));
    }

    /// Makes the pump run soon.
    pub(crate) fn nudge(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// In this turn everything was taken that the log had handed in.
    pub(crate) fn drain(&self) {
        self.drained.set(self.drained.get() + 1);
    }

    /// How many such turns there were.
    pub(crate) fn drains(&self) -> u64 {
        self.drained.get()
    }

    /// Position of the log at the last store batch, and when it was taken (milliseconds).
    pub(crate) fn last_batch(&self) -> (u64, u64) {
        self.batched.get()
    }

    pub(crate) fn batched(&self, head: u64, now_ms: u64) {
        self.batched.set((head, now_ms));
    }

    /// Something became due sooner than the tick knew.
    pub(crate) fn sooner(&self) {
        self.sooner.notify_one();
    }

    /// Until something has.
    pub(crate) async fn until_sooner(&self) {
        self.sooner.notified().await;
    }
}
