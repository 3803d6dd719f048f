//! Opening the engine: lock, format, index, log, each checked against the others.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use openim_record::{Placement, Position};
use parking_lot::Mutex;

use super::applied::Applied;
use super::archive::EmbeddedArchive;
use super::base::{self, Bases, Place};
use super::begin::open_index;
use super::changes::{Changes, catch_up};
use super::commits::Commits;
use super::copy::Origin;
use super::cursor::Cursors;
use super::data_dir::{DataDir, Lock, enter, make_private};
use super::directory::EmbeddedDirectory;
use super::error::{OpenError, RESTORE, io_error};
use super::fence::{self, Fence};
use super::figures::EngineFigures;
use super::groups::EmbeddedGroups;
use super::history::EmbeddedHistory;
use super::index::partitions::{THROUGH_KEY, encode_through};
use super::index::{Index, journal};
use super::lender::{Lender, Loan};
use super::log::{EmbeddedLog, EmbeddedTail, Held, Known, LogSettings, Segments, TornTail, Writer};
use super::options::Options;
use super::preferences::EmbeddedPreferences;
use super::rebuild::{self, Mend};
use super::relations::EmbeddedRelations;
use super::retention::{self, Retention};
use super::standby;
use super::take_up::{self, TakeUp};
use super::tokens::EmbeddedTokens;

/// The embedded engine, open.
///
/// The data directory stays locked until every part has been dropped, and the history last.
pub struct Embedded {
    /// The log; belongs to one writer thread.
    pub log: EmbeddedLog,
    /// What the log holds, for a start.
    pub tail: EmbeddedTail,
    /// History.
    pub history: Arc<EmbeddedHistory>,
    /// The archive.
    pub archive: Arc<EmbeddedArchive>,
    /// Users.
    pub directory: Arc<EmbeddedDirectory>,
    /// Tokens.
    pub tokens: Arc<EmbeddedTokens>,
    /// Relations.
    pub relations: Arc<EmbeddedRelations>,
    /// Groups.
    pub groups: Arc<EmbeddedGroups>,
    /// Preferences.
    pub preferences: Arc<EmbeddedPreferences>,
    /// The way of changes to the five into the log.
    pub changes: Arc<Changes>,
    /// Readers of the log that keep their place.
    pub cursors: Cursors,
    /// What copies are made from while the engine is open.
    pub origin: Arc<Origin>,
    /// What the engine counts.
    pub figures: Arc<EngineFigures>,
    /// Told of errors, and orders a new index when one says that it is damaged.
    pub mend: Arc<Mend>,
    /// Knows the epochs of the log, and whether another server goes on with it.
    pub fence: Arc<Fence>,
    /// The placement that the data was written with.
    pub placement: Placement,
    /// What opening found; for one line in the server's log.
    pub report: OpenReport,
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// Bytes that a crash left behind the last whole batch, and that were cut off.
    pub torn: Option<TornTail>,
    /// Position of the next record.
    pub head: Position,
    /// Number of log segments.
    pub segments: usize,
    /// Whether somebody was ever registered or sent a message.
    pub in_use: bool,
}

/// Opens the engine in `dir`, or begins it there.
///
/// # Errors
/// [`OpenError`], one line an operator can act on. Nothing is repaired that was not torn by a crash.
pub fn open(dir: &Path, options: &Options) -> Result<Embedded, OpenError> {
    let allowed = |data: &DataDir| {
        fence::refuse(dir, &data.epochs)?;
        standby::refuse(dir)
    };
    open_parts(dir, options, &allowed, None).map_err(|error| error.named(dir))
}

/// Opens the engine of one that follows another server; its directory may be held already.
pub(super) fn open_following(
    dir: &Path,
    options: &Options,
    held: Option<Arc<Lock>>,
) -> Result<Embedded, OpenError> {
    open_parts(dir, options, &|_| Ok(()), held).map_err(|error| error.named(dir))
}

