//! What is wrong at the moment, told by the thread that met it to whoever asks.
//!
//! In: reasons, one after the other. Out: the text for an operator, and when a line of the log is due: one at the begin and
//! one at the end, also of a time in which things fail and are well in turns ([`Spell`]). Noting that all is well, which is
//! what happens after every batch, looks at one flag and takes no lock.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use openim_record::Position;
use openim_storage::guard::{Change, Spell};

/// Why something cannot be done now; nothing while it can.
#[derive(Debug, Default)]
pub struct Trouble {
    there: AtomicBool,
    told: Mutex<Told>,
    spell: Spell,
}

#[derive(Debug, Default)]
struct Told {
    why: String,
    /// When it came, while it is there.
    since: Option<Instant>,
}

impl Trouble {
    /// Notes the reason; whether to tell that it begins.
    pub fn met(&self, why: &dyn Display) -> bool {
        let now = Instant::now();
        self.met_at(why, now, now)
    }

    /// Notes that all is well; whether to tell that it is again.
    pub fn over(&self) -> bool {
        self.spell.lasts() && self.over_at(Instant::now(), Instant::now())
    }

    /// Notes the reason why something that had begun then has failed; whether to tell that it begins.
    pub fn met_since(&self, why: &dyn Display, began: Instant) -> bool {
        self.met_at(why, began, Instant::now())
    }

    /// Notes that something that had begun then went well; whether to tell that all is well again.
    pub fn over_since(&self, began: Instant) -> bool {
        self.spell.lasts() && self.over_at(began, Instant::now())
    }

    fn met_at(&self, why: &dyn Display, began: Instant, now: Instant) -> bool {
        let change = self.spell.failed_at(began, now);
        if change == Change::Late {
            return false;
        }
        let mut told = self.told();
        told.why = why.to_string();
        told.since.get_or_insert(now);
        self.there.store(true, Ordering::Release);
        change == Change::Begun
    }

    fn over_at(&self, began: Instant, now: Instant) -> bool {
        self.told().since = None;
        self.there.store(false, Ordering::Release);
        self.spell.answered_at(began, now) == Change::Over
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reason, while there is one.
    pub fn why(&self) -> Option<String> {
        self.there.load(Ordering::Acquire).then(|| self.told().why.clone())
    }

    /// How long there has been one, while there is.
    pub fn lasts(&self) -> Option<Duration> {
        self.told().since.map(|since| since.elapsed())
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
        let met = |second| trouble.met_at(&"full", at(second), at(second));
        let over = |second| trouble.over_at(at(second), at(second));
        assert!(met(0));
        for second in 1..4 {
            assert!(!over(second) && !met(second));
        }
        assert!(!trouble.over_at(at(2), at(59)), "it was asked before");
        assert!(over(60) && !trouble.over());
        assert!(!trouble.met_at(&"full", at(59), at(61)) && trouble.why().is_none(), "as well");
        assert!(met(61), "another one");
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
