//! Making a copy: bytes of a source, checked and then written, so that it can be cut short at any moment and go on.
//!
//! Owns a copy's directory. In: a [`Source`]. Out: the same bytes in files, durable before the source is asked for the next,
//! and the [`Manifest`]. Never: a byte whose checksum was not looked at, or one in place of another; a stretch with a gap.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::bases::Drafting;
use super::check::{Checked, Wrong};
use super::manifest::{self, Manifest, Stretch};
use super::reading::Reading;
use super::{About, CopyError, KEPT, PART_BYTES, Part, Source, SourceError};
use crate::embedded::data_dir::{self, Lock, make_private};
use crate::embedded::epochs::Epochs;
use crate::embedded::error::OpenError;
use crate::embedded::log::{BATCH_HEAD_BYTES, segment_path, sync_dir};

/// Between two manifests while the log comes, and while nothing does.
const NOTE_EVERY: Duration = Duration::from_secs(10);
const NOTE_IDLE_EVERY: Duration = Duration::from_secs(15);

/// See the module.
pub struct Copy {
    pub(super) dir: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) salt: u64,
    epochs: Epochs,
    pub(super) drafting: Option<Drafting>,
    /// The segment that is written, by where it begins.
    file: Option<(u64, File)>,
    /// The log up to here stands for this time, once it is there.
    awaited: Option<(u64, i64)>,
    /// Up to where the log was durable when the source was greeted.
    greeted: u64,
    noted: (Instant, Manifest),
    bytes: Vec<u8>,
    /// So many bytes are asked for.
    wants: u64,
    _lock: Lock,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes written.
    pub bytes: u64,
    /// Whether there is nothing more now.
    pub done: bool,
}

impl Copy {
    /// Takes up the copy in `dir`, or begins one there of what `source` has.
    ///
    /// # Errors
    /// [`CopyError`], one line an operator can act on.
    pub fn open(dir: &Path, source: &mut dyn Source) -> Result<Self, CopyError> {
        let about = source.about()?;
        let salt = about.salt().map_err(|what| SourceError::Refused(format!("format: {what}")))?;
        refuse_strangers(dir)?;
        make_private(dir).map_err(CopyError::io(dir, format!("making {}", dir.display())))?;
        let lock = data_dir::lock(dir)?;
        let manifest = Manifest::read(dir)?.unwrap_or_default();
        let noted = (Instant::now(), manifest.clone());
        let mut copy = Self {
            dir: dir.to_owned(),
            manifest,
            salt,
            epochs: Epochs::read(dir)?,
            drafting: None,
            file: None,
            awaited: None,
            greeted: 0,
            noted,
            bytes: Vec::new(),
            wants: PART_BYTES,
            _lock: lock,
        };
        // First of all: from now on it is a copy, and nothing else.
        copy.note()?;
        for folder in ["log", "bases"].map(|name| dir.join(name)) {
            make_private(&folder)
                .map_err(CopyError::io(dir, format!("making {}", folder.display())))?;
        }
        copy.resume()?;
        copy.greet_with(source, about)?;
        Ok(copy)
    }

