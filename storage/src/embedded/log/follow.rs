//! The writing end of a log that another server decides about: the same bytes in the same places.
//!
//! In: bytes as they come, of one segment. Out: those of them that are whole are durable here. Never: a byte whose checksum was
//! not compared, or one in another place or of another epoch than it was written for.

use super::frame::{
    BATCH_HEAD_BYTES, BatchHead, RECORD_HEAD_BYTES, Records, SEGMENT_HEAD_BYTES, SegmentHead,
};
use super::held::Held;
use super::prepare::Space;
use super::recover::publish;
use super::writer::{LogSettings, Writer, write_whole};
use crate::embedded::epochs::Epochs;
use crate::embedded::error::io_error;
use crate::port::StoreError;

/// What became of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct Followed {
    /// So many of them are here.
    pub(in crate::embedded) bytes: usize,
    /// What follows is of this length at least; 0 where nothing does.
    pub(in crate::embedded) wants: u64,
}

/// Whole batches, and the log behind them.
struct Whole {
    bytes: usize,
    wants: u64,
    next_batch: u64,
    last_ms: i64,
    held: Held,
}

/// Why bytes are not taken.
#[derive(Debug, thiserror::Error)]
pub(in crate::embedded) enum FollowError {
    /// They are not what was written there.
    #[error("what came for {at} of the log is not what was written there: {what}")]
    Wrong {
        /// The position.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// They could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives an empty log its first segment, which begins as `bytes` do at position `base`.
pub(in crate::embedded) fn plant(
    settings: &LogSettings,
    base: u64,
    bytes: &[u8],
) -> Result<(), FollowError> {
    let wrong = |what| FollowError::Wrong { at: base, what };
    let head = SegmentHead::decode(bytes, settings.salt).map_err(wrong)?;
    if head.base != base || head.epoch != settings.epochs.at(base) {
        return Err(wrong("the segment begins elsewhere, or under another epoch"));
    }
    let making = || io_error(format!("making a log segment in {}", settings.dir.display()));
    let space = Space::open(settings.dir.clone(), settings.segment_bytes, settings.reserve_bytes);
    let space = space.map_err(making())?;
    let fresh = space.fresh(0).map_err(making())?;
    publish(&space, fresh, head, settings.salt).map_err(StoreError::from)?;
    Ok(())
}

impl Writer {
    /// Writes what another server has at the end of this log, durably: `bytes` of the segment that begins at `segment`. A
    /// segment may begin further on than the log ends, where `over_gaps` are what the other one has removed.
    ///
    /// # Errors
    /// [`FollowError`].
    pub(in crate::embedded) fn follow(
        &mut self,
        epochs: &Epochs,
        (segment, bytes): (u64, &[u8]),
        over_gaps: bool,
    ) -> Result<Followed, FollowError> {
        self.check_open()?;
        let end = self.segment.base + self.offset;
        let wrong = |at, what| FollowError::Wrong { at, what };
        let mut rest = bytes;
        if segment != self.segment.base {
            if segment < end || (segment > end && !over_gaps) {
                return Err(wrong(end, "it is of another segment"));
            }
            let Some((head, behind)) = bytes.split_at_checked(SEGMENT_HEAD_BYTES as usize) else {
                return Ok(Followed { bytes: 0, wants: SEGMENT_HEAD_BYTES });
            };
            let head = SegmentHead::decode(head, self.segments.salt());
            let head = head.map_err(|what| wrong(segment, what))?;
            let follows = segment > end || head.first_batch == self.next_batch;
            if head.base != segment || head.epoch != epochs.at(segment) || !follows {
                return Err(wrong(segment, "the segment does not follow"));
            }
            self.next_as(head).map_err(StoreError::from)?;
            rest = behind;
        }
        let whole = self.check_batches(rest)?;
        if whole.bytes > 0 {
            self.write_followed(&rest[..whole.bytes])?;
            let Whole { next_batch, last_ms, held, .. } = whole;
            (self.next_batch, self.last_ms, self.held) = (next_batch, last_ms, held);
        }
        Ok(Followed { bytes: bytes.len() - rest.len() + whole.bytes, wants: whole.wants })
    }

    /// What of the bytes are whole batches that go on here.
    fn check_batches(&self, bytes: &[u8]) -> Result<Whole, FollowError> {
        let salt = self.segments.salt().of(self.segment.epoch);
        let (mut at, mut number) = (self.segment.base + self.offset, self.next_batch);
        let (mut rest, mut last_ms, mut held) = (bytes, self.last_ms, self.held);
        let wants = loop {
            let Some(raw) = rest.first_chunk() else {
                break if rest.is_empty() { 0 } else { BATCH_HEAD_BYTES as u64 };
            };
            let wrong = |what| FollowError::Wrong { at, what };
            let head = BatchHead::decode(raw, at, salt).ok_or_else(|| wrong("no batch begins"))?;
            if head.number != number {
                return Err(wrong("the batch does not follow"));
            }
            let Some((batch, behind)) = rest.split_at_checked(head.bytes as usize) else {
                break head.bytes.into();
            };
            let body = batch.get(BATCH_HEAD_BYTES..).unwrap_or_default();
            let mut records = 0_u64;
            for record in Records::new(body, at + BATCH_HEAD_BYTES as u64, salt) {
                let (_, record) = record.ok_or_else(|| wrong("a record fails its checksum"))?;
                held.add(head.append_ms, record);
                records += 1;
            }
            if records != u64::from(head.records) || body.len() < RECORD_HEAD_BYTES {
                return Err(wrong("the batch has another number of records than it says"));
            }
            (rest, last_ms) = (behind, head.append_ms);
            (at, number) = (at + u64::from(head.bytes), number + 1);
        };
        Ok(Whole { bytes: bytes.len() - rest.len(), wants, next_batch: number, last_ms, held })
    }

    fn write_followed(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.make_room(bytes.len() as u64).map_err(self.failed("extending"))?;
        let written = write_whole(&self.file, bytes, self.offset).map_err(|(_, cause)| cause);
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|cause| self.segments.unknown("following", cause))?;
        self.offset += bytes.len() as u64;
        let end = self.segment.base + self.offset;
        self.segments.wrote_to(end);
        self.segments.flushed_to(end);
        Ok(())
    }
}
