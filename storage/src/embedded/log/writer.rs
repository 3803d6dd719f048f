//! The writing end of the log.
//!
//! Invariants: a batch is written only behind batches that are whole; bytes behind the last batch
//! are zero; the head that was promised is the place where the next batch goes, also across
//! segments: a full segment is therefore closed right after a batch, never before one.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use openim_record::{PartitionId, Position, broken};

use super::flush::Flusher;
use super::frame::{
    BATCH_BYTES_MAX, SEGMENT_HEAD_BYTES, Salt, SegmentHead, batch_bytes, encode_batch,
};
use super::held::Held;
use super::prepare::{Preparer, Space};
use super::recover::{Known, PublishError, TornTail, publish, recover};
use super::segments::{Segment, Segments};
use crate::embedded::epochs::Epochs;
use crate::embedded::error::io_error;
use crate::embedded::options::Durability;
use crate::port::{FALL_FOLLOWED_MS, Handed, Outcome, Produce, StoreError};

/// How much a segment grows when a batch does not fit behind its planned end.
const GROWTH_BYTES: u64 = 1024 * 1024;
/// What an ordinary batch needs at least.
const SMALL_BATCH_BYTES: u64 = 64 * 1024;
/// A buffer that one huge batch left behind is given back.
const BUFFER_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// What the log needs to know.
pub(in crate::embedded) struct LogSettings {
    pub(in crate::embedded) dir: std::path::PathBuf,
    pub(in crate::embedded) segment_bytes: u64,
    pub(in crate::embedded) reserve_bytes: u64,
    pub(in crate::embedded) durability: Durability,
    pub(in crate::embedded) salt: Salt,
    pub(in crate::embedded) epochs: Epochs,
    /// Told where each new segment begins, once it is there for good.
    pub(in crate::embedded) reached: Reached,
}

/// See [`LogSettings::reached`].
type Reached = Box<dyn Fn(u64) + Send>;

/// What writes; see the folder's documentation.
pub(in crate::embedded) struct Writer {
    pub(super) segments: Arc<Segments>,
    space: Space,
    preparer: Preparer,
    flusher: Option<Flusher>,
    pub(super) file: Arc<File>,
    pub(super) segment: Segment,
    pub(super) held: Held,
    /// File offset where the next batch goes, and how far the file has space.
    pub(super) offset: u64,
    allocated: u64,
    pub(super) next_batch: u64,
    pub(super) last_ms: i64,
    /// When it is now, for whoever appends and does not know.
    now_ms: i64,
    /// The next segment could not be begun; said once.
    overlong: bool,
    buffer: Vec<u8>,
    reached: Reached,
    landed: Landed,
}

/// The batch that was submitted last.
#[derive(Default)]
struct Landed {
    tickets: Range<u64>,
    positions: Vec<Position>,
    /// Its append time, or why it was refused; `None` once that was told.
    append_ms: Option<Result<i64, StoreError>>,
}

impl Writer {
    /// Opens or begins the log.
    pub(in crate::embedded) fn open(
        settings: LogSettings,
        known: Known,
    ) -> Result<(Self, Option<TornTail>), StoreError> {
        let LogSettings { dir, segment_bytes, reserve_bytes, durability, salt, epochs, reached } =
            settings;
        let segment_bytes = segment_bytes.max(2 * SEGMENT_HEAD_BYTES);
        let opening = io_error(format!("opening {}", dir.display()));
        let space = Space::open(dir, segment_bytes, reserve_bytes).map_err(opening)?;
        let found = recover(&space, salt, known, &epochs)?;
        let segment = *found.list.last().expect("recovery finds or begins a segment");
        let file = Arc::new(found.file);
        let end = segment.base + found.offset;
        let segments =
            Arc::new(Segments::new(&space.dir, salt, found.list, (Arc::clone(&file), end)));
        let threads = || io_error("starting the log's threads".to_owned());
        let flusher = match durability {
            Durability::Always => None,
            Durability::Interval { ms } => {
                let interval = Duration::from_millis(ms);
                Some(Flusher::start(Arc::clone(&segments), interval).map_err(threads())?)
            }
        };
        let log = Self {
            preparer: Preparer::start(space.clone()).map_err(threads())?,
            segments,
            space,
            flusher,
            file,
            segment,
            held: found.held,
            offset: found.offset,
            allocated: found.allocated,
            next_batch: found.next_batch,
            last_ms: found.last_ms,
            now_ms: 0,
            overlong: false,
            buffer: Vec::new(),
            reached,
            landed: Landed::default(),
        };
        Ok((log, found.torn))
    }

    /// Whether nothing was ever appended.
    pub(in crate::embedded) const fn is_empty(&self) -> bool {
        self.next_batch == 1
    }

