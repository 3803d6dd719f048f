//! A table of the index as the directory's ports use it: rows by key, pages in key order, and
//! changes staged over it until they are made ([`Changes`]).
//!
//! Owns the writer's lock of its table. In: keys and rows, whose form is [`super::index`]'s; out:
//! decoded rows, or the damage. Never reads more rows than were asked for.

use std::ops::Bound;
use std::sync::Arc;

use fjall::{Keyspace, UserValue};
use openim_record::{Told, broken};
use parking_lot::{Mutex, MutexGuard};

use super::changes::{Changes, TableRows};
use super::error::{index_corrupt, index_error};
use super::index::{self, Index, KEY_BYTES_MAX};
use crate::port::StoreError;

/// What is made at once at most, and one change more.
const LARGE_BYTES: usize = 8 << 20;

/// How errors call a table and what is done with it.
pub(super) struct Names {
    pub(super) table: &'static str,
    pub(super) reading: &'static str,
    pub(super) changing: &'static str,
}

/// One table.
pub(super) struct Table {
    changes: Arc<Changes>,
    /// What the log calls it.
    number: u8,
    names: Names,
    /// Held from the first look of a change until it is made.
    writer: Mutex<()>,
}

impl Table {
    /// The table of this number, which is one of the index's.
    pub(super) fn new(changes: Arc<Changes>, number: u8, names: Names) -> Self {
        Self { changes, number, names, writer: Mutex::new(()) }
    }

    /// The index, for one call that reads in it.
    fn lend(&self) -> Result<Arc<Index>, StoreError> {
        self.changes.lend(self.names.reading)
    }

    /// Its rows there.
    fn rows<'a>(&self, index: &'a Index) -> &'a Keyspace {
        index.table(self.number).unwrap_or_else(|| broken("a table of the index"))
    }

    /// The row of a key, as `decode` reads it.
    pub(super) fn get<T>(
        &self,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let row = self.row(key)?;
        row.map(|row| decode(&row).ok_or_else(|| self.malformed())).transpose()
    }

    /// The first `rows_max` rows that begin with `prefix` and lie behind `prefix` + `after`.
    /// `decode` gets what follows the prefix in the key, and the row.
    pub(super) fn page<T>(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        rows_max: usize,
        decode: impl Fn(&[u8], &[u8]) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        if prefix.len() > KEY_BYTES_MAX {
            return Ok(Vec::new());
        }
        let start = match after {
            None => Bound::Included(prefix.to_vec()),
            Some(after) => {
                let mut start = [prefix, after].concat();
                // No key is longer, so the same rows lie behind what is left.
                start.truncate(KEY_BYTES_MAX);
                Bound::Excluded(start)
            }
        };
        self.changes.see_what_was_told();
        let index = self.lend()?;
        let rows = self.rows(&index).range::<Vec<u8>, _>((start, behind(prefix)));
        rows.take(rows_max)
            .map(|row| {
                let (key, row) = row.into_inner().map_err(index_error(self.names.reading))?;
                let rest = key.get(prefix.len()..);
                rest.and_then(|rest| decode(rest, &row)).ok_or_else(|| self.malformed())
            })
            .collect()
    }

    /// Begins a change; whoever else wants to change the table waits until it is over.
    pub(super) fn change(&self) -> Staged<'_> {
        let (rows, told) = (TableRows::new(), Vec::new());
        Staged { _writer: self.writer.lock(), table: self, rows, told, bytes: 0 }
    }

    /// Says that rows of the table contradict their form or each other.
    pub(super) fn malformed(&self) -> StoreError {
        index_corrupt(self.names.table, "a row is malformed")
    }

    fn row(&self, key: &[u8]) -> Result<Option<UserValue>, StoreError> {
        self.changes.see_what_was_told();
        index::find(self.rows(&*self.lend()?), key).map_err(index_error(self.names.reading))
    }
}

/// Changes of a table that are not made yet: what is read through it has them already.
///
/// A row is staged whole or not at all, and dropping it drops them all.
pub(super) struct Staged<'a> {
    table: &'a Table,
    /// By key, so that the engine gets each key once: all rows of its batch have one number.
    rows: TableRows,
    /// What tells of them.
    told: Vec<Told>,
    /// Of them, and of those that they have replaced, and of what tells of them.
    bytes: usize,
    _writer: MutexGuard<'a, ()>,
}

