//! A change of users, tokens, relations, groups or options, as it lies in the log: rows of tables as they are
//! afterwards. Who applies it needs no rule, and may apply it again.
//!
//! ```text
//! record = kind 3, version 1, change*
//!        | kind 3, version 2, number of records, change*                  so many records behind it tell of it
//! change = table u8, length of the key, key, 0                            the key has no row any more
//!        | table u8, length of the key, key, length of the row + 1, row   it has this one
//! ```
//! Lengths and numbers are [`varint`]s. What a table, a key and a row mean, the index says. What tells of a change are
//! messages, with the members that they go to; they lie in its batch, and whoever cuts a batch does not part them
//! from it. Pure.

use crate::varint;

/// First byte of an encoded change of rows.
pub(crate) const KIND_ROWS: u8 = 3;
/// Nothing tells of it.
const UNTOLD: u8 = 1;
const TOLD: u8 = 2;

/// Writes a change of rows.
#[derive(Debug)]
pub struct RowsWriter(Vec<u8>);

impl RowsWriter {
    /// No change yet.
    #[must_use]
    pub fn new() -> Self {
        Self(vec![KIND_ROWS, UNTOLD])
    }

    /// No change yet; so many records will lie behind it and tell of it.
    #[must_use]
    pub fn told_by(records: usize) -> Self {
        if records == 0 {
            return Self::new();
        }
        let mut out = vec![KIND_ROWS, TOLD];
        varint::put(records as u64, &mut out);
        Self(out)
    }

    /// Adds that a key of a table has this row from now on, or none.
    pub fn push(&mut self, table: u8, key: &[u8], row: Option<&[u8]>) {
        let out = &mut self.0;
        out.push(table);
        varint::put(key.len() as u64, out);
        out.extend_from_slice(key);
        varint::put(row.map_or(0, |row| row.len() as u64 + 1), out);
        out.extend_from_slice(row.unwrap_or_default());
    }

    /// The record.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

impl Default for RowsWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// A change of rows, borrowed from its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    told_by: u64,
    rows: &'a [u8],
}

/// A row of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The table's number.
    pub table: u8,
    /// Its key there.
    pub key: &'a [u8],
    /// What is under the key from now on; `None`: nothing.
    pub row: Option<&'a [u8]>,
}

impl<'a> Rows<'a> {
    /// Reads a change of rows; `None` for any other record, and for one of another version.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        match *bytes {
            [KIND_ROWS, UNTOLD, ref rows @ ..] => Some(Self { told_by: 0, rows }),
            [KIND_ROWS, TOLD, ref rest @ ..] => {
                let mut rows = rest;
                let told_by = varint::take(&mut rows)?;
                Some(Self { told_by, rows })
            }
            _ => None,
        }
    }

    /// How many records right behind it tell of it.
    #[must_use]
    pub const fn told_by(&self) -> u64 {
        self.told_by
    }

    /// Whether a record is a change of rows, of whatever version.
    #[must_use]
    pub fn are_in(bytes: &[u8]) -> bool {
        bytes.first() == Some(&KIND_ROWS)
    }

    /// Its rows in order. An item is `None`, and the last one, where the bytes are none.
    pub fn iter(self) -> impl Iterator<Item = Option<Row<'a>>> + use<'a> {
        let mut rest = self.rows;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let row = take(&mut rest);
            if row.is_none() {
                rest = &[];
            }
            Some(row)
        })
    }
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<Row<'a>> {
    let (&table, tail) = rest.split_first()?;
    *rest = tail;
    let key = bytes(rest)?;
    let row = match varint::take(rest)?.checked_sub(1) {
        None => None,
        Some(length) => Some(split(rest, length)?),
    };
    Some(Row { table, key, row })
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = varint::take(rest)?;
    split(rest, length)
}

fn split<'a>(rest: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (bytes, tail) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = tail;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut writer = RowsWriter::new();
        writer.push(1, b"alice", Some(b"row"));
        writer.push(2, b"", None);
        writer.push(5, &[7; 200], Some(b""));
        writer.finish()
    }

    fn read(bytes: &[u8]) -> Option<Vec<Row<'_>>> {
        Rows::decode(bytes)?.iter().collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let long = [7; 200];
        let expected = [
            Row { table: 1, key: b"alice", row: Some(b"row") },
            Row { table: 2, key: b"", row: None },
            Row { table: 5, key: &long, row: Some(b"") },
        ];
        assert_eq!(read(&sample()).as_deref(), Some(&expected[..]));
        assert_eq!(read(&RowsWriter::new().finish()), Some(Vec::new()));
    }

    /// Later versions read what this one has written: these bytes never change.
    #[test]
    fn a_record_of_this_version_has_these_bytes() {
        let mut writer = RowsWriter::new();
        writer.push(2, b"k1", Some(b"ab"));
        writer.push(4, b"k", None);
        assert_eq!(writer.finish(), b"\x03\x01\x02\x02k1\x03ab\x04\x01k\x00");
        let mut writer = RowsWriter::told_by(300);
        writer.push(4, b"k", None);
        assert_eq!(writer.finish(), b"\x03\x02\xac\x02\x04\x01k\x00");
        assert_eq!(RowsWriter::told_by(0).finish(), RowsWriter::new().finish());
    }

    #[test]
    fn a_change_says_how_many_records_tell_of_it() {
        let told_by = |bytes: &[u8]| Rows::decode(bytes).map(|rows| rows.told_by());
        assert_eq!(told_by(&sample()), Some(0));
        let mut writer = RowsWriter::told_by(7);
        writer.push(1, b"alice", None);
        let bytes = writer.finish();
        assert_eq!(told_by(&bytes), Some(7));
        assert_eq!(read(&bytes), Some(vec![Row { table: 1, key: b"alice", row: None }]));
        assert_eq!(told_by(&[KIND_ROWS, TOLD]), None);
    }

    #[test]
    fn what_is_cut_short_is_no_shorter_change() {
        let bytes = sample();
        let whole = read(&bytes).expect("it is whole");
        for length in 0..bytes.len() {
            match read(&bytes[..length]) {
                None => {}
                // Cut between two rows: the log's checksums notice that.
                Some(rows) => assert_eq!(rows, whole[..rows.len()]),
            }
        }
        let beyond = [KIND_ROWS, UNTOLD, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(read(&beyond), None);
    }

    #[test]
    fn other_records_are_no_rows() {
        for bytes in [&[][..], &[KIND_ROWS], &[1, UNTOLD], &[KIND_ROWS, TOLD + 1]] {
            assert!(Rows::decode(bytes).is_none(), "{bytes:?}");
        }
        assert!(Rows::are_in(&[KIND_ROWS, TOLD + 1]) && !Rows::are_in(&[1]));
    }
}
