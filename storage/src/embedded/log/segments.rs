//! The segments of the log as everybody but the writer sees them.
//!
//! Owns: the list of segments, a bounded set of open files, and how far the log is written and
//! flushed. In: positions; out: verified records. Never writes a byte of the log.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openim_record::Position;
use parking_lot::{Mutex, RwLock};

use super::frame::{
    BATCH_HEAD_BYTES, BatchHead, Epoch, RECORD_HEAD_BYTES, SEGMENT_HEAD_BYTES, Salt,
    record_is_whole, record_len,
};
use super::held::Held;
use super::walk::{Step, Walk};
use crate::embedded::error::io_error;
use crate::embedded::sys;
use crate::port::{Replayed, Spot, StoreError};

/// Files held open for reading.
pub(super) const OPEN_FILES_MAX: usize = 64;
/// What a first read of a record fetches: most messages are shorter.
const FIRST_READ_BYTES: usize = 1024;

/// One segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Log position of the file's first byte; its name.
    pub(crate) base: u64,
    /// Log position after its last byte; `u64::MAX` while it is written.
    pub(crate) end: u64,
    /// Append time of the record before its first, unix milliseconds.
    pub(crate) floor_ms: i64,
    /// What in it outlives history; `None` when that has to be looked up.
    pub(in crate::embedded) held: Option<Held>,
    /// Under which it is written.
    pub(crate) epoch: Epoch,
}

/// The read side of the log, shared by log, history, archive and retention.
pub(crate) struct Segments {
    dir: PathBuf,
    salt: Salt,
    list: RwLock<Vec<Segment>>,
    files: Mutex<Vec<(u64, Arc<File>)>>,
    /// Where a walk stopped last: (position, place of its batch). Saves paging readers a search.
    stopped: Mutex<(u64, u64)>,
    active: Mutex<Arc<File>>,
    end: AtomicU64,
    flushed: AtomicU64,
    /// Why nobody may believe the log any more.
    poisoned: OnceLock<String>,
    /// Why nothing is written any more, though all is well.
    closed: OnceLock<String>,
}

impl Segments {
    /// The segments of `dir`; the last one is `active`, written and flushed up to `end`.
    pub(super) fn new(
        dir: &Path,
        salt: Salt,
        list: Vec<Segment>,
        (active, end): (Arc<File>, u64),
    ) -> Self {
        Self {
            dir: dir.to_owned(),
            salt,
            list: RwLock::new(list),
            files: Mutex::new(Vec::new()),
            stopped: Mutex::new((0, 0)),
            active: Mutex::new(active),
            end: AtomicU64::new(end),
            flushed: AtomicU64::new(end),
            poisoned: OnceLock::new(),
            closed: OnceLock::new(),
        }
    }

    /// The data directory's; that of a segment has its epoch in it.
    pub(crate) const fn salt(&self) -> Salt {
        self.salt
    }

    /// Log position after the last batch written.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Position of the next record.
    pub(crate) fn head(&self) -> Position {
        Position(self.end() + BATCH_HEAD_BYTES as u64)
    }

    /// The position that the next record would get if the log ended where it was flushed last.
    pub(crate) fn flushed_head(&self) -> Position {
        Position(self.flushed() + BATCH_HEAD_BYTES as u64)
    }

    /// Everything below this log position is on the device.
    pub(crate) fn flushed(&self) -> u64 {
        self.flushed.load(Ordering::Acquire)
    }

