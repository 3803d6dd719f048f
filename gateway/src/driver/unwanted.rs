//! Conversations that somebody does not receive (receive option 1): how many there are in the process, and what becomes of a change.
//!
//! Which they are the pure shards know, each of the users and groups at home there. A change is made by that home alone: it
//! takes a place here first, the writer makes it durable, and its answer has the shard follow before anybody else hears of it. So
//! changes of a conversation are followed in the order in which they are durable, also where who asked is gone.
//! In a cluster nothing is kept: options have no effect there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use openim_storage::port::{NOT_RECEIVED, PreferenceChange};

use super::Core;

/// One shard's hand on the count.
#[derive(Debug)]
pub(crate) struct Unwanted {
    /// Those that there are, and places that are held for others.
    taken: Arc<AtomicUsize>,
    max: usize,
}

/// Places held for changes that are on their way.
#[derive(Debug)]
pub(crate) struct Places {
    taken: Arc<AtomicUsize>,
    count: usize,
}

impl Unwanted {
    /// `taken` is shared by all shards.
    pub(crate) fn new(taken: Arc<AtomicUsize>, max: usize) -> Self {
        Self { taken, max }
    }

    /// What the shard has from its start.
    pub(crate) fn begin(&self, count: usize) {
        self.taken.fetch_add(count, Ordering::Relaxed);
    }

    /// No places yet.
    pub(crate) fn places(&self) -> Places {
        Places { taken: Arc::clone(&self.taken), count: 0 }
    }

    /// Holds a place more; `false` where there is none.
    pub(crate) fn hold(&self, places: &mut Places) -> bool {
        let more = |taken: usize| (taken < self.max).then_some(taken + 1);
        let held = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        places.count += usize::from(held);
        held
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.count, Ordering::Relaxed);
    }
}

impl Core {
    /// Whether a change takes a place that is not taken yet: its owner is to receive no more of a conversation at home here.
    pub(crate) fn takes_place(&self, change: &PreferenceChange) -> bool {
        let PreferenceChange { user, option, .. } = change;
        let shard = self.shard.borrow();
        *option == NOT_RECEIVED
            && !shard.is_alone()
            && change.names().is_some_and(|of| !shard.is_unwilling(user, of))
    }

    /// Options are durable: what is sent from now on in conversations that are at home here sees them.
    pub(super) fn heed(&self, set: &[(PreferenceChange, bool)]) {
        let mut shard = self.shard.borrow_mut();
        if shard.is_alone() {
            return;
        }
        for (change, _) in set.iter().filter(|(_, fits)| *fits) {
            let PreferenceChange { user, option, .. } = change;
            let Some(of) = change.names() else { continue };
            let unwilling = *option == NOT_RECEIVED;
            match (shard.set_unwilling(user, of, unwilling), unwilling) {
                (true, true) => self.unwanted.taken.fetch_add(1, Ordering::Relaxed),
                (true, false) => self.unwanted.taken.fetch_sub(1, Ordering::Relaxed),
                (false, _) => 0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_held_up_to_the_bound_and_given_back() {
        let shared = Arc::<AtomicUsize>::default();
        let [one, other] = [(); 2].map(|()| Unwanted::new(Arc::clone(&shared), 3));
        one.begin(1);
        let mut places = other.places();
        assert_eq!([(); 3].map(|()| other.hold(&mut places)), [true, true, false]);
        assert!(!one.hold(&mut one.places()));
        drop(places);
        assert!(one.hold(&mut one.places()));
        assert_eq!(shared.load(Ordering::Relaxed), 1);
    }
}
