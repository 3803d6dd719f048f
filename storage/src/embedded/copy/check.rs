//! Checking bytes of a log as they come from a source. Pure.
//!
//! In: bytes that begin where the last ones were whole. Out: how many of them are whole batches that follow, every checksum
//! verified. Never: takes a byte whose checksum was not looked at.

use crate::embedded::epochs::Epochs;
use crate::embedded::log::{
    BATCH_HEAD_BYTES, BatchHead, Epoch, RECORD_HEAD_BYTES, Records, SEGMENT_HEAD_BYTES, Salt,
    SegmentHead,
};

/// How far a log has been checked: up to the end of a batch, or of a segment's head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Position behind it.
    pub at: u64,
    /// Where the segment begins that it lies in.
    pub segment: u64,
    /// Number of the next batch; 0 where none is known yet.
    pub next_batch: u64,
    /// Append time of the last batch, unix milliseconds.
    pub last_ms: i64,
    /// Position of the last batch; 0 where there was none.
    pub last: u64,
}

/// What there was in some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// So many of them are whole.
    pub bytes: usize,
    /// What follows is the beginning of a batch of this length; 0 where that is not known, or nothing follows.
    pub wants: u64,
}

/// What is wrong, at a position of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at {at} of the log: {what}")]
pub struct Wrong {
    /// Where.
    pub at: u64,
    /// What.
    pub what: &'static str,
}

impl Checked {
    /// Checks `bytes` of the segment that begins at `segment`, which lie at [`Self::at`], and goes on behind what is whole.
    /// `of` is whose log it is: the random number of the data, and the epochs.
    ///
    /// # Errors
    /// [`Wrong`]; then it stays before the batch that is.
    pub fn take(
        &mut self,
        (salt, epochs): (u64, &Epochs),
        segment: u64,
        bytes: &[u8],
    ) -> Result<Whole, Wrong> {
        let (epoch, mut rest) = (epochs.at(segment), bytes);
        if segment == self.at {
            let Some((head, behind)) = rest.split_at_checked(SEGMENT_HEAD_BYTES as usize) else {
                return Ok(Whole { bytes: 0, wants: SEGMENT_HEAD_BYTES });
            };
            self.begin((Salt(salt), epoch), head)?;
            rest = behind;
        } else if segment != self.segment {
            return Err(self.wrong("the segment is another one than was expected"));
        }
        let salt = Salt(salt).of(epoch);
        while let Some(raw) = rest.first_chunk() {
            let Some(head) = BatchHead::decode(raw, self.at, salt) else {
                return Err(self.wrong("a batch head was expected"));
            };
            let Some((batch, behind)) = rest.split_at_checked(head.bytes as usize) else {
                return Ok(Whole { bytes: bytes.len() - rest.len(), wants: head.bytes.into() });
            };
            self.batch(salt, head, batch)?;
            rest = behind;
        }
        let wants = if rest.is_empty() { 0 } else { BATCH_HEAD_BYTES as u64 };
        Ok(Whole { bytes: bytes.len() - rest.len(), wants })
    }

    fn begin(&mut self, (salt, epoch): (Salt, Epoch), head: &[u8]) -> Result<(), Wrong> {
        let head = SegmentHead::decode(head, salt).map_err(|what| self.wrong(what))?;
        if head.base != self.at || (self.next_batch != 0 && head.first_batch != self.next_batch) {
            return Err(self.wrong("the segment does not follow the one before it"));
        }
        if head.epoch != epoch {
            return Err(self.wrong("the segment is of another epoch than the list of epochs says"));
        }
        (self.segment, self.next_batch) = (head.base, head.first_batch);
        self.last_ms = head.floor_ms;
        self.at += SEGMENT_HEAD_BYTES;
        Ok(())
    }

    fn batch(&mut self, salt: Salt, head: BatchHead, batch: &[u8]) -> Result<(), Wrong> {
        if self.next_batch != 0 && head.number != self.next_batch {
            return Err(self.wrong("the batch does not follow the one before it"));
        }
        let Some(body) = batch.get(BATCH_HEAD_BYTES..) else {
            return Err(self.wrong("the batch is cut short"));
        };
        let mut records = 0_u64;
        for record in Records::new(body, self.at + BATCH_HEAD_BYTES as u64, salt) {
            if record.is_none() {
                return Err(self.wrong("a record fails its checksum"));
            }
            records += 1;
        }
        if records != u64::from(head.records)
            || body.len() < RECORD_HEAD_BYTES * head.records as usize
        {
            return Err(self.wrong("the batch has another number of records than it says"));
        }
        self.last = self.at;
        self.at += u64::from(head.bytes);
        (self.next_batch, self.last_ms) = (head.number + 1, head.append_ms);
        Ok(())
    }

    const fn wrong(&self, what: &'static str) -> Wrong {
        Wrong { at: self.at, what }
    }
}