    pub(super) fn wrote_to(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    pub(super) fn flushed_to(&self, end: u64) {
        self.flushed.fetch_max(end, Ordering::AcqRel);
    }

    /// After a failed flush nobody may believe the log any more. The first reason is kept.
    pub(super) fn poison(&self, why: &StoreError) {
        self.poisoned.get_or_init(|| why.to_string());
    }

    /// Has nothing be written any more; whether it was so far. The first reason is kept.
    pub(crate) fn close(&self, why: &str) -> bool {
        self.closed.set(why.to_owned()).is_ok()
    }

    /// Why nothing is written any more.
    pub(crate) fn closed(&self) -> Option<&str> {
        self.closed.get().map(String::as_str)
    }

    /// What the device kept is unknown since it failed at `doing` something: poisons the log.
    pub(super) fn unknown(&self, doing: &str, cause: io::Error) -> StoreError {
        let place = Spot::Engine(format!("{doing} the log in {}", self.dir.display()));
        let error = StoreError::Corrupt { place, cause: cause.into() };
        self.poison(&error);
        error
    }

    /// That the log is poisoned, as an error of `doing` something.
    pub(super) fn check(&self, doing: &str) -> Result<(), StoreError> {
        let Some(why) = self.poisoned.get() else { return Ok(()) };
        // Which log it is, the reason says.
        let place = Spot::Engine(format!("{doing} the log"));
        let cause = format!("an earlier write or flush failed ({why}); restart to recover");
        Err(StoreError::Corrupt { place, cause: cause.into() })
    }

    /// A snapshot of the list.
    pub(crate) fn list(&self) -> Vec<Segment> {
        self.list.read().clone()
    }

    /// The sealed segments that begin at or after `base`.
    pub(crate) fn sealed_from(&self, base: u64) -> Vec<Segment> {
        let list = self.list.read();
        let start = list.partition_point(|s| s.base < base);
        list[start..].iter().filter(|s| s.end != u64::MAX).copied().collect()
    }

    /// The last segment is full; `next` follows it.
    pub(super) fn roll(&self, sealed: Segment, next: Segment, file: Arc<File>) {
        let mut list = self.list.write();
        if let Some(last) = list.last_mut() {
            *last = sealed;
        }
        list.push(next);
        *self.active.lock() = file;
    }

    /// Notes what a look at a sealed segment showed.
    pub(in crate::embedded) fn set_held(&self, base: u64, held: Held) {
        if let Some(segment) = self.list.write().iter_mut().find(|s| s.base == base) {
            segment.held = Some(held);
        }
    }

    /// Deletes a sealed segment's file; returns its length.
    pub(crate) fn remove(&self, base: u64) -> Result<u64, StoreError> {
        let path = segment_path(&self.dir, base);
        let bytes = path.metadata().map_or(0, |meta| meta.len());
        // The list first: a reader that comes later is told "removed", not "no such file".
        self.list.write().retain(|s| s.base != base);
        self.files.lock().retain(|(open, _)| *open != base);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(io_error(format!("removing {}", path.display()))(error)),
        }
    }

    /// Makes everything below `position` durable.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]: the flush failed, now or earlier, and nobody knows what the device kept.
    pub(crate) fn flush_to(&self, position: u64) -> Result<(), StoreError> {
        self.check("flushing")?;
        if self.flushed() >= position.min(self.end()) {
            return Ok(());
        }
        // The order matters: a segment is flushed before the next becomes active, so everything
        // below `end` is in `file` or flushed already.
        let end = self.end();
        let file = Arc::clone(&self.active.lock());
        file.sync_data().map_err(|cause| self.unknown("flushing", cause))?;
        self.flushed_to(end);
        Ok(())
    }

