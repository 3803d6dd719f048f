//! What waits for a history store that takes nothing, as far as others must know of it.
//!
//! In: that batches are refused, from whoever stores; that a shard has half of what may wait there, from the shards. Out: whether the log is to
//! refuse messages: their senders get an error and may repeat them, where a shard that is full would hold its links until they give
//! up. The other half is for what is under way. Never: a lock.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// See the module.
#[derive(Debug, Default)]
pub struct Backlog {
    refused: AtomicBool,
    full: AtomicUsize,
}

impl Backlog {
    /// Whether the store has taken what it was last given.
    pub(crate) fn stored(&self, taken: bool) {
        self.refused.store(!taken, Ordering::Release);
    }

    /// Whether batches are refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// A shard has half of what may wait there, or has no more.
    pub fn fills(&self, full: bool) {
        match full {
            true => self.full.fetch_add(1, Ordering::AcqRel),
            false => self.full.fetch_sub(1, Ordering::AcqRel),
        };
    }

    /// Whether some shard has.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire) > 0
    }
}
