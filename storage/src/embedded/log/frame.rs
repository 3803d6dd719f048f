//! The bytes of the log: segment head, batch frame, record. Pure.
//!
//! ```text
//! segment  = head (64) batch*                      file `<base, 20 digits>.log`, of one epoch
//! batch    = head (40) record+                     one pwrite, one flush
//! record   = length u32, checksum u32, payload     its position is base + offset in the file
//! ```
//! Integers are little-endian. Every byte is covered by exactly one CRC-32C. The checksums start
//! from a salt (random per data directory) and the place of the bytes: a client cannot compose a
//! message that passes for a batch, and bytes that were moved or copied do not pass either. The id of
//! the epoch that the segment's head names is mixed in: what an older epoch wrote does not pass in a newer one.
//!
//! A batch head says up to where the log was flushed when the batch was written. That is what
//! tells a torn tail from damage: what a later batch calls flushed must be readable.

use openim_record::Position;

/// Bytes before the first batch of a segment.
pub(crate) const SEGMENT_HEAD_BYTES: u64 = 64;
/// Bytes before the first record of a batch.
pub(crate) const BATCH_HEAD_BYTES: usize = 40;
/// Bytes before the payload of a record.
pub(crate) const RECORD_HEAD_BYTES: usize = 8;
/// First bytes of a batch; not ASCII, so that text rarely starts a search in vain.
pub(super) const BATCH_MAGIC: [u8; 4] = [0xf1, 0xba, 0x7c, 0x48];

const SEGMENT_MAGIC: [u8; 8] = *b"oimlog\x00\x01";

/// Random value of one data directory, folded into every checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Salt(pub(crate) u64);

/// Who writes: the servers that continue each other's log. The first one is what logs without epochs have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// How many came before it.
    pub(crate) number: u64,
    /// Random, so that two servers that were both promoted are told apart; 0 of the first.
    pub(crate) id: u64,
}

impl Epoch {
    /// Of every log at its beginning.
    pub(crate) const FIRST: Self = Self { number: 0, id: 0 };
}

impl Salt {
    /// Of what is written under an epoch. CRCs are linear, so where the seeds of two epochs differ the same bytes in the
    /// same place have different checksums.
    pub(crate) const fn of(self, epoch: Epoch) -> Self {
        Self(self.0 ^ epoch.id)
    }

    /// What of it goes into a checksum.
    pub(crate) fn seed(self) -> u32 {
        crc32c::crc32c(&self.0.to_le_bytes())
    }

    /// Checksum of `bytes` which lie at `place` in the log.
    fn checksum(self, place: u64, bytes: &[u8]) -> u32 {
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&self.0.to_le_bytes());
        seed[8..].copy_from_slice(&place.to_le_bytes());
        crc32c::crc32c_append(crc32c::crc32c(&seed), bytes)
    }

    /// Checksum of a record: its length, then its payload.
    fn record_checksum(self, position: u64, payload: &[u8]) -> u32 {
        let mut seed = [0; 20];
        seed[..8].copy_from_slice(&self.0.to_le_bytes());
        seed[8..16].copy_from_slice(&position.to_le_bytes());
        seed[16..].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        crc32c::crc32c_append(crc32c::crc32c(&seed), payload)
    }
}

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    /// Log position of the file's first byte.
    pub(crate) base: u64,
    /// Number of its first batch.
    pub(crate) first_batch: u64,
    /// No batch in it is older, unix milliseconds.
    pub(crate) floor_ms: i64,
    /// Under which it is written.
    pub(crate) epoch: Epoch,
}

impl SegmentHead {
    /// The head as it lies at the start of the file; `salt` is the data directory's.
    pub(crate) fn encode(self, salt: Salt) -> [u8; SEGMENT_HEAD_BYTES as usize] {
        let mut out = [0; SEGMENT_HEAD_BYTES as usize];
        out[..8].copy_from_slice(&SEGMENT_MAGIC);
        out[16..24].copy_from_slice(&self.base.to_le_bytes());
        out[24..32].copy_from_slice(&self.first_batch.to_le_bytes());
        out[32..40].copy_from_slice(&self.floor_ms.to_le_bytes());
        out[40..48].copy_from_slice(&self.epoch.number.to_le_bytes());
        out[48..56].copy_from_slice(&self.epoch.id.to_le_bytes());
        let checksum = salt.of(self.epoch).checksum(self.base, &out[12..]);
        out[8..12].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads a head, or says what is wrong with it.
    pub(crate) fn decode(bytes: &[u8], salt: Salt) -> Result<Self, &'static str> {
        let bytes: &[u8; SEGMENT_HEAD_BYTES as usize] =
            bytes.first_chunk().ok_or("the segment head is cut short")?;
        if bytes[..8] != SEGMENT_MAGIC {
            return Err("this is not a log segment of this version");
        }
        let head = Self {
            base: u64_at(bytes, 16),
            first_batch: u64_at(bytes, 24),
            floor_ms: u64_at(bytes, 32).cast_signed(),
            epoch: Epoch { number: u64_at(bytes, 40), id: u64_at(bytes, 48) },
        };
        if u32_at(bytes, 8) != salt.of(head.epoch).checksum(head.base, &bytes[12..]) {
            return Err("the segment head fails its checksum or belongs to other data");
        }
        Ok(head)
    }
}