    /// Reads the record at `position` into `record`.
    pub(crate) fn read(&self, position: Position, record: &mut Vec<u8>) -> Result<(), StoreError> {
        record.clear();
        // No damage: what is missing at the start stops it, so this was removed since, expired.
        let segment = self.holding(position.0).ok_or_else(|| StoreError::Conflict {
            what: format!("reading the log at {position}"),
            cause: "no segment holds this position any more".into(),
        })?;
        let offset = position.0 - segment.base;
        let room = segment.end.min(self.end()) - position.0;
        let damaged = |what| self.corrupt(segment.base, offset, what);
        if offset < SEGMENT_HEAD_BYTES || room < RECORD_HEAD_BYTES as u64 {
            return Err(damaged("no record begins here"));
        }
        let named = |error: io::Error| {
            let path = segment_path(&self.dir, segment.base);
            match lost(&error) {
                Some(what) => damaged(what),
                None => io_error(format!("reading {}", path.display()))(error),
            }
        };
        let file = self.open_file(segment.base).map_err(named)?;
        let read = |record: &mut Vec<u8>, from: usize| {
            read_patiently(&file, &mut record[from..], offset + from as u64).map_err(named)
        };
        record.resize(room.min(FIRST_READ_BYTES as u64) as usize, 0);
        read(record, 0)?;
        let mut head = [0; RECORD_HEAD_BYTES];
        head.copy_from_slice(&record[..RECORD_HEAD_BYTES]);
        let whole = RECORD_HEAD_BYTES + record_len(&head) as usize;
        if whole as u64 > room {
            record.clear();
            return Err(damaged("the record is longer than the log"));
        }
        let held = record.len();
        record.resize(whole, 0);
        if whole > held {
            read(record, held)?;
        }
        if !record_is_whole(
            &head,
            &record[RECORD_HEAD_BYTES..],
            position.0,
            self.salt.of(segment.epoch),
        ) {
            record.clear();
            return Err(damaged("the record fails its checksum"));
        }
        record.drain(..RECORD_HEAD_BYTES);
        Ok(())
    }

