//! A directory made one that follows: of an empty one, of one whose log does not connect any more, and of the one that was
//! replaced and comes back.
//!
//! In: the source, what is here. Out: base and log of the source under their names, checked and durable, for an index that is
//! made from them. Never: keeps a row or a record here that the source does not have.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::aside::{Aside, set_aside};
use super::note::{Note, Stage};
use super::{StandbyError, Standing, standing};
use crate::embedded::base::{Place, file as base_file};
use crate::embedded::begin;
use crate::embedded::commits::{Commits, Noted};
use crate::embedded::copy::{self, About, BaseAbout, PART_BYTES, Source, SourceError};
use crate::embedded::data_dir::{self, make_private};
use crate::embedded::epochs::Epochs;
use crate::embedded::error::{OpenError, io_error};
use crate::embedded::fence;
use crate::embedded::log::{self, Known, LogSettings, Salt, Writer, plant, sync_dir};
use crate::embedded::options::{Durability, Options};
use crate::embedded::rebuild;
use crate::port::StoreError;

/// Told between any two steps how many bytes of base and log are here, if that is known; says whether to go on.
pub type Told<'a> = &'a mut dyn FnMut(u64) -> bool;

/// Refuses a source of other data than is in `dir`.
pub(super) fn check_format(dir: &Path, about: &About) -> Result<(), StandbyError> {
    let file = dir.join("format");
    let other = |what: &str| StandbyError::Other(format!("{}: {what}", file.display()));
    match fs::read_to_string(&file) {
        Ok(text) if text == about.format => Ok(()),
        Ok(_) => Err(other(
            "the data here is not the source's: choose an empty directory, or the source that it came from",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(format!("reading {}", file.display()))(error).into()),
    }
}

/// Refuses a copy, which has to stay what it is.
///
/// # Errors
/// [`OpenError::Copy`].
pub fn refuse_copy(dir: &Path) -> Result<(), OpenError> {
    match copy::is_one(dir) {
        true => Err(OpenError::Copy { dir: dir.to_owned() }),
        false => Ok(()),
    }
}

/// Makes `dir` one that follows the server `of`, which is at `source`: [`super::Standby::open`] opens it then. `anew`: the
/// log here does not connect. Gives what was set aside. `told` says whether to go on.
///
/// # Errors
/// [`StandbyError`]; the next call goes on.
pub fn take(
    dir: &Path,
    options: &Options,
    (of, anew): (&str, bool),
    source: &mut dyn Source,
    told: Told<'_>,
) -> Result<Option<Aside>, StandbyError> {
    refuse_copy(dir)?;
    let about = source.about()?;
    let salt = Salt(about.salt().map_err(|what| StandbyError::Other(format!("{of}: {what}")))?);
    make_private(dir).map_err(io_error(format!("making {}", dir.display())))?;
    let _lock = data_dir::lock(dir)?;
    check_format(dir, &about)?;
    let note = Note::read(dir)?;
    let own = Own::look(dir, salt)?;
    let standing = standing(&own.epochs, own.end, &about.epochs);
    match standing {
        Standing::Newer => {
            return Err(StandbyError::Other(format!(
                "{}: this log has an epoch that {of} lacks: that one is the older one, and has to follow this one",
                dir.display()
            )));
        }
        Standing::Parted => {
            return Err(StandbyError::Other(format!(
                "{}: {of} and the server of this directory were both promoted: decide which one is right, and begin the other \
                 one with an empty directory",
                dir.display()
            )));
        }
        Standing::Part | Standing::Beyond => {}
    }
    let note_of = |stage| Note { of: of.to_owned(), stage };
    let was_whole = note.is_none_or(|note| note.stage != Stage::Taking) && own.is_whole(dir);
    if was_whole && standing == Standing::Part && !anew {
        note_of(Stage::Following).write(dir)?;
        return Ok(None);
    }
    note_of(Stage::Taking).write(dir)?;
    goes_on(told(0))?;
    let taking = Taking { dir, options, salt, about: &about };
    let mut aside = None;
    if let Some(from) = own.epochs.part_from(&about.epochs).filter(|from| own.end > *from) {
        aside = Some(set_aside(dir, salt, &own.epochs, from)?);
        aside.iter().for_each(tell);
    }
    goes_on(told(0))?;
    taking.clear(anew, told)?;
    taking.base(source, told)?;
    taking.log(source, told)?;
    goes_on(told(0))?;
    note_of(Stage::Following).write(dir)?;
    Ok(aside)
}

/// Says it at once: a crash would take the answer.
fn tell(aside: &Aside) {
    let Aside { folder, from, records, bytes } = aside;
    tracing::warn!(
        records,
        bytes,
        folder = %folder.display(),
        "the log here went on behind {from}, where that of the other server went on otherwise, promoted or restored: what is \
         here of that is set aside, and no part of the data any more"
    );
}

/// What is here.
struct Own {
    epochs: Epochs,
    end: u64,
}

impl Own {
    fn look(dir: &Path, salt: Salt) -> Result<Self, StandbyError> {
        let epochs = Epochs::read(dir)?;
        let (_, end) = log::still(&dir.join("log"), salt)?;
        Ok(Self { epochs, end })
    }

    /// Whether a server could start here.
    fn is_whole(&self, dir: &Path) -> bool {
        self.end > 0 && ["format", "commits"].iter().all(|name| dir.join(name).exists())
    }
}

struct Taking<'a> {
    dir: &'a Path,
    options: &'a Options,
    salt: Salt,
    about: &'a About,
}