    /// The read side.
    pub(in crate::embedded) fn segments(&self) -> Arc<Segments> {
        Arc::clone(&self.segments)
    }

    /// Append time of the newest record, unix milliseconds.
    pub(super) fn newest_record_ms(&self) -> Option<i64> {
        (self.last_ms != i64::MIN).then_some(self.last_ms)
    }

    /// Refuses what the log may not take: it is in an unknown state, or another server goes on with it.
    pub(super) fn check_open(&self) -> Result<(), StoreError> {
        self.segments.check("appending to")?;
        match self.segments.closed() {
            Some(why) => Err(StoreError::Unavailable {
                what: "this server is fenced".to_owned(),
                cause: why.into(),
            }),
            None => Ok(()),
        }
    }

    pub(super) fn failed(&self, doing: &str) -> impl FnOnce(io::Error) -> StoreError + use<> {
        io_error(format!("{doing} the log in {}", self.space.dir.display()))
    }

    /// Makes sure that `bytes` more fit into the file; nothing durable changes.
    pub(super) fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let needed = self.offset + bytes;
        if needed > self.allocated {
            let more = (needed - self.allocated).max(GROWTH_BYTES.min(self.space.segment_bytes));
            self.space.allocate(&self.file, self.allocated, more)?;
            self.allocated += more;
        }
        Ok(())
    }

    /// Takes back what a failed write may have left; `Ok` when the file is as before.
    fn take_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.offset)?;
        self.allocated = self.offset;
        self.file.sync_all()
    }

    fn write(&mut self, records: &[Handed<'_>], append_ms: i64) -> Result<(), StoreError> {
        if let Err((written, cause)) = write_whole(&self.file, &self.buffer, self.offset) {
            // Where nothing was written the file is as before, whatever else fails.
            return match if written == 0 { Ok(()) } else { self.take_back() } {
                Ok(()) => Err(self.failed("writing")(cause)),
                Err(_) => Err(self.segments.unknown("writing", cause)),
            };
        }
        let end = self.segment.base + self.offset + self.buffer.len() as u64;
        if self.flusher.is_none() {
            if let Err(cause) = self.file.sync_data() {
                return Err(self.segments.unknown("flushing", cause));
            }
            self.segments.flushed_to(end);
        }
        self.offset += self.buffer.len() as u64;
        self.next_batch += 1;
        records.iter().for_each(|handed| self.held.add(append_ms, handed.record));
        self.segments.wrote_to(end);
        if let Some(flusher) = &self.flusher {
            flusher.wrote();
        }
        Ok(())
    }

    /// Closes a full segment and begins the next. Where that fails and the log is as before, the
    /// segment grows and the next batch tries again.
    fn roll(&mut self) {
        match self.try_roll() {
            Ok(()) if self.overlong => {
                self.overlong = false;
                tracing::info!("the log has begun its next segment");
            }
            Ok(()) => {}
            Err(PublishError::Nothing(error)) if !self.overlong => {
                self.overlong = true;
                tracing::warn!(%error, "the log cannot begin its next segment; this one grows meanwhile");
            }
            Err(PublishError::Nothing(_)) => {}
            Err(PublishError::Unknown(error)) => self.segments.poison(&error),
        }
    }

    fn try_roll(&mut self) -> Result<(), PublishError> {
        let base = self.segment.base + self.offset;
        let (first_batch, floor_ms, epoch) = (self.next_batch, self.last_ms, self.segment.epoch);
        self.next_as(SegmentHead { base, first_batch, floor_ms, epoch })
    }

    /// Closes the segment, and begins the next with this head.
    pub(super) fn next_as(&mut self, head: SegmentHead) -> Result<(), PublishError> {
        let fresh = self.preparer.take();
        let fresh =
            fresh.map_err(|cause| PublishError::Nothing(self.failed("extending")(cause)))?;
        let end = self.segment.base + self.offset;
        // Sealed segments hold batches only, so that recovery knows where they end.
        let cut = self.file.set_len(self.offset);
        cut.map_err(|cause| PublishError::Nothing(self.failed("closing a segment of")(cause)))?;
        self.allocated = self.offset;
        let flushed = self.file.sync_all();
        flushed.map_err(|cause| PublishError::Unknown(self.failed("flushing")(cause)))?;
        self.segments.flushed_to(end);
        let SegmentHead { base, first_batch, floor_ms, epoch } = head;
        let file = Arc::new(publish(&self.space, fresh, head, self.segments.salt())?);
        let sealed = Segment { end, held: Some(self.held), ..self.segment };
        self.segment = Segment { base, end: u64::MAX, floor_ms, held: None, epoch };
        self.file = Arc::clone(&file);
        (self.held, self.next_batch, self.last_ms) = (Held::default(), first_batch, floor_ms);
        self.offset = SEGMENT_HEAD_BYTES;
        self.allocated = self.space.segment_bytes;
        self.segments.roll(sealed, self.segment, file);
        self.segments.wrote_to(base + SEGMENT_HEAD_BYTES);
        self.segments.flushed_to(base + SEGMENT_HEAD_BYTES);
        self.preparer.want();
        (self.reached)(base);
        Ok(())
    }
}