    /// Shows every record at or after `from` in order, up to the end as it is now; segments that
    /// `skip` names are left out.
    pub(crate) fn walk(
        &self,
        from: Position,
        skip: &dyn Fn(&Segment) -> bool,
        each: &mut dyn FnMut(Replayed<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let end = self.end();
        for segment in self.list() {
            // A segment that began after `end` was looked up holds nothing below it.
            let empty = end <= segment.base + SEGMENT_HEAD_BYTES;
            if segment.end <= from.0 || empty || skip(&segment) {
                continue;
            }
            let stopped = *self.stopped.lock();
            match self.walk_segment(segment, (end, false), (from, stopped), each) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(stopped)) => {
                    *self.stopped.lock() = stopped;
                    break;
                }
                // Retention has removed it since the list was made.
                Err(_) if self.list.read().iter().all(|s| s.base != segment.base) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Shows every record from `walked` on that is on the device, in order, and moves `walked` behind what was shown. Whether
    /// `each` broke.
    pub(in crate::embedded) fn walk_on(
        &self,
        walked: &mut Walked,
        each: &mut dyn FnMut(Replayed<'_>) -> ControlFlow<()>,
    ) -> Result<bool, StoreError> {
        let end = self.flushed();
        let behind = Position(end + BATCH_HEAD_BYTES as u64);
        while walked.next < behind {
            let list = self.list.read();
            let at = list.partition_point(|s| s.end <= walked.next.0);
            let segment = list.get(at).copied();
            drop(list);
            let Some(segment) = segment.filter(|s| end > s.base + SEGMENT_HEAD_BYTES) else {
                walked.next = behind;
                break;
            };
            if segment.base > walked.next.0 {
                let before = walked.removed.take().map_or(walked.next, |(from, _)| from);
                walked.removed = Some((before, Position(segment.base)));
                walked.next = Position(segment.base);
            }
            let from = (walked.next, walked.stopped);
            match self.walk_segment(segment, (end, false), from, each) {
                Ok(ControlFlow::Continue(())) => {
                    walked.next = Position(segment.end.min(end) + BATCH_HEAD_BYTES as u64);
                }
                Ok(ControlFlow::Break(stopped)) => {
                    walked.next = Position(stopped.0 + 1);
                    walked.stopped = (walked.next.0, stopped.1);
                    return Ok(true);
                }
                // Retention has removed it since.
                Err(_) if self.list.read().iter().all(|s| s.base != segment.base) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Moves `walked` behind the segment in which it is; gives where that lies, or `None` while it is written.
    pub(in crate::embedded) fn pass(&self, walked: &mut Walked) -> Option<(Position, Position)> {
        let list = self.list.read();
        let segment = list.get(list.partition_point(|s| s.end <= walked.next.0))?;
        let sealed = segment.end != u64::MAX;
        sealed.then(|| {
            let from = std::mem::replace(&mut walked.next, Position(segment.end));
            (from, walked.next)
        })
    }

    /// Shows every record of one sealed segment at or after `from`, and leaves the system's memory to others.
    pub(in crate::embedded) fn walk_aside(
        &self,
        segment: Segment,
        from: Position,
        each: &mut dyn FnMut(Replayed<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let stopped = *self.stopped.lock();
        self.walk_segment(segment, (segment.end, true), (from, stopped), each).map(drop)
    }

    fn walk_segment(
        &self,
        segment: Segment,
        (end, aside): (u64, bool),
        (from, stopped): (Position, (u64, u64)),
        each: &mut dyn FnMut(Replayed<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<(u64, u64)>, StoreError> {
        let file = self.file(segment.base)?;
        let failed =
            || io_error(format!("reading {}", segment_path(&self.dir, segment.base).display()));
        let limit = segment.end.min(end) - segment.base;
        let start = batch_before(&file, (segment, self.salt), from, stopped);
        let mut walk = Walk::new(&file, segment.base, (start, limit), self.salt.of(segment.epoch));
        if aside {
            walk = walk.aside();
        }
        loop {
            let batch = match walk.step().map_err(failed())? {
                Step::Batch(batch) => batch,
                Step::End(offset) if offset == limit => return Ok(ControlFlow::Continue(())),
                Step::End(offset) => {
                    return Err(self.corrupt(segment.base, offset, "a batch was expected"));
                }
                Step::Broken(offset, what) => {
                    return Err(self.corrupt(segment.base, offset, what));
                }
            };
            if batch.end() <= from.0 {
                continue;
            }
            let append_ms = batch.head.append_ms;
            for (position, record) in batch.records().filter(|(position, _)| *position >= from) {
                if each(Replayed { position, append_ms, record }).is_break() {
                    return Ok(ControlFlow::Break((position.0, batch.place)));
                }
            }
        }
    }

    /// The position behind the last batch appended before `ms`, searching upward from `from` (the first
    /// record of a batch, or 0). Where times fall within a later segment than the one that is looked
    /// through it may be lower than that, never higher.
    pub(crate) fn first_since(&self, ms: i64, from: Position) -> Result<Position, StoreError> {
        let end = self.end();
        let list = self.list();
        // In no later segment the last record is older. Not a search by halves: a clock that was wrong
        // and set right leaves times behind that do not rise.
        let last = list.iter().rposition(|s| s.floor_ms < ms).unwrap_or(0);
        let Some(&segment) = list.get(last) else { return Ok(self.head()) };
        let file = self.file(segment.base)?;
        let from = if from.0 < segment.end.min(end) { from } else { Position(0) };
        let start = batch_before(&file, (segment, self.salt), from, *self.stopped.lock());
        let limit = segment.end.min(end).saturating_sub(segment.base);
        let mut walk = Walk::new(&file, segment.base, (start, limit), self.salt.of(segment.epoch));
        let mut since = None;
        loop {
            let step = walk.skip().map_err(io_error(format!(
                "reading {}",
                segment_path(&self.dir, segment.base).display()
            )))?;
            match step {
                Some((head, place)) if head.append_ms >= ms => {
                    since.get_or_insert(Position(place + BATCH_HEAD_BYTES as u64));
                }
                Some(_) => since = None,
                None => {
                    // What lies behind damage may be young: nothing of it counts as older.
                    let behind = Position(segment.base + walk.at() + BATCH_HEAD_BYTES as u64);
                    return Ok(since.unwrap_or(behind));
                }
            }
        }
    }

    /// Says that the record at `position` is not what it must be.
    pub(crate) fn damaged_at(&self, position: Position, what: &str) -> StoreError {
        let base = self.holding(position.0).map_or(0, |segment| segment.base);
        self.corrupt(base, position.0 - base, what)
    }

    fn holding(&self, position: u64) -> Option<Segment> {
        let list = self.list.read();
        let index = list.partition_point(|s| s.base <= position).checked_sub(1)?;
        let segment = *list.get(index)?;
        (position < segment.end.min(self.end())).then_some(segment)
    }

    fn file(&self, base: u64) -> Result<Arc<File>, StoreError> {
        let path = || segment_path(&self.dir, base);
        self.open_file(base)
            .map_err(|cause| io_error(format!("opening {}", path().display()))(cause))
    }

    fn open_file(&self, base: u64) -> io::Result<Arc<File>> {
        let mut files = self.files.lock();
        if let Some(index) = files.iter().position(|(open, _)| *open == base) {
            // Most recently used last.
            let entry = files.remove(index);
            let file = Arc::clone(&entry.1);
            files.push(entry);
            return Ok(file);
        }
        let file = Arc::new(File::open(segment_path(&self.dir, base))?);
        if files.len() >= OPEN_FILES_MAX {
            files.remove(0);
        }
        files.push((base, Arc::clone(&file)));
        Ok(file)
    }

    fn corrupt(&self, base: u64, offset: u64, what: &str) -> StoreError {
        let file = segment_path(&self.dir, base).display().to_string();
        StoreError::Corrupt { place: Spot::Byte { file, offset }, cause: what.into() }
    }
}

/// How far a reader has come that goes on from where it was.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::embedded) struct Walked {
    /// Everything below was shown.
    pub(in crate::embedded) next: Position,
    /// Where it stopped in the middle of a batch, and the place of that.
    stopped: (u64, u64),
    /// What was removed before it was shown, since this was taken last: from where, up to where.
    pub(in crate::embedded) removed: Option<(Position, Position)>,
}

impl Walked {
    pub(in crate::embedded) fn from(next: Position) -> Self {
        Self { next, ..Self::default() }
    }
}

/// File offset of a batch at or before `from`: exact where that is cheap, else the first. `stopped`: a position, and the
/// place of the batch in which it lies.
fn batch_before(
    file: &File,
    (segment, salt): (Segment, Salt),
    from: Position,
    (stopped, place): (u64, u64),
) -> u64 {
    let first = segment.base + SEGMENT_HEAD_BYTES;
    if stopped == from.0 && place >= first {
        return place - segment.base;
    }
    let place = from.0.saturating_sub(BATCH_HEAD_BYTES as u64);
    let mut raw = [0; BATCH_HEAD_BYTES];
    if place > first
        && file.read_exact_at(&mut raw, place - segment.base).is_ok()
        && BatchHead::decode(&raw, place, salt.of(segment.epoch)).is_some()
    {
        return place - segment.base;
    }
    SEGMENT_HEAD_BYTES
}

/// What of the log an error says to be gone for good; `None` for one that may pass.
fn lost(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::NotFound => Some("the file is gone"),
        io::ErrorKind::UnexpectedEof => Some("the file is cut short"),
        _ if sys::is_unreadable(error) => Some("the device cannot read it"),
        _ => None,
    }
}

/// Reads all of `bytes`. A device that says that it cannot is asked again: some do, later.
fn read_patiently(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    const PAUSE: Duration = Duration::from_millis(50);
    let mut tries_left = 3;
    loop {
        match file.read_exact_at(bytes, offset) {
            Err(error) if tries_left > 0 && sys::is_unreadable(&error) => {
                tries_left -= 1;
                std::thread::sleep(PAUSE);
            }
            read => return read,
        }
    }
}

/// The file of the segment that begins at log position `base`.
pub(crate) fn segment_path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}.log"))
}
