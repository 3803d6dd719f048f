//! Opening the log: which segments there are, where it ends, and what a crash left behind it.
//!
//! Invariants: what was flushed is shown or refused by file and offset, never skipped; what is cut
//! off was never acknowledged as durable and is reported. Guarded by `tests/crash.rs`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::frame::{
    BATCH_HEAD_BYTES, BATCH_MAGIC, BatchHead, Epoch, SEGMENT_HEAD_BYTES, Salt, SegmentHead,
};
use super::held::Held;
use super::prepare::{Fresh, Space};
use super::segments::{Segment, segment_path};
use super::walk::{Step, Walk};
use crate::embedded::epochs::Epochs;
use crate::embedded::error::{RESTORE, io_error};
use crate::port::{Spot, StoreError};

/// Bytes that a crash left after the last whole batch; they were cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub file: PathBuf,
    /// Where in it the last whole batch ends.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
}

/// What the index knows about the log, to check the log against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Batches that begin below this were applied: they cannot be torn.
    pub(crate) applied: u64,
    /// Retention may have removed segments that end at or below this.
    pub(crate) removed: u64,
    /// The log has had its first segment.
    pub(crate) begun: bool,
    /// A segment begins here or further on.
    pub(crate) reached: u64,
}

/// The log as found.
pub(super) struct Recovered {
    pub(super) list: Vec<Segment>,
    pub(super) file: File,
    /// File offset where the next batch goes.
    pub(super) offset: u64,
    /// Length of the active file.
    pub(super) allocated: u64,
    pub(super) next_batch: u64,
    pub(super) last_ms: i64,
    /// What the active file holds that outlives history.
    pub(super) held: Held,
    pub(super) torn: Option<TornTail>,
}

/// Finds the log in `space.dir`, or begins it.
pub(super) fn recover(
    space: &Space,
    salt: Salt,
    known: Known,
    epochs: &Epochs,
) -> Result<Recovered, StoreError> {
    let dir = &space.dir;
    tidy(dir)?;
    let bases = segment_files(dir)?;
    if bases.is_empty() {
        return begin(space, salt, known, epochs);
    }
    let mut list = Vec::with_capacity(bases.len());
    let mut last = None;
    for (index, &base) in bases.iter().enumerate() {
        let path = segment_path(dir, base);
        let is_last = index + 1 == bases.len();
        let opened = OpenOptions::new().read(true).write(is_last).open(&path);
        let file = opened.map_err(io_error(format!("opening {}", path.display())))?;
        let (head, length) = read_head(&file, &path, base, salt)?;
        check_follows(dir, list.last().copied(), base, known, salt)?;
        let end = if is_last { u64::MAX } else { base + length };
        let segment = Segment { base, end, floor_ms: head.floor_ms, held: None, epoch: head.epoch };
        check_epoch(&path, segment, epochs)?;
        list.push(segment);
        last = Some((file, path, head, length));
    }
    let (file, path, head, length) = last.expect("there is at least one segment");
    if head.base < known.reached {
        let what = "it is missing: the log had begun it when the server ran last";
        return Err(corrupt(&segment_path(dir, known.reached), 0, what.to_owned()));
    }
    let (found, mut torn) = scan(&file, &path, head, length, salt.of(head.epoch))?;
    let mut allocated = length;
    let place = head.base + found.offset;
    // A flush that failed is told once: a file that looks whole may be so in memory only.
    write_again(&file, found.proven..found.offset)
        .and_then(|()| space.sync_names())
        .map_err(io_error(format!("flushing {}", path.display())))?;
    if place < known.applied.saturating_sub(BATCH_HEAD_BYTES as u64) {
        let what = format!("the log was applied up to {}, but ends here", known.applied);
        return Err(corrupt(&path, found.offset, what));
    }
    if let Some(cut) = &mut torn {
        repair(&file, space, found.offset)
            .map_err(io_error(format!("cutting the torn end of {}", path.display())))?;
        allocated = found.offset.max(space.segment_bytes);
        cut.file = path;
    }
    let Found { offset, next_batch, last_ms, held, .. } = found;
    let log = Recovered { list, file, offset, allocated, next_batch, last_ms, held, torn };
    match epochs.last().filter(|last| last.epoch != head.epoch) {
        None => Ok(log),
        Some(last) if last.from() == place => begin_epoch(log, space, salt, last.epoch),
        Some(last) => {
            let (number, from) = (last.number(), last.from());
            let what =
                format!("the log ends here, at {place}, and epoch {number} begins at {from}");
            Err(corrupt(&segment_path(dir, head.base), place - head.base, what))
        }
    }
}

