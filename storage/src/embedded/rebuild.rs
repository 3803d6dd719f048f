//! The index made anew, from a base and the log behind it, or from a log that is there from its beginning.
//!
//! ```text
//! index.new, whole and durable; index moved aside; index.new named index; commits; once all is open: what was moved aside goes
//! ```
//! A start that is cut short between any two of these finds an index that is missing or not the one that commits are
//! noted of, and makes it again. Invariant: what was moved aside is not removed before the new index is in use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::base::Place;
use super::base::file::{self, About, Wrong};
use super::begin;
use super::commits::{Commits, Noted};
use super::data_dir::{self, DataDir};
use super::error::{OpenError, RESTORE, damaged, io_error, is_damaged_index};
use super::index::{self, Draft, FIRST_COMMIT};
use super::lender::Notice;
use super::log::{self, sync_dir};
use super::open::{OpenReport, open};
use super::options::Options;
use crate::port::StoreError;

/// Between two lines that tell how far it is.
const TELL_EVERY: Duration = Duration::from_secs(3);

/// The note that orders it.
fn order(dir: &Path) -> PathBuf {
    dir.join("rebuild")
}

/// Why the next start makes the index anew, if so.
pub(super) fn ordered(dir: &Path) -> Result<Option<String>, OpenError> {
    let note = order(dir);
    match fs::read(&note) {
        // That it is there is what counts.
        Ok(why) => Ok(Some(String::from_utf8_lossy(&why).trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(format!("reading {}", note.display()))(error).into()),
    }
}

/// Has the next start make the index anew.
pub(super) fn order_it(dir: &Path, why: &str) -> io::Result<()> {
    let draft = dir.join("rebuild.tmp");
    fs::write(&draft, format!("{why}\n"))?;
    fs::File::open(&draft)?.sync_all()?;
    fs::rename(&draft, order(dir))?;
    sync_dir(dir)
}

/// The engine of the index in `dir` gave up on what it read while it was opened: has the next start make it anew, where
/// something has what is in it. Gives the line that says so.
pub fn given_up(dir: &Path, why: &str) -> String {
    let line = damaged(dir);
    if data_dir::is_older_form(dir) || order_it(dir, &why.replace('\n', " ")).is_err() {
        return line;
    }
    format!("{}; the next start makes it anew", line.split(';').next().unwrap_or(&line))
}

/// Told of what calls met while the engine is open, and orders a new index when one of them found damage there.
pub struct Mend {
    dir: PathBuf,
    met: Mutex<Option<String>>,
    notice: Arc<Notice>,
}

impl Mend {
    pub(super) fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), met: Mutex::default(), notice: Arc::default() }
    }

    /// Told when the engine of the index gives up.
    pub(super) const fn notice(&self) -> &Arc<Notice> {
        &self.notice
    }

    /// The index is another one now.
    pub(super) fn is_mended(&self) {
        *self.met.lock() = None;
    }

    /// A call gave this error.
    pub fn met(&self, error: &StoreError) {
        if !is_damaged_index(error) {
            return;
        }
        let line = error.to_string().replace('\n', " ");
        {
            let mut met = self.met.lock();
            if met.is_some() {
                return;
            }
            *met = Some(line.clone());
        }
        match order_it(&self.dir, &line) {
            Ok(()) => {
                tracing::error!("the index is damaged, and the next start makes it anew: {line}")
            }
            Err(cause) => tracing::error!(
                %cause,
                "the index is damaged ({line}), and that cannot be noted: run openim rebuild-index before the next start"
            ),
        }
    }

    /// What is damaged, if something is.
    pub fn trouble(&self) -> Option<String> {
        self.met.lock().clone()
    }

    /// What the engine of the index gave up on and how long ago, until it is opened again.
    pub fn given_up(&self) -> Option<(String, Duration)> {
        self.notice.trouble()
    }

    /// Why the index has to be opened again, where nobody does that in the process: its engine gave up, or what was read of it
    /// is damaged.
    pub fn gave_up(&self) -> Option<String> {
        self.given_up().map(|(why, _)| why).or_else(|| self.trouble())
    }

    /// Nothing is opened again in the process, and nobody waits for it: that ends, or closes all and opens it.
    pub fn end(&self) {
        self.notice.close();
    }
}

