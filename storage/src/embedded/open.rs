//! Opening the engine: lock, format, index, log, each checked against the others.

use std::path::Path;
use std::sync::Arc;

use openim_record::Placement;

use super::applied::Applied;
use super::archive::EmbeddedArchive;
use super::begin::open_index;
use super::data_dir::{DataDir, enter, make_private};
use super::directory::EmbeddedDirectory;
use super::error::{OpenError, io_error};
use super::groups::EmbeddedGroups;
use super::history::EmbeddedHistory;
use super::log::{EmbeddedLog, EmbeddedTail, Known, LogSettings, TornTail};
use super::options::Options;
use super::preferences::EmbeddedPreferences;
use super::relations::EmbeddedRelations;
use super::retention::Retention;
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
    pub head: openim_record::Position,
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
    open_parts(dir, options).map_err(|error| error.named(dir))
}

fn open_parts(dir: &Path, options: &Options) -> Result<Embedded, OpenError> {
    let data = enter(dir, options.partitions)?;
    let DataDir { placement, salt, .. } = data;
    let index = Arc::new(open_index(dir, data, options)?);
    let log = dir.join("log");
    make_private(&log).map_err(io_error(format!("making {}", log.display())))?;
    let applied = Applied::load(&index)?;
    let (retention, facts) = Retention::load(&index)?;
    let noted = *index.commits().lock();
    let known = Known {
        applied: applied.highest(),
        removed: retention.removed(),
        begun: noted.log_begun,
        reached: noted.log_reached,
    };
    let commits = Arc::clone(index.commits());
    let settings = LogSettings {
        dir: log,
        segment_bytes: options.segment_bytes,
        reserve_bytes: options.reserve_bytes,
        durability: options.durability,
        salt,
        reached: Box::new(move |base| commits.log_reached(base)),
    };
    let (log, torn) = EmbeddedLog::open(settings, known)?;
    index.commits().change(|noted| noted.log_begun = true)?;
    let segments = log.segments();
    for (base, archived) in facts {
        segments.set_archived(base, archived);
    }
    let in_use = !log.is_empty() || index.has_users()?;
    let report = OpenReport { torn, head: log.head(), segments: segments.list().len(), in_use };
    Ok(Embedded {
        log,
        tail: EmbeddedTail::new(Arc::clone(&segments), placement.partitions()),
        history: Arc::new(EmbeddedHistory::new(
            Arc::clone(&index),
            Arc::clone(&segments),
            applied,
            retention,
        )),
        archive: Arc::new(EmbeddedArchive::new(segments)),
        directory: Arc::new(EmbeddedDirectory::new(Arc::clone(&index))),
        tokens: Arc::new(EmbeddedTokens::new(Arc::clone(&index))),
        relations: Arc::new(EmbeddedRelations::new(Arc::clone(&index))),
        groups: Arc::new(EmbeddedGroups::new(Arc::clone(&index))),
        preferences: Arc::new(EmbeddedPreferences::new(index)),
        placement,
        report,
    })
}