impl Staged<'_> {
    /// The row of a key, as `decode` reads it.
    pub(super) fn get<T>(
        &self,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        match self.rows.get(key) {
            None => self.table.get(key, decode),
            Some(None) => Ok(None),
            Some(Some(row)) => decode(row).map(Some).ok_or_else(|| self.table.malformed()),
        }
    }

    /// Whether a key has a row.
    pub(super) fn has(&self, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.get(key, |_| Some(()))?.is_some())
    }

    /// What follows the prefix in the first key from `prefix` + `from` on.
    pub(super) fn first(&self, prefix: &[u8], from: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let from = [prefix, from].concat();
        if from.len() > KEY_BYTES_MAX {
            return Ok(None);
        }
        let range = (Bound::Included(from), behind(prefix));
        let staged = self.rows.range::<Vec<u8>, _>(range.clone()).find(|(_, row)| row.is_some());
        let mut first = staged.map(|(key, _)| key.clone());
        let index = self.table.lend()?;
        for row in self.table.rows(&index).range::<Vec<u8>, _>(range) {
            let key = row.key().map_err(index_error(self.table.names.reading))?;
            if first.as_deref().is_some_and(|first| first <= &*key) {
                break;
            }
            if !self.rows.contains_key(&*key) {
                first = Some(key.to_vec());
                break;
            }
        }
        Ok(first.map(|mut key| key.split_off(prefix.len())))
    }

    /// Stages a row.
    pub(super) fn put(&mut self, key: Vec<u8>, row: Vec<u8>) {
        self.put_or_remove(key, Some(row));
    }

    /// Stages that a key has no row.
    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.put_or_remove(key, None);
    }

    /// Stages a row, or that there is none.
    pub(super) fn put_or_remove(&mut self, key: Vec<u8>, row: Option<Vec<u8>>) {
        // A key that cannot be has no row: others' changes must not fail with it.
        if row.is_some() || key.len() <= KEY_BYTES_MAX {
            self.bytes += key.len() + row.as_ref().map_or(0, Vec::len);
            self.rows.insert(key, row.map(Into::into));
        }
    }

    /// Stages what tells of the change that was staged last.
    pub(super) fn tell(&mut self, told: Option<Told>) {
        self.bytes += told.as_ref().map_or(0, Told::bytes);
        self.told.extend(told);
    }

    /// Whether so much is staged that it should be made before more is.
    pub(super) const fn is_large(&self) -> bool {
        self.bytes >= LARGE_BYTES
    }

    /// Says that rows of the table contradict their form or each other.
    pub(super) fn malformed(&self) -> StoreError {
        self.table.malformed()
    }

    /// Makes all changes durable and gives what came of them; when one of them failed, none is made.
    pub(super) fn commit_with<T>(self, outcomes: Result<T, StoreError>) -> Result<T, StoreError> {
        let outcomes = outcomes?;
        self.commit()?;
        Ok(outcomes)
    }

    /// Makes all changes durable, as one.
    pub(super) fn commit(mut self) -> Result<(), StoreError> {
        self.make()
    }

    /// Makes what is staged durable, as one, and nobody else changes the table before more is staged.
    pub(super) fn make(&mut self) -> Result<(), StoreError> {
        let Names { changing, .. } = self.table.names;
        if let Some(key) = self.rows.keys().find(|key| key.len() > KEY_BYTES_MAX) {
            let cause = format!("a key of {} bytes is longer than {KEY_BYTES_MAX}", key.len());
            return Err(StoreError::Rejected { what: changing.to_owned(), cause: cause.into() });
        }
        if self.rows.is_empty() && self.told.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let (rows, told) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.told));
        self.table.changes.make(self.table.number, rows, told, changing)
    }
}

/// The bound behind every key that begins with `prefix`.
fn behind(prefix: &[u8]) -> Bound<Vec<u8>> {
    let Some(last) = prefix.iter().rposition(|byte| *byte < u8::MAX) else {
        return Bound::Unbounded;
    };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Bound::Excluded(end)
}