/// Closes the last segment where it ends, and begins one of a new epoch there.
fn begin_epoch(
    mut log: Recovered,
    space: &Space,
    salt: Salt,
    epoch: Epoch,
) -> Result<Recovered, StoreError> {
    let last = log.list.last_mut().expect("there is at least one segment");
    let base = last.base + log.offset;
    let path = segment_path(&space.dir, last.base);
    let closed = log.file.set_len(log.offset).and_then(|()| log.file.sync_all());
    closed.map_err(io_error(format!("closing {}", path.display())))?;
    (last.end, last.held) = (base, Some(log.held));
    let head = SegmentHead { base, first_batch: log.next_batch, floor_ms: log.last_ms, epoch };
    log.file = first_of(space, head, salt)?;
    let floor_ms = head.floor_ms;
    log.list.push(Segment { base, end: u64::MAX, floor_ms, held: None, epoch });
    (log.offset, log.allocated) = (SEGMENT_HEAD_BYTES, space.segment_bytes);
    log.held = Held::default();
    tracing::info!(epoch = epoch.number, from = base, "the log begins an epoch");
    Ok(log)
}

/// Makes a segment while no other is ready.
fn first_of(space: &Space, head: SegmentHead, salt: Salt) -> Result<File, StoreError> {
    let making = io_error(format!("making a log segment in {}", space.dir.display()));
    let fresh = space.fresh(0).map_err(making)?;
    Ok(publish(space, fresh, head, salt)?)
}

/// Refuses a segment of another epoch than the list of epochs says, or one that goes on where another epoch begins.
fn check_epoch(path: &Path, segment: Segment, epochs: &Epochs) -> Result<(), StoreError> {
    let Segment { base, end, epoch, .. } = segment;
    let listed = epochs.at(base);
    if epoch != listed {
        let (found, listed) = (epoch.number, listed.number);
        let what =
            format!("it was written under epoch {found}, and the list of epochs has {listed} here");
        return Err(corrupt(path, 0, what));
    }
    match epochs.at(end - 1) {
        last if end == u64::MAX || last == epoch => Ok(()),
        last => {
            let what = format!("it goes on where epoch {} begins", last.number);
            Err(corrupt(path, end - base, what))
        }
    }
}

/// Writes the head of a segment and gives it its name, durably.
pub(super) fn publish(
    space: &Space,
    fresh: Fresh,
    head: SegmentHead,
    salt: Salt,
) -> Result<File, PublishError> {
    let path = segment_path(&space.dir, head.base);
    let failed = |what: &str, cause| io_error(format!("{what} {}", path.display()))(cause);
    let named = fresh
        .file
        .write_all_at(&head.encode(salt), 0)
        .and_then(|()| fresh.file.sync_all())
        .and_then(|()| std::fs::rename(&fresh.path, &path));
    if let Err(cause) = named {
        // Its space is wanted back; under this name nothing will ever look for it.
        let _gone = std::fs::remove_file(&fresh.path);
        return Err(PublishError::Nothing(failed("beginning", cause)));
    }
    space.sync_names().map_err(|cause| PublishError::Unknown(failed("naming", cause)))?;
    Ok(fresh.file)
}

/// A segment was not published.
pub(super) enum PublishError {
    /// The log is as before.
    Nothing(StoreError),
    /// The name may or may not survive a crash.
    Unknown(StoreError),
}

impl From<PublishError> for StoreError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Nothing(cause) | PublishError::Unknown(cause) => cause,
        }
    }
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Refuses a log in which the segment at `base` does not follow the one `before` it, and names the file
/// that is at fault.
fn check_follows(
    dir: &Path,
    before: Option<Segment>,
    base: u64,
    known: Known,
    salt: Salt,
) -> Result<(), StoreError> {
    let end = before.map_or(0, |segment| segment.end);
    if base == end || (base > end && base <= known.removed) {
        return Ok(());
    }
    let missing = segment_path(dir, end);
    let Some(before) = before else {
        let what = format!("it is missing; the first that is there begins at {base}");
        return Err(corrupt(&missing, 0, what));
    };
    let path = segment_path(dir, before.base);
    let (length, wanted) = (end - before.base, base - before.base);
    if base < end {
        let what = format!("it has {length} bytes, and the next segment follows after {wanted}");
        return Err(corrupt(&path, wanted, what));
    }
    let whole = whole_bytes(&path, before, salt.of(before.epoch))?;
    if whole < length {
        let what = format!("the file is cut short: it has {length} bytes of {wanted}");
        return Err(corrupt(&path, whole, what));
    }
    let (before, after) = (path.display(), segment_path(dir, base));
    let what = format!(
        "it is missing between {before} and {}, or the first of them is cut short",
        after.display()
    );
    Err(corrupt(&missing, 0, what))
}

