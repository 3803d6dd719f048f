//! The index and what goes with it: made at the first start, found at later ones, and refused when one of
//! the parts is missing or contradicts the others. One that holds less than the rest of the data is caught up from the log.
//!
//! ```text
//! first start: format; index.new, whole; its name index; commits; the log's first segment; a note of it
//! ```
//! Each step is durable before the next, so a start that was cut short anywhere is taken up by the next one:
//! what has no name yet is made anew, what has one is whole. Invariant: nothing is thrown away that a
//! server may ever have answered for.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::commits::{Commits, Noted};
use super::data_dir::DataDir;
use super::error::{OpenError, RESTORE, damaged, io_error};
use super::index::journal::{self, Reach};
use super::index::versions::{self, Wrong};
use super::index::{self, FIRST_COMMIT, Index};
use super::log::{SEGMENT_HEAD_BYTES, sync_dir};
use super::options::Options;
use crate::port::{self, StoreError};

/// The data directory's index, checked against what else is there. `commits` are there already where a server runs.
pub(super) fn open_index(
    dir: &Path,
    data: &DataDir,
    options: &Options,
    commits: Option<Arc<Commits>>,
) -> Result<Index, OpenError> {
    let place = Place { dir, index: dir.join("index"), draft: dir.join("index.new") };
    let there = match commits {
        Some(commits) => Some(commits),
        None => Commits::open(dir, data.salt)?.map(Arc::new),
    };
    let commits = match there {
        Some(commits) => {
            let tables = commits.lock().tables;
            place.check_files(tables)?;
            commits
        }
        None => Arc::new(place.begin(data, options)?),
    };
    let noted = *commits.lock();
    let reach = journal::check(&place.index, noted.in_doubt)?;
    let lock = Arc::clone(&data.lock);
    let index = Index::open(&place.index, options, lock, commits);
    let index = index.map_err(|error| place.named(error))?;
    if noted.in_doubt {
        // What its engine gave up on may be in its files, and it would again.
        index.read_through()?;
    }
    place.check(&index, noted, reach, data)?;
    let tables = place.tables().map_err(place.reading())?;
    index.commits().change(|noted| {
        noted.tables = tables;
        noted.in_doubt = false;
    })?;
    Ok(index)
}

struct Place<'a> {
    dir: &'a Path,
    index: PathBuf,
    draft: PathBuf,
}