/// Makes the index in `dir` anew while no server runs there; `None` where there is no data.
///
/// # Errors
/// [`OpenError`], one line an operator can act on.
pub fn rebuild_index(dir: &Path, options: &Options) -> Result<Option<OpenReport>, OpenError> {
    let Some(partitions) = data_dir::partitions(dir)? else { return Ok(None) };
    let is_empty = log::lengths(&dir.join("log"))?.is_empty();
    if is_empty && !file::path(dir).exists() && !begin::is_there(&dir.join("index")) {
        // A first start that was cut short: there is nothing to make it from, and nothing to be made.
        return Ok(None);
    }
    let lock = data_dir::lock(dir)?;
    let ordering = io_error(format!("ordering it in {}", dir.display()));
    order_it(dir, "ordered by openim rebuild-index").map_err(ordering)?;
    drop(lock);
    let opened = open(dir, &Options { partitions, ..options.clone() })?;
    opened.changes.settle()?;
    Ok(Some(opened.report.clone()))
}

/// The index that was made is in use: nothing is left of the one before it.
pub(super) fn done(dir: &Path) -> Result<(), StoreError> {
    begin::remove(&dir.join("index.damaged"))?;
    match fs::remove_file(order(dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error(format!("removing {}", order(dir).display()))(error))
        }
        _ => Ok(()),
    }
}

/// What a server that runs has of the data.
pub(super) struct Live<'a> {
    /// Where the segments of the log begin and how long they are.
    pub(super) segments: &'a [(u64, u64)],
    pub(super) commits: &'a Commits,
}

/// Makes the index anew, for it was refused.
pub(super) fn rebuild(
    dir: &Path,
    data: &DataDir,
    options: &Options,
    why: &OpenError,
    live: Option<&Live<'_>>,
) -> Result<(), OpenError> {
    let why = why.in_short();
    let place = Place { dir: dir.to_owned(), salt: data.salt };
    let refused = |but: String| {
        let what = format!("it must be made anew ({why}), but {but}; {RESTORE}");
        OpenError::Lost { file: dir.join("index"), what }
    };
    if data.is_older_form() {
        return Err(refused("data of an earlier version has users there alone".to_owned()));
    }
    let segments = match live {
        Some(live) => live.segments.to_vec(),
        None => log::lengths(&dir.join("log"))?,
    };
    let gap_behind = gap_behind(&segments);
    let lack = lack_of_log(dir, data, &segments, gap_behind);
    let from_base = choose(&place, lack.as_deref(), gap_behind).map_err(&refused)?;
    let (began, from) = (Instant::now(), from_base.map_or(0, |about| about.low.0));
    tracing::warn!(
        "the index is made anew, from the {} and the log from {from} on: {why}",
        if from_base.is_some() { "base" } else { "log's beginning" }
    );
    let draft = dir.join("index.new");
    let make = |about| {
        // Of one that was not finished nothing is of use, and the disk may be full of it.
        make(&place, &draft, options, about).inspect_err(|_| drop(begin::remove(&draft)))
    };
    let (made, from_base) = match make(from_base) {
        Err(Failed::Base(wrong)) => {
            let cause = place.named(wrong);
            if let Some(lack) = lack {
                return Err(refused(format!("the base is damaged ({cause}), and {lack}")));
            }
            tracing::warn!(%cause, "the base is damaged, and the log is there from its beginning");
            (make(None).map_err(|failed| failed.named(&place))?, None)
        }
        made => (made.map_err(|failed| failed.named(&place))?, from_base),
    };
    name(dir, &draft)?;
    match live {
        Some(live) => note_in(dir, live.commits, made)?,
        None => note(dir, data, made, &segments, gap_behind)?,
    }
    let bytes = from_base.map_or(0, |about| about.bytes);
    let ms = began.elapsed().as_millis() as u64;
    tracing::info!(bytes, ms, "loaded the index; the log brings the rest");
    Ok(())
}

/// What a log lacks that the index cannot be made of alone.
fn lack_of_log(
    dir: &Path,
    data: &DataDir,
    segments: &[(u64, u64)],
    gap_behind: u64,
) -> Option<String> {
    let begins = gap_behind == 0 && (!segments.is_empty() || never_begun(dir, data));
    if !begins {
        return Some("the log is not there from its beginning".to_owned());
    }
    data.changes_from().map(|from| {
        format!("the log has no users, groups or friends from before {from}: an earlier version began this data")
    })
}

