//! How many changes the index has made durable, kept apart from it.
//!
//! Owns `<data>/commits`: two slots, written in turn, so that one of them is whole at any moment. Each commit
//! of the index has a number, which is in the index as well. It is noted here after the commit is durable
//! and without a flush of its own, so this file never promises more than the index has: after a kill it is
//! exact, after a power cut it may lag by what the system had not written yet. An index that holds less
//! than is noted here has lost changes that were answered: it is an older copy, or its journal was cut.
//! Where the log's newest segment begins is noted in the same way: one that was never applied is missed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::error::{OpenError, RESTORE, io_error};
use super::log::{Salt, sync_dir};
use crate::port::StoreError;

const MAGIC: [u8; 8] = *b"oimcmts\x02";
const SLOT_BYTES: usize = 80;
/// Earlier versions wrote shorter ones.
const FIRST_MAGIC: [u8; 8] = *b"oimcmts\x01";
const FIRST_SLOT_BYTES: usize = 64;
/// Slots lie in blocks of their own: a device may lose a block, but not two that were written apart.
const SLOT_DISTANCE: u64 = 4096;
const LOG_BEGUN: u32 = 1;
const IN_DOUBT: u32 = 2;

/// What is noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// Number of the last commit that is durable.
    pub(super) number: u64,
    /// Identity of the index that this is about.
    pub(super) index: u64,
    /// Which folders of tables the index has: bit n for folder n.
    pub(super) tables: u64,
    /// The log has had its first segment.
    pub(super) log_begun: bool,
    /// A commit failed: what the index's files seem to hold may be in memory only.
    pub(super) in_doubt: bool,
    /// Where the newest segment of the log begins.
    pub(super) log_reached: u64,
    /// Inboxes may have been cut up to this position.
    pub(super) cut: u64,
    /// Segments that end at or below this may have been removed.
    pub(super) removed: u64,
    /// The log has been durable up to here: one that ends before has lost something.
    pub(super) log_applied: u64,
    turn: u64,
}

impl Noted {
    /// Of an index that was just made.
    pub(super) fn of(number: u64, index: u64, tables: u64) -> Self {
        Self { number, index, tables, ..Self::default() }
    }

    /// Of no index yet: the log ends at `end`, its newest segment begins at `reached`, and below `gap` some may be missing.
    pub(super) fn of_log(end: u64, reached: u64, gap: u64) -> Self {
        let (log_begun, log_reached, log_applied) = (true, reached, end);
        Self { log_begun, log_reached, log_applied, cut: gap, removed: gap, ..Self::default() }
    }

    /// The same with what another one says of the log.
    pub(super) const fn with_log_of(self, other: &Self) -> Self {
        let Self { log_begun, log_reached, log_applied, cut, removed, turn, .. } = *other;
        Self { log_begun, log_reached, log_applied, cut, removed, turn, ..self }
    }
}

/// The file, open.
pub(super) struct Commits {
    path: PathBuf,
    file: File,
    salt: Salt,
    noted: Mutex<Noted>,
    /// As [`Noted::log_reached`]; the thread of the log does not wait for a commit.
    log_reached: AtomicU64,
    /// As [`Noted::log_applied`]; noted with the next commit.
    log_applied: AtomicU64,
}

