//! Which gateways are asked to deliver to a user (R7).
//!
//! A gateway's entries are believed only while its mark says that they are complete. The marks are read
//! before the entries and once more behind them: an emptied Redis in between, and a gateway that is quick
//! to write everything again, would else show no entries and a good mark. Guarded by the tests here and by
//! the cluster simulation.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use openim_record::{Process, UserId};

use crate::values::Sight;

/// The gateways that get what is for some users, out of a sight; `None` of them: presence is away.
#[derive(Debug)]
pub(crate) struct Route<'a> {
    entries: HashMap<&'a str, &'a [Process], RandomState>,
    gateways: &'a [Process],
    /// Live ones whose entries may be incomplete: they get everything.
    unmarked: Vec<Process>,
}

impl<'a> Route<'a> {
    /// `gateways`: those that are alive.
    pub(crate) fn new(sight: Option<&'a Sight>, gateways: &'a [Process]) -> Self {
        let marked = |process: &Process| {
            sight.is_some_and(|sight| {
                let of = |marks: &[(Process, u64)]| {
                    marks.iter().find(|(of, _)| of == process).map(|(_, mark)| *mark)
                };
                of(&sight.before).is_some_and(|mark| of(&sight.after) == Some(mark))
            })
        };
        let unmarked = gateways.iter().filter(|process| !marked(process)).copied().collect();
        let users = sight.iter().flat_map(|sight| &sight.users);
        let entries = users.map(|(uid, processes)| (uid.as_str(), &processes[..])).collect();
        Self { entries, gateways, unmarked }
    }

    /// Who gets what is for `uid`, each once.
    pub(crate) fn of(&self, uid: &UserId) -> Vec<Process> {
        let mut asked = self.unmarked.clone();
        for &process in self.entries.get(uid.as_str()).copied().unwrap_or_default() {
            // Entries of a process that has ended say nothing.
            if self.gateways.contains(&process) && !asked.contains(&process) {
                asked.push(process);
            }
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Process = Process([1; 16]);
    const B: Process = Process([2; 16]);
    const DEAD: Process = Process([3; 16]);

    fn sight(before: &[(Process, u64)], after: &[(Process, u64)]) -> Sight {
        let users = vec![(UserId::new("alice"), vec![A, DEAD, A])];
        Sight { before: before.to_vec(), users, after: after.to_vec() }
    }

    fn of(sight: Option<&Sight>, uid: &str) -> Vec<Process> {
        Route::new(sight, &[A, B]).of(&UserId::new(uid))
    }

    #[test]
    fn live_gateways_with_an_entry_are_asked_and_those_without_a_mark() {
        let both = [(A, 1), (B, 1)];
        let good = sight(&both, &both);
        assert_eq!(of(Some(&good), "alice"), [A]);
        assert_eq!(of(Some(&good), "bob"), []);
        assert_eq!(of(Some(&sight(&both[..1], &both)), "alice"), [B, A], "B's mark is new");
        assert_eq!(of(Some(&sight(&both, &[(A, 2), (B, 1)])), "bob"), [A], "A's was drawn anew");
        assert_eq!(of(Some(&Sight::default()), "bob"), [A, B], "Redis was emptied");
        assert_eq!(of(None, "alice"), [A, B], "Redis is away");
    }
}
