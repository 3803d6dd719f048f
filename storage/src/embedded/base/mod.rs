//! Bases: the whole index in one file under checksums, from which and the log another index can be made.
//!
//! Owns `<data>/base` and the thread that writes it: when so much of log has come since the last one, or when
//! retention would remove a segment that an index made from the last one would need. In: snapshots of the index, which
//! nobody waits for. Out: from where on the log is needed. Invariant: the file has its name only when it is whole,
//! durable and was read back, and a segment goes only when that base does not need it. What is wrong while one is
//! written is told once, and tried again.

pub(super) mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, UNIX_EPOCH};

use fjall::{Readable as _, Snapshot};
use openim_record::Position;
use parking_lot::{Condvar, Mutex};

use self::file::{About, BaseWriter, Wrong};
use super::applied;
use super::error::{index_error, io_error};
use super::figures::EngineFigures;
use super::index::partitions::THROUGH_KEY;
use super::index::{self, Index};
use super::lender::Lender;
use super::log::{Salt, sync_dir};
use crate::port::{Spot, StoreError};

/// Pause behind each frame, in times of what it took: others have the device and the processor most of the time.
const PAUSES: u32 = 2;
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// How long one that is being written is worth waiting for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before one that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// Pause before one is tried for which there is no index at the moment.
const SOON: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Bases {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    lender: Arc<Lender>,
    place: Place,
    every_bytes: u64,
    figures: Arc<EngineFigures>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Of the base that is there.
    about: Option<About>,
    /// Since when one is.
    wanted: Option<Instant>,
    closed: bool,
    /// None is begun before.
    not_before: Option<Instant>,
    failing: bool,
}

/// Where bases are.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) dir: PathBuf,
    pub(super) salt: Salt,
}

impl Bases {
    /// Begins the thread.
    pub(super) fn start(
        lender: Arc<Lender>,
        place: Place,
        every_bytes: u64,
    ) -> Result<Self, StoreError> {
        let figures: Arc<EngineFigures> = Arc::default();
        let (about, wanted) = match place.about() {
            Ok(about) => (about, None),
            Err(wrong) => {
                damaged(&figures, &place.named(wrong));
                (None, Some(Instant::now()))
            }
        };
        let (state, changed) = (State { about, wanted, ..State::default() }, Condvar::new());
        let state = Mutex::new(state);
        let shared = Arc::new(Shared { lender, place, every_bytes, figures, state, changed });
        shared.tell(about);
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("base".to_owned());
        let thread = thread.spawn(move || theirs.run());
        let thread =
            thread.map_err(io_error("starting the thread that writes bases".to_owned()))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What the engine counts.
    pub(super) fn figures(&self) -> &Arc<EngineFigures> {
        &self.shared.figures
    }

    /// The log ends here: asks for a base if much has come since the last one.
    pub(super) fn log_ends(&self, end: u64) {
        let mut state = self.shared.state.lock();
        // What it does not stand for: one that was written while a start still read the log stands for little.
        let (from, size) = state.about.map_or((0, 0), |about| (about.low.0, about.bytes));
        // A base that is large is written less often: it is never more than what the log writes.
        if end.saturating_sub(from) >= self.shared.every_bytes.max(size) {
            self.shared.want(&mut state);
        }
    }

    /// Segments that end at or below this are not needed to make an index again.
    pub(super) fn low(&self) -> Position {
        self.shared.state.lock().about.map_or(Position(0), |about| about.low)
    }

    /// Asks for a base that does not need what lies below `position`, and waits a moment for it. Whether it is worth asking
    /// again soon.
    pub(super) fn want_above(&self, position: Position) -> bool {
        const MOMENT: Duration = Duration::from_millis(50);
        let mut state = self.shared.state.lock();
        if state.about.is_none_or(|about| about.low < position) {
            self.shared.want(&mut state);
            self.shared.changed.wait_for(&mut state, MOMENT);
        }
        let soon = state.wanted.is_none_or(|since| since.elapsed() < PATIENCE);
        soon && !state.failing
    }
}

impl Drop for Bases {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.changed.notify_all();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes bases panicked");
        }
    }
}

impl Shared {
    fn want(&self, state: &mut State) {
        if state.wanted.is_none() {
            state.wanted = Some(Instant::now());
            self.changed.notify_all();
        }
    }

