//! Rows of the `state` table: applied positions and duplicates of each partition, facts about
//! segments. Pure.
//!
//! ```text
//! 'a' block u16                     → applied positions of 128 partitions, u64 each
//! 'd' partition u16, position u64   → duplicates that one batch brought, 32 bytes each
//! 's' base u64                      → what of the segment outlives history, see `encode_held`
//! 'r'                               → retention removed segments only below this position
//! 't'                               → what was appended before this time was to go, i64 milliseconds
//! 'c'                               → a mark, number of the commit that this row came with
//! 'p'                               → inboxes are cut up to this position, or will be by the pass under way
//! 'e'                               → the log says so of this position, and of what was appended before this time, see [`Announced`]
//! 'w'                               → every record of rows below this position of the log is applied
//! 'i'                               → identity of the index, identity of the data directory
//! ```
//! Keys are big-endian so that they sort; values are little-endian.

use openim_record::{DuplicateEntry, MessageKey, PartitionId, Position};

use crate::embedded::log::{Besides, Held, Share};

/// Partitions whose applied positions share a row.
pub(crate) const BLOCK: u16 = 128;
/// Key of the position below which retention may have removed segments.
pub(crate) const REMOVED_KEY: [u8; 1] = [b'r'];

/// Key of the time before which history was to go at the last look.
pub(crate) const RETAINED_KEY: [u8; 1] = [b't'];
/// Key of the number of the last commit.
pub(crate) const NUMBER_KEY: [u8; 1] = [b'c'];
/// Key of the position through which changes of rows are applied.
pub(crate) const THROUGH_KEY: [u8; 1] = [b'w'];
/// Key of the position that inboxes are cut up to.
pub(crate) const CUT_KEY: [u8; 1] = [b'p'];
/// Key of the cut that the log told of last; a row of the log, unlike all others here.
pub(crate) const ANNOUNCED_KEY: [u8; 1] = [b'e'];
/// Key of the index's identity.
pub(crate) const IDENTITY_KEY: [u8; 1] = [b'i'];
/// In front of a commit's number, so that it is known where tables are not told apart.
const NUMBER_MARK: [u8; 8] = *b"\xf1commit\x01";

/// Writes the number of a commit.
pub(crate) fn encode_number(number: u64) -> Vec<u8> {
    [NUMBER_MARK, number.to_le_bytes()].concat()
}

/// The number of a commit, when the row under `key` is one.
pub(crate) fn number_in(key: &[u8], row: &[u8]) -> Option<u64> {
    let number = row.strip_prefix(&NUMBER_MARK).filter(|_| key == NUMBER_KEY)?;
    number.try_into().ok().map(u64::from_le_bytes)
}

/// Writes a position through which changes are applied.
pub(crate) const fn encode_through(through: Position) -> [u8; 8] {
    through.0.to_le_bytes()
}

/// Reads it.
pub(crate) fn decode_through(row: &[u8]) -> Option<Position> {
    row.try_into().ok().map(|raw| Position(u64::from_le_bytes(raw)))
}

/// Writes the identities of an index and of the data directory that it was made for.
pub(crate) fn encode_identity(index: u64, home: u64) -> Vec<u8> {
    [index.to_le_bytes(), home.to_le_bytes()].concat()
}

/// Reads them.
pub(crate) fn decode_identity(row: &[u8]) -> Option<(u64, u64)> {
    let (index, home) = row.split_first_chunk()?;
    Some((u64::from_le_bytes(*index), u64::from_le_bytes(home.try_into().ok()?)))
}

/// A cut that the log tells of, so that whoever has the log up to there cuts as far: who saw an inbox cut sees it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    /// Inboxes show nothing below this position.
    pub(crate) below: Position,
    /// What was appended before is no history any more, unix milliseconds.
    pub(crate) older_than_ms: i64,
}

impl Announced {
    /// Its row.
    pub(crate) fn encode(self) -> Vec<u8> {
        [self.below.0.to_le_bytes(), self.older_than_ms.to_le_bytes()].concat()
    }