/// The base to begin with, `None` for the log alone, which may `lack` something; or why nothing will do.
fn choose(place: &Place, lack: Option<&str>, gap_behind: u64) -> Result<Option<About>, String> {
    match place.about() {
        Ok(Some(about)) if gap_behind > about.low.0 => Err(format!(
            "the base needs the log from {} on, which is whole from {gap_behind} on",
            about.low
        )),
        Ok(about) => match lack.filter(|_| about.is_none()) {
            Some(lack) => Err(format!("there is no base, and {lack}")),
            None => Ok(about),
        },
        Err(wrong) => {
            let cause = place.named(wrong);
            if let Some(lack) = lack {
                return Err(format!("the base is damaged ({cause}), and {lack}"));
            }
            tracing::warn!(%cause, "the base is damaged, and the log is there from its beginning");
            Ok(None)
        }
    }
}

enum Failed {
    Base(Wrong),
    Store(StoreError),
}

impl From<Wrong> for Failed {
    fn from(wrong: Wrong) -> Self {
        Self::Base(wrong)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failed {
    fn named(self, place: &Place) -> StoreError {
        match self {
            Self::Base(wrong) => place.named(wrong),
            Self::Store(error) => error,
        }
    }
}

/// Makes the index in `draft`, durably, from the base if there is one; its identity.
fn make(
    place: &Place,
    draft: &Path,
    options: &Options,
    from_base: Option<About>,
) -> Result<u64, Failed> {
    begin::remove(draft)?;
    let Some(about) = from_base else {
        return Ok(index::make(draft, options, place.salt.0, true)?);
    };
    let mut out = Draft::begin(draft, options)?;
    let mut told = Instant::now();
    file::read::<Failed>(&file::path(&place.dir), place.salt, &mut |table, key, row, read| {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tracing::info!("loading the index from the base: {read} of {} bytes", about.bytes);
        }
        Ok(out.push(table, key, row)?)
    })?;
    Ok(out.finish(place.salt.0)?)
}

/// Gives the index its name, durably; the one before it is moved aside.
fn name(dir: &Path, draft: &Path) -> Result<(), StoreError> {
    let (place, aside) = (dir.join("index"), dir.join("index.damaged"));
    if begin::is_there(&aside) {
        // What is here now was made by a start that was cut short.
        begin::remove(&place)?;
    }
    let naming = || {
        begin::name_durably(draft)?;
        if begin::is_there(&place) {
            fs::rename(&place, &aside)?;
        }
        fs::rename(draft, &place)?;
        sync_dir(dir)
    };
    naming().map_err(io_error(format!("making {}", place.display())))
}

/// Notes that the commits are those of this index.
fn note_in(dir: &Path, commits: &Commits, index: u64) -> Result<(), OpenError> {
    let tables = tables_in(dir)?;
    commits.change(|noted| {
        let of = Noted::of(FIRST_COMMIT, index, tables);
        *noted = of.with_log_of(noted);
    })
}

/// The same where no server runs.
fn note(
    dir: &Path,
    data: &DataDir,
    index: u64,
    segments: &[(u64, u64)],
    gap_behind: u64,
) -> Result<(), OpenError> {
    match Commits::open(dir, data.salt)? {
        Some(commits) => note_in(dir, &commits, index),
        None => {
            tracing::warn!("commits is missing too: if the log has lost its end, nobody knows");
            let tables = tables_in(dir)?;
            let log_reached = segments.last().map_or(0, |(base, _)| *base);
            let log_begun = !segments.is_empty();
            let mut noted = Noted::of(FIRST_COMMIT, index, tables);
            (noted.log_begun, noted.log_reached) = (log_begun, log_reached);
            // Nothing that is gone is shown: it had expired.
            (noted.cut, noted.removed) = (gap_behind, gap_behind);
            Commits::create(dir, data.salt, noted).map(drop)
        }
    }
}

fn tables_in(dir: &Path) -> Result<u64, StoreError> {
    let place = dir.join("index");
    begin::tables_in(&place).map_err(io_error(format!("reading {}", place.display())))
}

/// Whether the log has had no segment yet: a first start was cut short, and nothing was answered.
fn never_begun(dir: &Path, data: &DataDir) -> bool {
    let commits = Commits::open(dir, data.salt).ok().flatten();
    commits.is_some_and(|commits| !commits.lock().log_begun)
}

/// Behind which position no segment is missing.
pub(super) fn gap_behind(segments: &[(u64, u64)]) -> u64 {
    let (mut end, mut behind) = (0, 0);
    for &(base, length) in segments {
        if base != end {
            behind = base;
        }
        end = base + length;
    }
    behind
}
