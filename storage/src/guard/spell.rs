//! A time in which something is away, by what became of the calls of it; pure.

use std::time::{Duration, Instant};

/// It is well again when none has failed for so long: while it is half away, calls fail and are answered in turns.
const QUIET: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub struct Spell {
    /// When a call failed last; `None` while it is well.
    failed: Option<Instant>,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was well before.
    Begun,
    /// It is well again.
    Over,
}

impl Spell {
    /// A call has ended now, because it is `away` or with an answer.
    pub fn note(&mut self, away: bool, now: Instant) -> Option<Change> {
        match (away, self.failed) {
            (true, before) => {
                self.failed = Some(now);
                before.is_none().then_some(Change::Begun)
            }
            (false, Some(failed)) if now.saturating_duration_since(failed) >= QUIET => {
                self.failed = None;
                Some(Change::Over)
            }
            (false, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of calls, a second each.
    fn told(spell: &mut Spell, from: Instant, calls: &[bool]) -> Vec<(u64, Change)> {
        let each = (0..).zip(calls);
        let note = |(second, away): (u64, &bool)| {
            Some((second, spell.note(*away, from + Duration::from_secs(second))?))
        };
        each.filter_map(note).collect()
    }

    #[test]
    fn a_spell_has_a_begin_and_an_end_whatever_is_answered_between() {
        let (mut away, mut well, now) = (Spell::default(), Spell::default(), Instant::now());
        let calls = [false, true, true, false, true, false, false, true, false, false];
        assert_eq!(told(&mut away, now, &calls), [(1, Change::Begun)]);
        assert_eq!(told(&mut well, now, &[false; 10]), []);
        let later = now + Duration::from_secs(10);
        assert_eq!(told(&mut away, later, &[false; 9]), [(2, Change::Over)]);
        assert_eq!(told(&mut away, later, &[true]), [(0, Change::Begun)], "another one");
    }
}