impl Commits {
    /// Opens the file of `dir`; `None` where there is none.
    pub(super) fn open(dir: &Path, salt: Salt) -> Result<Option<Self>, OpenError> {
        let path = dir.join("commits");
        let failed = || io_error(format!("reading {}", path.display()));
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed()(error).into()),
        };
        let Some(noted) = newest_in(&file, salt).map_err(failed())? else {
            let what = format!("fails its checksum, or belongs to other data; {RESTORE}");
            return Err(OpenError::Lost { file: path, what });
        };
        Ok(Some(Self::of(path, file, salt, noted)))
    }

    /// What is noted in `dir`, for a tool that reads beside a server; `None` where nothing can be made of it.
    pub(super) fn look(dir: &Path, salt: Salt) -> Option<Noted> {
        newest_in(&File::open(dir.join("commits")).ok()?, salt).ok()?
    }

    fn of(path: PathBuf, file: File, salt: Salt, noted: Noted) -> Self {
        let log_reached = AtomicU64::new(noted.log_reached);
        let log_applied = AtomicU64::new(noted.log_applied);
        Self { path, file, salt, noted: Mutex::new(noted), log_reached, log_applied }
    }

    /// Makes the file in `dir`, durably.
    pub(super) fn create(dir: &Path, salt: Salt, noted: Noted) -> Result<Self, OpenError> {
        let (path, draft) = (dir.join("commits"), dir.join("commits.tmp"));
        let write = || {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(true).open(&draft)?;
            file.set_len(2 * SLOT_DISTANCE)?;
            for slot in 0..2 {
                file.write_all_at(&encode(&noted, salt), slot * SLOT_DISTANCE)?;
            }
            file.sync_all()?;
            std::fs::rename(&draft, &path)?;
            sync_dir(dir)?;
            Ok(file)
        };
        let file = write().map_err(io_error(format!("writing {}", path.display())))?;
        Ok(Self::of(path, file, salt, noted))
    }

    /// What is noted; nobody else changes it meanwhile.
    pub(super) fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock()
    }

    /// Writes what was changed, for a kill to find; the system gives it to the device in its own time.
    pub(super) fn write(&self, noted: &mut Noted) -> io::Result<()> {
        noted.turn += 1;
        noted.log_reached = self.log_reached.load(Ordering::Acquire);
        noted.log_applied = noted.log_applied.max(self.log_applied.load(Ordering::Acquire));
        let slot = noted.turn % 2;
        self.file.write_all_at(&encode(noted, self.salt), slot * SLOT_DISTANCE)
    }

    /// Notes that the log has a segment which begins at `base`, for good. A commit that is under way notes
    /// it too.
    pub(super) fn log_reached(&self, base: u64) {
        self.log_reached.store(base, Ordering::Release);
        let Some(mut noted) = self.noted.try_lock() else { return };
        if let Err(cause) = self.write(&mut noted) {
            tracing::warn!(%cause, file = %self.path.display(), "cannot note a segment of the log");
        }
    }

    /// The log has been applied up to `position`, where it is durable: to be noted with the next commit.
    pub(super) fn log_applied(&self, position: u64) {
        self.log_applied.fetch_max(position, Ordering::AcqRel);
    }

    /// Changes what is noted, durably.
    pub(super) fn change(&self, change: impl FnOnce(&mut Noted)) -> Result<(), OpenError> {
        let mut noted = self.lock();
        let mut changed = *noted;
        change(&mut changed);
        if changed == *noted {
            return Ok(());
        }
        let failed = io_error(format!("writing {}", self.path.display()));
        self.write(&mut changed).and_then(|()| self.file.sync_data()).map_err(failed)?;
        *noted = changed;
        Ok(())
    }

    /// The same for a caller that serves.
    pub(super) fn keep(&self, change: impl FnOnce(&mut Noted)) -> Result<(), StoreError> {
        match self.change(change) {
            Err(OpenError::Store(error)) => Err(error),
            Err(_) | Ok(()) => Ok(()),
        }
    }

    /// Where it is, for errors.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn newest_in(file: &File, salt: Salt) -> io::Result<Option<Noted>> {
    let mut newest: Option<Noted> = None;
    for slot in 0..2 {
        let mut raw = [0; SLOT_BYTES];
        match file.read_exact_at(&mut raw, slot * SLOT_DISTANCE) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            read => read?,
        }
        newest = newest.into_iter().chain(decode(&raw, salt)).max_by_key(|noted| noted.turn);
    }
    Ok(newest)
}

