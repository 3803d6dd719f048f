//! Reading one segment batch by batch, every checksum verified.
//!
//! In: an open segment and where to start; out: whole batches, the end, or what is broken and where.
//! Reads ahead in windows of at most a mebibyte (or one batch, where that is larger).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::frame::{BATCH_HEAD_BYTES, BatchHead, RECORD_HEAD_BYTES, Records, Salt};
use crate::embedded::sys;

const WINDOW_BYTES: u64 = 1024 * 1024;

/// One step of a [`Walk`].
pub(super) enum Step<'w> {
    /// A whole batch, verified.
    Batch(Batch<'w>),
    /// Nothing is written from this file offset on, as far as a batch head shows.
    End(u64),
    /// The bytes at this file offset are neither a whole batch nor unwritten.
    Broken(u64, &'static str),
}

/// A whole batch.
pub(super) struct Batch<'w> {
    /// Its head.
    pub(super) head: BatchHead,
    /// Log position of its first byte.
    pub(super) place: u64,
    body: &'w [u8],
    salt: Salt,
}

impl<'w> Batch<'w> {
    /// Its records, with positions; all have been verified.
    pub(super) fn records(&self) -> impl Iterator<Item = (openim_record::Position, &'w [u8])> {
        let first = self.place + BATCH_HEAD_BYTES as u64;
        Records::new(self.body, first, self.salt).map_while(|record| record)
    }

    /// Log position after its last byte.
    pub(super) const fn end(&self) -> u64 {
        self.place + self.head.bytes as u64
    }
}

/// Walks over the batches of one segment.
pub(super) struct Walk<'a> {
    file: &'a File,
    base: u64,
    limit: u64,
    salt: Salt,
    at: u64,
    window: Vec<u8>,
    window_at: u64,
    aside: bool,
}

impl<'a> Walk<'a> {
    /// A walk over `file`, whose first byte has log position `base`, from file offset `at` (a batch
    /// starts there) up to file offset `limit`.
    pub(super) const fn new(
        file: &'a File,
        base: u64,
        (at, limit): (u64, u64),
        salt: Salt,
    ) -> Self {
        Self { file, base, limit, salt, at, window: Vec::new(), window_at: 0, aside: false }
    }

    /// The same, without memory of the system for what is read: others need it for what they read often.
    pub(super) const fn aside(mut self) -> Self {
        self.aside = true;
        self
    }

    /// The next batch.
    pub(super) fn step(&mut self) -> io::Result<Step<'_>> {
        let at = self.at;
        let room = self.limit.saturating_sub(at);
        if room < BATCH_HEAD_BYTES as u64 {
            return Ok(Step::End(at));
        }
        let place = self.base + at;
        let salt = self.salt;
        let mut raw = [0; BATCH_HEAD_BYTES];
        raw.copy_from_slice(self.bytes(at, BATCH_HEAD_BYTES as u64)?);
        if raw == [0; BATCH_HEAD_BYTES] {
            return Ok(Step::End(at));
        }
        let Some(head) = BatchHead::decode(&raw, place, salt) else {
            return Ok(Step::Broken(at, "a batch head was expected"));
        };
        let body_bytes = u64::from(head.bytes).saturating_sub(BATCH_HEAD_BYTES as u64);
        if u64::from(head.bytes) > room
            || body_bytes < u64::from(head.records) * RECORD_HEAD_BYTES as u64
        {
            return Ok(Step::Broken(at, "the batch is cut short"));
        }
        self.at = at + u64::from(head.bytes);
        let body = self.bytes(at + BATCH_HEAD_BYTES as u64, body_bytes)?;
        let first = place + BATCH_HEAD_BYTES as u64;
        let mut records = 0_u64;
        for record in Records::new(body, first, salt) {
            if record.is_none() {
                return Ok(Step::Broken(at, "a record fails its checksum"));
            }
            records += 1;
        }
        if records != u64::from(head.records) {
            return Ok(Step::Broken(at, "the batch has another number of records than it says"));
        }
        Ok(Step::Batch(Batch { head, place, body, salt }))
    }

    /// The file offset of the next step.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// The head of the batch at the current offset, without its records; moves past the batch.
    pub(super) fn skip(&mut self) -> io::Result<Option<(BatchHead, u64)>> {
        let at = self.at;
        if self.limit.saturating_sub(at) < BATCH_HEAD_BYTES as u64 {
            return Ok(None);
        }
        let mut raw = [0; BATCH_HEAD_BYTES];
        raw.copy_from_slice(self.bytes(at, BATCH_HEAD_BYTES as u64)?);
        let Some(head) = BatchHead::decode(&raw, self.base + at, self.salt) else {
            return Ok(None);
        };
        self.at = at + u64::from(head.bytes);
        Ok(Some((head, self.base + at)))
    }

    fn bytes(&mut self, at: u64, length: u64) -> io::Result<&[u8]> {
        let held = self.window.len() as u64;
        if at < self.window_at || at + length > self.window_at + held {
            let want = length.max(WINDOW_BYTES).min(self.limit - at);
            self.window.resize(want as usize, 0);
            self.window_at = at;
            let read = match self.aside {
                true => sys::read_aside(self.file, &mut self.window, at),
                false => self.file.read_exact_at(&mut self.window, at),
            };
            if let Err(error) = read {
                self.window.clear();
                return Err(error);
            }
        }
        let start = (at - self.window_at) as usize;
        Ok(&self.window[start..start + length as usize])
    }
}
