//! What is wrong at the moment, told by the thread that met it to whoever asks.
//!
//! In: reasons, one after the other. Out: the text for an operator. Noting that all is well, which is what
//! happens after every batch, looks at one flag and takes no lock.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use openim_record::Position;

/// Why something cannot be done now; nothing while it can.
#[derive(Debug, Default)]
pub struct Trouble {
    there: AtomicBool,
    why: Mutex<String>,
}

impl Trouble {
    /// Notes the reason; `true` when all was well before.
    pub fn met(&self, why: &dyn Display) -> bool {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why.to_string();
        !self.there.swap(true, Ordering::AcqRel)
    }

    /// Notes that all is well; `true` when it was not before.
    pub fn over(&self) -> bool {
        self.there.load(Ordering::Relaxed) && self.there.swap(false, Ordering::AcqRel)
    }

    /// The reason, while there is one.
    pub fn why(&self) -> Option<String> {
        let there = self.there.load(Ordering::Acquire);
        there.then(|| self.why.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Damaged places that are remembered; more are counted and not told apart.
const PLACES_MAX: usize = 1024;

/// Records of the log that cannot be read any more, as found by those who wanted them.
#[derive(Debug, Default)]
pub struct Damage {
    /// Times that a stand-in was given for such a record.
    pub stand_ins: AtomicU64,
    first: Trouble,
    places: Mutex<BTreeSet<Position>>,
}

impl Damage {
    /// Notes that a stand-in was given for the record at `position`; `true` when it is a new place.
    pub(crate) fn met(&self, position: Position, why: &dyn Display) -> bool {
        self.stand_ins.fetch_add(1, Ordering::Relaxed);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let new = places.len() < PLACES_MAX && places.insert(position);
        if new && places.len() == 1 {
            self.first.met(why);
        }
        new
    }

    /// The first place in words, and how many there are.
    pub fn told(&self) -> Option<String> {
        let first = self.first.why()?;
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner).len();
        Some(format!("{first}; damaged records found since the start: {places}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_reason_is_told_until_it_is_over() {
        let trouble = Trouble::default();
        assert!(trouble.why().is_none() && !trouble.over());
        assert!(trouble.met(&"full"));
        assert!(!trouble.met(&"still full"));
        assert_eq!(trouble.why().as_deref(), Some("still full"));
        assert!(trouble.over() && !trouble.over() && trouble.why().is_none());
    }

    #[test]
    fn a_damaged_place_is_new_once_and_the_first_is_told() {
        let damage = Damage::default();
        assert_eq!(damage.told(), None);
        for (position, new) in [(5, true), (5, false), (9, true)] {
            assert_eq!(damage.met(Position(position), &format!("at {position}")), new);
        }
        assert_eq!(damage.stand_ins.load(Ordering::Relaxed), 3);
        let told = damage.told().unwrap();
        assert!(told.starts_with("at 5;") && told.ends_with(": 2"), "{told}");
        for position in 0..2 * PLACES_MAX as u64 {
            damage.met(Position(position), &"");
        }
        assert!(damage.told().unwrap().ends_with(": 1024"));
    }
}
