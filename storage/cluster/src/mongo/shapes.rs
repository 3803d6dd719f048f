//! The documents of each collection.
//!
//! | collection | document |
//! |---|---|
//! | `msg` | `{_id: {u: uid, s: seq}, p: partition, o: position, t: append time, b: message}`, or `g: {p, o}` for `b` where that is a body |
//! | `body` | `{_id: {p, o}, t, b}`: a message to a group once, where it was sent |
//! | `user` | `{_id: uid, n: newest, m: min, o: through, p, d: append time of the oldest}` |
//! | `page` | `{_id: {p, o: its last position}, t: its last append time, c: how many, k: keys}` |
//! | `checkpoint` | `{_id: p, o: next position, t, hw: [[topic, partition, position]]}` |
//! | `meta` | `{_id: "cluster", …}`, and `{_id: "retained", t}` |
//!
//! Times are unix milliseconds. A range of an inbox, of a partition's pages or bodies is one scan of `_id`. There is one
//! other index, on `d`. `d` is a time and not a day, so that retention reads nobody again who has nothing to expire.

use mongodb::bson::raw::cstr;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{RawBinaryRef, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use mongodb::bson::{doc, error::Result as BsonResult};
use openim_record::{
    Checkpoint, Content, Document, InboxBounds, LogPartition, MessageKey, PageEntry, PartitionId,
    Position, Seq, Source, Topic, UserId,
};
use openim_storage::port::StoreError;

/// `d` of an inbox in which nothing is left to expire.
pub(super) const NEVER: i64 = i64::MAX;
/// Bytes of a key in a page.
const KEY_BYTES: usize = 32;

/// A partition of a topic as documents name it.
pub(super) fn number(at: LogPartition) -> i32 {
    i32::from(at.topic as u8) << 16 | i32::from(at.partition.0)
}

/// A partition that is of no topic: of batches that come through the port.
pub(super) fn number_of_none(partition: PartitionId) -> i32 {
    i32::from(partition.0)
}

pub(super) fn partition(number: i32) -> Option<LogPartition> {
    let topic = Topic::from_number(u8::try_from(number >> 16).ok()?)?;
    let partition = PartitionId(u16::try_from(number & 0xffff).ok()?);
    Some(LogPartition { topic, partition })
}

/// Numbers are signed there.
pub(super) fn signed(what: &str, number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Rejected {
        what: what.to_owned(),
        cause: format!("{number} is more than the store can count").into(),
    })
}

/// As far as there can be anything.
pub(super) fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn binary(bytes: &[u8]) -> RawBsonRef<'_> {
    RawBsonRef::Binary(RawBinaryRef { subtype: BinarySubtype::Generic, bytes })
}

/// `{p, o}`.
pub(super) fn place(what: &str, p: i32, position: Position) -> Result<RawDocumentBuf, StoreError> {
    Ok(rawdoc! { "p": p, "o": signed(what, position.0)? })
}

/// All `_id` that begin with this partition.
pub(super) fn of_partition(p: i32) -> mongodb::bson::Document {
    doc! { "$gte": { "p": p }, "$lt": { "p": p.saturating_add(1) } }
}

/// All `_id` of an inbox within these.
pub(super) fn of_inbox(user: &UserId, from: Seq, to: Seq) -> mongodb::bson::Document {
    let id = |seq: Seq| doc! { "u": user.as_str(), "s": clamped(seq.0) };
    doc! { "_id": { "$gte": id(from), "$lte": id(to) } }
}

/// An entry as it is written by whoever reads partition `p`.
pub(super) fn entry(what: &str, p: i32, entry: &Document) -> Result<RawDocumentBuf, StoreError> {
    let id = rawdoc! { "u": entry.user.as_str(), "s": signed(what, entry.seq.0)? };
    let mut document = rawdoc! {
        "_id": id, "p": p, "o": signed(what, entry.position.0)?, "t": entry.sent_ms
    };
    match &entry.content {
        Content::Own(bytes) => document.append(cstr!("b"), binary(bytes)),
        Content::Group(source) => {
            document.append(cstr!("g"), place(what, number(source.of), source.position)?);
        }
    }
    Ok(document)
}

/// A body as it is written.
pub(super) fn body(
    what: &str,
    source: Source,
    append_ms: i64,
    bytes: &[u8],
) -> Result<RawDocumentBuf, StoreError> {
    let id = place(what, number(source.of), source.position)?;
    let mut document = rawdoc! { "_id": id, "t": append_ms };
    document.append(cstr!("b"), binary(bytes));
    Ok(document)
}

/// Keys of a page, as they are written.
pub(super) fn keys(entries: impl Iterator<Item = (u64, i64, MessageKey)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (first, append_ms, key) in entries {
        bytes.extend_from_slice(&first.to_le_bytes());
        bytes.extend_from_slice(&append_ms.to_le_bytes());
        bytes.extend_from_slice(&key.0.to_le_bytes());
    }
    bytes
}

/// The inverse; what is left over is no key.
pub(super) fn read_keys(bytes: &[u8]) -> impl Iterator<Item = (u64, i64, MessageKey)> {
    fn part<const N: usize>(key: &[u8], at: usize) -> [u8; N] {
        key.get(at..at + N).and_then(|part| part.try_into().ok()).unwrap_or([0; N])
    }
    bytes.chunks_exact(KEY_BYTES).map(|key| {
        let number = u128::from_le_bytes(part(key, 16));
        (u64::from_le_bytes(part(key, 0)), i64::from_le_bytes(part(key, 8)), MessageKey(number))
    })
}

