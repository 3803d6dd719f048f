//! Sends that the log has not answered yet.
//!
//! Invariant: every origin that entered is answered once: by the commit, by a refusal, or when its
//! time is up. Bounded by the rings that the sends went through.

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use openim_record::MessageKey;

use crate::Origin;

#[derive(Debug)]
struct Entry {
    /// `None` once the time was up: the commit still applies, nobody waits.
    origin: Option<Origin>,
}

/// The table of pending sends of one shard.
#[derive(Debug)]
pub(crate) struct Pending {
    by_key: HashMap<MessageKey, Entry, RandomState>,
    deadlines: VecDeque<(u64, MessageKey)>,
    /// Entries whose time is up and which the log still owes.
    overdue: usize,
}

impl Pending {
    pub(crate) fn new() -> Self {
        Self {
            by_key: HashMap::with_hasher(RandomState::default()),
            deadlines: VecDeque::new(),
            overdue: 0,
        }
    }

    pub(crate) fn contains(&self, key: MessageKey) -> bool {
        self.by_key.contains_key(&key)
    }

    pub(crate) fn insert(&mut self, key: MessageKey, origin: Origin, deadline_ms: u64) {
        self.by_key.insert(key, Entry { origin: Some(origin) });
        self.deadlines.push_back((deadline_ms, key));
    }

    /// The log has answered; returns who waits, if anybody still does.
    pub(crate) fn remove(&mut self, key: MessageKey) -> Option<Origin> {
        let entry = self.by_key.remove(&key)?;
        self.overdue -= usize::from(entry.origin.is_none());
        // Commits come in the order of sends, so the front is nearly always this one.
        while let Some((_, front)) = self.deadlines.front()
            && !self.by_key.contains_key(front)
        {
            self.deadlines.pop_front();
        }
        entry.origin
    }

    /// The next origin whose time is up at `now_ms`. It is answered by the caller, once.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Option<Origin> {
        while let Some(&(deadline_ms, key)) = self.deadlines.front() {
            match self.by_key.get_mut(&key) {
                None => {
                    self.deadlines.pop_front();
                }
                Some(_) if deadline_ms > now_ms => return None,
                Some(entry) => {
                    self.deadlines.pop_front();
                    if let Some(origin) = entry.origin.take() {
                        self.overdue += 1;
                        return Some(origin);
                    }
                }
            }
        }
        None
    }

    /// Whether the log owes an answer whose time is up.
    pub(crate) const fn overdue(&self) -> bool {
        self.overdue > 0
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }
}