impl Taking<'_> {
    /// Removes what is made anew from base and log, and the log where it does not connect; takes over what never changes.
    fn clear(&self, anew: bool, told: Told<'_>) -> Result<(), StandbyError> {
        let Self { dir, about, .. } = self;
        for name in ["index", "index.new", "index.damaged"] {
            begin::remove(&dir.join(name))?;
            goes_on(told(0))?;
        }
        for name in ["commits", "base", "base.new", "rebuild"] {
            self.remove(name)?;
            goes_on(told(0))?;
        }
        let log = dir.join("log");
        let segments = log::lengths(&log)?;
        let first = segments.first().map_or(u64::MAX, |(base, _)| *base);
        let (_, end) = log::still(&log, self.salt)?;
        let low = about.base.map_or(0, |base| base.low);
        if anew || first > low || end < about.first {
            begin::remove(&log)?;
            goes_on(told(0))?;
        }
        make_private(&log).map_err(io_error(format!("making {}", log.display())))?;
        self.file("format", &about.format, 0o600)?;
        for (name, text) in &about.kept {
            self.file(name, &format!("{text}\n"), 0o600)?;
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error(format!("removing {}", path.display()))(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes a small file that only its owner reads, durably.
    fn file(&self, name: &str, text: &str, mode: u32) -> Result<(), StoreError> {
        let (path, draft) = (self.dir.join(name), self.dir.join(format!("{name}.tmp")));
        let write = || {
            let mut options = OpenOptions::new();
            let mut out =
                options.write(true).create(true).truncate(true).mode(mode).open(&draft)?;
            out.write_all(text.as_bytes())?;
            out.sync_all()?;
            fs::rename(&draft, &path)?;
            sync_dir(self.dir)
        };
        write().map_err(io_error(format!("writing {}", path.display())))
    }

    /// Takes the base, if there is one.
    fn base(&self, source: &mut dyn Source, told: Told<'_>) -> Result<(), StandbyError> {
        let Some(BaseAbout { through, bytes, .. }) = self.about.base else {
            return Ok(());
        };
        let (path, draft) = (base_file::path(self.dir), base_file::draft(self.dir));
        let failed = || io_error(format!("writing {}", draft.display()));
        let mut out = File::create(&draft).map_err(failed())?;
        let (mut at, mut part) = (0, Vec::new());
        while at < bytes {
            source.base(through, at, &mut part)?;
            if part.is_empty() {
                return Err(StandbyError::Wrong("the base is shorter than it was said".to_owned()));
            }
            out.write_all(&part).map_err(failed())?;
            out.sync_data().map_err(failed())?;
            at += part.len() as u64;
            goes_on(told(at))?;
        }
        out.sync_all().map_err(failed())?;
        let read = base_file::read::<base_file::Wrong>(&draft, self.salt, &mut |_, _, _, _| Ok(()));
        let place = Place { dir: self.dir.to_owned(), salt: self.salt };
        read.map_err(|wrong| StandbyError::Wrong(place.named(wrong).to_string()))?;
        fs::rename(&draft, &path).and_then(|()| sync_dir(self.dir)).map_err(failed())?;
        goes_on(told(bytes))
    }

    /// Takes the log as far as it goes now, and orders an index from it and the base.
    fn log(&self, source: &mut dyn Source, told: Told<'_>) -> Result<(), StandbyError> {
        let bytes = self.about.base.map_or(0, |base| base.bytes);
        let low = self.about.base.map_or(0, |base| base.low);
        let mut log = Log { taking: self, epochs: Epochs::default(), writer: None, at: 0 };
        log.open(self.about.first)?;
        let (mut part, mut wants) = (Vec::new(), 0);
        // Up to where the base may have it: what comes later is followed.
        let mut until = None;
        while until.is_none_or(|until| log.at < until) {
            let most = PART_BYTES.max(wants);
            let given = match source.log(log.at, most, 0, &mut part) {
                Err(SourceError::Gone { first }) if first > log.at && first <= low => {
                    log.at = first;
                    continue;
                }
                given => given?,
            };
            until.get_or_insert(given.durable);
            if part.is_empty() {
                break;
            }
            wants = log.take(given.segment, &part)?;
            goes_on(told(bytes + log.at.saturating_sub(self.about.first)))?;
        }
        drop(log);
        let segments = log::lengths(&self.dir.join("log"))?;
        let gap_behind = rebuild::gap_behind(&segments);
        let mut noted = Noted::default();
        noted.log_begun = true;
        noted.log_reached = segments.last().map_or(0, |(base, _)| *base);
        (noted.cut, noted.removed) = (gap_behind, gap_behind);
        goes_on(told(bytes))?;
        Commits::create(self.dir, self.salt, noted)?;
        goes_on(told(bytes))?;
        let ordering = io_error(format!("ordering an index in {}", self.dir.display()));
        rebuild::order_it(self.dir, "it follows another server").map_err(ordering)?;
        Ok(())
    }
}

/// The log here while nothing else is.
struct Log<'a> {
    taking: &'a Taking<'a>,
    epochs: Epochs,
    writer: Option<Writer>,
    at: u64,
}

impl Log<'_> {
    fn settings(&self) -> LogSettings {
        let Taking { dir, options, salt, .. } = *self.taking;
        LogSettings {
            dir: dir.join("log"),
            segment_bytes: options.segment_bytes,
            reserve_bytes: options.reserve_bytes,
            durability: Durability::Always,
            salt,
            epochs: self.epochs.clone(),
            reached: Box::new(|_| ()),
        }
    }

    /// Opens what is here, if something is; else it begins at `first`.
    fn open(&mut self, first: u64) -> Result<(), StandbyError> {
        let dir = self.taking.dir;
        let segments = log::lengths(&dir.join("log"))?;
        let Some(_) = segments.last() else {
            self.at = first;
            return self.take_over();
        };
        self.at = log::still(&dir.join("log"), self.taking.salt)?.1;
        self.take_over()?;
        let removed = rebuild::gap_behind(&segments);
        let known = Known { removed, begun: true, ..Known::default() };
        let (writer, _) = Writer::open(self.settings(), known)?;
        self.at = writer.segments().end();
        self.writer = Some(writer);
        Ok(())
    }

    /// Has the epochs here that begin up to where the log is.
    fn take_over(&mut self) -> Result<(), StandbyError> {
        self.epochs = self.taking.about.epochs.up_to(self.at);
        self.epochs.write(self.taking.dir)?;
        if fence::refuse(self.taking.dir, &self.epochs).is_ok() {
            self.taking.remove("fenced")?;
        }
        Ok(())
    }

    /// Takes bytes of a segment; the length of what follows.
    fn take(&mut self, segment: u64, bytes: &[u8]) -> Result<u64, StandbyError> {
        if segment == self.at {
            self.take_over()?;
        }
        if self.writer.is_none() {
            plant(&self.settings(), segment, bytes)?;
            let known = Known { removed: segment, begun: true, ..Known::default() };
            self.writer = Some(Writer::open(self.settings(), known)?.0);
        }
        let Some(writer) = &mut self.writer else { return Ok(0) };
        // The first segment has its head already.
        let behind = writer.segments().end().saturating_sub(self.at) as usize;
        let bytes =
            if segment == self.at { bytes.get(behind..).unwrap_or_default() } else { bytes };
        let followed = writer.follow(&self.epochs, (segment, bytes), true)?;
        self.at = writer.segments().end();
        Ok(followed.wants)
    }
}

fn goes_on(goes_on: bool) -> Result<(), StandbyError> {
    match goes_on {
        true => Ok(()),
        false => Err(OpenError::Store(StoreError::Unavailable {
            what: "taking base and log".to_owned(),
            cause: "it was told to stop".into(),
        })
        .into()),
    }
}