/// Where the last whole batch of a sealed segment ends in its file.
fn whole_bytes(path: &Path, segment: Segment, salt: Salt) -> Result<u64, StoreError> {
    let file = File::open(path).map_err(io_error(format!("opening {}", path.display())))?;
    let range = (SEGMENT_HEAD_BYTES, segment.end - segment.base);
    let mut walk = Walk::new(&file, segment.base, range, salt);
    let mut whole = SEGMENT_HEAD_BYTES;
    loop {
        match walk.step().map_err(io_error(format!("reading {}", path.display())))? {
            Step::Batch(batch) => whole = batch.end() - segment.base,
            Step::Broken(..) | Step::End(_) => return Ok(whole),
        }
    }
}

/// Writes what lies in `range` of the file once more, the same bytes, and flushes it. After a failed flush
/// the system may call pages clean that never reached the device, and no later flush would write them.
pub(crate) fn write_again(file: &File, range: std::ops::Range<u64>) -> io::Result<()> {
    const STEP_BYTES: u64 = 1024 * 1024;
    let mut bytes = Vec::new();
    let mut at = range.start;
    while at < range.end {
        bytes.resize((range.end - at).min(STEP_BYTES) as usize, 0);
        file.read_exact_at(&mut bytes, at)?;
        file.write_all_at(&bytes, at)?;
        at += bytes.len() as u64;
    }
    file.sync_all()
}

fn begin(
    space: &Space,
    salt: Salt,
    known: Known,
    epochs: &Epochs,
) -> Result<Recovered, StoreError> {
    if known != Known::default() || epochs.last().is_some() {
        let what = format!(
            "the log is gone, but it was there, and the index was fed from it up to {}; {RESTORE}",
            known.applied
        );
        return Err(corrupt(&space.dir, 0, what));
    }
    let epoch = Epoch::FIRST;
    let head = SegmentHead { base: 0, first_batch: 1, floor_ms: i64::MIN, epoch };
    let file = first_of(space, head, salt)?;
    let first = Segment { base: 0, end: u64::MAX, floor_ms: head.floor_ms, held: None, epoch };
    Ok(Recovered {
        list: vec![first],
        file,
        offset: SEGMENT_HEAD_BYTES,
        allocated: space.segment_bytes,
        next_batch: head.first_batch,
        last_ms: head.floor_ms,
        held: Held::default(),
        torn: None,
    })
}

/// Where the segments in `dir` begin and how long their files are, ascending.
pub(crate) fn lengths(dir: &Path) -> Result<Vec<(u64, u64)>, StoreError> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let length = |base: u64| {
        let path = segment_path(dir, base);
        let bytes = path.metadata().map_err(io_error(format!("reading {}", path.display())))?.len();
        Ok((base, bytes))
    };
    segment_files(dir)?.into_iter().map(length).collect()
}

/// Removes leftovers of an interrupted preparation.
fn tidy(dir: &Path) -> Result<(), StoreError> {
    let failed = || io_error(format!("listing {}", dir.display()));
    for entry in std::fs::read_dir(dir).map_err(failed())? {
        let path = entry.map_err(failed())?.path();
        if path.extension().is_some_and(|end| end == "tmp") {
            std::fs::remove_file(path).map_err(failed())?;
        }
    }
    Ok(())
}

/// The bases of all segments, ascending.
pub(in crate::embedded) fn segment_files(dir: &Path) -> Result<Vec<u64>, StoreError> {
    let failed = || io_error(format!("listing {}", dir.display()));
    let mut bases = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        let base = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse().ok());
        bases.extend::<Option<u64>>(base);
    }
    bases.sort_unstable();
    Ok(bases)
}

