//! The log of a copy, or of a stopped data directory, read through: every checksum, and the order.
//!
//! In: a directory. Out: each batch, and what is wrong, by file and offset. Damage ends a segment, and the next one is
//! read. Never: writes a byte.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::PART_BYTES;
use super::check::Checked;
use crate::embedded::epochs::Epochs;
use crate::embedded::log::{
    BATCH_HEAD_BYTES, BatchHead, Records, SEGMENT_HEAD_BYTES, Salt, lengths, segment_path,
};
use crate::port::StoreError;

/// A log that is read.
pub(super) struct Reading {
    pub(super) log: PathBuf,
    pub(super) salt: u64,
    pub(super) epochs: Epochs,
    /// Where segments begin, and the length of their files.
    pub(super) segments: Vec<(u64, u64)>,
}

/// A whole batch.
pub(super) struct Batch<'a> {
    pub(super) head: BatchHead,
    /// Log position of its first byte.
    pub(super) place: u64,
    pub(super) bytes: &'a [u8],
    salt: Salt,
}

impl Batch<'_> {
    /// Its records, each with its position.
    pub(super) fn records(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let (body, first) = (&self.bytes[BATCH_HEAD_BYTES..], self.place + BATCH_HEAD_BYTES as u64);
        let records = Records::new(body, first, self.salt).map_while(|record| record);
        records.map(|(position, record)| (position.0, record))
    }

    /// Position behind it.
    pub(super) const fn end(&self) -> u64 {
        self.place + self.bytes.len() as u64
    }
}

/// What a segment came to.
pub(super) enum Came {
    /// Every byte of it is whole.
    Whole,
    /// Up to this offset; what follows is not, for this reason.
    Broken(u64, String),
}

impl Reading {
    /// Of the log in `dir`.
    pub(super) fn open(dir: &Path, salt: u64, epochs: Epochs) -> Result<Self, StoreError> {
        let log = dir.join("log");
        let segments = lengths(&log)?;
        Ok(Self { log, salt, epochs, segments })
    }

    /// Goes on from `checked` over all that is whole, also in the segments that follow.
    pub(super) fn go_on(&self, checked: &mut Checked) -> io::Result<()> {
        loop {
            let begun = checked.at;
            // A segment begins here, or this is in the middle of one.
            let follows = self.segments.iter().any(|(base, _)| *base == begun);
            let segment = if follows { begun } else { checked.segment };
            if !self.path(segment).exists() {
                return Ok(());
            }
            let came = self.read(segment, checked, &mut |_| Ok::<(), io::Error>(()))?;
            if checked.at == begun || !matches!(came, Came::Whole) {
                return Ok(());
            }
        }
    }

    /// The head of a segment.
    pub(super) fn head(&self, segment: u64) -> io::Result<Vec<u8>> {
        let mut head = vec![0; SEGMENT_HEAD_BYTES as usize];
        File::open(self.path(segment))?.read_exact_at(&mut head, 0)?;
        Ok(head)
    }

    /// What the checksums of what is in a segment begin with.
    pub(super) fn salt_at(&self, segment: u64) -> Salt {
        Salt(self.salt).of(self.epochs.at(segment))
    }

    /// The file of a segment.
    pub(super) fn path(&self, segment: u64) -> PathBuf {
        segment_path(&self.log, segment)
    }

    /// Whose log it is.
    const fn of(&self) -> (u64, &Epochs) {
        (self.salt, &self.epochs)
    }

    /// Reads the segment that begins at `segment` from where `checked` is, which goes on over what is whole. `each` gets the
    /// batches.
    pub(super) fn read<E: From<io::Error>>(
        &self,
        segment: u64,
        checked: &mut Checked,
        each: &mut dyn FnMut(&Batch<'_>) -> Result<(), E>,
    ) -> Result<Came, E> {
        let file = File::open(self.path(segment))?;
        let length = file.metadata()?.len();
        let (mut bytes, mut wants) = (Vec::new(), PART_BYTES);
        loop {
            let (from, offset) = (checked.at, checked.at - segment);
            let more = length.saturating_sub(offset).min(wants);
            if more == 0 {
                return Ok(Came::Whole);
            }
            bytes.resize(more as usize, 0);
            file.read_exact_at(&mut bytes, offset)?;
            let whole = match checked.take(self.of(), segment, &bytes) {
                Ok(whole) => whole.bytes,
                // What is whole before it was taken.
                Err(_) => (checked.at - from) as usize,
            };
            self.batches(segment, from, &bytes[..whole], each)?;
            let mut ahead = *checked;
            let what = match ahead.take(self.of(), segment, &bytes[whole..]) {
                Err(wrong) => wrong.what,
                Ok(next) if offset + more < length => {
                    wants = PART_BYTES.max(next.wants);
                    // It is longer than what is left.
                    if whole > 0 || next.wants > more {
                        continue;
                    }
                    "a batch was expected"
                }
                Ok(_) if whole as u64 == more => return Ok(Came::Whole),
                Ok(_) => "the batch is cut short",
            };
            return Ok(Came::Broken(checked.at - segment, what.to_owned()));
        }
    }

    /// Shows the batches of `bytes`, which lie at position `from` and are whole.
    fn batches<E>(
        &self,
        segment: u64,
        from: u64,
        mut bytes: &[u8],
        each: &mut dyn FnMut(&Batch<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let salt = self.salt_at(segment);
        let mut place = from;
        if from == segment && !bytes.is_empty() {
            bytes = &bytes[SEGMENT_HEAD_BYTES as usize..];
            place += SEGMENT_HEAD_BYTES;
        }
        while let Some(raw) = bytes.first_chunk() {
            let Some(head) = BatchHead::decode(raw, place, salt) else { break };
            let Some((batch, rest)) = bytes.split_at_checked(head.bytes as usize) else { break };
            each(&Batch { head, place, bytes: batch, salt })?;
            (bytes, place) = (rest, place + u64::from(head.bytes));
        }
        Ok(())
    }
}