    fn run(&self) {
        self.look();
        while self.wait() {
            // Whoever opens the index again does not wait for a base.
            let given = || self.lender.notice().is_given();
            let lent = self.lender.lend("writing a base").ok().filter(|_| !given());
            let Some(index) = lent else {
                self.state.lock().not_before = Some(Instant::now() + SOON);
                continue;
            };
            let written = write(&index, &self.place, &mut |took| self.pause(took) && !given());
            drop(index);
            let mut state = self.state.lock();
            if matches!(written, Ok(None)) && given() {
                state.not_before = Some(Instant::now() + SOON);
                continue;
            }
            state.wanted = None;
            match written {
                Ok(Some(about)) => {
                    self.tell(Some(about));
                    self.figures.base_is(None);
                    state.about = Some(about);
                    (state.failing, state.not_before) = (false, None);
                }
                Ok(None) => {}
                Err(cause) => {
                    self.figures.base_is(Some(format!("no base can be written: {cause}")));
                    if !state.failing {
                        tracing::error!(%cause, "cannot write a base; segments of the log are kept until one is written");
                    }
                    state.failing = true;
                    state.not_before = Some(Instant::now() + AGAIN);
                }
            }
            self.changed.notify_all();
        }
    }

    /// Reads the base that is there through, once: what is wrong in it is found while another one can be written, and not when
    /// it is needed.
    fn look(&self) {
        if self.state.lock().about.is_none() {
            return;
        }
        let place = &self.place;
        let read = read_through(&file::path(&place.dir), place.salt, &mut |took| {
            // One that is written now takes its place.
            self.pause(took) && self.state.lock().wanted.is_none()
        });
        let Err(Stop(Some(wrong))) = read else { return };
        damaged(&self.figures, &place.named(wrong));
        let mut state = self.state.lock();
        // Nothing may go that an index made from the log would need.
        state.about = None;
        self.want(&mut state);
    }

    /// Shows which base is there.
    fn tell(&self, about: Option<About>) {
        let Some(about) = about else { return };
        let written = file::path(&self.place.dir).metadata().and_then(|meta| meta.modified());
        let written = written.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let figures = &self.figures;
        figures.base_bytes.store(about.bytes, Ordering::Relaxed);
        figures.base_position.store(about.through.0, Ordering::Relaxed);
        figures.base_written_s.store(written.map_or(0, |at| at.as_secs()), Ordering::Relaxed);
    }

    /// Waits until a base is wanted; `false` at the end.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            let wait = state.not_before.map(|at| at.saturating_duration_since(Instant::now()));
            match wait.filter(|wait| !wait.is_zero()) {
                _ if state.closed => return false,
                Some(wait) => drop(self.changed.wait_for(&mut state, wait)),
                None if state.wanted.is_some() => return true,
                None => self.changed.wait(&mut state),
            }
        }
    }

    /// Whether to go on.
    fn pause(&self, took: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.closed {
            self.changed.wait_for(&mut state, (took * PAUSES).min(PAUSE_MAX));
        }
        !state.closed
    }
}

impl Place {
    /// What the base that is there says of itself.
    pub(super) fn about(&self) -> Result<Option<About>, Wrong> {
        file::about(&file::path(&self.dir), self.salt)
    }

    /// What is wrong with the base, by file and offset.
    pub(super) fn named(&self, wrong: Wrong) -> StoreError {
        let file = file::path(&self.dir).display().to_string();
        match wrong {
            Wrong::Unread(cause) => io_error(format!("reading {file}"))(cause),
            Wrong::Damaged(offset, what) => {
                StoreError::Corrupt { place: Spot::Byte { file, offset }, cause: what.into() }
            }
        }
    }
}

/// Writes a base of the index as it is now. `pause` is told how long each part took, and says whether to go on; `None`
/// when it did not.
pub(super) fn write(
    index: &Index,
    place: &Place,
    pause: &mut dyn FnMut(Duration) -> bool,
) -> Result<Option<About>, StoreError> {
    let (path, draft) = (file::path(&place.dir), file::draft(&place.dir));
    let failed = || io_error(format!("writing {}", draft.display()));
    let written = draw(index, place, &draft, pause);
    match written {
        Ok(true) => {}
        Ok(false) | Err(_) => {
            // What is there of it would only take room; the next one begins anew anyway.
            let _gone = std::fs::remove_file(&draft);
            return written.map(|_| None);
        }
    }
    // Read back, so that what it stands for may go.
    let about = match read_through(&draft, place.salt, pause) {
        Ok(about) => about,
        Err(Stop(None)) => return Ok(None),
        Err(Stop(Some(wrong))) => return Err(place.named(wrong)),
    };
    std::fs::rename(&draft, &path).and_then(|()| sync_dir(&place.dir)).map_err(failed())?;
    if let Some(about) = about {
        tracing::info!(
            bytes = about.bytes,
            rows = about.rows,
            through = about.through.0,
            "wrote a base"
        );
    }
    Ok(about)
}

