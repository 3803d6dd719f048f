//! Redis: where links are, and the gateways' marks. May be emptied at any time, or be away.

use std::collections::BTreeMap;

use openim_front::{Announced, Entry, LinkId, Written};
use openim_record::{Process, UserId};
use openim_transfer::Mark;

#[derive(Debug, Default)]
pub(crate) struct Presence {
    entries: BTreeMap<(UserId, u8), Entry>,
    marks: BTreeMap<Process, Announced>,
    /// The store's own time: rises, whatever is emptied.
    time: u64,
    pub(crate) away_until_ms: u64,
}

impl Presence {
    pub(crate) fn is_away(&self, now_ms: u64) -> bool {
        now_ms < self.away_until_ms
    }

    pub(crate) fn empty(&mut self, time_too: bool) {
        self.entries.clear();
        if time_too {
            self.time = 0;
        }
        self.marks.clear();
    }

    /// Writes an entry, unless a later link's stands there.
    pub(crate) fn write(&mut self, uid: &UserId, platform: u8, entry: Entry) -> Written {
        self.time += 1;
        let epoch = if entry.epoch == 0 { self.time } else { entry.epoch };
        let slot = (uid.clone(), platform);
        let before = self.entries.get(&slot).copied();
        if before.is_some_and(|before| before.epoch > epoch) {
            return Written::Older;
        }
        self.entries.insert(slot, Entry { epoch, ..entry });
        let other = |before: &Entry| (before.process, before.link) != (entry.process, entry.link);
        Written::Stands { epoch, replaced: before.filter(other) }
    }

    /// A link has gone: only its own entry goes with it.
    pub(crate) fn remove(&mut self, uid: &UserId, platform: u8, process: Process, link: u32) {
        let slot = (uid.clone(), platform);
        let own = |before: &Entry| (before.process, before.link.generation) == (process, link);
        if self.entries.get(&slot).is_some_and(own) {
            self.entries.remove(&slot);
        }
    }

    pub(crate) fn is_written(
        &self,
        uid: &UserId,
        platform: u8,
        process: Process,
        link: LinkId,
    ) -> bool {
        let entry = self.entries.get(&(uid.clone(), platform));
        entry.is_some_and(|entry| (entry.process, entry.link) == (process, link))
    }

    pub(crate) fn of(&self, uid: &UserId) -> Vec<Process> {
        let own = self.entries.iter().filter(|((of, _), _)| of == uid);
        own.map(|(_, entry)| entry.process).collect()
    }

    pub(crate) fn marks(&self) -> Vec<Mark> {
        let all = |(process, announced): (&Process, &Announced)| match announced {
            Announced::All(pass) => Some((*process, *pass)),
            Announced::Writing(_) => None,
        };
        self.marks.iter().filter_map(all).collect()
    }

    pub(crate) fn announced(&self, process: Process) -> Option<Announced> {
        self.marks.get(&process).copied()
    }

    pub(crate) fn announce(&mut self, process: Process, announced: Announced) {
        self.marks.insert(process, announced);
    }
}
