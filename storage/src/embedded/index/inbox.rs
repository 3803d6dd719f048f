//! An inbox in the index: one small row per user, and one row for each 64 entries. Pure.
//!
//! The user's row holds the bounds and the positions behind the last full chunk, so that storing
//! touches one key per user and batch however few entries it brings, and a full chunk is written
//! once. Chunks are aligned (chunk n holds seqs 64 n + 1 ..= 64 n + 64): any range is read by point
//! lookups. Positions are stored as differences, about three bytes each.

use openim_record::{InboxBounds, Position, Seq, UserId};

use openim_record::varint;

/// Entries of a chunk.
pub(crate) const CHUNK_ENTRIES: u64 = 64;

/// The chunk that holds `seq` (1 or more).
pub(crate) const fn chunk_of(seq: u64) -> u64 {
    (seq - 1) / CHUNK_ENTRIES
}

/// First seq of a chunk.
pub(crate) const fn first_of(chunk: u64) -> u64 {
    chunk * CHUNK_ENTRIES + 1
}

/// Key of a chunk.
pub(crate) fn chunk_key(user: &UserId, chunk: u64) -> Vec<u8> {
    let mut key = user_key(user, 8);
    key.extend_from_slice(&chunk.to_be_bytes());
    key
}

/// Key of a user, with room for `more` bytes. The length in front keeps users apart whose ids
/// begin alike.
pub(crate) fn user_key(user: &UserId, more: usize) -> Vec<u8> {
    let uid = user.as_str().as_bytes();
    let mut key = Vec::with_capacity(2 + uid.len() + more);
    key.extend_from_slice(&(uid.len() as u16).to_be_bytes());
    key.extend_from_slice(uid);
    key
}

/// The user of a key that has nothing behind the user.
pub(crate) fn user_of(key: &[u8]) -> Option<UserId> {
    let (_, uid) = key.split_first_chunk::<2>()?;
    std::str::from_utf8(uid).ok().map(UserId::new)
}

/// The user's key and the chunk that a key is of.
pub(crate) fn chunk_in(key: &[u8]) -> Option<(&[u8], u64)> {
    let (user, chunk) = key.split_last_chunk()?;
    Some((user, u64::from_be_bytes(*chunk)))
}

/// Writes the positions of a full chunk.
pub(crate) fn encode_chunk(positions: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + positions.len() * 4);
    put_positions(positions, &mut out);
    out
}

/// Reads the positions of a full chunk; `None` when the bytes are none.
pub(crate) fn decode_chunk(mut bytes: &[u8], out: &mut Vec<u64>) -> Option<()> {
    out.clear();
    take_positions(&mut bytes, CHUNK_ENTRIES, out)?;
    bytes.is_empty().then_some(())
}

/// A user's row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InboxRow {
    /// Oldest kept seq, newest seq.
    pub(crate) bounds: InboxBounds,
    /// Position of the oldest kept entry; 0 when none is kept.
    pub(crate) oldest: u64,
    /// Positions of the seqs behind the last full chunk, whether kept or expired.
    pub(crate) tail: Vec<u64>,
}

impl InboxRow {
    /// First seq of [`Self::tail`].
    pub(crate) const fn tail_first(&self) -> u64 {
        self.bounds.newest.0 - self.tail.len() as u64 + 1
    }

    /// Appends the next entry; gives a chunk that became full, with its number.
    pub(crate) fn push(&mut self, position: Position) -> Option<(u64, Vec<u8>)> {
        let seq = self.bounds.newest.next();
        if self.bounds.min.0 == 0 {
            self.bounds.min = seq;
        }
        if self.bounds.min == seq {
            self.oldest = position.0;
        }
        self.bounds.newest = seq;
        self.tail.push(position.0);
        if !seq.0.is_multiple_of(CHUNK_ENTRIES) {
            return None;
        }
        let chunk = encode_chunk(&self.tail);
        self.tail.clear();
        Some((chunk_of(seq.0), chunk))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(20 + self.tail.len() * 4);
        varint::put(self.bounds.newest.0, &mut out);
        varint::put(self.bounds.min.0, &mut out);
        varint::put(self.oldest, &mut out);
        put_positions(&self.tail, &mut out);
        out
    }

