//! An index whose engine has given up is opened again in the process, and brought to where it was.
//!
//! ```text
//! given up; the device takes something again; taken away, dropped; opened as at a start, or made anew; rows of the log; inboxes; lent
//! ```
//! Owns the thread `index`, which sleeps until an engine gives up. In: that it has. Out: an index that has all that was ever
//! said to be in there, lent again. What cannot be done is tried again behind a pause that grows. Never: a wait of whoever
//! writes messages; an index that holds less than the shards believe to be stored.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use openim_record::{PartitionId, Pauses, Position};

use super::changes::{Changes, catch_up};
use super::data_dir::DataDir;
use super::error::{OpenError, io_error};
use super::figures::EngineFigures;
use super::history::EmbeddedHistory;
use super::index::journal;
use super::lender::{Lender, Loan};
use super::log::{EmbeddedTail, Segments};
use super::open::{Found, find};
use super::options::Options;
use super::rebuild::{self, Live, Mend};
use super::retention;
use crate::port::{Consume, History, StoreError};

/// Before it is tried again.
const PAUSES: Pauses = Pauses::new(Duration::from_millis(100), Duration::from_secs(30));
/// How often a device that fails while it is opened is tried before the index is made anew.
const TRIES: u64 = 5;
/// One that lasted so long was mended: the next time it is tried at once.
const LASTED: Duration = Duration::from_secs(60);
/// What is written to see whether the device takes something.
const PROBE_BYTES: usize = 4096;

/// Numbers inboxes by the log, as a start does.
pub trait Renumber: Send + Sync {
    /// Shows the records of the log to whoever numbers them, from where `history` has each partition on and up to its `ends`,
    /// and stores what it lacks.
    ///
    /// # Errors
    /// [`StoreError`]; it is tried again.
    fn renumber(
        &self,
        ends: &[(PartitionId, Position)],
        tail: &mut dyn Consume,
        history: &dyn History,
    ) -> Result<(), StoreError>;
}

/// See the module.
pub(super) struct TakeUp {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread has.
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    pub(super) data: DataDir,
    pub(super) options: Options,
    pub(super) lender: Arc<Lender>,
    pub(super) segments: Arc<Segments>,
    pub(super) mend: Arc<Mend>,
    pub(super) figures: Arc<EngineFigures>,
    pub(super) renumber: OnceLock<Box<dyn Renumber>>,
}

impl TakeUp {
    /// Begins the thread.
    pub(super) fn start(shared: Shared) -> Result<Self, StoreError> {
        let shared = Arc::new(shared);
        shared.lender.serve();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("index".to_owned());
        let thread = thread.spawn(move || theirs.run());
        let thread = thread.map_err(io_error("starting the thread of the index".to_owned()))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// This numbers inboxes that an index lacks.
    pub(super) fn number_by(&self, renumber: Box<dyn Renumber>) {
        drop(self.shared.renumber.set(renumber));
    }
}

impl Drop for TakeUp {
    fn drop(&mut self) {
        self.shared.lender.notice().close();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the index panicked");
        }
    }
}

impl Shared {
    fn run(&self) {
        let notice = self.lender.notice();
        let (mut pauses, mut up_since) = (PAUSES, None::<Instant>);
        while let Some(cause) = notice.until_given() {
            let place = self.dir.join("index");
            tracing::error!(
                cause,
                index = %place.display(),
                "the index takes nothing any more: it is opened again; messages go on, logins and changes wait"
            );
            let began = Instant::now();
            let mut tries = 0_u64;
            if up_since.is_none_or(|up| up.elapsed() >= LASTED) {
                pauses.start_over();
            } else if !notice.pause(pauses.failed()) {
                return;
            }
            loop {
                tries += 1;
                match self.take_up(tries) {
                    Ok(records) => {
                        let ms = began.elapsed().as_millis() as u64;
                        let index = place.display();
                        tracing::info!(tries, ms, records, %index, "the index is in use again");
                        break;
                    }
                    Err(error) => notice.still(&error.in_short()),
                }
                if !notice.pause(pauses.failed()) {
                    return;
                }
            }
            self.figures.taken_up();
            up_since = Some(Instant::now());
            notice.is_over();
        }
    }

    /// Opens it again, and has it lent; how many changes of rows it lacked.
    fn take_up(&self, tries: u64) -> Result<u64, OpenError> {
        let place = self.dir.join("index");
        // As long as the device takes nothing, who reads has the one that is there.
        probe(&place).map_err(io_error(format!("writing to {}", place.display())))?;
        self.lender.take_away()?;
        let first = match rebuild::ordered(&self.dir)? {
            None => self.open(),
            Some(why) => Err(OpenError::Lost { file: place.clone(), what: why }),
        };
        let opened = match first {
            // What the device fails with now may be read, or written, the next time.
            Err(refused) if refused.is_of_device() && tries <= TRIES => Err(refused),
            Err(refused) if refused.is_of_index(&self.dir) => {
                let _put = journal::put_back(&place);
                let segments = self.lengths();
                let live = Live { segments: &segments, commits: self.lender.commits() };
                rebuild::rebuild(&self.dir, &self.data, &self.options, &refused, Some(&live))?;
                self.open()
            }
            opened => opened,
        };
        let (loan, records) = opened.inspect_err(|_| {
            // The next try does it.
            let _put = journal::put_back(&place);
        })?;
        journal::forget_aside(&place)?;
        rebuild::done(&self.dir)?;
        self.mend.is_mended();
        self.lender.give(loan);
        Ok(records)
    }

