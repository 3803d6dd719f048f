//! A time in which something is away, by what became of the calls of it, for the log: one begin and one end, whatever
//! comes between.
//!
//! In: how calls have ended, and when they had begun. Out: what is to be told. A call that had begun before the last change
//! says nothing of what is now. Noting an answer while all is well, which is what happens behind nearly every call, looks at
//! one flag: no lock, no clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// It is well again when none has failed for so long: while it is half away, calls fail and are answered in turns.
const QUIET: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub struct Spell {
    /// From the begin to the end.
    lasts: AtomicBool,
    times: Mutex<Times>,
}

#[derive(Debug, Default)]
struct Times {
    /// When a call failed last, while it lasts.
    failed: Option<Instant>,
    /// When the last one was over.
    over: Option<Instant>,
}

/// What the end of a call was for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was well before; to be told.
    Begun,
    /// It is well again; to be told.
    Over,
    /// None.
    None,
    /// None, and nothing else either: the call had begun before the last change.
    Late,
}

impl Spell {
    /// Whether it has begun and is not over.
    pub fn lasts(&self) -> bool {
        self.lasts.load(Ordering::Relaxed)
    }

    /// A call that had begun then has failed now, because nobody answers.
    pub fn failed(&self, began: Instant) -> Change {
        self.failed_at(began, Instant::now())
    }

    /// A call that had begun then is answered now.
    pub fn answered(&self, began: Instant) -> Change {
        match self.lasts() {
            true => self.answered_at(began, Instant::now()),
            false => Change::None,
        }
    }

    /// [`Self::failed`] at a time.
    pub fn failed_at(&self, began: Instant, now: Instant) -> Change {
        let mut times = self.times.lock();
        if times.over.is_some_and(|over| began < over) {
            return Change::Late;
        }
        let begins = times.failed.replace(now).is_none();
        self.lasts.store(true, Ordering::Relaxed);
        if begins { Change::Begun } else { Change::None }
    }

    /// [`Self::answered`] at a time.
    pub fn answered_at(&self, began: Instant, now: Instant) -> Change {
        let mut times = self.times.lock();
        match times.failed {
            Some(failed) if began < failed => Change::Late,
            Some(failed) if now.saturating_duration_since(failed) >= QUIET => {
                *times = Times { failed: None, over: Some(now) };
                self.lasts.store(false, Ordering::Relaxed);
                Change::Over
            }
            Some(_) | None => Change::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64, from: Instant) -> Instant {
        from + Duration::from_secs(second)
    }

    /// What is told of calls, one that begins and ends each second.
    fn told(spell: &Spell, from: Instant, calls: &[bool]) -> Vec<(u64, Change)> {
        let note = |(second, away): (u64, &bool)| {
            let now = at(second, from);
            let change =
                if *away { spell.failed_at(now, now) } else { spell.answered_at(now, now) };
            (change != Change::None).then_some((second, change))
        };
        (0..).zip(calls).filter_map(note).collect()
    }

    #[test]
    fn a_spell_has_a_begin_and_an_end_whatever_is_answered_between() {
        let (away, well, now) = (Spell::default(), Spell::default(), Instant::now());
        let calls = [false, true, true, false, true, false, false, true, false, false];
        assert_eq!(told(&away, now, &calls), [(1, Change::Begun)]);
        assert_eq!(told(&well, now, &[false; 10]), []);
        let later = at(10, now);
        assert_eq!(told(&away, later, &[false; 9]), [(2, Change::Over)]);
        assert_eq!(told(&away, later + QUIET, &[true]), [(0, Change::Begun)], "another one");
    }

    #[test]
    fn a_call_that_had_begun_before_changes_nothing() {
        let (spell, now) = (Spell::default(), Instant::now());
        assert_eq!(spell.failed_at(at(1, now), at(3, now)), Change::Begun);
        // Asked before it failed, and answered long behind that: nobody knows of now.
        assert_eq!(spell.answered_at(at(2, now), at(20, now)), Change::Late);
        assert!(spell.lasts());
        assert_eq!(spell.answered_at(at(20, now), at(21, now)), Change::Over);
        // Given up now, and asked while it was away.
        assert_eq!(spell.failed_at(at(19, now), at(30, now)), Change::Late);
        assert!(!spell.lasts());
        assert_eq!(spell.answered(at(30, now)), Change::None);
        assert_eq!(spell.failed_at(at(30, now), at(31, now)), Change::Begun);
    }
}