fn read_head(
    file: &File,
    path: &Path,
    base: u64,
    salt: Salt,
) -> Result<(SegmentHead, u64), StoreError> {
    let failed = || io_error(format!("reading {}", path.display()));
    let length = file.metadata().map_err(failed())?.len();
    let mut raw = [0; SEGMENT_HEAD_BYTES as usize];
    if length < SEGMENT_HEAD_BYTES {
        return Err(corrupt(path, length, "the segment head is cut short".to_owned()));
    }
    file.read_exact_at(&mut raw, 0).map_err(failed())?;
    let head = SegmentHead::decode(&raw, salt).map_err(|what| corrupt(path, 0, what.to_owned()))?;
    if head.base != base {
        return Err(corrupt(path, 0, format!("the segment says it begins at {}", head.base)));
    }
    Ok((head, length))
}

struct Found {
    offset: u64,
    /// File offset up to which a later batch proves that it was flushed.
    proven: u64,
    next_batch: u64,
    last_ms: i64,
    held: Held,
}

/// Reads the last segment through; tells its end, and whether something torn lies behind it.
fn scan(
    file: &File,
    path: &Path,
    head: SegmentHead,
    length: u64,
    salt: Salt,
) -> Result<(Found, Option<TornTail>), StoreError> {
    let failed = || io_error(format!("reading {}", path.display()));
    let mut found = Found {
        offset: SEGMENT_HEAD_BYTES,
        proven: 0,
        next_batch: head.first_batch,
        last_ms: head.floor_ms,
        held: Held::default(),
    };
    let mut walk = Walk::new(file, head.base, (SEGMENT_HEAD_BYTES, length), salt);
    loop {
        match walk.step().map_err(failed())? {
            Step::Batch(batch) if batch.head.number == found.next_batch => {
                for (_, record) in batch.records() {
                    found.held.add(batch.head.append_ms, record);
                }
                found.offset = batch.end() - head.base;
                let proven = batch.head.flushed.saturating_sub(head.base).min(found.offset);
                found.proven = found.proven.max(proven);
                found.next_batch += 1;
                found.last_ms = batch.head.append_ms;
            }
            Step::Batch(_) | Step::Broken(..) | Step::End(_) => break,
        }
    }
    let broken = head.base + found.offset;
    let rest = behind(file, (found.offset, length), head.base, salt).map_err(failed())?;
    if rest.flushed > broken {
        let what = "a whole batch was expected: later batches prove that it was durable";
        return Err(corrupt(path, found.offset, what.to_owned()));
    }
    let torn = (rest.written > found.offset).then(|| TornTail {
        file: path.to_owned(),
        offset: found.offset,
        bytes: rest.written - found.offset,
    });
    Ok((found, torn))
}

struct Behind {
    /// File offset after the last byte that is not zero.
    written: u64,
    /// The furthest flush that a batch head found there tells of.
    flushed: u64,
}

/// Looks through what follows the last whole batch.
fn behind(file: &File, (from, to): (u64, u64), base: u64, salt: Salt) -> io::Result<Behind> {
    const STEP_BYTES: usize = 1024 * 1024;
    let mut behind = Behind { written: from, flushed: 0 };
    let mut window = vec![0; STEP_BYTES + BATCH_HEAD_BYTES];
    let mut at = from;
    while at < to {
        // Windows overlap by a head, so that none is missed across the edge.
        let length = (to - at).min(window.len() as u64) as usize;
        let bytes = &mut window[..length];
        file.read_exact_at(bytes, at)?;
        if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
            behind.written = behind.written.max(at + last as u64 + 1);
            for start in 0..length.saturating_sub(BATCH_HEAD_BYTES - 1) {
                let head = &bytes[start..start + BATCH_HEAD_BYTES];
                if head[..4] != BATCH_MAGIC {
                    continue;
                }
                let place = base + at + start as u64;
                let head = head.first_chunk().and_then(|raw| BatchHead::decode(raw, place, salt));
                behind.flushed = behind.flushed.max(head.map_or(0, |head| head.flushed));
            }
        }
        at += STEP_BYTES as u64;
    }
    Ok(behind)
}

/// Leaves zeros behind `offset`: what is torn must never pass for a later batch.
fn repair(file: &File, space: &Space, offset: u64) -> io::Result<()> {
    file.set_len(offset)?;
    if space.segment_bytes > offset {
        space.allocate(file, offset, space.segment_bytes - offset)?;
    }
    file.sync_all()
}

fn corrupt(path: &Path, offset: u64, what: String) -> StoreError {
    let place = Spot::Byte { file: path.display().to_string(), offset };
    StoreError::Corrupt { place, cause: what.into() }
}