/// A page as an owner writes it; `None` where there are no keys.
pub(super) fn page(
    what: &str,
    p: i32,
    entries: &[PageEntry],
) -> Result<Option<(RawDocumentBuf, RawDocumentBuf)>, StoreError> {
    let Some(last) = entries.last() else { return Ok(None) };
    let keys = keys(entries.iter().map(|entry| (entry.position.0, entry.append_ms, entry.key)));
    let newest_ms = entries.iter().map(|entry| entry.append_ms).max().unwrap_or_default();
    page_of(what, p, last.position, newest_ms, &keys).map(Some)
}

/// The `_id` of a page, and all of it.
pub(super) fn page_of(
    what: &str,
    p: i32,
    end: Position,
    newest_ms: i64,
    keys: &[u8],
) -> Result<(RawDocumentBuf, RawDocumentBuf), StoreError> {
    let id = place(what, p, end)?;
    let count = i32::try_from(keys.len() / KEY_BYTES).unwrap_or(i32::MAX);
    let mut page = rawdoc! { "_id": id.clone(), "t": newest_ms, "c": count };
    page.append(cstr!("k"), binary(keys));
    Ok((id, page))
}

/// The fields of a checkpoint besides its `_id`.
pub(super) fn checkpoint(
    what: &str,
    checkpoint: &Checkpoint,
) -> Result<RawDocumentBuf, StoreError> {
    let mut high_waters = mongodb::bson::RawArrayBuf::new();
    for (of, position) in &checkpoint.high_waters {
        let mut high_water = mongodb::bson::RawArrayBuf::new();
        high_water.push(i32::from(of.topic as u8));
        high_water.push(i32::from(of.partition.0));
        high_water.push(signed(what, position.0)?);
        high_waters.push(high_water);
    }
    let next = signed(what, checkpoint.next.0)?;
    Ok(rawdoc! { "o": next, "t": checkpoint.time_ms, "hw": high_waters })
}

/// The inverse; `None` where it is not one.
pub(super) fn read_checkpoint(document: &RawDocument) -> Option<Checkpoint> {
    let mut high_waters = Vec::new();
    for high_water in document.get_array("hw").ok()? {
        let mut parts = high_water.ok()?.as_array()?.into_iter();
        let mut part = || parts.next()?.ok();
        let topic = part()?.as_i32()?;
        let partition = part()?.as_i32()?;
        let topic = Topic::from_number(u8::try_from(topic).ok()?)?;
        let partition = PartitionId(u16::try_from(partition).ok()?);
        let position = Position(unsigned(part()?.as_i64()?));
        high_waters.push((LogPartition { topic, partition }, position));
    }
    let next = Position(unsigned(document.get_i64("o").ok()?));
    Some(Checkpoint { next, time_ms: document.get_i64("t").ok()?, high_waters })
}

/// Where an entry's message lies.
#[derive(Debug)]
pub(super) enum Lies {
    With(Box<[u8]>),
    Among(Source),
}

/// An entry as it is read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) seq: Seq,
    pub(super) position: Position,
    /// What is there in place of a message is no error of the entry.
    pub(super) lies: Option<Lies>,
}

impl Read {
    pub(super) fn of(document: &RawDocument) -> BsonResult<Self> {
        let (seq, position) = (seq(document)?, position(document)?);
        let lies = match document.get_document("g") {
            Ok(place) => source(place).map(Lies::Among),
            Err(_) => document.get_binary("b").ok().map(|own| Lies::With(own.bytes.into())),
        };
        Ok(Self { seq, position, lies })
    }
}

pub(super) fn seq(document: &RawDocument) -> BsonResult<Seq> {
    Ok(Seq(unsigned(document.get_document("_id")?.get_i64("s")?)))
}

pub(super) fn position(document: &RawDocument) -> BsonResult<Position> {
    Ok(Position(unsigned(document.get_i64("o")?)))
}

/// `{p, o}`.
pub(super) fn source(place: &RawDocument) -> Option<Source> {
    let of = partition(place.get_i32("p").ok()?)?;
    Some(Source { of, position: Position(unsigned(place.get_i64("o").ok()?)) })
}

/// Who, and how far.
pub(super) fn bounds(document: &RawDocument) -> BsonResult<(UserId, InboxBounds)> {
    let number = |key| document.get_i64(key).map(unsigned);
    let bounds = InboxBounds {
        min: Seq(number("m")?),
        newest: Seq(number("n")?),
        through: Position(number("o")?),
    };
    Ok((UserId::new(document.get_str("_id")?), bounds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_and_keys_are_read_as_they_were_written() {
        let at = |topic, partition| LogPartition { topic, partition: PartitionId(partition) };
        let high_waters =
            vec![(at(Topic::Chat, 63), Position(7)), (at(Topic::Group, 65_535), Position(1 << 50))];
        let written = Checkpoint { next: Position(9), time_ms: -3, high_waters };
        let document = checkpoint("w", &written).expect("small");
        assert_eq!(read_checkpoint(&document), Some(written));
        assert_eq!(read_checkpoint(&rawdoc! { "o": 9_i64 }), None);

        let all = [(1, 2, MessageKey(3)), (u64::MAX, i64::MIN, MessageKey(u128::MAX))];
        assert_eq!(read_keys(&keys(all.into_iter())).collect::<Vec<_>>(), all);
        assert_eq!(partition(number(at(Topic::Group, 65_535))), Some(at(Topic::Group, 65_535)));
        assert_eq!(partition(number_of_none(PartitionId(3))), None);
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        assert!(matches!(signed("w", 1 << 63), Err(StoreError::Rejected { .. })));
        assert_eq!(signed("w", (1 << 63) - 1).expect("counted"), i64::MAX);
        assert_eq!(clamped(u64::MAX), i64::MAX);
    }
}