/// What a batch says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHead {
    /// Number of the batch; the next one has the next number.
    pub(crate) number: u64,
    /// Append time of all its records, unix milliseconds.
    pub(crate) append_ms: i64,
    /// The log was flushed up to this position when the batch was written.
    pub(crate) flushed: u64,
    /// Length of head and records.
    pub(crate) bytes: u32,
    /// Number of records.
    pub(crate) records: u32,
}

impl BatchHead {
    fn encode(self, place: u64, salt: Salt) -> [u8; BATCH_HEAD_BYTES] {
        let mut out = [0; BATCH_HEAD_BYTES];
        out[..4].copy_from_slice(&BATCH_MAGIC);
        out[8..16].copy_from_slice(&self.number.to_le_bytes());
        out[16..24].copy_from_slice(&self.append_ms.to_le_bytes());
        out[24..32].copy_from_slice(&self.flushed.to_le_bytes());
        out[32..36].copy_from_slice(&self.bytes.to_le_bytes());
        out[36..40].copy_from_slice(&self.records.to_le_bytes());
        let checksum = salt.checksum(place, &out[8..]);
        out[4..8].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads a head that starts at log position `place`; `None` when it is none.
    pub(crate) fn decode(bytes: &[u8; BATCH_HEAD_BYTES], place: u64, salt: Salt) -> Option<Self> {
        if bytes[..4] != BATCH_MAGIC || u32_at(bytes, 4) != salt.checksum(place, &bytes[8..]) {
            return None;
        }
        Some(Self {
            number: u64_at(bytes, 8),
            append_ms: u64_at(bytes, 16).cast_signed(),
            flushed: u64_at(bytes, 24),
            bytes: u32_at(bytes, 32),
            records: u32_at(bytes, 36),
        })
    }
}

/// Largest batch, head included: what a `u32` can say, with room to spare.
pub(super) const BATCH_BYTES_MAX: u64 = 1 << 30;

/// Length of the batch that holds `records`.
pub(super) fn batch_bytes<R: AsRef<[u8]>>(records: &[R]) -> u64 {
    let bytes = |record: &R| (record.as_ref().len() + RECORD_HEAD_BYTES) as u64;
    let payload: u64 = records.iter().map(bytes).sum();
    payload + BATCH_HEAD_BYTES as u64
}

/// Writes the batch that starts at log position `place` into `out` (cleared first), and the
/// position of each record into `positions` (cleared first).
///
/// The caller has checked the length against [`BATCH_BYTES_MAX`].
pub(crate) fn encode_batch<R: AsRef<[u8]>>(
    (number, append_ms, flushed): (u64, i64, u64),
    records: &[R],
    (place, salt): (u64, Salt),
    out: &mut Vec<u8>,
    positions: &mut Vec<Position>,
) {
    out.clear();
    positions.clear();
    out.resize(BATCH_HEAD_BYTES, 0);
    for record in records {
        let record = record.as_ref();
        let position = place + out.len() as u64;
        positions.push(Position(position));
        out.extend_from_slice(&(record.len() as u32).to_le_bytes());
        out.extend_from_slice(&salt.record_checksum(position, record).to_le_bytes());
        out.extend_from_slice(record);
    }
    let (bytes, records) = (out.len() as u32, records.len() as u32);
    let head = BatchHead { number, append_ms, flushed, bytes, records };
    out[..BATCH_HEAD_BYTES].copy_from_slice(&head.encode(place, salt));
}

/// Length of the payload that a record head announces.
pub(super) fn record_len(head: &[u8; RECORD_HEAD_BYTES]) -> u32 {
    u32_at(head, 0)
}

/// Whether `payload` is what was appended at `position` under `head`.
pub(super) fn record_is_whole(
    head: &[u8; RECORD_HEAD_BYTES],
    payload: &[u8],
    position: u64,
    salt: Salt,
) -> bool {
    u32_at(head, 4) == salt.record_checksum(position, payload)
}

/// The records of a batch body (what follows the batch head), each with its position.
///
/// An item is `None`, and the last one, where a record is cut short or fails its checksum.
pub(crate) struct Records<'a> {
    rest: &'a [u8],
    position: u64,
    salt: Salt,
    broken: bool,
}

impl<'a> Records<'a> {
    /// The records of `body`, whose first byte lies at log position `place`.
    pub(crate) const fn new(body: &'a [u8], place: u64, salt: Salt) -> Self {
        Self { rest: body, position: place, salt, broken: false }
    }