impl Place<'_> {
    /// The first start, as far as it has not been made: there is no note of commits yet.
    fn begin(&self, data: &DataDir, options: &Options) -> Result<Commits, OpenError> {
        let made = self.index.is_dir();
        let in_use = log_has_batches(&self.dir.join("log"))?;
        if made && data.is_first_form() && self.is_complete()? {
            return self.adopt(data, options);
        }
        if in_use {
            let first = data.is_first_form();
            let file = if made && !first { self.dir.join("commits") } else { self.index.clone() };
            return Err(lost(
                file,
                "is missing or not whole, but there are messages or users beside it",
            ));
        }
        if made && data.is_first_form() {
            // Begun by an earlier version, which gave it its name before it was whole.
            remove(&self.index)?;
        } else if made {
            // Whole, or it had no name. Nothing was answered from it, or its note of commits is lost.
            let found = index::peek(&self.index, options)?;
            if found.number != FIRST_COMMIT {
                return Err(lost(
                    self.dir.join("commits"),
                    "is missing, but there are users beside it",
                ));
            }
            let tables = self.tables().map_err(self.reading())?;
            let noted = Noted::of(found.number, found.index, tables);
            return Commits::create(self.dir, data.salt, noted);
        }
        if is_there(&self.index) {
            // No folder: a file, or a link to something that is gone.
            if data.is_older_form() {
                return Err(lost(self.index.clone(), "is no folder"));
            }
            remove(&self.index)?;
        }
        remove(&self.draft)?;
        let index = index::make(&self.draft, options, data.salt.0, true)?;
        let naming = || {
            name_durably(&self.draft)?;
            std::fs::rename(&self.draft, &self.index)?;
            sync_dir(self.dir)
        };
        naming().map_err(io_error(format!("making {}", self.index.display())))?;
        let tables = self.tables().map_err(self.reading())?;
        let noted = Noted::of(FIRST_COMMIT, index, tables);
        Commits::create(self.dir, data.salt, noted)
    }

    /// Begins a note of commits beside the index of the first form, which had none.
    fn adopt(&self, data: &DataDir, options: &Options) -> Result<Commits, OpenError> {
        let index = index::make(&self.index, options, data.salt.0, false)?;
        let tables = self.tables().map_err(self.reading())?;
        let noted = Noted::of(FIRST_COMMIT, index, tables);
        Commits::create(self.dir, data.salt, noted)
    }

    /// Whether the index has all the tables that every version had.
    fn is_complete(&self) -> Result<bool, OpenError> {
        let folders = index::TABLES + 1;
        match self.tables() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            tables => Ok(tables.map_err(self.reading())?.count_ones() as usize >= folders),
        }
    }

    /// Refuses an index that lacks one of the files without which the engine would take it for a new one, or whose
    /// lists of tables are not as they were written.
    fn check_files(&self, tables: u64) -> Result<(), OpenError> {
        if !self.index.is_dir() {
            let what = match is_there(&self.index) {
                true => "is no folder, but users or messages were stored in it",
                false => "is missing, but users or messages were stored in it",
            };
            return Err(lost(self.index.clone(), what));
        }
        for name in ["version", "lock"] {
            let file = self.index.join(name);
            match file.metadata() {
                Ok(meta) if meta.is_file() => {}
                Ok(_) => return Err(lost(file, "is no file")),
                Err(error) if is_missing(&error) => return Err(lost(file, "is missing")),
                Err(error) => {
                    return Err(io_error(format!("reading {}", file.display()))(error).into());
                }
            }
        }
        let folders = (0..u64::BITS).filter(|number| tables & (1 << number) != 0);
        for number in folders {
            let folder = self.index.join(format!("keyspaces/{number}"));
            versions::check(&folder).map_err(|wrong| match wrong {
                Wrong::Missing(file) => lost(file, "is missing"),
                Wrong::Damaged(file) => lost(file, "is damaged"),
                Wrong::Unread(file, error) if is_missing(&error) => lost(file, "is missing"),
                Wrong::Unread(file, error) => {
                    io_error(format!("reading {}", file.display()))(error).into()
                }
            })?;
        }
        Ok(())
    }

    /// Refuses an index that is not the one that the commits are noted of. One that holds less than is noted lacks what the
    /// log has, if it is whole up to some change: an older one, or one whose journal was cut. It is not where a file has
    /// what came later than the end of the journals.
    fn check(
        &self,
        index: &Index,
        noted: Noted,
        reach: Reach,
        data: &DataDir,
    ) -> Result<(), OpenError> {
        let stored = index.stored_number()?;
        let commits = index.commits();
        if index.stored_identity()? != Some((noted.index, data.salt.0)) {
            let what = "belongs to another data directory, or is older than the rest of this one";
            return Err(lost(self.index.clone(), what));
        }
        if stored < noted.number || reach.cut {
            // Of an earlier form the log has messages only.
            let is_lost = data.is_older_form() && stored < noted.number;
            if is_lost || index.highest_in_files() > reach.last {
                let what = format!(
                    "holds {stored} of {} changes that were stored ({}), and the log cannot give it the rest: a journal in it \
                     is damaged or missing",
                    noted.number,
                    commits.path().display()
                );
                return Err(lost(self.index.clone(), &what));
            }
            if stored < noted.number {
                let (holds, noted) = (stored, noted.number);
                tracing::warn!(holds, noted, "the index lacks changes, and the log has them");
            }
            index.forget_cut()?;
        }
        // A power cut takes what was noted last, never what was stored.
        commits.change(|noted| noted.number = stored)
    }

    /// The folders of tables that are whole.
    fn tables(&self) -> io::Result<u64> {
        tables_in(&self.index)
    }

    fn reading(&self) -> impl FnOnce(io::Error) -> StoreError + use<> {
        io_error(format!("reading {}", self.index.display()))
    }

    /// An engine that cannot open its files says little about which.
    fn named(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Corrupt { place: port::Spot::Engine(_), cause } => {
                StoreError::Corrupt { place: port::Spot::Engine(damaged(self.dir)), cause }
            }
            other => other,
        }
    }
}

/// The folders of tables in an index that are whole.
pub(super) fn tables_in(index: &Path) -> io::Result<u64> {
    let mut tables = 0;
    for entry in std::fs::read_dir(index.join("keyspaces"))? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        if let Some(number) = number.filter(|_| path.join("current").exists()) {
            tables |= 1_u64.checked_shl(number).unwrap_or(0);
        }
    }
    Ok(tables)
}

fn lost(file: PathBuf, what: &str) -> OpenError {
    OpenError::Lost { file, what: format!("{what}; {RESTORE}") }
}

/// Also where a file lies in the place of a folder.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "log")
}

/// Whether anything was ever appended: the first batch has a head that is not zero.
fn log_has_batches(log: &Path) -> Result<bool, StoreError> {
    let failed = || io_error(format!("looking into {}", log.display()));
    let names = match std::fs::read_dir(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        names => names.map_err(failed())?,
    };
    for name in names {
        let path = name.map_err(failed())?.path();
        if !is_segment(&path) {
            continue;
        }
        let mut first = [0; 4];
        let file = File::open(&path).map_err(failed())?;
        match file.read_exact_at(&mut first, SEGMENT_HEAD_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            read => read.map_err(failed())?,
        }
        if first != [0; 4] {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes the names in a new index durable, also of the tables, which the engine does not flush.
pub(super) fn name_durably(index: &Path) -> io::Result<()> {
    sync_dir(&index.join("keyspaces"))?;
    sync_dir(index)
}

/// Whether something has this name: a folder, or what an operator has put in its place.
pub(super) fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Removes what has this name, if something has.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    let removed = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error(format!("removing {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}
