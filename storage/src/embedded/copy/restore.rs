//! A data directory made from a copy, as of a moment, to the record.
//!
//! ```text
//! log, cut to the record; base; epochs, with one more; what is kept beside; commits; and at last format
//! ```
//! Without `format` no server starts there, so one that was cut short is never taken for whole. In: a copy. Out: a new data
//! directory whose index its first start makes. Invariant: every byte of the log is checked on its way, and nothing is in it
//! that is of a later moment. Never: anything that is written where something is.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use openim_record::whole_units;

use super::check::Checked;
use super::manifest::{KeptBase, Manifest, Stretch, base_path};
use super::reading::{Batch, Came, Reading};
use super::{CopyError, KEPT, bases};
use crate::embedded::base::file as base_file;
use crate::embedded::commits::{Commits, Noted};
use crate::embedded::data_dir::{self, make_private};
use crate::embedded::epochs::Epochs;
use crate::embedded::error::OpenError;
use crate::embedded::log::{BATCH_HEAD_BYTES, Salt, encode_batch, segment_path, sync_dir};
use crate::embedded::rebuild::gap_behind;

/// Which moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The last that the copy has.
    Last,
    /// When all records before this position were there, and none behind.
    Position(u64),
    /// When all that was appended up to this time was there, unix milliseconds.
    Time(i64),
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Position behind the last batch.
    pub position: u64,
    /// Append time of the last record, unix milliseconds.
    pub last_ms: i64,
    /// Records in it.
    pub records: u64,
    /// Bytes of log and base.
    pub bytes: u64,
    /// Number of the epoch that begins with it.
    pub epoch: u64,
    /// Files of [`KEPT`] that are not what was copied, and are left out.
    pub lost: Vec<String>,
}

/// Where the log is cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Behind the last batch that stays whole.
    end: u64,
    /// The segment that holds it.
    segment: u64,
    /// No record at or behind this position stays; the batch at `end` is cut where this is in the middle of it.
    upper: u64,
}

impl Cut {
    /// Behind a whole batch: the next record would have a position behind the head of another one.
    const fn behind(end: u64, segment: u64) -> Self {
        Self { end, segment, upper: end + BATCH_HEAD_BYTES as u64 }
    }
}

/// Makes a data directory in `to` from the copy in `from`.
///
/// # Errors
/// [`CopyError`], one line an operator can act on.
pub fn restore(from: &Path, to: &Path, moment: Moment) -> Result<Restored, CopyError> {
    let restoring = Restoring::open(from)?;
    let cut = restoring.cut(moment)?;
    restoring.has_all_before(cut)?;
    let base = restoring.base_for(cut)?;
    if let Some(base) = base {
        restoring.has_base(&base_path(from, base.through))?;
    }
    refuse_used(to)?;
    make_private(to).map_err(CopyError::io(to, format!("making {}", to.display())))?;
    let lock = data_dir::lock(to)?;
    let made = restoring.make(to, cut, base)?;
    drop(lock);
    Ok(made)
}

struct Restoring {
    dir: PathBuf,
    manifest: Manifest,
    reading: Reading,
    /// Where the copy ends, further than its manifest says where that lags.
    end: Checked,
}

impl Restoring {
    fn open(dir: &Path) -> Result<Self, CopyError> {
        let none = || CopyError::Refused(format!("{}: no copy is here", dir.display()));
        let mut manifest = Manifest::read(dir)?.ok_or_else(none)?;
        let salt = super::salt_of(dir)?.ok_or_else(none)?;
        let reading = Reading::open(dir, salt, Epochs::read(dir)?).map_err(OpenError::from)?;
        let mut end = manifest.checked;
        let failed = CopyError::io(dir, format!("reading {}", reading.log.display()));
        reading.go_on(&mut end).map_err(failed)?;
        manifest.checked = end;
        Ok(Self { dir: dir.to_owned(), manifest, reading, end })
    }