fn open_parts(
    dir: &Path,
    options: &Options,
    allowed: &dyn Fn(&DataDir) -> Result<(), OpenError>,
    held: Option<Arc<Lock>>,
) -> Result<Embedded, OpenError> {
    let data = enter(dir, options.partitions, held)?;
    allowed(&data)?;
    let place = dir.join("index");
    base::tidy(dir)?;
    let first = match rebuild::ordered(dir)? {
        None => open_rest(dir, &data, options),
        Some(why) => Err(OpenError::Lost { file: place.clone(), what: why }),
    };
    let opened = match first {
        Err(refused) if refused.is_of_index(dir) => {
            let _put = journal::put_back(&place);
            rebuild::rebuild(dir, &data, options, &refused, None)?;
            open_rest(dir, &data, options)
        }
        opened => opened,
    };
    match opened {
        Ok(opened) => {
            journal::forget_aside(&place)?;
            rebuild::done(dir)?;
            Ok(opened)
        }
        Err(refused) => {
            // Where this fails too the next start does it.
            let _put = journal::put_back(&place);
            Err(refused)
        }
    }
}

fn open_rest(dir: &Path, data: &DataDir, options: &Options) -> Result<Embedded, OpenError> {
    let &DataDir { placement, salt, .. } = data;
    let mut found = find(dir, data, options, None)?;
    let index = Arc::clone(&found.index);
    let log = dir.join("log");
    make_private(&log).map_err(io_error(format!("making {}", log.display())))?;
    let noted = *index.commits().lock();
    let through = found.through.unwrap_or_default().0;
    let known = Known {
        applied: found.applied.highest().max(through).max(noted.log_applied),
        removed: found.retention.removed().max(noted.removed),
        begun: noted.log_begun,
        reached: noted.log_reached,
    };
    let (log, torn) = EmbeddedLog::open(log_settings(log, &index, options, data), known)?;
    index.commits().change(|noted| noted.log_begun = true)?;
    let segments = log.segments();
    for (base, held) in std::mem::take(&mut found.facts) {
        segments.set_held(base, held);
    }
    let place = Place { dir: dir.to_owned(), salt };
    if data.is_older_form() {
        found.through = Some(take_over(data, &index, &segments, &place)?);
    }
    let through = found.reaches(dir, &segments)?;
    let writer = Arc::clone(log.writer());
    let (epochs, of) = (data.epochs.clone(), Arc::clone(&writer));
    let fence = Arc::new(Fence::new(dir.to_owned(), epochs, Arc::clone(&segments), of));
    let origin = Arc::new(Origin::live(place.clone(), Arc::clone(&segments)));
    let cursors = Cursors::new(dir, Arc::clone(&segments));
    let mend = Arc::new(Mend::of(dir));
    let changes =
        begin_changes(found, through, (dir, data, options), &segments, (writer, place), &mend)?;
    let in_use = !log.is_empty() || index.has_users()?;
    let report = OpenReport { torn, head: log.head(), segments: segments.list().len(), in_use };
    Ok(Embedded {
        log,
        tail: EmbeddedTail::new(Arc::clone(&segments), placement.partitions()),
        history: Arc::new(EmbeddedHistory::new(
            Some(Arc::clone(&changes)),
            Arc::clone(changes.lender()),
            Arc::clone(&segments),
        )),
        archive: Arc::new(EmbeddedArchive::new(segments)),
        directory: Arc::new(EmbeddedDirectory::new(Arc::clone(&changes))),
        tokens: Arc::new(EmbeddedTokens::new(Arc::clone(&changes))),
        relations: Arc::new(EmbeddedRelations::new(Arc::clone(&changes))),
        groups: Arc::new(EmbeddedGroups::new(Arc::clone(&changes))),
        preferences: Arc::new(EmbeddedPreferences::new(Arc::clone(&changes))),
        figures: Arc::clone(changes.bases().figures()),
        changes,
        cursors,
        origin,
        mend,
        fence,
        placement,
        report,
    })
}

