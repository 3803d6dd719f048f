//! How many members of groups wait for their turn, in the whole process.
//!
//! A group's home adds a message's members when it hands the message to the log; each shard takes away
//! those who had their turn. While too many wait, sends to groups wait; nothing else does.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One shard's hand on the count.
#[derive(Debug)]
pub(crate) struct Fanout {
    waiting: Arc<AtomicUsize>,
    max: usize,
    /// The shard's own count of those who had their turn, as of the last look.
    fanned: Cell<u64>,
}

impl Fanout {
    /// `waiting` is shared by all shards.
    pub(crate) fn new(waiting: Arc<AtomicUsize>, max: usize) -> Self {
        Self { waiting, max, fanned: Cell::new(0) }
    }

    /// What the shard has counted before it began.
    pub(crate) fn begin(&self, fanned: u64) {
        self.fanned.set(fanned);
    }

    /// Whether a message to so many members may go to the log now. A group that is larger than the
    /// bound has its turn when nobody waits.
    pub(crate) fn admits(&self, members: usize) -> bool {
        let waiting = self.waiting.load(Ordering::Relaxed);
        waiting == 0 || waiting.saturating_add(members) <= self.max
    }

    /// A message to so many members is on its way.
    pub(crate) fn add(&self, members: usize) {
        self.waiting.fetch_add(members, Ordering::Relaxed);
    }

    /// What is counted on another thread, for messages that may come to nothing.
    pub(crate) fn promised(&self) -> Promised {
        Promised {
            waiting: Arc::clone(&self.waiting),
            sends: Arc::default(),
            members: Arc::default(),
        }
    }

    /// The shard has counted up to `fanned`.
    pub(crate) fn had_their_turn(&self, fanned: u64) {
        let before = self.fanned.replace(fanned);
        let had = usize::try_from(fanned.saturating_sub(before)).unwrap_or(usize::MAX);
        if had > 0 {
            self.waiting.fetch_sub(had, Ordering::Relaxed);
        }
    }
}

/// Messages to groups that lie in the log with a change, or nowhere.
#[derive(Clone, Debug)]
pub(crate) struct Promised {
    waiting: Arc<AtomicUsize>,
    sends: Arc<AtomicUsize>,
    members: Arc<AtomicUsize>,
}

impl Promised {
    /// One is to so many members.
    pub(crate) fn add(&self, members: usize) {
        self.sends.fetch_add(1, Ordering::Relaxed);
        self.members.fetch_add(members, Ordering::Relaxed);
        self.waiting.fetch_add(members, Ordering::Relaxed);
    }

    /// They are in the log: how many, and to how many members.
    pub(crate) fn kept(&self) -> (u64, u64) {
        (self.sends.load(Ordering::Relaxed) as u64, self.members.load(Ordering::Relaxed) as u64)
    }

    /// They are nowhere.
    pub(crate) fn broken(&self) {
        self.waiting.fetch_sub(self.members.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}
