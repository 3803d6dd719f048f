//! The window in which a repeated send is recognised (law L4).
//!
//! Invariant: what the window holds is a function of the log alone. Times are append times, the
//! bound is a number of entries, and both are the same on every replay. An entry is no younger than
//! any behind it: where append times fall (a clock that was ahead has been set right) the ones before
//! count as just as old as the first after the fall, or they would stay for ever.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use openim_record::{DuplicateEntry, MessageKey, broken};

/// More have no number.
const ENTRIES_MAX: usize = u32::MAX as usize;

/// Recently appended keys of one partition, oldest first.
#[derive(Debug)]
pub struct Window {
    /// A restart may bring a key twice: the store keeps entries that expired beside those that did not.
    order: VecDeque<DuplicateEntry>,
    /// The newest entry of each key, by its number: they are counted as they come, and begin again after the last.
    /// Numbers alone, so that of a million keys a look touches little memory.
    newest: HashTable<u32>,
    hasher: RandomState,
    /// The number of the first entry of `order`, and of the one that comes next.
    begin: u32,
    next: u32,
    window_ms: i64,
    entries_max: usize,
    /// Entries at the back of `order` that the history store has not taken yet.
    fresh: usize,
    shrunk_to_ms: Option<i64>,
}

impl Window {
    /// A window of `window_ms` that holds at most `entries_max` keys.
    #[must_use]
    pub fn new(window_ms: i64, entries_max: usize) -> Self {
        Self {
            order: VecDeque::new(),
            newest: HashTable::new(),
            hasher: RandomState::default(),
            begin: 0,
            next: 0,
            window_ms,
            entries_max: entries_max.clamp(1, ENTRIES_MAX),
            fresh: 0,
            shrunk_to_ms: None,
        }
    }

    /// Restores an entry that the history store kept; call oldest first.
    pub fn restore(&mut self, entry: DuplicateEntry) {
        let _known = self.insert(entry, true);
        self.fresh = 0;
    }

    /// The send time of the first send with `key`, if the window still knows it.
    #[must_use]
    pub fn find(&self, key: MessageKey) -> Option<i64> {
        let is_it = |&number: &u32| entry_of(&self.order, self.begin, number).key == key;
        let number = *self.newest.find(self.hasher.hash_one(key), is_it)?;
        Some(entry_of(&self.order, self.begin, number).send_time_ns)
    }

    /// Notes an appended key. `Some(first send time)` when it was there already.
    pub fn see(&mut self, entry: DuplicateEntry) -> Option<i64> {
        self.expire(entry.append_ms);
        let first = self.insert(entry, false);
        if first.is_none() {
            self.fresh = (self.fresh + 1).min(self.order.len());
        }
        first
    }

    /// The keys noted since the last call, oldest first.
    pub fn take_fresh(&mut self) -> Vec<DuplicateEntry> {
        let start = self.order.len() - self.fresh;
        self.fresh = 0;
        self.order.range(start..).copied().collect()
    }

    /// How many keys are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether no key is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The window that the bound on entries left, in milliseconds, once it had to shrink it.
    #[must_use]
    pub const fn shrunk_to_ms(&self) -> Option<i64> {
        self.shrunk_to_ms
    }

    /// Puts an entry behind all others. One whose key is there only if it is to be the `newer` one; else the send
    /// time of the one that is.
    fn insert(&mut self, entry: DuplicateEntry, newer: bool) -> Option<i64> {
        let Self { order, newest, hasher, begin, next, .. } = self;
        let (begin, number) = (*begin, *next);
        let slot = newest.entry(
            hasher.hash_one(entry.key),
            |&number| entry_of(order, begin, number).key == entry.key,
            |&number| hasher.hash_one(entry_of(order, begin, number).key),
        );
        match slot {
            Entry::Occupied(known) if !newer => {
                return Some(entry_of(order, begin, *known.get()).send_time_ns);
            }
            Entry::Occupied(mut known) => *known.get_mut() = number,
            Entry::Vacant(free) => drop(free.insert(number)),
        }
        if self.order.len() == self.entries_max {
            self.pop();
            let oldest = self.order.front().map_or(entry.append_ms, |e| e.append_ms);
            self.shrunk_to_ms = Some(entry.append_ms - oldest);
        }
        for before in self.order.iter_mut().rev() {
            if before.append_ms <= entry.append_ms {
                break;
            }
            before.append_ms = entry.append_ms;
        }
        self.order.push_back(entry);
        self.next = number.wrapping_add(1);
        None
    }