    /// The index, with all that the log has and the shards believe to be stored.
    fn open(&self) -> Result<(Loan, u64), OpenError> {
        let commits = Arc::clone(self.lender.commits());
        let found = find(&self.dir, &self.data, &self.options, Some(commits))?;
        let through = found.reaches(&self.dir, &self.segments)?;
        let records = catch_up(&found.index, &self.segments, through)?;
        let cut = retention::cut_again(&found.index)?;
        let Found { index, applied, retention, .. } = found;
        let expired = self.segments.head().min(cut);
        let loan = Loan { index, applied, retention, through, expired };
        let ends = self.lender.applied.lock().lacking(&loan.applied);
        let loan = if ends.is_empty() { loan } else { self.number(loan, &ends)? };
        Ok((loan, records))
    }

    /// Brings the inboxes of an index to where they were, before anybody else has it.
    fn number(&self, loan: Loan, ends: &[(PartitionId, Position)]) -> Result<Loan, StoreError> {
        let Some(renumber) = self.renumber.get() else {
            let what = "bringing inboxes to where they were".to_owned();
            let cause = "nobody here numbers messages: a restart does".into();
            return Err(StoreError::Unavailable { what, cause });
        };
        let until = ends.iter().map(|(_, end)| *end).max().unwrap_or_default();
        let mend = Arc::new(Mend::of(&self.dir));
        let lender = Arc::new(Lender::new(loan, mend, Arc::clone(&self.data.lock)));
        let (segments, partitions) = (Arc::clone(&self.segments), self.data.placement.partitions());
        let history = EmbeddedHistory::new(None, Arc::clone(&lender), Arc::clone(&segments));
        let mut tail = EmbeddedTail::new(segments, partitions).until(until);
        let numbered = Instant::now();
        renumber.renumber(ends, &mut tail, &history)?;
        let ms = numbered.elapsed().as_millis() as u64;
        tracing::info!(ms, to = until.0, "brought the inboxes to where they were");
        lender.take_loan()
    }

    /// Where the segments of the log begin and how long they are.
    fn lengths(&self) -> Vec<(u64, u64)> {
        let end = self.segments.end();
        let list = self.segments.list();
        list.iter().map(|s| (s.base, s.end.min(end).saturating_sub(s.base))).collect()
    }
}

/// Sees whether the device takes something where the index is.
fn probe(place: &Path) -> io::Result<()> {
    // Beside it where its folder is gone.
    let dir = if place.is_dir() { place } else { place.parent().unwrap_or(place) };
    let path = dir.join("probe");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
    let written = file.write_all(&[0; PROBE_BYTES]).and_then(|()| file.sync_all());
    fs::remove_file(&path)?;
    written
}

impl Changes {
    /// This numbers inboxes that an index lacks which is opened again while the server runs.
    pub fn number_by(&self, renumber: Box<dyn Renumber>) {
        self.take_up().number_by(renumber);
    }
}

#[cfg(test)]
mod tests {
    use super::super::commits::Commits;
    use super::super::open::{Embedded, open};
    use super::*;

    fn opened(dir: &Path) -> Embedded {
        open(dir, &Options { reserve_bytes: 0, ..Options::default() }).unwrap()
    }

    #[test]
    fn an_index_that_is_lent_at_the_end_stays_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let storage = opened(dir.path());
        let lent = storage.changes.lend("reading").unwrap();
        rebuild::order_it(dir.path(), "damaged").unwrap();
        storage.mend.end();
        let refused = storage.changes.take_up().shared.take_up(1).unwrap_err();
        assert!(refused.to_string().contains("the process ends"), "{refused}");
        assert!(rebuild::ordered(dir.path()).unwrap().is_some(), "the next start does it");
        drop(lent);
        assert!(storage.changes.lend("reading").is_ok());
    }

    #[test]
    fn each_doubt_is_written_for_the_device_may_not_have_taken_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let storage = opened(dir.path());
        let index = storage.changes.lend("reading").unwrap();
        let file = dir.path().join("commits");
        let is_noted = || {
            let salt = storage.changes.take_up().shared.data.salt;
            Commits::look(dir.path(), salt).unwrap().in_doubt
        };
        let before = fs::read(&file).unwrap();
        index.doubt();
        assert!(is_noted());
        fs::write(&file, before).unwrap();
        assert!(!is_noted());
        index.doubt();
        assert!(is_noted());
    }
}