    /// Reads it.
    pub(crate) fn decode(row: &[u8]) -> Option<Self> {
        let (below, older_than_ms) = row.split_first_chunk()?;
        let below = Position(u64::from_le_bytes(*below));
        Some(Self { below, older_than_ms: i64::from_le_bytes(older_than_ms.try_into().ok()?) })
    }
}

const DUPLICATE_BYTES: usize = 32;

/// Key of the applied positions of block `block`.
pub(crate) fn applied_key(block: u16) -> [u8; 3] {
    let [high, low] = block.to_be_bytes();
    [b'a', high, low]
}

/// Key of a segment's fact.
pub(crate) fn segment_key(base: u64) -> [u8; 9] {
    let mut key = [b's'; 9];
    key[1..].copy_from_slice(&base.to_be_bytes());
    key
}

/// The segment a key is about.
pub(crate) fn segment_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(b"s")?.try_into().ok()?))
}

const HELD_NOTHING: u8 = 0;
/// Earlier versions wrote this for a segment that holds something; what, they did not say.
const HELD_UNTOLD: u8 = 1;
const HELD_TOLD: u8 = 2;
const HELD_DAMAGED: u8 = 3;

/// Writes what of a segment outlives history. Earlier versions read 0 as nothing, all else as something.
pub(crate) fn encode_held(held: &Held) -> Vec<u8> {
    let Held { single, group, unknown_bytes, besides } = *held;
    match besides {
        Besides::Untold => return vec![HELD_UNTOLD],
        Besides::Damaged => return vec![HELD_DAMAGED],
        Besides::Nothing if held.is_nothing() => return vec![HELD_NOTHING],
        Besides::Nothing => {}
    }
    let mut out = vec![HELD_TOLD];
    for Share { bytes, newest_ms } in [single, group] {
        out.extend_from_slice(&bytes.to_le_bytes());
        out.extend_from_slice(&newest_ms.to_le_bytes());
    }
    out.extend_from_slice(&unknown_bytes.to_le_bytes());
    out
}

/// Reads it. What a later version has written tells as much as what an earlier one did.
pub(crate) fn decode_held(row: &[u8]) -> Held {
    let told = |numbers: &[u8]| {
        let (numbers, []) = numbers.as_chunks::<8>() else { return None };
        let &[single, single_ms, group, group_ms, unknown] = numbers else { return None };
        let share = |bytes, newest_ms| Share {
            bytes: u64::from_le_bytes(bytes),
            newest_ms: i64::from_le_bytes(newest_ms),
        };
        Some(Held {
            single: share(single, single_ms),
            group: share(group, group_ms),
            unknown_bytes: u64::from_le_bytes(unknown),
            besides: Besides::Nothing,
        })
    };
    let held = match row {
        [HELD_NOTHING] => Some(Held::default()),
        [HELD_TOLD, numbers @ ..] => told(numbers),
        [HELD_DAMAGED] => Some(Held::only(Besides::Damaged)),
        _ => None,
    };
    held.unwrap_or(Held::only(Besides::Untold))
}

/// Key of the duplicates that came with the batch applied up to `applied`.
pub(crate) fn duplicates_key(partition: PartitionId, applied: Position) -> [u8; 11] {
    let mut key = [b'd'; 11];
    key[1..3].copy_from_slice(&partition.0.to_be_bytes());
    key[3..].copy_from_slice(&applied.0.to_be_bytes());
    key
}

/// The partition and position of a duplicates key.
pub(crate) fn duplicates_of(key: &[u8]) -> Option<(PartitionId, Position)> {
    let (partition, position) = key.strip_prefix(b"d")?.split_first_chunk()?;
    let position = u64::from_be_bytes(position.try_into().ok()?);
    Some((PartitionId(u16::from_be_bytes(*partition)), Position(position)))
}

/// Writes applied positions.
pub(crate) fn encode_positions(positions: &[Position]) -> Vec<u8> {
    positions.iter().flat_map(|position| position.0.to_le_bytes()).collect()
}

/// Reads positions; `None` when the bytes are none.
pub(crate) fn decode_positions(bytes: &[u8]) -> Option<Vec<Position>> {
    let (positions, rest) = bytes.as_chunks::<8>();
    let read = || positions.iter().map(|raw| Position(u64::from_le_bytes(*raw))).collect();
    rest.is_empty().then(read)
}