    fn expire(&mut self, now_ms: i64) {
        while self
            .order
            .front()
            .is_some_and(|e| e.append_ms.saturating_add(self.window_ms) < now_ms)
        {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(old) = self.order.pop_front() else { return };
        let number = self.begin;
        self.begin = number.wrapping_add(1);
        // Not there when a newer one has its key, which goes on counting.
        if let Ok(slot) = self.newest.find_entry(self.hasher.hash_one(old.key), |&of| of == number)
        {
            slot.remove();
        }
        self.fresh = self.fresh.min(self.order.len());
    }
}

/// The entry with a number, the first of them having `begin`.
fn entry_of(order: &VecDeque<DuplicateEntry>, begin: u32, number: u32) -> &DuplicateEntry {
    order
        .get(number.wrapping_sub(begin) as usize)
        .unwrap_or_else(|| broken("a number in the window has its entry"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: u128, append_ms: i64) -> DuplicateEntry {
        DuplicateEntry { key: MessageKey(key), send_time_ns: append_ms * 10, append_ms }
    }

    #[test]
    fn a_repeat_gets_the_first_time_until_the_window_has_passed() {
        let mut window = Window::new(100, 10);
        assert_eq!(window.see(entry(1, 0)), None);
        assert_eq!(window.see(entry(1, 100)), Some(0));
        assert_eq!(window.see(entry(1, 101)), None);
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_nothing_for_ever() {
        let year = 365 * 86_400_000;
        for restored in [false, true] {
            let mut window = Window::new(100, 10);
            for (key, append_ms) in [(1, 50), (2, 70 * year), (3, 70 * year + 1)] {
                match restored {
                    true => window.restore(entry(key, append_ms)),
                    false => assert_eq!(window.see(entry(key, append_ms)), None),
                }
            }
            assert_eq!(window.see(entry(4, 1_000)), None);
            assert_eq!(window.see(entry(3, 1_100)), Some(700 * year + 10), "still in the window");
            assert_eq!(window.see(entry(3, 1_101)), None, "it has passed");
            assert_eq!(window.len(), 1, "and with it all that is as old");
        }
    }

    #[test]
    fn the_bound_shrinks_the_window_and_says_so() {
        let mut window = Window::new(1000, 2);
        for n in 0..3 {
            assert_eq!(window.see(entry(u128::from(n as u32), n * 10)), None);
        }
        assert_eq!((window.len(), window.shrunk_to_ms()), (2, Some(10)));
        assert_eq!(window.find(MessageKey(0)), None);
    }

    #[test]
    fn an_entry_that_leaves_takes_no_newer_one_of_its_key_along() {
        let mut window = Window::new(100, 10);
        // The store kept an entry that had expired before the newer one came.
        for restored in [entry(1, 0), entry(2, 80), entry(1, 105)] {
            window.restore(restored);
        }
        assert_eq!(window.see(entry(3, 110)), None);
        assert_eq!(window.see(entry(1, 150)), Some(1050));
        assert_eq!(window.see(entry(1, 206)), None);
    }

    #[test]
    fn numbers_may_begin_again() {
        let mut window = Window::new(1000, 3);
        (window.begin, window.next) = (u32::MAX - 1, u32::MAX - 1);
        for key in 0..8 {
            assert_eq!(window.see(entry(key, 5)), None);
            assert_eq!(window.see(entry(key, 6)), Some(50));
        }
        assert_eq!((window.len(), window.newest.len(), window.begin), (3, 3, 3));
        assert_eq!(window.find(MessageKey(4)), None);
        assert_eq!(window.find(MessageKey(5)), Some(50));
    }

    #[test]
    fn fresh_entries_are_taken_once() {
        let mut window = Window::new(1000, 10);
        window.restore(entry(7, 1));
        window.see(entry(8, 2));
        window.see(entry(8, 3));
        assert_eq!(window.take_fresh(), [entry(8, 2)]);
        assert!(window.take_fresh().is_empty());
    }
}
