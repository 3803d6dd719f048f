//! Sends that the log has not answered yet.
//!
//! Invariant: every origin that entered is answered once: by the commit, by a refusal, or when its
//! time is up. Bounded by the rings that the sends went through.

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use openim_record::MessageKey;

use crate::{LinkId, Origin};

/// Repeats of one send that may wait for its answer: more than a user has platforms.
const WAITERS_MAX: usize = 16;

/// Those who offered a send again while the first was under way; they offer it once more afterwards.
#[derive(Debug, Default)]
pub struct Waiters {
    /// Links that are held.
    pub links: Vec<LinkId>,
    /// Whether calls are.
    pub calls: bool,
}

/// An answered send: who waited for it.
#[derive(Debug)]
pub struct Settled {
    /// `None` when its time was up before.
    pub origin: Option<Origin>,
    /// Those who repeat it.
    pub waiters: Option<Box<Waiters>>,
}

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not on its way.
    Free,
    /// Its origin is going to be answered.
    Open,
    /// Its origin was answered when the time was up, the commit is still to come.
    Late,
}

#[derive(Debug)]
struct Entry {
    /// `None` once the time was up: the commit still applies, nobody waits.
    origin: Option<Origin>,
    /// Which insert it was: a key can come a second time, after a refusal.
    number: u64,
    /// Tells its record from an older one with the same key, which a replay may still bring.
    send_time_ns: i64,
    members: u32,
    /// The log has answered; the record waits for its user to be loaded.
    arrived: bool,
    waiters: Option<Box<Waiters>>,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    at_ms: u64,
    key: MessageKey,
    number: u64,
}

/// The table of pending sends of one shard.
#[derive(Debug, Default)]
pub struct Pending {
    by_key: HashMap<MessageKey, Entry, RandomState>,
    deadlines: VecDeque<Deadline>,
    inserted: u64,
    /// Entries whose time is up and which the log still owes.
    overdue: usize,
}

impl Pending {
    /// No sends.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How the send with `key` stands.
    #[must_use]
    pub fn standing(&self, key: MessageKey) -> Standing {
        match self.by_key.get(&key) {
            None => Standing::Free,
            Some(entry) if entry.origin.is_none() => Standing::Late,
            Some(_) => Standing::Open,
        }
    }

    /// Who waits for the send, if anybody still does.
    #[must_use]
    pub fn origin(&self, key: MessageKey) -> Option<Origin> {
        self.by_key.get(&key)?.origin
    }

    /// To how many members of a group the send goes.
    #[must_use]
    pub fn members(&self, key: MessageKey) -> u32 {
        self.by_key.get(&key).map_or(0, |entry| entry.members)
    }

    /// Notes a send that was handed to the log; to a group it goes to so many `members`, else to 0.
    pub fn insert(
        &mut self,
        key: MessageKey,
        origin: Origin,
        members: u32,
        send_time_ns: i64,
        deadline_ms: u64,
    ) {
        self.inserted += 1;
        let number = self.inserted;
        let entry = Entry {
            origin: Some(origin),
            number,
            send_time_ns,
            members,
            arrived: false,
            waiters: None,
        };
        self.by_key.insert(key, entry);
        self.deadlines.push_back(Deadline { at_ms: deadline_ms, key, number });
    }

    /// Lets `origin` be resumed when the send with `key` is answered. `false`: too many wait.
    pub fn wait(&mut self, key: MessageKey, origin: Origin) -> bool {
        let Some(entry) = self.by_key.get_mut(&key) else { return false };
        let waiters = entry.waiters.get_or_insert_default();
        match origin {
            Origin::Call(_) => waiters.calls = true,
            Origin::Link { .. } if waiters.links.len() >= WAITERS_MAX => return false,
            Origin::Link { id, .. } => waiters.links.push(id),
        }
        true
    }

    /// The log has answered, but the record cannot be applied yet: the log owes nothing any more.
    pub fn arrived(&mut self, key: MessageKey) {
        if let Some(entry) = self.by_key.get_mut(&key)
            && !entry.arrived
        {
            entry.arrived = true;
            self.overdue -= usize::from(entry.origin.is_none());
        }
    }

    /// Whether it is this send, not an earlier one of the same key, that is on its way.
    #[must_use]
    pub fn is(&self, key: MessageKey, send_time_ns: i64) -> bool {
        self.by_key.get(&key).is_some_and(|entry| entry.send_time_ns == send_time_ns)
    }

    /// The send is decided; returns who waits for it.
    pub fn remove(&mut self, key: MessageKey) -> Option<Settled> {
        let entry = self.by_key.remove(&key)?;
        self.overdue -= usize::from(entry.origin.is_none() && !entry.arrived);
        // Commits come in the order of sends, so the front is nearly always this one.
        while let Some(&front) = self.deadlines.front()
            && !self.is_open(front)
        {
            self.deadlines.pop_front();
        }
        Some(Settled { origin: entry.origin, waiters: entry.waiters })
    }

