//! Opening the engine: lock, format, index, log, each checked against the others.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use openim_record::{Placement, Position};

use super::applied::Applied;
use super::archive::EmbeddedArchive;
use super::base::{self, Bases, Place};
use super::begin::open_index;
use super::changes::Changes;
use super::copy::Origin;
use super::data_dir::{DataDir, enter, make_private};
use super::directory::EmbeddedDirectory;
use super::error::{OpenError, RESTORE, io_error};
use super::fence::{self, Fence};
use super::figures::EngineFigures;
use super::groups::EmbeddedGroups;
use super::history::EmbeddedHistory;
use super::index::partitions::{THROUGH_KEY, encode_through};
use super::index::{Index, journal};
use super::log::{EmbeddedLog, EmbeddedTail, Known, LogSettings, Segments, TornTail};
use super::options::Options;
use super::preferences::EmbeddedPreferences;
use super::rebuild::{self, Mend};
use super::relations::EmbeddedRelations;
use super::retention::{self, Retention};
use super::standby;
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
    open_parts(dir, options, &allowed).map_err(|error| error.named(dir))
}

/// Opens the engine of one that follows another server.
pub(super) fn open_following(dir: &Path, options: &Options) -> Result<Embedded, OpenError> {
    open_parts(dir, options, &|_| Ok(())).map_err(|error| error.named(dir))
}

fn open_parts(
    dir: &Path,
    options: &Options,
    allowed: &dyn Fn(&DataDir) -> Result<(), OpenError>,
) -> Result<Embedded, OpenError> {
    let data = enter(dir, options.partitions)?;
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
            rebuild::rebuild(dir, &data, options, &refused)?;
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
    let index = Arc::new(open_index(dir, data, options)?);
    let log = dir.join("log");
    make_private(&log).map_err(io_error(format!("making {}", log.display())))?;
    let applied = Applied::load(&index)?;
    let (retention, facts) = Retention::load(&index, options.archive)?;
    let through = index.through()?;
    let noted = *index.commits().lock();
    let lowest = applied.lowest();
    let known = Known {
        applied: applied.highest().max(through.unwrap_or_default().0).max(noted.log_applied),
        removed: retention.removed().max(noted.removed),
        begun: noted.log_begun,
        reached: noted.log_reached,
    };
    let (log, torn) = EmbeddedLog::open(log_settings(log, &index, options, data), known)?;
    index.commits().change(|noted| noted.log_begun = true)?;
    let segments = log.segments();
    for (base, held) in facts {
        segments.set_held(base, held);
    }
    let place = Place { dir: dir.to_owned(), salt };
    let through = match through {
        _ if data.is_older_form() => take_over(data, &index, &segments, &place)?,
        Some(through) => through,
        None => return Err(lost_index(dir, "does not say how much of the log it has")),
    };
    let first = segments.list().first().map_or(0, |segment| segment.base);
    if through.0 < first || lowest < noted.removed {
        let through = Position(through.0.min(lowest));
        let what = format!("has the log up to {through}, which begins at {first} now");
        return Err(lost_index(dir, &what));
    }
    let writer = Arc::clone(log.writer());
    let (epochs, of) = (data.epochs.clone(), Arc::clone(&writer));
    let fence = Arc::new(Fence::new(dir.to_owned(), epochs, Arc::clone(&segments), of));
    let origin = Arc::new(Origin::live(place.clone(), Arc::clone(&segments)));
    let bases = Bases::start(Arc::clone(&index), place, options.base_every_bytes)?;
    let changes =
        Changes::begin(Arc::clone(&index), Arc::clone(&segments), writer, through, bases)?;
    // Behind what the log brought: it tells of cuts.
    let cut = retention::cut_again(&index)?;
    let changes = Arc::new(changes);
    let in_use = !log.is_empty() || index.has_users()?;
    let report = OpenReport { torn, head: log.head(), segments: segments.list().len(), in_use };
    Ok(Embedded {
        log,
        tail: EmbeddedTail::new(Arc::clone(&segments), placement.partitions()),
        history: Arc::new(EmbeddedHistory::new(
            Arc::clone(&changes),
            Arc::clone(&segments),
            applied,
            (retention, cut),
        )),
        archive: Arc::new(EmbeddedArchive::new(segments)),
        directory: Arc::new(EmbeddedDirectory::new(Arc::clone(&changes))),
        tokens: Arc::new(EmbeddedTokens::new(Arc::clone(&changes))),
        relations: Arc::new(EmbeddedRelations::new(Arc::clone(&changes))),
        groups: Arc::new(EmbeddedGroups::new(Arc::clone(&changes))),
        preferences: Arc::new(EmbeddedPreferences::new(Arc::clone(&changes))),
        figures: Arc::clone(changes.bases().figures()),
        changes,
        origin,
        mend: Arc::new(Mend::of(dir)),
        fence,
        placement,
        report,
    })
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
    data.raise_form(&place.dir)?;
    tracing::info!(
        "the data directory has the form of this version now, which earlier ones refuse"
    );
    Ok(head)
}

fn lost_index(dir: &Path, what: &str) -> OpenError {
    OpenError::Lost { file: dir.join("index"), what: format!("{what}; {RESTORE}") }
}