    fn take(&mut self) -> Option<(Position, &'a [u8])> {
        let (head, rest) = self.rest.split_first_chunk::<RECORD_HEAD_BYTES>()?;
        let (payload, rest) = rest.split_at_checked(record_len(head) as usize)?;
        if !record_is_whole(head, payload, self.position, self.salt) {
            return None;
        }
        let position = Position(self.position);
        self.rest = rest;
        self.position += (RECORD_HEAD_BYTES + payload.len()) as u64;
        Some((position, payload))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Option<(Position, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken || self.rest.is_empty() {
            return None;
        }
        let record = self.take();
        self.broken = record.is_none();
        Some(record)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = Salt(7);
    const GOLDEN_HEAD: &str = "\
        6f696d6c6f670001ad2f86550000000009000000000000000400000000000000fbffffffffffffff\
        000000000000000000000000000000000000000000000000";
    const GOLDEN_BATCH: &str = "\
        f1ba7c48e5b8e31b0300000000000000e80300000000000040000000000000004400000002000000\
        0c000000d6eee2ea736f6d65207061796c6f616400000000c51f763c";

    fn batch(place: u64, records: &[&[u8]]) -> (Vec<u8>, Vec<Position>) {
        let (mut bytes, mut positions) = (Vec::new(), Vec::new());
        encode_batch((3, 1_000, 64), records, (place, SALT), &mut bytes, &mut positions);
        (bytes, positions)
    }

    #[test]
    fn what_is_framed_is_read() {
        let records: [&[u8]; 3] = [b"first", b"", b"third"];
        let (bytes, positions) = batch(1_064, &records);
        assert_eq!(bytes.len() as u64, batch_bytes(&records));
        let head = BatchHead::decode(bytes.first_chunk().unwrap(), 1_064, SALT).unwrap();
        assert_eq!((head.number, head.append_ms, head.flushed, head.records), (3, 1_000, 64, 3));
        assert_eq!(head.bytes as usize, bytes.len());
        let place = 1_064 + BATCH_HEAD_BYTES as u64;
        let read: Vec<_> =
            Records::new(&bytes[BATCH_HEAD_BYTES..], place, SALT).map(Option::unwrap).collect();
        let expected: Vec<_> = positions.iter().copied().zip(records).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (bytes, _) = batch(64, &[b"some payload", b"more"]);
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let head = BatchHead::decode(bad.first_chunk().unwrap(), 64, SALT);
            let place = 64 + BATCH_HEAD_BYTES as u64;
            let whole = Records::new(&bad[BATCH_HEAD_BYTES..], place, SALT).all(|r| r.is_some());
            assert!(head.is_none() || !whole, "bit {bit}");
        }
    }

    #[test]
    fn bytes_of_another_place_or_another_log_do_not_pass() {
        let (bytes, _) = batch(64, &[b"x"]);
        let head = bytes.first_chunk().unwrap();
        assert!(BatchHead::decode(head, 65, SALT).is_none());
        assert!(BatchHead::decode(head, 64, Salt(8)).is_none());
        let body = &bytes[BATCH_HEAD_BYTES..];
        assert_eq!(Records::new(body, 64, SALT).next(), Some(None));
    }

    #[test]
    fn the_bytes_of_a_log_without_epochs_are_what_they_were() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let (base, first_batch, floor_ms) = (9, 4, -5);
        let head = SegmentHead { base, first_batch, floor_ms, epoch: Epoch::FIRST };
        assert_eq!(hex(&head.encode(SALT)), GOLDEN_HEAD);
        assert_eq!(hex(&batch(64, &[b"some payload", b""]).0), GOLDEN_BATCH);
    }

    #[test]
    fn what_an_older_epoch_wrote_does_not_pass_in_a_newer_one() {
        let records: [&[u8]; 2] = [b"some payload", b""];
        let (bytes, _) = batch(64, &records);
        let newer = SALT.of(Epoch { number: 1, id: 77 });
        assert!(BatchHead::decode(bytes.first_chunk().unwrap(), 64, newer).is_none());
        let place = 64 + BATCH_HEAD_BYTES as u64;
        let mut body = &bytes[BATCH_HEAD_BYTES..];
        let mut at = place;
        for record in records {
            assert_eq!(Records::new(body, at, newer).next(), Some(None));
            let length = RECORD_HEAD_BYTES + record.len();
            (body, at) = (&body[length..], at + length as u64);
        }
    }

    #[test]
    fn a_segment_head_is_read_back_and_checked() {
        let epoch = Epoch { number: 2, id: 77 };
        let head = SegmentHead { base: 9, first_batch: 4, floor_ms: -5, epoch };
        let mut bytes = head.encode(SALT);
        assert_eq!(SegmentHead::decode(&bytes, SALT), Ok(head));
        assert!(SegmentHead::decode(&bytes, Salt(1)).is_err());
        assert!(SegmentHead::decode(&bytes[..60], SALT).is_err());
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHead::decode(&bytes, SALT).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