/// Brings the index to where the log is, and gives the way for more.
fn begin_changes(
    found: Found,
    through: Position,
    (dir, data, options): (&Path, &DataDir, &Options),
    segments: &Arc<Segments>,
    (writer, place): (Arc<Mutex<Writer>>, Place),
    mend: &Arc<Mend>,
) -> Result<Arc<Changes>, OpenError> {
    let Found { index, applied, retention, .. } = found;
    let records = catch_up(&index, segments, through)?;
    if records > 0 {
        tracing::info!(records, from = through.0, "caught the index up with the log");
    }
    // Behind what the log brought: it tells of cuts. In what came since the start retention has to look for what is late, and
    // to tell of it.
    let expired = segments.head().min(retention::cut_again(&index)?);
    let loan = Loan { index, applied, retention, through, expired };
    let lender = Arc::new(Lender::new(loan, Arc::clone(mend), Arc::clone(&data.lock)));
    let bases = Bases::start(Arc::clone(&lender), place, options.base_every_bytes)?;
    let take_up = TakeUp::start(take_up::Shared {
        dir: dir.to_owned(),
        data: data.raised(through),
        options: options.clone(),
        lender: Arc::clone(&lender),
        segments: Arc::clone(segments),
        mend: Arc::clone(mend),
        figures: Arc::clone(bases.figures()),
        renumber: OnceLock::new(),
    })?;
    let changes = Changes::new(lender, Arc::clone(segments), writer, (bases, take_up));
    changes.settle()?;
    Ok(Arc::new(changes))
}

/// An index that was opened, and what of it is kept in memory.
pub(super) struct Found {
    pub(super) index: Arc<Index>,
    pub(super) applied: Applied,
    pub(super) retention: Retention,
    /// What it knows of segments.
    facts: Vec<(u64, Held)>,
    through: Option<Position>,
}

/// Opens the index in `dir`, checked against what else is there; `commits` are there already where a server runs.
pub(super) fn find(
    dir: &Path,
    data: &DataDir,
    options: &Options,
    commits: Option<Arc<Commits>>,
) -> Result<Found, OpenError> {
    let index = Arc::new(open_index(dir, data, options, commits)?);
    let (retention, facts) = Retention::load(&index, options.archive)?;
    let (applied, through) = (Applied::load(&index)?, index.through()?);
    Ok(Found { index, applied, retention, facts, through })
}

impl Found {
    /// From where on it needs records of rows, which the log has; an index that needs others is lost.
    pub(super) fn reaches(&self, dir: &Path, segments: &Segments) -> Result<Position, OpenError> {
        let Some(through) = self.through else {
            return Err(lost_index(dir, "does not say how much of the log it has"));
        };
        let lowest = self.applied.lowest();
        let removed = self.index.commits().lock().removed;
        let first = segments.list().first().map_or(0, |segment| segment.base);
        if through.0 < first || lowest < removed {
            let through = Position(through.0.min(lowest));
            let what = format!("has the log up to {through}, which begins at {first} now");
            return Err(lost_index(dir, &what));
        }
        Ok(through)
    }
}

fn log_settings(dir: PathBuf, index: &Index, options: &Options, data: &DataDir) -> LogSettings {
    let commits = Arc::clone(index.commits());
    LogSettings {
        dir,
        segment_bytes: options.segment_bytes,
        reserve_bytes: options.reserve_bytes,
        durability: options.durability,
        salt: data.salt,
        epochs: data.epochs.clone(),
        reached: Box::new(move |base| commits.log_reached(base)),
    }
}

/// Takes over data of a form before this one: what its index holds no record of the log says, and all that comes is
/// behind the log's end.
fn take_over(
    data: &DataDir,
    index: &Index,
    segments: &Segments,
    place: &Place,
) -> Result<Position, OpenError> {
    const DOING: &str = "taking over the index";
    let head = segments.head();
    let mut out = index.unflushed();
    out.insert(&index.state, THROUGH_KEY, encode_through(head));
    index.apply(out, DOING)?;
    index.persist(DOING)?;
    // The log does not have what was before: from here on the base stands for it.
    base::write(index, place, &mut |_| true)?;
    data.raised(head).write_form(&place.dir)?;
    tracing::info!(
        "the data directory has the form of this version now, which earlier ones refuse"
    );
    Ok(head)
}

fn lost_index(dir: &Path, what: &str) -> OpenError {
    OpenError::Lost { file: dir.join("index"), what: format!("{what}; {RESTORE}") }
}