    /// The next send whose time is up at `now_ms`. Its origin is answered by the caller, once.
    pub fn expire(&mut self, now_ms: u64) -> Option<Settled> {
        while let Some(&front) = self.deadlines.front() {
            let open = self.is_open(front);
            if open && front.at_ms > now_ms {
                return None;
            }
            self.deadlines.pop_front();
            if open
                && let Some(entry) = self.by_key.get_mut(&front.key)
                && let Some(origin) = entry.origin.take()
            {
                self.overdue += usize::from(!entry.arrived);
                return Some(Settled { origin: Some(origin), waiters: entry.waiters.take() });
            }
        }
        None
    }

    /// Whether the log owes an answer whose time is up.
    #[must_use]
    pub const fn overdue(&self) -> bool {
        self.overdue > 0
    }

    /// How many the log owes an answer.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether it owes none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Whether the insert that this deadline belongs to is still unanswered.
    fn is_open(&self, deadline: Deadline) -> bool {
        self.by_key
            .get(&deadline.key)
            .is_some_and(|entry| entry.origin.is_some() && entry.number == deadline.number)
    }

    /// Panics when the counts do not add up; walks everything.
    pub fn check_invariants(&self) {
        let owed = |entry: &&Entry| entry.origin.is_none() && !entry.arrived;
        assert_eq!(self.overdue, self.by_key.values().filter(owed).count(), "overdue");
        let open = self.by_key.values().filter(|entry| entry.origin.is_some()).count();
        assert!(self.deadlines.len() >= open, "every open send has a deadline");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: MessageKey = MessageKey(1);

    fn origin(settled: Option<Settled>) -> Option<Origin> {
        settled.and_then(|settled| settled.origin)
    }

    #[test]
    fn an_origin_is_answered_once() {
        let mut pending = Pending::new();
        pending.insert(KEY, Origin::Call(1), 0, 0, 10);
        assert_eq!(origin(pending.expire(9)), None);
        assert_eq!(origin(pending.expire(10)), Some(Origin::Call(1)));
        assert!(pending.overdue());
        assert_eq!(pending.standing(KEY), Standing::Late);
        assert!(pending.expire(99).is_none());
        assert_eq!(origin(pending.remove(KEY)), None);
        assert!(!pending.overdue());
        assert!(pending.remove(KEY).is_none());
    }

    #[test]
    fn a_refused_and_repeated_send_gets_its_whole_time() {
        let mut pending = Pending::new();
        pending.insert(MessageKey(0), Origin::Call(0), 0, 0, 5);
        pending.insert(KEY, Origin::Call(1), 0, 0, 10);
        pending.remove(KEY);
        pending.insert(KEY, Origin::Call(2), 0, 0, 20);
        assert_eq!(origin(pending.expire(10)), Some(Origin::Call(0)));
        assert_eq!(origin(pending.expire(10)), None);
        assert_eq!(origin(pending.expire(20)), Some(Origin::Call(2)));
    }

    #[test]
    fn a_deadline_left_over_does_not_answer_out_of_turn() {
        let mut pending = Pending::new();
        pending.insert(MessageKey(0), Origin::Call(0), 0, 0, 10);
        pending.insert(KEY, Origin::Call(1), 0, 0, 10);
        pending.remove(KEY);
        pending.insert(MessageKey(2), Origin::Call(2), 0, 0, 10);
        pending.insert(KEY, Origin::Call(3), 0, 0, 10);
        let order: Vec<_> = std::iter::from_fn(|| pending.expire(10)?.origin).collect();
        assert_eq!(order, [0, 2, 3].map(Origin::Call));
    }

    #[test]
    fn what_waits_for_a_load_is_late_but_the_log_owes_nothing() {
        for arrives_late in [false, true] {
            let mut pending = Pending::new();
            pending.insert(KEY, Origin::Call(1), 0, 0, 10);
            if !arrives_late {
                pending.arrived(KEY);
            }
            assert_eq!(origin(pending.expire(10)), Some(Origin::Call(1)));
            assert_eq!(pending.overdue(), arrives_late);
            pending.arrived(KEY);
            assert!(!pending.overdue());
            pending.remove(KEY);
            pending.check_invariants();
        }
    }

    #[test]
    fn repeats_wait_within_a_bound() {
        let mut pending = Pending::new();
        pending.insert(KEY, Origin::Call(1), 0, 0, 10);
        let link = |index| Origin::Link { id: LinkId { index, generation: 1 }, msg_incr: 1 };
        for index in 0..WAITERS_MAX {
            assert!(pending.wait(KEY, link(index as u32)));
        }
        assert!(!pending.wait(KEY, link(99)));
        assert!(!pending.wait(MessageKey(2), link(0)), "nothing to wait for");
        let waiters = pending.remove(KEY).and_then(|settled| settled.waiters).unwrap();
        assert_eq!((waiters.links.len(), waiters.calls), (WAITERS_MAX, false));
    }

    #[test]
    fn deadlines_do_not_outlive_the_sends() {
        let mut pending = Pending::new();
        for n in 0..1000 {
            pending.insert(MessageKey(n), Origin::Call(0), 0, 0, 10);
            pending.remove(MessageKey(n));
        }
        assert_eq!((pending.len(), pending.deadlines.len()), (0, 0));
    }
}