/// Reads a base through. `pause` is told how long each part took, and says whether to go on.
fn read_through(
    path: &Path,
    salt: Salt,
    pause: &mut dyn FnMut(Duration) -> bool,
) -> Result<Option<About>, Stop> {
    let mut at = (Instant::now(), 0);
    file::read::<Stop>(path, salt, &mut |_, _, _, read| {
        let ((began, seen), step) = (at, 1 << 20);
        if read < seen + step {
            return Ok(());
        }
        let goes_on = pause(began.elapsed());
        at = (Instant::now(), read);
        if goes_on { Ok(()) } else { Err(Stop(None)) }
    })
}

/// Tells that the base is damaged.
fn damaged(figures: &EngineFigures, cause: &StoreError) {
    tracing::warn!(%cause, "the base is damaged; another one is written in its place");
    figures.base_is(Some(format!("{cause}; another base is being written")));
}

struct Stop(Option<Wrong>);

impl From<Wrong> for Stop {
    fn from(wrong: Wrong) -> Self {
        Self(Some(wrong))
    }
}

/// Whether it came to its end.
fn draw(
    index: &Index,
    place: &Place,
    draft: &Path,
    pause: &mut dyn FnMut(Duration) -> bool,
) -> Result<bool, StoreError> {
    const DOING: &str = "writing a base";
    let failed = || io_error(format!("writing {}", draft.display()));
    let snapshot = index.snapshot();
    let mut out =
        BaseWriter::begin(draft, place.salt, about(&snapshot, index)?).map_err(failed())?;
    let mut began = Instant::now();
    for (number, table) in index.all() {
        for row in snapshot.iter(table) {
            let (key, row) = row.into_inner().map_err(index_error(DOING))?;
            if out.push(number, &key, &row).map_err(failed())? {
                index.has_room(DOING)?;
                if !pause(began.elapsed()) {
                    return Ok(false);
                }
                began = Instant::now();
            }
        }
    }
    out.finish().map_err(failed())?;
    Ok(true)
}

/// From where on an index made from this snapshot needs the log.
fn about(snapshot: &Snapshot, index: &Index) -> Result<About, StoreError> {
    let through = index::through_in(snapshot.get(&index.state, THROUGH_KEY))?.unwrap_or_default();
    let lowest = applied::lowest_in(snapshot, index)?;
    Ok(About { low: through.min(Position(lowest)), through, bytes: 0, rows: 0 })
}

/// Removes what a crash left of one that was being written.
pub(super) fn tidy(dir: &Path) -> Result<(), StoreError> {
    let draft = file::draft(dir);
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io_error(format!("removing {}", draft.display()))(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use openim_record::{InboxRun, PartitionId, Position, Seq, StoreBatch, UserId};

    use super::*;
    use crate::conformance::{Sample, append, encoded};
    use crate::embedded::{Options, open};
    use crate::port::{History as _, wait};

    #[test]
    fn one_that_knew_no_inboxes_is_replaced_when_they_are_stored() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            partitions: 1,
            base_every_bytes: 4_000,
            reserve_bytes: 0,
            ..Options::default()
        };
        let mut storage = open(dir.path(), &options).unwrap();
        let mut at = Vec::new();
        for number in 0..100 {
            append(&mut storage.log, &[&encoded(Sample::new(number))], 1, &mut at).unwrap();
        }
        let base = dir.path().join("base");
        let wait_for = |what: &dyn Fn() -> bool| {
            for _ in 0..1_000 {
                if what() {
                    return;
                }
                storage.changes.settle().unwrap();
                sleep(Duration::from_millis(20));
            }
            panic!("no base is written");
        };
        wait_for(&|| base.exists());
        assert_eq!(storage.changes.bases().low(), Position(0));
        let head = storage.log.head();
        let runs = vec![InboxRun::new(UserId::new("bob"), Seq(1), at.clone())];
        let applied = vec![(PartitionId(0), head)];
        let batch = StoreBatch { runs, applied, ..StoreBatch::default() };
        wait(storage.history.store(&batch)).unwrap();
        wait_for(&|| storage.changes.bases().low() > Position(0));
    }
}
