//! Users' state in bounded memory: a clock that gives each user a second chance.
//!
//! Invariants: an insert looks at a bounded number of entries, so nothing on the message path costs
//! what the cache is large; who leaves depends on the calls alone, never on the seed of a hash.
#![allow(clippy::indexing_slicing, reason = "a slot's number comes from the index beside it")]

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use openim_record::UserId;

/// Entries one insert examines at most. More than one, so that a cache that had to outgrow its bound
/// (all were in use) comes back to it.
const STEPS_PER_INSERT: usize = 32;

#[derive(Debug)]
struct Slot<V> {
    uid: UserId,
    value: V,
    used: bool,
}

/// State by user.
#[derive(Debug)]
pub struct Cache<V> {
    slots: Vec<Slot<V>>,
    index: HashTable<u32>,
    hasher: RandomState,
    hand: usize,
    evicted: u64,
}

impl<V> Default for Cache<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> Cache<V> {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self {
            slots: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::default(),
            hand: 0,
            evicted: 0,
        }
    }

    /// Whether a user is there.
    #[must_use]
    pub fn contains(&self, uid: &str) -> bool {
        self.find(uid).is_some()
    }

    /// Reads without giving a second chance.
    #[must_use]
    pub fn get(&self, uid: &str) -> Option<&V> {
        self.slots.get(self.find(uid)?).map(|slot| &slot.value)
    }

    /// Reads or writes, and gives a second chance.
    pub fn get_mut(&mut self, uid: &str) -> Option<&mut V> {
        let slot = self.find(uid)?;
        let slot = self.slots.get_mut(slot)?;
        slot.used = true;
        Some(&mut slot.value)
    }

    /// Adds a user who is not there; drops others while there are `entries_max` or more, as far as
    /// they are `evictable` and were not used since the hand last passed. They go to `evicted`.
    pub fn insert(
        &mut self,
        uid: &UserId,
        value: V,
        entries_max: usize,
        evictable: impl Fn(&UserId, &V) -> bool,
        mut evicted: impl FnMut(UserId, V),
    ) {
        debug_assert!(!self.contains(uid.as_str()), "a user is there once");
        for _ in 0..STEPS_PER_INSERT {
            if self.slots.len() < entries_max.max(1) {
                break;
            }
            if let Some(slot) = self.step(&evictable) {
                self.evicted += 1;
                evicted(slot.uid, slot.value);
            }
        }
        let at = number(self.slots.len());
        let hash = self.hasher.hash_one(uid.as_str());
        self.slots.push(Slot { uid: uid.clone(), value, used: true });
        let Self { slots, index, hasher, .. } = self;
        index.insert_unique(hash, at, |&at| hasher.hash_one(slots[at as usize].uid.as_str()));
    }

    /// Forgets a user.
    pub fn remove_user(&mut self, uid: &str) {
        if let Some(at) = self.find(uid) {
            drop(self.remove(at));
        }
    }

    /// How many users are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many users had to leave so far.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Every entry, for checks in tests.
    pub fn values(&self) -> impl Iterator<Item = (&UserId, &V)> {
        self.slots.iter().map(|slot| (&slot.uid, &slot.value))
    }

    fn find(&self, uid: &str) -> Option<usize> {
        let hash = self.hasher.hash_one(uid);
        let found = self.index.find(hash, |&at| self.slots[at as usize].uid.as_str() == uid);
        found.map(|&at| at as usize)
    }

    fn step(&mut self, evictable: &impl Fn(&UserId, &V) -> bool) -> Option<Slot<V>> {
        if self.hand >= self.slots.len() {
            self.hand = 0;
        }
        let slot = self.slots.get_mut(self.hand)?;
        if std::mem::take(&mut slot.used) || !evictable(&slot.uid, &slot.value) {
            self.hand += 1;
            return None;
        }
        Some(self.remove(self.hand))
    }

    /// Removes a slot; the last one takes its place.
    fn remove(&mut self, at: usize) -> Slot<V> {
        self.relabel(at, None);
        let last = self.slots.len() - 1;
        if at != last {
            self.relabel(last, Some(number(at)));
        }
        self.slots.swap_remove(at)
    }

    /// Lets the index name `to` where it named the slot `at`, or nothing.
    fn relabel(&mut self, at: usize, to: Option<u32>) {
        let hash = self.hasher.hash_one(self.slots[at].uid.as_str());
        if let Ok(mut entry) = self.index.find_entry(hash, |&label| label as usize == at) {
            match to {
                Some(to) => *entry.get_mut() = to,
                None => drop(entry.remove()),
            }
        }
    }
}

fn number(slot: usize) -> u32 {
    u32::try_from(slot).expect("four billion users do not fit into memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(n: usize) -> UserId {
        UserId::new(&format!("u{n}"))
    }

    #[test]
    fn a_full_cache_drops_who_was_not_used() {
        let mut cache = Cache::new();
        for n in 0..4 {
            cache.insert(&uid(n), n, 4, |_, _| true, |_, _| ());
        }
        // The hand takes everybody's first chance, then drops the first.
        let mut left = Vec::new();
        cache.insert(&uid(4), 4, 4, |_, _| true, |uid, n| left.push((uid, n)));
        assert_eq!(left, [(uid(0), 0)]);
        assert_eq!((cache.len(), cache.evicted(), cache.contains("u0")), (4, 1, false));
        cache.get_mut("u1");
        cache.insert(&uid(5), 5, 4, |_, _| true, |_, _| ());
        assert!(cache.contains("u1"), "used since the hand passed");
        for (uid, &n) in cache.values() {
            assert_eq!(cache.get(uid.as_str()), Some(&n));
        }
    }

    #[test]
    fn who_must_stay_stays_and_the_bound_comes_back() {
        let mut cache = Cache::new();
        for n in 0..100 {
            cache.insert(&uid(n), n, 10, |_, _| false, |_, _| ());
        }
        assert_eq!(cache.len(), 100);
        for n in 100..150 {
            cache.insert(&uid(n), n, 10, |_, _| true, |_, _| ());
        }
        assert!(cache.len() <= 10, "{}", cache.len());
        assert!((0..150).all(|n| cache.get(uid(n).as_str()).is_none_or(|&v| v == n)));
    }
}
