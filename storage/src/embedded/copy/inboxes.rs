//! The inboxes of bases, held against the log: each has all its numbers, rising, and each number a record.
//!
//! In: bases, and the positions of the log's records, rising. Out: what is amiss. Entries are looked at by windows of the
//! log, so that memory is bounded; for each window the bases are read once more.

use std::path::PathBuf;

use openim_record::Position;

use super::bases::read_upper;
use crate::embedded::index::inbox::{
    CHUNK_ENTRIES, InboxRow, chunk_in, chunk_of, decode_chunk, first_of, user_of,
};
use crate::embedded::index::{CHUNKS, INBOXES};
use crate::embedded::log::Salt;
use crate::port::StoreError;

type Tell<'a> = &'a mut dyn FnMut(&str);

/// See the module.
#[derive(Default)]
pub(super) struct Inboxes {
    bases: Vec<Base>,
    /// Of all of them.
    entries: u64,
    /// Entries that lie in the window, each with the number of its base, rising.
    window: Vec<(u64, usize)>,
    /// How many of them the log has been held against.
    looked: usize,
    /// Where the window ends.
    until: u64,
}

/// A base that is whole.
struct Base {
    path: PathBuf,
    salt: Salt,
    /// What an inbox has below this position may be gone from the log.
    floor: u64,
}

/// One inbox, while its chunks come.
struct Inbox {
    key: Box<[u8]>,
    /// Kept entries begin with this number.
    min: u64,
    /// The chunk that comes next, and the first that must not come.
    next: u64,
    end: u64,
    last: u64,
    /// The first position behind the chunks.
    tail: u64,
}

impl Inbox {
    /// The next of its chunks came; what is wrong with it.
    fn chunk(
        &mut self,
        number: u64,
        positions: &[u64],
        each: &mut dyn FnMut(u64),
    ) -> Option<String> {
        let mut amiss = None;
        let kept = positions.iter().zip(first_of(number)..);
        for (&position, _) in kept.filter(|(_, seq)| *seq >= self.min) {
            if position <= self.last {
                let name = self.name();
                amiss = Some(format!("the inbox of {name} is out of order at {position}"));
            }
            self.last = position;
            each(position);
        }
        if number == self.next {
            self.next += 1;
        }
        amiss
    }

    fn of(key: &[u8], row: &InboxRow) -> Self {
        let (min, newest) = (row.bounds.min.0.max(1), row.bounds.newest.0);
        let end = newest / CHUNK_ENTRIES;
        let next = chunk_of(min).min(end);
        let kept = row.tail.iter().zip(row.tail_first()..).find(|(_, seq)| *seq >= min);
        let tail = kept.map_or(u64::MAX, |(position, _)| *position);
        Self { key: key.into(), min, next, end, last: 0, tail }
    }

    fn name(&self) -> String {
        user_of(&self.key).map_or_else(|| "?".to_owned(), |user| user.as_str().to_owned())
    }

    /// What is wrong with it when all its chunks have come.
    fn lacks(&self) -> Option<String> {
        let first = first_of(self.next).max(self.min);
        (self.next < self.end)
            .then(|| format!("the inbox of {} lacks {first} and what follows", self.name()))
            .or_else(|| {
                (self.tail <= self.last)
                    .then(|| format!("the inbox of {} is out of order at its end", self.name()))
            })
    }
}

impl Base {
    /// Reads it through, and shows the positions that inboxes have, but for those that have expired. What is amiss with
    /// the inboxes, and how many there are.
    fn entries(&self, each: &mut dyn FnMut(u64)) -> Result<(Vec<String>, u64), StoreError> {
        let mut inboxes: Vec<Inbox> = Vec::new();
        let (mut at, mut positions, mut amiss) = (0, Vec::new(), Vec::new());
        read_upper(&self.path, self.salt, &mut |table, key, row| {
            if table == INBOXES {
                match InboxRow::decode(row) {
                    Some(row) => {
                        let kept = row.tail.iter().zip(row.tail_first()..);
                        let kept = kept.filter(|(_, seq)| *seq >= row.bounds.min.0);
                        kept.for_each(|(position, _)| each(*position));
                        inboxes.push(Inbox::of(key, &row));
                    }
                    None => amiss.push("a row of an inbox is malformed".to_owned()),
                }
            } else if table == CHUNKS {
                let chunk = chunk_in(key).zip(decode_chunk(row, &mut positions));
                let Some(((user, number), ())) = chunk else {
                    amiss.push("a chunk of an inbox is malformed".to_owned());
                    return Ok(());
                };
                // Both come in the order of the keys of users.
                while inboxes.get(at).is_some_and(|inbox| *inbox.key < *user) {
                    at += 1;
                }
                if let Some(inbox) = inboxes.get_mut(at).filter(|inbox| *inbox.key == *user) {
                    amiss.extend(inbox.chunk(number, &positions, each));
                }
            }
            Ok(())
        })?;
        amiss.extend(inboxes.iter().filter_map(Inbox::lacks));
        Ok((amiss, inboxes.len() as u64))
    }
}

impl Inboxes {
    /// Looks whether each inbox of a base has all its numbers, and counts what is to be held against the log from
    /// position `floor` on. How many inboxes.
    pub(super) fn count(
        &mut self,
        (path, salt, floor): (PathBuf, Salt, u64),
        damage: Tell<'_>,
    ) -> Result<u64, StoreError> {
        let base = Base { path, salt, floor };
        let mut entries = 0;
        let (amiss, inboxes) = base.entries(&mut |_| entries += 1)?;
        let file = base.path.display();
        amiss.iter().for_each(|what| damage(&format!("{file}: {what}")));
        self.entries += entries;
        self.bases.push(base);
        Ok(inboxes)
    }

    /// How much of a log of this length is looked at at once.
    pub(super) const fn window(&self, log_bytes: u64, entries_max: u64) -> u64 {
        log_bytes / (self.entries / entries_max + 1) + 1
    }

    /// The log has a record here; positions rise. So much of it is looked at at once.
    pub(super) fn has(&mut self, position: Position, window: u64, damage: Tell<'_>) {
        let at = position.0;
        while at >= self.until {
            self.end(damage);
            let from = self.until;
            self.until = from.saturating_add(window);
            self.gather(from);
        }
        while let Some(&(wanted, base)) = self.window.get(self.looked) {
            if wanted > at {
                break;
            }
            if wanted < at {
                self.lost(wanted, base, damage);
            }
            self.looked += 1;
        }
    }

    /// The log goes on at `at`, the first of all.
    pub(super) const fn begin(&mut self, at: u64) {
        self.until = at;
    }

    /// No more records come in this window.
    pub(super) fn end(&mut self, damage: Tell<'_>) {
        for (wanted, base) in std::mem::take(&mut self.window).split_off(self.looked) {
            self.lost(wanted, base, damage);
        }
        self.looked = 0;
    }

    fn lost(&self, wanted: u64, base: usize, damage: Tell<'_>) {
        let file = self.bases[base].path.display();
        damage(&format!("{file}: an inbox has a message at {wanted}, where the log has no record"));
    }

    /// Entries of the bases that lie in the window.
    fn gather(&mut self, from: u64) {
        let window = from..self.until;
        for (number, base) in self.bases.iter().enumerate() {
            let found = &mut self.window;
            // It was read whole before.
            let _again = base.entries(&mut |position| {
                if position >= base.floor && window.contains(&position) {
                    found.push((position, number));
                }
            });
        }
        self.window.sort_unstable();
        self.window.dedup();
    }
}
