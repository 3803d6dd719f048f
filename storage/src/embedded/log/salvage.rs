//! Reading a log that may be damaged: everything that is whole, in order, and what is not by file and offset.
//!
//! For tools, on a stopped server or beside a running one. In: the log's folder; out: records and places. Never: writes a byte, or
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

/// What is to be read, and how.
pub(in crate::embedded) struct Salvage<'a> {
    /// The log's folder.
    pub(in crate::embedded) dir: &'a Path,
    /// Where its segments begin.
    pub(in crate::embedded) bases: &'a [u64],
    pub(in crate::embedded) salt: Salt,
    pub(in crate::embedded) epochs: &'a Epochs,
    /// Segments that lie below are missing because retention has taken them.
    pub(in crate::embedded) removed: u64,
    /// Somebody may be writing: what is durable, as far as they have noted it. Of what lies behind only that is read
    /// which a later batch calls flushed.
    pub(in crate::embedded) durable: Option<u64>,
    /// Where the newest segment was read up to before: its base, and the place of a batch in it.
    pub(in crate::embedded) read_to: Option<(u64, u64)>,
}

/// Which records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// Those at or behind this position.
    pub from: Position,
    /// Those appended at this time or later, unix milliseconds: behind the last segment before which one was older.
    pub since_ms: Option<i64>,
    /// Those appended before this time.
    pub until_ms: Option<i64>,
}

impl Span {
    const fn has(&self, append_ms: i64) -> bool {
        let late = match self.since_ms {
            Some(since_ms) => append_ms >= since_ms,
            None => true,
        };
        let early = match self.until_ms {
            Some(until_ms) => append_ms < until_ms,
            None => true,
        };
        late && early
    }
}

impl Salvage<'_> {
    /// Shows what the log holds of `span`.
    pub(in crate::embedded) fn show(&mut self, span: &Span, each: Each<'_>) {
        let bases = self.bases;
        let (first, last) = self.within(bases, span);
        for (index, &base) in bases.iter().enumerate().take(last).skip(first) {
            let next = bases.get(index + 1).copied();
            if next.is_some_and(|next| next <= span.from.0) {
                continue;
            }
            let path = segment_path(self.dir, base);
            let shown = match File::open(&path) {
                Ok(file) => self.show_segment(file, (&path, base, next), span, each),
                // Retention has taken it since the folder was listed.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound && self.durable.is_some() => {
                    continue;
                }
                Err(cause) => Err(cause),
            };
            let flow = match shown {
                Ok(flow) => flow,
                Err(cause) => {
                    each(Found::Lost(io_error(format!("reading {}", path.display()))(cause)))
                }
            };
            if flow.is_break() {
                break;
            }
        }
    }

    fn show_segment(
        &mut self,
        file: File,
        (path, base, next): (&Path, u64, Option<u64>),
        span: &Span,
        each: Each<'_>,
    ) -> io::Result<ControlFlow<()>> {
        let (directory, salt) = (self.salt, self.salt.of(self.epochs.at(base)));
        let length = file.metadata()?.len();
        let read_to = self.read_to.filter(|(of, _)| *of == base).map(|(_, offset)| offset);
        let start = read_to.unwrap_or(SEGMENT_HEAD_BYTES);
        // Behind what is missing on purpose nothing is told to be.
        let next =
            next.map(|next| if next <= self.removed { next.min(base + length) } else { next });
        let (is_whole, end) = (next.is_some() || self.durable.is_some(), length);
        let mut segment =
            Segment { file, path, base, next, is_whole, directory, salt, span, start, end };
        if let (Some(durable), None) = (self.durable, next) {
            segment.end = segment.durable_end(durable)?;
            self.read_to = Some((base, segment.end.max(start)));
        }
        segment.show(each)
    }

    /// The segments that may hold something of these times, by what each says of the record before its first.
    fn within(&self, bases: &[u64], span: &Span) -> (usize, usize) {
        if span.since_ms.is_none() && span.until_ms.is_none() {
            return (0, bases.len());
        }
        let floor_ms = |base: &u64| {
            let mut head = [0; SEGMENT_HEAD_BYTES as usize];
            let file = File::open(segment_path(self.dir, *base)).ok()?;
            file.read_exact_at(&mut head, 0).ok()?;
            SegmentHead::decode(&head, self.salt).ok().map(|head| head.floor_ms)
        };
        let floors: Vec<_> = bases.iter().map(floor_ms).collect();
        let last_before = |ms: i64| floors.iter().rposition(|floor| floor.is_some_and(|f| f < ms));
        let first = span.since_ms.and_then(last_before).unwrap_or(0);
        let last = span.until_ms.map_or(bases.len(), |ms| last_before(ms).map_or(0, |at| at + 1));
        (first, last)
    }
}

struct Segment<'a> {
    file: File,
    path: &'a Path,
    base: u64,
    /// Where the next segment begins; none behind the last.
    next: Option<u64>,
    /// Whether all up to `end` was there once: no crash has cut it short.
    is_whole: bool,
    directory: Salt,
    /// With the epoch of the segment.
    salt: Salt,
    span: &'a Span,
    /// File offsets of the first batch that is read, and behind the last one.
    start: u64,
    end: u64,
}

impl Segment<'_> {
    fn show(&self, each: Each<'_>) -> io::Result<ControlFlow<()>> {
        let length = self.end;
        let mut head = [0; SEGMENT_HEAD_BYTES as usize];
        let read = self.file.read_exact_at(&mut head, 0);
        if read.is_err() || SegmentHead::decode(&head, self.directory).is_err() {
            let what = "the segment head fails its checksum or belongs to other data";
            if self.lost(0, what, each).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let mut at = self.start;
        while at < length {
            let range = (at, length);
            let mut walk = Walk::new(&self.file, self.base, range, self.salt).aside();
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
                let flow = match self.is_whole {
                    true => self.lost(broken, what, each),
                    false => ControlFlow::Continue(()),
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

    /// Where the last batch ends that is durable: because it begins below `durable`, or because a later one says so. Where
    /// something between is damaged: how far it is durable.
    fn durable_end(&self, durable: u64) -> io::Result<u64> {
        let range = (self.start, self.end);
        let mut walk = Walk::new(&self.file, self.base, range, self.salt).aside();
        let mut end = self.start;
        while let Some((head, place)) = walk.skip()? {
            if place < durable {
                end = walk.at();
            }
            end = end.max(head.flushed.saturating_sub(self.base));
        }
        let noted = durable.saturating_sub(self.base);
        Ok(if walk.at() < noted { end.max(noted) } else { end }.min(self.end))
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
        if position < self.span.from || !self.span.has(append_ms) {
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
        if self.base + offset < self.span.from.0 && offset > 0 {
            return ControlFlow::Continue(());
        }
        let file = self.path.display().to_string();
        let place = Spot::Byte { file, offset };
        each(Found::Lost(StoreError::Corrupt { place, cause: what.into() }))
    }
}