    fn refused(&self, what: &str) -> CopyError {
        CopyError::Refused(format!("{}: {what}", self.dir.display()))
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> CopyError + use<> {
        CopyError::io(&self.dir, format!("reading {}", self.reading.log.display()))
    }

    /// Where a moment is in the log.
    fn cut(&self, moment: Moment) -> Result<Cut, CopyError> {
        let Checked { at, segment, last_ms, .. } = self.end;
        let last = Cut::behind(at, segment);
        match moment {
            Moment::Last => Ok(last),
            Moment::Position(position) if position >= last.upper => Err(self.refused(&format!(
                "goes to position {at}, and not to {position}; without --at all of it is restored"
            ))),
            Moment::Position(position) if position >= at => Ok(last),
            Moment::Position(position) => self.cut_at(position),
            Moment::Time(ms) if ms > self.manifest.time_ms.max(last_ms) => {
                Err(self.refused("does not go to that time; without --at all of it is restored"))
            }
            Moment::Time(ms) => self.cut_since(ms),
        }
    }

    /// Before the first record at or behind `position`.
    fn cut_at(&self, position: u64) -> Result<Cut, CopyError> {
        let stretches = self.manifest.stretches();
        let held = |stretch: &Stretch| (stretch.first..=stretch.end).contains(&position);
        if !stretches.iter().any(held) {
            return Err(self.refused(&format!(
                "does not have the log at position {position}: the source had removed it before"
            )));
        }
        let segments = &self.reading.segments;
        let at = segments.partition_point(|(base, _)| *base <= position).saturating_sub(1);
        let segment = segments.get(at).map_or(0, |(base, _)| *base);
        let mut cut = None;
        let mut end = segment;
        self.look(segment, &mut |batch| {
            if cut.is_none() && batch.end() > position {
                let (places, records): (Vec<u64>, Vec<&[u8]>) = batch.records().unzip();
                let before = places.partition_point(|place| *place < position);
                // What belongs together goes together.
                let kept = whole_units(records.into_iter(), before);
                cut = Some(match places.get(kept) {
                    Some(&upper) => Cut { end: batch.place, segment, upper },
                    None => Cut::behind(batch.end(), segment),
                });
            }
            end = batch.end();
        })?;
        Ok(cut.unwrap_or(Cut::behind(end, segment)))
    }

    /// Behind the last batch that was appended at or before `ms`. Not before the first later one: where a clock was ahead for
    /// a while, what it dated came before what was dated rightly behind it.
    fn cut_since(&self, ms: i64) -> Result<Cut, CopyError> {
        for &(segment, _) in self.reading.segments.iter().rev() {
            let (mut end, mut next) = (None, None);
            self.look(segment, &mut |batch| {
                if batch.head.append_ms <= ms {
                    (end, next) = (Some(batch.end()), None);
                } else if next.is_none() {
                    next = Some(batch.place);
                }
            })?;
            let Some(end) = end else { continue };
            let stretches = self.manifest.stretches();
            let is_gap = stretches.iter().rev().skip(1).any(|stretch| stretch.end == end);
            if is_gap && next.is_none() {
                break;
            }
            return Ok(Cut::behind(end, segment));
        }
        Err(self.refused(
            "does not have that time: it begins later, or the source had removed it before",
        ))
    }

    /// Refuses where a file of the log is missing that it needs.
    fn has_all_before(&self, cut: Cut) -> Result<(), CopyError> {
        let stretches = self.manifest.stretches();
        let mut end = 0;
        for &(base, bytes) in self.reading.segments.iter().filter(|(base, _)| *base <= cut.segment)
        {
            if base != end && !stretches.iter().any(|stretch| stretch.first == base) {
                break;
            }
            end = base + bytes;
        }
        if end >= cut.end {
            return Ok(());
        }
        Err(self.refused(&format!(
            "lacks the log from {end} on, which it has had; openim verify tells what is whole, and an earlier moment may do"
        )))
    }

    /// Shows the batches of a segment.
    fn look(&self, segment: u64, each: &mut dyn FnMut(&Batch<'_>)) -> Result<(), CopyError> {
        let mut checked = Checked { at: segment, ..Checked::default() };
        let came = self.reading.read::<io::Error>(segment, &mut checked, &mut |batch| {
            each(batch);
            Ok(())
        });
        let came = came.map_err(self.failed())?;
        self.undamaged(segment, checked, &came)
    }

    /// Damage before the end of the copy.
    fn undamaged(&self, segment: u64, checked: Checked, came: &Came) -> Result<(), CopyError> {
        match came {
            Came::Broken(offset, what) if checked.at < self.end.at => {
                Err(CopyError::Refused(format!(
                    "{} at byte {offset}: {what}; openim verify tells what is whole, and an earlier moment may do",
                    self.reading.path(segment).display()
                )))
            }
            _ => Ok(()),
        }
    }

    /// The base to begin with; none where the log alone will do.
    fn base_for(&self, cut: Cut) -> Result<Option<KeptBase>, CopyError> {
        let stretches = self.manifest.stretches();
        let stretch = stretches.iter().rfind(|stretch| stretch.first <= cut.end);
        let stretch = *stretch.ok_or_else(|| self.refused("has nothing in it yet"))?;
        // How far something is applied is said by the position that the next record will have.
        let end = stretch.end + BATCH_HEAD_BYTES as u64;
        let of_stretch = |base: &&KeptBase| (stretch.first..=end).contains(&base.low);
        let fitting = self.manifest.bases.iter().filter(of_stretch);
        let base = fitting.clone().rfind(|base| base.upper <= cut.upper).copied();
        if base.is_some() || !stretch.needs_base {
            return Ok(base);
        }
        Err(self.refused(&match fitting.map(|base| base.upper).min() {
            Some(upper) => format!(
                "cannot be restored to a moment before position {upper}: its server had a base of then when this copy began, and \
                 what was before is in no older one; a later moment will do, or a copy that began earlier"
            ),
            None => "has no base of that part yet: run openim backup once more".to_owned(),
        }))
    }

    fn make(&self, to: &Path, cut: Cut, base: Option<KeptBase>) -> Result<Restored, CopyError> {
        let log = to.join("log");
        let writing = |path: &Path| CopyError::io(to, format!("writing {}", path.display()));
        make_private(&log).map_err(writing(&log))?;
        let lost = self.manifest.lost(&self.dir);
        let mut made = Restored { position: 0, last_ms: 0, records: 0, bytes: 0, epoch: 0, lost };
        let mut lengths = Vec::new();
        for &(segment, _) in self.reading.segments.iter().filter(|(base, _)| *base <= cut.segment) {
            let bytes = self.make_segment(&log, segment, cut, &mut made)?;
            made.position = segment + bytes;
            made.bytes += bytes;
            lengths.push((segment, bytes));
        }
        sync_dir(&log).map_err(writing(&log))?;
        if let Some(base) = base {
            made.bytes += self.make_base(to, base)?;
        }
        let end = made.position;
        let salt = Salt(self.reading.salt);
        let epochs = self.reading.epochs.before(end).with_next(salt, end);
        epochs.write(to).map_err(OpenError::from)?;
        made.epoch = epochs.number();
        for name in KEPT.iter().filter(|name| !made.lost.iter().any(|lost| lost == *name)) {
            copy_small(&self.dir.join(name), &to.join(name)).map_err(writing(&to.join(name)))?;
        }
        let gap = gap_behind(&lengths);
        let log_reached = lengths.last().map_or(0, |(segment, _)| *segment);
        Commits::create(to, salt, Noted::of_log(end, log_reached, gap))?;
        let format = to.join("format");
        copy_small(&self.dir.join("format"), &format).map_err(writing(&format))?;
        sync_dir(to).map_err(writing(to))?;
        Ok(made)
    }

    /// Writes a segment as far as it stays; how many bytes.
    fn make_segment(
        &self,
        log: &Path,
        segment: u64,
        cut: Cut,
        made: &mut Restored,
    ) -> Result<u64, CopyError> {
        let path = segment_path(log, segment);
        let writing = || CopyError::io(log, format!("writing {}", path.display()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let mut out = io::BufWriter::with_capacity(1 << 20, file.map_err(writing())?);
        let mut bytes = self.reading.head(segment).map_err(self.failed())?;
        out.write_all(&bytes).map_err(writing())?;
        let mut length = bytes.len() as u64;
        let mut positions = Vec::new();
        let mut checked = Checked { at: segment, ..Checked::default() };
        let came = self.reading.read::<Failed>(segment, &mut checked, &mut |batch| {
            if batch.place > cut.end || (batch.place == cut.end && batch.end() > cut.upper) {
                let stays = |position: &u64| batch.place == cut.end && *position < cut.upper;
                let kept = batch.records().filter(|(position, _)| stays(position));
                let kept: Vec<&[u8]> = kept.map(|(_, record)| record).collect();
                if kept.is_empty() {
                    return Ok(());
                }
                let head = (batch.head.number, batch.head.append_ms, batch.head.flushed);
                let at = (batch.place, self.reading.salt_at(segment));
                encode_batch(head, &kept, at, &mut bytes, &mut positions);
                made.records += kept.len() as u64;
            } else if batch.place < cut.end {
                bytes.clear();
                bytes.extend_from_slice(batch.bytes);
                made.records += u64::from(batch.head.records);
            } else {
                return Ok(());
            }
            made.last_ms = batch.head.append_ms;
            length += bytes.len() as u64;
            out.write_all(&bytes).map_err(Failed::Written)
        });
        let came = came.map_err(|failed| match failed {
            Failed::Read(cause) => self.failed()(cause),
            Failed::Written(cause) => writing()(cause),
        })?;
        self.undamaged(segment, checked, &came)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error).map_err(writing())?;
        file.sync_all().map_err(writing())?;
        Ok(length)
    }

    fn make_base(&self, to: &Path, base: KeptBase) -> Result<u64, CopyError> {
        let (from, path) = (base_path(&self.dir, base.through), base_file::path(to));
        self.base_is_whole(&from)?;
        let writing = CopyError::io(to, format!("writing {}", path.display()));
        let bytes = copy_small(&from, &path).map_err(writing)?;
        self.base_is_whole(&path)?;
        Ok(bytes)
    }

    fn base_is_whole(&self, path: &Path) -> Result<(), CopyError> {
        let read = bases::read_upper(path, Salt(self.reading.salt), &mut |_, _, _| Ok(()));
        match read.map_err(OpenError::from)? {
            Some(_) => Ok(()),
            None => self.has_base(path),
        }
    }

    fn has_base(&self, path: &Path) -> Result<(), CopyError> {
        match path.exists() {
            true => Ok(()),
            false => Err(self.refused(&format!("{} is missing", path.display()))),
        }
    }
}

/// Which side of it has failed.
enum Failed {
    Read(io::Error),
    Written(io::Error),
}

impl From<io::Error> for Failed {
    fn from(cause: io::Error) -> Self {
        Self::Read(cause)
    }
}

/// Copies a file with mode 0600, durably; 0 where there is none.
fn copy_small(from: &Path, to: &Path) -> io::Result<u64> {
    let mut file = match File::open(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        opened => opened?,
    };
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let bytes = io::copy(&mut file, &mut out)?;
    out.sync_all()?;
    Ok(bytes)
}

fn refuse_used(to: &Path) -> Result<(), CopyError> {
    match std::fs::read_dir(to).map(|mut names| names.next().is_some()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(false) => Ok(()),
        Ok(true) => Err(CopyError::Refused(format!(
            "{}: is not empty, and nothing is overwritten; give a directory that is not there yet",
            to.display()
        ))),
        Err(cause) => Err(CopyError::io(to, format!("reading {}", to.display()))(cause)),
    }
}