    /// Makes sure that `source`, which may have ended and begun again since, is the one that this is a copy of.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn greet(&mut self, source: &mut dyn Source) -> Result<(), CopyError> {
        let about = source.about()?;
        self.greet_with(source, about)
    }

    fn greet_with(&mut self, source: &mut dyn Source, about: About) -> Result<(), CopyError> {
        self.check_identity(&about)?;
        self.check_epochs(&about)?;
        self.check_last(source)?;
        for (name, text) in &about.kept {
            if KEPT.contains(&name.as_str()) {
                let text = format!("{text}\n");
                self.keep(name, &text, 0o600)?;
                self.manifest.kept.insert(name.clone(), crc32c::crc32c(text.as_bytes()));
            }
        }
        // Before the log of a new epoch: what is there can always be read.
        self.keep("epochs", &about.epochs.text(), 0o600)?;
        self.keep("format", &about.format, 0o600)?;
        if self.noted.1.kept != self.manifest.kept {
            // Who looks would miss what is there.
            self.note()?;
        }
        self.epochs = about.epochs;
        self.awaited = Some((about.durable, about.time_ms));
        self.greeted = about.durable;
        Ok(())
    }

    /// Takes what comes next of log and base. Waits so long where there is nothing.
    ///
    /// # Errors
    /// [`CopyError`]. What was taken before stays.
    pub fn step(&mut self, source: &mut dyn Source, wait_ms: u64) -> Result<Step, CopyError> {
        if self.manifest.stretches.is_empty() {
            let about = source.about()?;
            self.begin_stretch(about.first, about.base.is_some() || about.first > 0, "")?;
        }
        let wait_ms = if self.drafting.is_some() { 0 } else { wait_ms };
        let mut bytes = std::mem::take(&mut self.bytes);
        let from = self.manifest.checked.at;
        let given = source.log(from, self.wants, wait_ms, &mut bytes);
        let taken = match given {
            Ok(part) => match self.take(part, &bytes) {
                Err(CopyError::Damaged { what }) => self.pass_over(what, source).map(|()| (0, None)),
                taken => taken.map(|taken| (taken, Some(part))),
            },
            Err(SourceError::Gone { first }) if first > from => {
                let why = "the source has removed the log";
                self.begin_stretch(first, true, why).map(|()| (0, None))
            }
            Err(SourceError::Ahead { durable }) => Err(self.other(format!(
                "goes on to {from}, and the log of the source ends at {durable}: the source has lost its end, or is another \
                 one; choose another directory"
            ))),
            Err(error) => Err(error.into()),
        };
        let stepped = taken.and_then(|(taken, part)| {
            let Some(part) = part else { return Ok(Step { bytes: 0, done: false }) };
            let base = self.step_base(source, part.base, &mut bytes)?;
            self.tell_time(part);
            let done = self.manifest.checked.at >= part.durable && self.drafting.is_none();
            Ok(Step { bytes: taken + base, done })
        });
        self.bytes = bytes;
        self.note_sometimes(stepped.as_ref().map_or(0, |step| step.bytes))?;
        stepped
    }

    /// Notes how far it is, at the end.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn finish(&mut self) -> Result<(), CopyError> {
        self.note()
    }

    /// Whether all is there that the source had when it was greeted, and a moment of it can be restored.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let Manifest { checked, stretches, bases, .. } = &self.manifest;
        let begun = stretches.last().is_some_and(|stretch| {
            let has_base = bases.iter().any(|base| base.low >= stretch.first);
            stretch.first < checked.at && (has_base || !stretch.needs_base)
        });
        let upper = bases.last().map_or(0, |base| base.upper);
        // How far something is applied is said by the position that the next record will have.
        let next = checked.at + BATCH_HEAD_BYTES as u64;
        begun && checked.at >= self.greeted && self.drafting.is_none() && upper <= next
    }

    /// Where it is in the log, and where that ended when the source was greeted.
    #[must_use]
    pub const fn progress(&self) -> (u64, u64) {
        (self.manifest.checked.at, self.greeted)
    }

    /// How far it is, as noted or further.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Writes what is whole of `bytes`, durably.
    fn take(&mut self, part: Part, bytes: &[u8]) -> Result<u64, CopyError> {
        let mut checked = self.manifest.checked;
        let from = checked.at;
        let whole = checked.take((self.salt, &self.epochs), part.segment, bytes);
        let whole = whole.map_err(|wrong| self.sent_wrong(part, wrong))?;
        self.wants = PART_BYTES.max(whole.wants);
        if whole.bytes == 0 {
            return Ok(0);
        }
        let path = segment_path(&self.log(), part.segment);
        let failed = CopyError::io(&self.dir, format!("writing {}", path.display()));
        let offset = from - part.segment;
        self.write(part.segment, &bytes[..whole.bytes], offset).map_err(failed)?;
        self.manifest.checked = checked;
        Ok(whole.bytes as u64)
    }

    fn write(&mut self, segment: u64, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.file.as_ref().is_none_or(|(open, _)| *open != segment) {
            let path = segment_path(&self.log(), segment);
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(false).mode(0o600).open(path)?;
            sync_dir(&self.log())?;
            self.file = Some((segment, file));
        }
        let Some((_, file)) = &self.file else { return Ok(()) };
        let written = file.write_all_at(bytes, offset).and_then(|()| file.sync_data());
        if written.is_err() {
            // A full disk should not keep what no one will look at.
            drop(file.set_len(offset));
        }
        written
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Begins anew where a base stands for all that lies before, damage too; refuses where there is none.
    fn pass_over(&mut self, what: String, source: &mut dyn Source) -> Result<(), CopyError> {
        let about = source.about()?;
        let Some(base) = about.base else { return Err(CopyError::Damaged { what }) };
        // The position of a record that is not there yet may be meant.
        let low = base.low.min(about.durable);
        let behind = source.log(low, BATCH_HEAD_BYTES as u64, 0, &mut Vec::new())?;
        match behind.segment > self.manifest.checked.at {
            true => self.begin_stretch(behind.segment, true, &what),
            false => Err(CopyError::Damaged { what }),
        }
    }

    /// Behind a gap, which is there for this reason, or at the beginning.
    fn begin_stretch(&mut self, first: u64, needs_base: bool, why: &str) -> Result<(), CopyError> {
        let at = self.manifest.checked.at;
        if let Some(last) = self.manifest.stretches.last_mut() {
            last.end = at;
            tracing::warn!(
                at,
                first,
                "the log between these is not taken ({why}): a new stretch begins, and moments between cannot be restored"
            );
        }
        if self.manifest.stretches.last().is_some_and(|last| last.first == last.end) {
            self.manifest.stretches.pop();
        }
        self.manifest.stretches.push(Stretch { first, end: first, needs_base });
        self.manifest.checked = Checked { at: first, segment: first, ..Checked::default() };
        self.note()
    }

    /// The copy is as of some time when it has all that was durable then.
    fn tell_time(&mut self, part: Part) {
        let at = self.manifest.checked.at;
        if let Some((_, time_ms)) = self.awaited.take_if(|(durable, _)| *durable <= at) {
            self.manifest.time_ms = self.manifest.time_ms.max(time_ms);
        }
        if part.durable <= at {
            self.manifest.time_ms = self.manifest.time_ms.max(part.time_ms);
        } else if self.awaited.is_none() {
            self.awaited = Some((part.durable, part.time_ms));
        }
    }

    fn note_sometimes(&mut self, bytes: u64) -> Result<(), CopyError> {
        let every = if bytes > 0 { NOTE_EVERY } else { NOTE_IDLE_EVERY };
        if self.noted.0.elapsed() < every || self.noted.1 == self.manifest {
            return Ok(());
        }
        self.note()
    }

    pub(super) fn note(&mut self) -> Result<(), CopyError> {
        let failed =
            CopyError::io(&self.dir, format!("writing {}", self.dir.join("copy").display()));
        self.manifest.write(&self.dir).map_err(failed)?;
        self.noted = (Instant::now(), self.manifest.clone());
        Ok(())
    }

    /// Writes a small file, if it is another one.
    fn keep(&self, name: &str, text: &str, mode: u32) -> Result<(), CopyError> {
        let path = self.dir.join(name);
        if std::fs::read(&path).is_ok_and(|held| held == text.as_bytes()) {
            return Ok(());
        }
        let draft = self.dir.join(format!("{name}.new"));
        let write = || {
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(mode).open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&draft, &path)?;
            sync_dir(&self.dir)
        };
        write().map_err(CopyError::io(&self.dir, format!("writing {}", path.display())))
    }

    pub(super) fn other(&self, what: String) -> CopyError {
        CopyError::Refused(format!("{}: {what}", self.dir.display()))
    }

    fn sent_wrong(&self, part: Part, wrong: Wrong) -> CopyError {
        let offset = wrong.at.saturating_sub(part.segment);
        CopyError::Damaged {
            what: format!(
                "the source has damage in {:020}.log at byte {offset} ({})",
                part.segment, wrong.what
            ),
        }
    }

    fn check_identity(&self, about: &About) -> Result<(), CopyError> {
        let file = self.dir.join("format");
        let held = match std::fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match self.manifest.stretches.is_empty() {
                    true => Ok(()),
                    false => Err(self.other("format is missing; choose another directory".into())),
                };
            }
            read => {
                read.map_err(CopyError::io(&self.dir, format!("reading {}", file.display())))?
            }
        };
        match data_dir::salt_in(&held) {
            Ok(salt) if Ok(salt.0) == about.salt() => Ok(()),
            Ok(_) => Err(self.other("is a copy of other data; choose another directory".into())),
            Err(what) => Err(self.other(format!("format {what}; choose another directory"))),
        }
    }

    /// The log here is that of the source up to where this copy goes, by the epochs of both.
    fn check_epochs(&self, about: &About) -> Result<(), CopyError> {
        let at = self.manifest.checked.at;
        match self.epochs.part_from(&about.epochs) {
            Some(from) if from < at => Err(self.other(format!(
                "goes on to {at}, and the log of the source is another one from {from} on, where another server went on; choose \
                 another directory"
            ))),
            _ => Ok(()),
        }
    }

    /// The last batch here is the one that the source has there.
    fn check_last(&mut self, source: &mut dyn Source) -> Result<(), CopyError> {
        let Checked { at, segment, last, .. } = self.manifest.checked;
        if last < segment || last == 0 || last >= at {
            return Ok(());
        }
        let mut theirs = Vec::new();
        match source.log(last, at - last, 0, &mut theirs) {
            // It is removed there by now.
            Err(SourceError::Gone { .. }) => return Ok(()),
            Err(SourceError::Ahead { .. }) => theirs.clear(),
            given => drop(given?),
        }
        let path = segment_path(&self.log(), segment);
        let mut ours = vec![0; (at - last) as usize];
        let read = File::open(&path).and_then(|file| file.read_exact_at(&mut ours, last - segment));
        read.map_err(CopyError::io(&self.dir, format!("reading {}", path.display())))?;
        if ours == theirs {
            return Ok(());
        }
        Err(self.other(format!(
            "goes on to {at}, and the log of the source is another one from {last} on at the latest; choose another directory"
        )))
    }

    /// Goes on behind the manifest over what is whole in the files, and removes what is not.
    fn resume(&mut self) -> Result<(), CopyError> {
        let (log, dir) = (self.log(), self.dir.clone());
        let failed = move |what: &Path| CopyError::io(&dir, format!("reading {}", what.display()));
        let reading = Reading::open(&self.dir, self.salt, self.epochs.clone());
        let reading = reading.map_err(OpenError::from)?;
        let mut checked = self.manifest.checked;
        if !self.manifest.stretches.is_empty() {
            reading.go_on(&mut checked).map_err(failed(&log))?;
        }
        self.manifest.checked = checked;
        for &(base, bytes) in &reading.segments {
            let (path, ends) = (reading.path(base), base + bytes);
            if base == checked.segment && checked.at > ends {
                let wanted = checked.at - base;
                return Err(self.other(format!(
                    "log/{base:020}.log is damaged at byte {bytes}: it has had {wanted}; choose another directory, and keep \
                     this one for what is whole in it (openim verify)"
                )));
            }
            let cut = || {
                if base >= checked.at {
                    std::fs::remove_file(&path)?;
                } else if base == checked.segment && ends > checked.at {
                    OpenOptions::new().write(true).open(&path)?.set_len(checked.at - base)?;
                }
                sync_dir(&log)
            };
            cut().map_err(failed(&path))?;
        }
        Ok(())
    }
}

/// Refuses a directory that has something else than a copy.
fn refuse_strangers(dir: &Path) -> Result<(), CopyError> {
    let names = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        names => names.map_err(CopyError::io(dir, format!("reading {}", dir.display())))?,
    };
    let is_copy = manifest::path(dir).exists();
    let stranger = names.flatten().find(|name| {
        let name = name.file_name();
        !["lost+found", "lock", "copy.new"].iter().any(|known| name == *known)
    });
    match stranger.filter(|_| !is_copy) {
        None => Ok(()),
        Some(stranger) => Err(CopyError::Refused(format!(
            "{}: is no copy, and has {} in it; choose an empty directory",
            dir.display(),
            stranger.file_name().display()
        ))),
    }
}