impl Writer {
    /// Appends `records` as one durable batch at about `now_ms`, and gives their append time; `positions` is cleared and
    /// gets one a record.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is kept, or, with [`StoreError::Corrupt`], nobody knows.
    fn append(
        &mut self,
        records: &[Handed<'_>],
        now_ms: i64,
        positions: &mut Vec<Position>,
    ) -> Result<i64, StoreError> {
        positions.clear();
        self.check_open()?;
        let append_ms = match self.last_ms.saturating_sub(now_ms) > FALL_FOLLOWED_MS {
            true => now_ms,
            false => now_ms.max(self.last_ms),
        };
        if records.is_empty() {
            return Ok(append_ms);
        }
        let bytes = batch_bytes(records);
        if bytes > BATCH_BYTES_MAX {
            let what = format!("appending a batch to the log in {}", self.space.dir.display());
            let cause = io::Error::from(io::ErrorKind::FileTooLarge).into();
            return Err(StoreError::Rejected { what, cause });
        }
        self.make_room(bytes).map_err(self.failed("extending"))?;
        let place = self.segment.base + self.offset;
        encode_batch(
            (self.next_batch, append_ms, self.segments.flushed()),
            records,
            (place, self.segments.salt().of(self.segment.epoch)),
            &mut self.buffer,
            positions,
        );
        if let Err(error) = self.write(records, append_ms) {
            positions.clear();
            return Err(error);
        }
        self.last_ms = append_ms;
        if self.buffer.capacity() > BUFFER_KEPT_BYTES {
            self.buffer = Vec::new();
        }
        if self.offset >= self.space.segment_bytes {
            self.roll();
        }
        Ok(append_ms)
    }

    /// What is appended from now on without a time has been appended at about this one, unix milliseconds.
    pub(super) fn dated(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
    }

    /// Appends records that come without a time as one batch, and gives the position of the first.
    ///
    /// # Errors
    /// See [`Self::append`].
    pub(in crate::embedded) fn append_as_one(
        &mut self,
        records: &[&[u8]],
    ) -> Result<Position, StoreError> {
        let handed = |&record| Handed { partition: PartitionId(0), record };
        let records: Vec<Handed<'_>> = records.iter().map(handed).collect();
        let mut positions = Vec::new();
        self.append(&records, self.now_ms.max(self.last_ms), &mut positions)?;
        let first = positions.first().copied();
        Ok(first.unwrap_or_else(|| broken("the log gives each record a position")))
    }
}

impl Produce for Writer {
    fn submit(&mut self, records: &[Handed<'_>], now_ms: i64) -> Range<u64> {
        // The buffer of positions is lent out for a moment, so that a batch allocates none.
        let mut positions = std::mem::take(&mut self.landed.positions);
        let append_ms = self.append(records, now_ms, &mut positions);
        let first = self.landed.tickets.end;
        let tickets = first..first + records.len() as u64;
        self.landed = Landed { tickets: tickets.clone(), positions, append_ms: Some(append_ms) };
        tickets
    }

    fn poll(&mut self, _: Duration, each: &mut dyn FnMut(Outcome<'_>)) {
        let Landed { tickets, positions, append_ms } = &mut self.landed;
        let tickets = tickets.clone();
        match append_ms.take() {
            Some(Ok(append_ms)) => each(Outcome::Landed { tickets, append_ms, positions }),
            Some(Err(cause)) => each(Outcome::Refused { tickets, cause }),
            None => {}
        }
    }

    fn head(&self, _: PartitionId) -> Position {
        self.segments.head()
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        self.segments.flush_to(self.segments.end())
    }

    fn check(&self) -> Result<(), StoreError> {
        self.check_open()?;
        if self.offset + SMALL_BATCH_BYTES <= self.allocated {
            return Ok(());
        }
        let room = self.space.has_room(GROWTH_BYTES.min(self.space.segment_bytes));
        room.map_err(self.failed("extending"))
    }
}

/// Writes all of `bytes`; an error comes with how many of them have been written: nothing has been where that is 0.
pub(super) fn write_whole(
    file: &File,
    bytes: &[u8],
    offset: u64,
) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match file.write_at(&bytes[written..], offset + written as u64) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err((written, cause)),
        }
    }
    Ok(())
}
