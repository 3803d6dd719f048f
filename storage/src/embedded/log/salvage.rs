//! Reading a log that may be damaged: everything that is whole, in order, and what is not by file and offset.
//!
//! For tools on a stopped server. In: the log's folder; out: records and places. Never: writes a byte, or
//! takes for a record what fails its checksum.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use openim_record::Position;

use super::frame::{
    BATCH_HEAD_BYTES, BATCH_MAGIC, BatchHead, RECORD_HEAD_BYTES, Records, SEGMENT_HEAD_BYTES, Salt,
    SegmentHead, record_len,
};
use super::recover::segment_files;
use super::segments::segment_path;
use super::walk::{Step, Walk};
use crate::embedded::epochs::Epochs;
use crate::embedded::error::io_error;
use crate::port::{Replayed, Spot, StoreError};

/// What is found on the way.
pub(in crate::embedded) enum Found<'a> {
    /// A whole record.
    Record(Replayed<'a>),
    /// Something that was there and cannot be read.
    Lost(StoreError),
}

type Each<'a> = &'a mut dyn FnMut(Found<'_>) -> ControlFlow<()>;

/// Shows what the log in `dir` holds at or after `from`.
///
/// # Errors
/// [`StoreError`] when the folder cannot be listed.
pub(in crate::embedded) fn salvage(
    dir: &Path,
    salt: Salt,
    epochs: &Epochs,
    from: Position,
    each: Each<'_>,
) -> Result<(), StoreError> {
    let bases = segment_files(dir)?;
    for (index, &base) in bases.iter().enumerate() {
        let next = bases.get(index + 1).copied();
        if next.is_some_and(|next| next <= from.0) {
            continue;
        }
        let path = segment_path(dir, base);
        let shown = match File::open(&path) {
            Ok(file) => {
                let (directory, salt) = (salt, salt.of(epochs.at(base)));
                Segment { file, path: &path, base, next, directory, salt, from }.show(each)
            }
            Err(cause) => Err(cause),
        };
        let flow = match shown {
            Ok(flow) => flow,
            Err(cause) => each(Found::Lost(io_error(format!("reading {}", path.display()))(cause))),
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

struct Segment<'a> {
    file: File,
    path: &'a Path,
    base: u64,
    /// Where the next segment begins; none behind the last.
    next: Option<u64>,
    directory: Salt,
    /// With the epoch of the segment.
    salt: Salt,
    from: Position,
}

impl Segment<'_> {
    fn show(&self, each: Each<'_>) -> io::Result<ControlFlow<()>> {
        let length = self.file.metadata()?.len();
        let mut head = [0; SEGMENT_HEAD_BYTES as usize];
        let read = self.file.read_exact_at(&mut head, 0);
        if read.is_err() || SegmentHead::decode(&head, self.directory).is_err() {
            let what = "the segment head fails its checksum or belongs to other data";
            if self.lost(0, what, each).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let mut at = SEGMENT_HEAD_BYTES;
        while at < length {
            let range = (at, length);
            let mut walk = Walk::new(&self.file, self.base, range, self.salt);
            let (broken, what) = loop {
                match walk.step()? {
                    Step::Batch(batch) => {
                        let append_ms = batch.head.append_ms;
                        for (position, record) in batch.records() {
                            if self.give(position, append_ms, record, each).is_break() {
                                return Ok(ControlFlow::Break(()));
                            }
                        }
                    }
                    Step::End(broken) => break (broken, "a batch was expected"),
                    Step::Broken(broken, what) => break (broken, what),
                }
            };
            if broken == length {
                break;
            }
            let Some(next) = self.next_batch(broken, length)? else {
                // Behind the last batch of the last segment lies space, or what a crash cut short.
                let flow = match self.next {
                    Some(_) => self.lost(broken, what, each),
                    None => ControlFlow::Continue(()),
                };
                return Ok(flow);
            };
            let flow = self.lost(broken, what, each);
            if flow.is_break() || self.give_rest(broken, next, each)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            at = next;
        }
        match self.next {
            Some(next) if self.base + length < next => {
                Ok(self.lost(length, &format!("the log from here to {next} is missing"), each))
            }
            _ => Ok(ControlFlow::Continue(())),
        }
    }

    /// The whole records of the broken batch at `at`, as far as its lengths lead to them.
    fn give_rest(&self, at: u64, next: u64, each: Each<'_>) -> io::Result<ControlFlow<()>> {
        let mut raw = [0; BATCH_HEAD_BYTES];
        self.file.read_exact_at(&mut raw, at)?;
        let Some(head) = BatchHead::decode(&raw, self.base + at, self.salt) else {
            return Ok(ControlFlow::Continue(()));
        };
        let end = next.min(at + u64::from(head.bytes));
        let mut body = vec![0; end.saturating_sub(at + BATCH_HEAD_BYTES as u64) as usize];
        self.file.read_exact_at(&mut body, at + BATCH_HEAD_BYTES as u64)?;
        let first = self.base + at + BATCH_HEAD_BYTES as u64;
        let mut offset = 0;
        while let Some(rest) = body.get(offset..).filter(|rest| !rest.is_empty()) {
            let place = first + offset as u64;
            if let Some(Some((position, record))) = Records::new(rest, place, self.salt).next() {
                offset += RECORD_HEAD_BYTES + record.len();
                if self.give(position, head.append_ms, record, each).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            } else if let Some(head) = rest.first_chunk() {
                offset += RECORD_HEAD_BYTES + record_len(head) as usize;
            } else {
                break;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn give(
        &self,
        position: Position,
        append_ms: i64,
        record: &[u8],
        each: Each<'_>,
    ) -> ControlFlow<()> {
        if position < self.from {
            return ControlFlow::Continue(());
        }
        each(Found::Record(Replayed { position, append_ms, record }))
    }

    /// The first place behind `at` where a batch head passes its checksum.
    fn next_batch(&self, at: u64, length: u64) -> io::Result<Option<u64>> {
        const STEP_BYTES: usize = 1024 * 1024;
        let mut window = vec![0; STEP_BYTES + BATCH_HEAD_BYTES];
        let mut from = at + 1;
        while from < length {
            // Windows overlap by a head, so that none is missed across the edge.
            let held = (length - from).min(window.len() as u64) as usize;
            let bytes = &mut window[..held];
            self.file.read_exact_at(bytes, from)?;
            for (start, raw) in bytes.windows(BATCH_HEAD_BYTES).enumerate() {
                let place = self.base + from + start as u64;
                let head = raw.first_chunk().filter(|raw| raw[..4] == BATCH_MAGIC);
                if head.is_some_and(|raw| BatchHead::decode(raw, place, self.salt).is_some()) {
                    return Ok(Some(from + start as u64));
                }
            }
            from += STEP_BYTES as u64;
        }
        Ok(None)
    }

    /// Tells of a loss, unless it lies before what was asked for.
    fn lost(&self, offset: u64, what: &str, each: Each<'_>) -> ControlFlow<()> {
        if self.base + offset < self.from.0 && offset > 0 {
            return ControlFlow::Continue(());
        }
        let file = self.path.display().to_string();
        let place = Spot::Byte { file, offset };
        each(Found::Lost(StoreError::Corrupt { place, cause: what.into() }))
    }
}
