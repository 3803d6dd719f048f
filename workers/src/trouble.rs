//! What is wrong at the moment, told by the thread that met it to whoever asks.
//!
//! In: reasons, one after the other. Out: the text for an operator, and when a line of the log is due: one at the begin and
//! one at the end, also of a time in which things fail and are well in turns. Noting that all is well, which is what
//! happens after every batch, looks at one flag and takes no lock.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use openim_record::Position;
use openim_storage::guard::{Change, Spell};

/// Why something cannot be done now; nothing while it can.
#[derive(Debug, Default)]
pub struct Trouble {
    there: AtomicBool,
    why: Mutex<String>,
    /// Whether its begin was told and its end was not.
    told: AtomicBool,
    spell: Mutex<Spell>,
}

impl Trouble {
    /// Notes the reason; whether to tell that it begins.
    pub fn met(&self, why: &dyn Display) -> bool {
        self.met_at(why, Instant::now())
    }

    /// Notes that all is well; whether to tell that it is again.
    pub fn over(&self) -> bool {
        self.told.load(Ordering::Relaxed) && self.over_at(Instant::now())
    }

    fn met_at(&self, why: &dyn Display, now: Instant) -> bool {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why.to_string();
        let mut spell = self.spell.lock().unwrap_or_else(PoisonError::into_inner);
        self.there.store(true, Ordering::Release);
        self.told.store(true, Ordering::Release);
        spell.note(true, now) == Some(Change::Begun)
    }

    fn over_at(&self, now: Instant) -> bool {
        let mut spell = self.spell.lock().unwrap_or_else(PoisonError::into_inner);
        self.there.store(false, Ordering::Release);
        let is_over = spell.note(false, now) == Some(Change::Over);
        if is_over {
            self.told.store(false, Ordering::Release);
        }
        is_over
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_newest_reason_is_told_until_it_is_over() {
        let trouble = Trouble::default();
        assert!(trouble.why().is_none() && !trouble.over());
        assert!(trouble.met(&"full"));
        assert!(!trouble.met(&"still full"));
        assert_eq!(trouble.why().as_deref(), Some("still full"));
        // What is well for a moment is no end of it yet, for the log; `/readyz` is asked again soon.
        trouble.over();
        assert_eq!(trouble.why(), None);
        trouble.met(&"full again");
        assert_eq!(trouble.why().as_deref(), Some("full again"));
    }

    #[test]
    fn a_begin_and_an_end_are_told_once_and_nothing_between() {
        let (trouble, now) = (Trouble::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        assert!(trouble.met_at(&"full", now));
        for seconds in 1..4 {
            assert!(!trouble.over_at(at(seconds)) && !trouble.met_at(&"full", at(seconds)));
        }
        assert!(trouble.over_at(at(60)) && !trouble.over());
        assert!(trouble.met_at(&"full", at(61)), "another one");
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