    /// Reads a row; `None` when the bytes are none.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let bounds = Self::take_bounds(bytes)?;
        let oldest = varint::take(bytes)?;
        let mut tail = Vec::new();
        take_positions(bytes, bounds.newest.0 % CHUNK_ENTRIES, &mut tail)?;
        bytes.is_empty().then_some(Self { bounds, oldest, tail })
    }

    /// Reads only the bounds, and where the newest entry's record ends when the row holds its position.
    pub(crate) fn decode_bounds(mut bytes: &[u8]) -> Option<InboxBounds> {
        let mut bounds = Self::take_bounds(&mut bytes)?;
        let _oldest = varint::take(&mut bytes)?;
        let (mut last, count) = (0_u64, bounds.newest.0 % CHUNK_ENTRIES);
        for _ in 0..count {
            last = last.wrapping_add(varint::take(&mut bytes)?);
        }
        bounds.through = Position(if count == 0 { 0 } else { last.wrapping_add(1) });
        Some(bounds)
    }

    /// Reads only the bounds and the position of the oldest entry.
    pub(crate) fn decode_oldest(mut bytes: &[u8]) -> Option<(InboxBounds, u64)> {
        let bounds = Self::take_bounds(&mut bytes)?;
        Some((bounds, varint::take(&mut bytes)?))
    }

    fn take_bounds(bytes: &mut &[u8]) -> Option<InboxBounds> {
        let newest = Seq(varint::take(bytes)?);
        let min = Seq(varint::take(bytes)?);
        let sane = newest.0 > 0 && min.0 > 0 && min.0 - 1 <= newest.0;
        sane.then_some(InboxBounds { min, newest, through: Position(0) })
    }
}

fn put_positions(positions: &[u64], out: &mut Vec<u8>) {
    let mut last = 0_u64;
    for &position in positions {
        // Positions grow within an inbox; if a caller's do not, the difference wraps and the
        // reader's sum wraps back.
        varint::put(position.wrapping_sub(last), out);
        last = position;
    }
}

fn take_positions(bytes: &mut &[u8], count: u64, out: &mut Vec<u64>) -> Option<()> {
    let mut last = 0_u64;
    for _ in 0..count {
        last = last.wrapping_add(varint::take(bytes)?);
        out.push(last);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_grows_spills_and_is_read_back() {
        let mut row = InboxRow::default();
        let mut chunks = Vec::new();
        for n in 1..=200_u64 {
            chunks.extend(row.push(Position(n * 1_000)));
            assert_eq!(InboxRow::decode(&row.encode()).as_ref(), Some(&row));
            assert_eq!(row.tail_first() + row.tail.len() as u64, n + 1);
        }
        assert_eq!(chunks.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [0, 1, 2]);
        let mut positions = Vec::new();
        decode_chunk(&chunks[1].1, &mut positions).unwrap();
        assert_eq!(positions, (65..=128).map(|n| n * 1_000).collect::<Vec<_>>());
        assert_eq!(row.tail_first(), 193);
        assert_eq!((row.bounds.min, row.bounds.newest, row.oldest), (Seq(1), Seq(200), 1_000));
    }

    #[test]
    fn the_first_entry_after_expiry_is_the_oldest() {
        let mut row = InboxRow::default();
        row.push(Position(10));
        row.bounds.min = Seq(2);
        row.oldest = 0;
        row.push(Position(20));
        assert_eq!((row.bounds.min, row.oldest), (Seq(2), 20));
    }

    #[test]
    fn damage_is_noticed_not_read() {
        let mut row = InboxRow::default();
        row.push(Position(10));
        let bytes = row.encode();
        assert!(InboxRow::decode(&bytes[..bytes.len() - 1]).is_none());
        assert!(InboxRow::decode(&[bytes, vec![0]].concat()).is_none());
        assert!(InboxRow::decode(&[]).is_none());
        assert!(decode_chunk(&[1, 2, 3], &mut Vec::new()).is_none());
    }

    #[test]
    fn keys_of_one_user_stay_together_and_in_order() {
        let (a, b) = (UserId::new("a"), UserId::new("a\0"));
        assert!(chunk_key(&a, 1) < chunk_key(&a, 256));
        assert!(chunk_key(&a, u64::MAX) < chunk_key(&b, 0));
        assert_eq!(user_of(&user_key(&b, 0)), Some(b));
    }
}