#[cfg(test)]
mod tests {
    use super::super::index::RELATIONS;
    use super::super::open::{Embedded, open};
    use super::super::options::Options;
    use super::*;

    const NAMES: Names = Names { table: "t", reading: "reading", changing: "changing" };

    /// A table of an index that ends with the test.
    fn table() -> (tempfile::TempDir, Table) {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { reserve_bytes: 0, ..Options::default() };
        let Embedded { changes, .. } = open(dir.path(), &options).unwrap();
        (dir, Table::new(changes, RELATIONS, NAMES))
    }

    fn keys(table: &Table, prefix: &[u8], after: Option<&[u8]>, max: usize) -> Vec<Vec<u8>> {
        table.page(prefix, after, max, |rest, _| Some(rest.to_vec())).unwrap()
    }

    #[test]
    fn staged_rows_are_seen_and_dropped_ones_are_not() {
        let (_dir, table) = table();
        let mut staged = table.change();
        staged.put(b"ab".to_vec(), vec![1]);
        staged.put(b"ac".to_vec(), vec![2]);
        assert!(staged.has(b"ab").unwrap());
        staged.commit().unwrap();
        let mut staged = table.change();
        staged.remove(b"ab".to_vec());
        staged.put(b"aa".to_vec(), vec![3]);
        assert!(!staged.has(b"ab").unwrap() && staged.has(b"ac").unwrap());
        drop(staged);
        assert_eq!(keys(&table, b"a", None, 9), [b"b", b"c"]);
    }

    #[test]
    fn the_first_key_is_found_over_staged_and_stored_rows() {
        let (_dir, table) = table();
        let mut staged = table.change();
        for key in [b"p2", b"p4", b"p6", b"q1"] {
            staged.put(key.to_vec(), vec![]);
        }
        staged.commit().unwrap();
        let mut staged = table.change();
        assert_eq!(staged.first(b"p", b"").unwrap().unwrap(), b"2");
        staged.remove(b"p2".to_vec());
        assert_eq!(staged.first(b"p", b"").unwrap().unwrap(), b"4");
        staged.put(b"p3".to_vec(), vec![]);
        assert_eq!(staged.first(b"p", b"").unwrap().unwrap(), b"3");
        assert_eq!(staged.first(b"p", b"4").unwrap().unwrap(), b"4");
        staged.remove(b"p4".to_vec());
        staged.remove(b"p6".to_vec());
        assert_eq!(staged.first(b"p", b"4").unwrap(), None);
        staged.put(b"p7".to_vec(), vec![]);
        assert_eq!(staged.first(b"p", b"4").unwrap().unwrap(), b"7");
    }

    #[test]
    fn a_page_ends_with_its_prefix() {
        let (_dir, table) = table();
        let mut staged = table.change();
        for key in [&b"a\xff"[..], b"a\xff\xff", b"a\xffz", b"b", b"\xff\xff1"] {
            staged.put(key.to_vec(), vec![]);
        }
        staged.commit().unwrap();
        assert_eq!(keys(&table, b"a\xff", None, 9), [&b""[..], b"z", b"\xff"]);
        assert_eq!(keys(&table, b"a\xff", Some(b""), 1), [b"z"]);
        assert_eq!(keys(&table, b"\xff", None, 9), [b"\xff1"]);
        assert_eq!(keys(&table, b"", None, 9).len(), 5);
    }

    #[test]
    fn a_key_that_the_engine_cannot_take_is_refused_and_unknown() {
        let (_dir, table) = table();
        let long = vec![b'a'; KEY_BYTES_MAX + 1];
        let mut staged = table.change();
        assert!(!staged.has(&long).unwrap());
        staged.put(b"ab".to_vec(), vec![]);
        staged.put(long.clone(), vec![]);
        assert!(matches!(staged.commit(), Err(StoreError::Rejected { .. })));
        assert_eq!(table.get(b"ab", |_| Some(())).unwrap(), None);
        let mut staged = table.change();
        staged.put(b"ab".to_vec(), vec![]);
        staged.put(long[1..].to_vec(), vec![]);
        staged.commit().unwrap();
        assert_eq!(keys(&table, &long, None, 9).len(), 0);
        assert_eq!(keys(&table, b"a", Some(&long), 9), [b"b"]);
    }
}
