//! Checking a copy, or a stopped data directory: all that is in it is read.
//!
//! In: a directory. Out: counts, and each damage by file and offset. What is held against each other: every checksum of log
//! and bases; that batches follow each other without a gap, but for those that the copy or retention knows of; that every
//! inbox of every base has each of its numbers, rising, and each of these a record that the log has. Memory: what the
//! inboxes of the bases take by user, and [`ENTRIES_MAX`] of their entries at once. Never: writes a byte.

use std::io;
use std::path::{Path, PathBuf};

use openim_record::Position;

use super::CopyError;
use super::check::Checked;
use super::inboxes::Inboxes;
use super::manifest::{self, Manifest, base_path};
use super::reading::{Batch, Came, Reading};
use crate::embedded::base::file as base_file;
use crate::embedded::commits::Commits;
use crate::embedded::data_dir::{self, Lock};
use crate::embedded::epochs::Epochs;
use crate::embedded::error::{OpenError, io_error};
use crate::embedded::log::{BATCH_HEAD_BYTES, Salt};

/// Entries of inboxes that are held against the log at once.
const ENTRIES_MAX: u64 = 8 << 20;

/// What was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Position behind the last whole batch.
    pub position: u64,
    /// Append time of that one, unix milliseconds.
    pub last_ms: i64,
    /// Files of the log.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
    /// Bases.
    pub bases: u64,
    /// Inboxes in the newest one.
    pub inboxes: u64,
    /// How many damages were told.
    pub damages: u64,
}

/// Told of each damage, in a line.
type Tell<'a> = &'a mut dyn FnMut(&str);

/// Reads all there is in `dir`, and tells of each damage.
///
/// # Errors
/// [`CopyError`] where it cannot be read at all.
pub fn verify(dir: &Path, tell: Tell<'_>) -> Result<Verified, CopyError> {
    let subject = Subject::open(dir)?;
    let mut verified = Verified::default();
    let mut damage = |what: &str| {
        verified.damages += 1;
        tell(what);
    };
    let mut inboxes = Inboxes::default();
    let mut newest = 0;
    let kept = subject.manifest.as_ref().map(|manifest| manifest.lost(dir));
    for name in kept.iter().flatten() {
        damage(&format!("{}: is missing, or is not what was copied", dir.join(name).display()));
    }
    for (path, floor) in &subject.bases {
        if !path.exists() {
            damage(&format!("{}: it is missing", path.display()));
            continue;
        }
        let salt = Salt(subject.reading.salt);
        match inboxes.count((path.clone(), salt, *floor), &mut damage) {
            Ok(users) => newest = users,
            Err(error) => damage(&error.to_string()),
        }
    }
    let mut log = Log { subject: &subject, inboxes, found: Verified::default() };
    let read = log.read(&mut damage);
    let found = log.found;
    read.map_err(|cause| {
        OpenError::from(io_error(format!("reading {}", subject.reading.log.display()))(cause))
    })?;
    let (bases, inboxes) =
        (subject.bases.iter().filter(|(path, _)| path.exists()).count() as u64, newest);
    Ok(Verified { bases, inboxes, damages: verified.damages, ..found })
}

/// What is verified.
struct Subject {
    reading: Reading,
    /// Of a copy.
    manifest: Option<Manifest>,
    /// Segments that begin at or below this may have a gap before them.
    removed: u64,
    /// The log has been there up to here.
    reached: u64,
    /// Bases, each with the position below which the log may lack what inboxes have.
    bases: Vec<(PathBuf, u64)>,
    _lock: Option<Lock>,
}