fn encode(noted: &Noted, salt: Salt) -> [u8; SLOT_BYTES] {
    let Noted { number, index, tables, log_begun, in_doubt, log_reached, .. } = *noted;
    let Noted { cut, removed, log_applied, turn, .. } = *noted;
    let flags = if log_begun { LOG_BEGUN } else { 0 } | if in_doubt { IN_DOUBT } else { 0 };
    let mut out = [0; SLOT_BYTES];
    out[..8].copy_from_slice(&MAGIC);
    out[12..16].copy_from_slice(&flags.to_le_bytes());
    let values = [
        (16, turn),
        (24, number),
        (32, index),
        (40, tables),
        (48, log_reached),
        (56, cut),
        (64, removed),
        (72, log_applied),
    ];
    for (at, value) in values {
        out[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    let checksum = checksum(&out, salt);
    out[8..12].copy_from_slice(&checksum.to_le_bytes());
    out
}

fn decode(raw: &[u8; SLOT_BYTES], salt: Salt) -> Option<Noted> {
    let u32_at = |at: usize| raw[at..].first_chunk().map(|raw| u32::from_le_bytes(*raw));
    let u64_at = |at: usize| raw[at..].first_chunk().map(|raw| u64::from_le_bytes(*raw));
    let slot = match raw.first_chunk() {
        Some(&MAGIC) => &raw[..],
        Some(&FIRST_MAGIC) => &raw[..FIRST_SLOT_BYTES],
        _ => return None,
    };
    if u32_at(8)? != checksum(slot, salt) {
        return None;
    }
    let is_first = slot.len() == FIRST_SLOT_BYTES;
    let later = |at: usize| if is_first { Some(0) } else { u64_at(at) };
    let flags = u32_at(12)?;
    Some(Noted {
        number: u64_at(24)?,
        index: u64_at(32)?,
        tables: u64_at(40)?,
        log_begun: flags & LOG_BEGUN != 0,
        in_doubt: flags & IN_DOUBT != 0,
        log_reached: u64_at(48)?,
        cut: later(56)?,
        removed: later(64)?,
        log_applied: later(72)?,
        turn: u64_at(16)?,
    })
}

fn checksum(slot: &[u8], salt: Salt) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.0.to_le_bytes()), &slot[12..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = Salt(7);

    #[test]
    fn the_newest_whole_slot_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Commits::open(dir.path(), SALT).unwrap().is_none());
        let first = Noted::of(1, 9, 5);
        let commits = Commits::create(dir.path(), SALT, first).unwrap();
        for number in 2..8 {
            let mut noted = commits.lock();
            noted.number = number;
            commits.write(&mut noted).unwrap();
        }
        let read = || Commits::open(dir.path(), SALT).unwrap().map(|commits| *commits.lock());
        assert_eq!(read().map(|noted| (noted.number, noted.index, noted.tables)), Some((7, 9, 5)));
        // A slot that was cut short while it was written: the one before it is there.
        let newest = commits.lock().turn % 2;
        let file = OpenOptions::new().write(true).open(commits.path()).unwrap();
        file.write_all_at(&[1], newest * SLOT_DISTANCE + 30).unwrap();
        assert_eq!(read().map(|noted| noted.number), Some(6));
        file.write_all_at(&[1], (1 - newest) * SLOT_DISTANCE + 30).unwrap();
        assert!(matches!(Commits::open(dir.path(), SALT), Err(OpenError::Lost { .. })));
    }

    #[test]
    fn what_is_changed_is_there_and_other_data_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let commits = Commits::create(dir.path(), SALT, Noted::default()).unwrap();
        commits.change(|noted| noted.log_begun = true).unwrap();
        commits.log_reached(77);
        commits.change(|noted| noted.in_doubt = true).unwrap();
        let mut held = commits.lock();
        commits.log_reached(99);
        let read = || *Commits::open(dir.path(), SALT).unwrap().unwrap().lock();
        assert!(read().log_begun && read().in_doubt);
        assert_eq!(read().log_reached, 77, "who commits is not waited for");
        commits.write(&mut held).unwrap();
        assert_eq!(read().log_reached, 99, "and notes it too");
        assert!(Commits::open(dir.path(), Salt(8)).is_err());
    }
}