/// How many duplicates a row of this length holds.
pub(crate) const fn duplicates_in(bytes: usize) -> usize {
    bytes / DUPLICATE_BYTES
}

/// Appends duplicates to a row.
pub(crate) fn encode_duplicates(entries: &[DuplicateEntry], out: &mut Vec<u8>) {
    out.reserve(entries.len() * DUPLICATE_BYTES);
    for entry in entries {
        out.extend_from_slice(&entry.key.0.to_le_bytes());
        out.extend_from_slice(&entry.send_time_ns.to_le_bytes());
        out.extend_from_slice(&entry.append_ms.to_le_bytes());
    }
}

/// Reads the duplicates of a row into `out`; `None` when the bytes are none.
pub(crate) fn decode_duplicates(bytes: &[u8], out: &mut Vec<DuplicateEntry>) -> Option<()> {
    let (rows, rest) = bytes.as_chunks::<DUPLICATE_BYTES>();
    for row in rows {
        let (key, times) = row.split_first_chunk::<16>()?;
        let (send_time, append) = times.split_first_chunk::<8>()?;
        out.push(DuplicateEntry {
            key: MessageKey(u128::from_le_bytes(*key)),
            send_time_ns: i64::from_le_bytes(*send_time),
            append_ms: i64::from_le_bytes(append.try_into().ok()?),
        });
    }
    rest.is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_back() {
        let entry = |n: i64| DuplicateEntry {
            key: MessageKey(n as u128),
            send_time_ns: -n,
            append_ms: n * 7,
        };
        let entries = [entry(1), entry(2)];
        let mut bytes = Vec::new();
        encode_duplicates(&entries[..1], &mut bytes);
        encode_duplicates(&entries[1..], &mut bytes);
        assert_eq!(duplicates_in(bytes.len()), 2);
        let mut read = Vec::new();
        decode_duplicates(&bytes, &mut read).unwrap();
        assert_eq!(read, entries);
        assert!(decode_duplicates(&bytes[1..], &mut read).is_none());

        let positions = [Position(0), Position(u64::MAX)];
        assert_eq!(decode_positions(&encode_positions(&positions)), Some(positions.to_vec()));
        assert_eq!(decode_positions(&[1, 2]), None);
    }

    #[test]
    fn what_a_segment_holds_is_read_back_and_what_earlier_versions_noted_is_known() {
        let told = Held {
            single: Share { bytes: 7, newest_ms: -1 },
            group: Share { bytes: u64::MAX, newest_ms: i64::MAX },
            unknown_bytes: 3,
            besides: Besides::Nothing,
        };
        let (untold, damaged) = (Held::only(Besides::Untold), Held::only(Besides::Damaged));
        for held in [Held::default(), told, untold, damaged] {
            let row = encode_held(&held);
            assert_eq!(decode_held(&row), held);
            assert_eq!(row[0] == 0, held.is_nothing(), "earlier versions see whether it may go");
        }
        assert_eq!(decode_held(&[0]), Held::default());
        for row in [&[1][..], &[9, 9], &[], &encode_held(&told)[..20]] {
            assert_eq!(decode_held(row), untold, "{row:?}");
        }
    }

    /// Later versions read in the log what this one has written there: these bytes never change.
    #[test]
    fn a_cut_in_the_log_has_these_bytes() {
        let cut = Announced { below: Position(0x0102), older_than_ms: -2 };
        let row = cut.encode();
        assert_eq!(row, b"\x02\x01\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff");
        assert_eq!(ANNOUNCED_KEY, *b"e");
        assert_eq!(Announced::decode(&row), Some(cut));
        assert!(Announced::decode(&row[1..]).is_none() && Announced::decode(&[]).is_none());
    }

    #[test]
    fn keys_are_read_back() {
        let key = duplicates_key(PartitionId(300), Position(5));
        assert_eq!(duplicates_of(&key), Some((PartitionId(300), Position(5))));
        assert_eq!(segment_of(&segment_key(77)), Some(77));
        assert_eq!(segment_of(&key), None);
        assert_eq!(duplicates_of(&segment_key(1)), None);
    }
}