impl Subject {
    fn open(dir: &Path) -> Result<Self, CopyError> {
        if !manifest::path(dir).exists() && dir.join("bases").is_dir() {
            return Err(CopyError::Refused(format!(
                "{}: a copy was here, and its file copy is missing: go on with another copy, or put that file back",
                dir.display()
            )));
        }
        let none = || {
            CopyError::Refused(format!(
                "{}: neither a copy nor data of openim is here",
                dir.display()
            ))
        };
        if let Some(manifest) = Manifest::read(dir)? {
            let salt = super::salt_of(dir)?.ok_or_else(none)?;
            let reading = Reading::open(dir, salt, Epochs::read(dir)?);
            let reading = reading.map_err(OpenError::from)?;
            let floor = |low| {
                let stretches = manifest.stretches.iter().map(|stretch| stretch.first);
                stretches.filter(|first| *first <= low).max().unwrap_or(0)
            };
            let bases = manifest.bases.iter();
            let bases = bases.map(|base| (base_path(dir, base.through), floor(base.low))).collect();
            let reached = manifest.checked.at;
            let manifest = Some(manifest);
            return Ok(Self { reading, manifest, removed: 0, reached, bases, _lock: None });
        }
        let (lock, Salt(salt)) = data_dir::visit(dir)?.ok_or_else(none)?;
        let reading = Reading::open(dir, salt, Epochs::read(dir)?).map_err(OpenError::from)?;
        let noted = Commits::open(dir, Salt(salt))?.map(|commits| *commits.lock());
        let noted = noted.unwrap_or_default();
        let base = base_file::path(dir);
        let floor = noted.cut.max(noted.removed);
        let bases = if base.exists() { vec![(base, floor)] } else { Vec::new() };
        // How far something is applied is said by the position that the next record will have.
        let applied = noted.log_applied.saturating_sub(BATCH_HEAD_BYTES as u64);
        let reached = applied.max(noted.log_reached);
        let removed = noted.removed;
        Ok(Self { reading, manifest: None, removed, reached, bases, _lock: Some(lock) })
    }

    /// Whether the log may begin anew at this position.
    fn may_begin(&self, at: u64) -> bool {
        match &self.manifest {
            Some(manifest) => manifest.stretches.iter().any(|stretch| stretch.first == at),
            None => at == 0 || at <= self.removed,
        }
    }
}

struct Log<'a> {
    subject: &'a Subject,
    inboxes: Inboxes,
    found: Verified,
}

impl Log<'_> {
    fn read(&mut self, damage: Tell<'_>) -> io::Result<()> {
        let subject = self.subject;
        let segments = &subject.reading.segments;
        let (first, end) = (
            segments.first().map_or(0, |(base, _)| *base),
            segments.last().map_or(0, |(base, bytes)| base + bytes),
        );
        let window = self.inboxes.window(end.saturating_sub(first), ENTRIES_MAX);
        self.inboxes.begin(first);
        let (mut checked, mut is_told) = (Checked::default(), false);
        for (number, &(base, _)) in segments.iter().enumerate() {
            self.follows(base, number, checked, damage);
            if checked.at != base {
                checked = Checked { at: base, ..Checked::default() };
            }
            let came = self.read_segment(base, &mut checked, window, damage)?;
            self.found.segments += 1;
            if let Came::Broken(offset, what) = came {
                let is_last = number + 1 == segments.len();
                let file = subject.reading.path(base).display().to_string();
                // Behind the end lies space, or what was being written.
                if !is_last || checked.at < subject.reached {
                    damage(&format!("{file} at byte {offset}: {what}"));
                    is_told = true;
                }
                if !is_last {
                    checked.at = u64::MAX;
                }
            }
        }
        if checked.at != u64::MAX {
            (self.found.position, self.found.last_ms) = (checked.at, checked.last_ms);
        }
        if checked.at < subject.reached && !is_told {
            let (log, reached) = (subject.reading.log.display(), subject.reached);
            damage(&format!("{log}: the log ends at {}, and it went on to {reached}", checked.at));
        }
        self.inboxes.end(damage);
        Ok(())
    }

    /// The segment that begins at `base` follows what was read.
    fn follows(&self, base: u64, number: usize, checked: Checked, damage: Tell<'_>) {
        let broken = checked.at == u64::MAX;
        if broken || checked.at == base && number > 0 || self.subject.may_begin(base) {
            return;
        }
        let missing = self.subject.reading.path(checked.at).display().to_string();
        damage(&format!("{missing} at byte 0: it is missing; the next segment begins at {base}"));
    }

    fn read_segment(
        &mut self,
        base: u64,
        checked: &mut Checked,
        window: u64,
        damage: Tell<'_>,
    ) -> io::Result<Came> {
        let Self { subject, inboxes, found } = self;
        subject.reading.read(base, checked, &mut |batch: &Batch<'_>| {
            for (position, _) in batch.records() {
                found.records += 1;
                inboxes.has(Position(position), window, damage);
            }
            Ok(())
        })
    }
}
