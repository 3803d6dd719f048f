//! The log: to standard error, and to files when a folder is set.
//!
//! In: the `log` section. Out: a subscriber for the whole process, and [`Logging`], which writes what is
//! left when it goes. Writers have threads of their own behind bounded queues: a shard that logs never
//! waits for a disk or a terminal; a line that finds its queue full, or that cannot be written, is dropped
//! and counted.
//!
//! Never: logs a token, a secret or a message body. That is the duty of whoever logs; here, other
//! people's crates are kept to warnings, as they do not know what is secret.

mod files;
mod kept;
mod one_line;

use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use openim_config::{Log, LogFormat, LogLevel};
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;

use crate::audit::{self, Audit};
use crate::fault;
use crate::line::Line;
use files::{Files, Place, Reopen};

use self::kept::Teed;
pub(crate) use self::kept::{KEPT_LINES_MAX, Kept, KeptLine, KeptLines};
use self::one_line::OneLine;

/// Lines that may wait for a writer.
pub(crate) const WAITING_LINES_MAX: usize = 16_384;

/// The crates of this server begin with this.
const OWN_CRATES: &str = "openim";

/// Keeps the writers alive. Dropped last, it writes the lines that wait.
#[must_use = "dropping it ends the log"]
pub struct Logging {
    format: LogFormat,
    lost: LinesLost,
    /// The files' writer, and what each file begins with.
    files: Option<(NonBlocking, Arc<OnceLock<String>>)>,
    audit: Audit,
    kept: KeptLines,
    reopen: Reopen,
    set_level: Box<dyn Fn(LogLevel) -> bool>,
    _writers: Vec<WorkerGuard>,
}

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging").field("format", &self.format).finish_non_exhaustive()
    }
}

impl Logging {
    /// The count of dropped lines.
    pub fn lines_lost(&self) -> LinesLost {
        self.lost.clone()
    }

    /// Where the audit goes.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The last lines of log and audit.
    pub(crate) fn kept(&self) -> &KeptLines {
        &self.kept
    }

    /// The form of lines.
    pub fn format(&self) -> LogFormat {
        self.format
    }

    /// Says in the files, whatever their level, what begins.
    pub fn begin(&self, line: &Line) {
        if let Some((files, _)) = &self.files {
            // A full queue counts the line as lost.
            drop(files.clone().write_all(line.text(self.format).as_bytes()));
        }
    }

    /// Says in the files, whatever their level, what runs: now, and at the beginning of each later one.
    pub fn runs(&self, line: &Line) {
        self.begin(line);
        if let Some((_, head)) = &self.files {
            head.get_or_init(|| line.text(self.format));
        }
    }

    /// Opens the files anew: the old ones may have been moved away.
    pub fn reopen(&self) {
        self.reopen.ask();
    }

    /// Logs at another level from now on.
    pub fn set_level(&self, level: LogLevel) {
        if !(self.set_level)(level) {
            tracing::error!("the log keeps its level: it has ended");
        }
    }
}

/// Lines dropped because a queue was full or a write failed.
#[derive(Clone, Debug, Default)]
pub struct LinesLost {
    queues: Vec<ErrorCounter>,
    unwritten: Arc<AtomicU64>,
}

impl LinesLost {
    /// The lines so far.
    pub fn get(&self) -> u64 {
        let unqueued: u64 = self.queues.iter().map(|queue| queue.dropped_lines() as u64).sum();
        unqueued + self.unwritten.load(Ordering::Relaxed)
    }
}

/// Standard error, which may be closed, full or broken: then its lines are counted as lost.
struct Stderr {
    unwritten: Arc<AtomicU64>,
}

impl io::Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if io::stderr().lock().write_all(line).is_err() {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log cannot be set up. `Display` is one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The folder of the files cannot be used.
    #[error("log.storageLocation is {}: {reason}; give a folder that can be written, or leave it empty", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is a subscriber already.
    #[error("the log is set up already")]
    Twice,
}

/// Starts the log of this process.
///
/// # Errors
/// [`LoggingError`].
pub fn init(config: &Log) -> Result<Logging, LoggingError> {
    let mut started = Started::default();
    let last = KeptLines::default();
    let stderr = Stderr { unwritten: Arc::clone(&started.lost.unwritten) };
    let stderr = Teed { sink: stderr, kept: last.clone(), is_audit: false };
    let stderr = started.writer("log-stderr", stderr);
    let head = Arc::new(OnceLock::new());
    let reopen = Reopen::default();
    let mut audit = Audit::default();
    let files = match config.storage_location.as_os_str() {
        folder if folder.is_empty() => None,
        _ => {
            let lost = &started.lost.unwritten;
            let files = open_files(config, "openim", config.rotation_count, &head, &reopen, lost)?;
            let (kept, lost) = (config.audit_rotation_count, Arc::default());
            let events = open_files(config, "audit", kept, &Arc::default(), &reopen, &lost)?;
            let events = Teed { sink: events, kept: last.clone(), is_audit: true };
            let (events, guard) = writer("audit", events);
            started.guards.push(guard);
            audit = Audit::to_files(events, lost);
            let files = started.writer("log-file", files);
            fault::tell(&files);
            Some((files, head))
        }
    };
    let writers = [Some(stderr), files.as_ref().map(|(writer, _)| writer.clone())];
    let layers: Vec<_> =
        writers.into_iter().flatten().map(|writer| layer(config.format, writer)).collect();
    let (filter, handle) = reload::Layer::new(filter(config.level));
    let subscriber = Registry::default().with(layers).with(filter);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError::Twice)?;
    Ok(Logging {
        format: config.format,
        lost: started.lost,
        files,
        audit,
        kept: last,
        reopen,
        set_level: Box::new(move |level| handle.reload(self::filter(level)).is_ok()),
        _writers: started.guards,
    })
}

#[derive(Default)]
struct Started {
    lost: LinesLost,
    guards: Vec<WorkerGuard>,
}

impl Started {
    /// A thread that writes to `sink`, and the queue to it.
    fn writer(&mut self, thread: &str, sink: impl io::Write + Send + 'static) -> NonBlocking {
        let (writer, guard) = writer(thread, sink);
        self.lost.queues.push(writer.error_counter());
        self.guards.push(guard);
        writer
    }
}

fn writer(thread: &str, sink: impl io::Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES_MAX)
        .lossy(true)
        .thread_name(thread)
        .finish(sink)
}

fn open_files(
    config: &Log,
    prefix: &'static str,
    files_max: usize,
    head: &Arc<OnceLock<String>>,
    reopen: &Reopen,
    lost: &Arc<AtomicU64>,
) -> Result<Files, LoggingError> {
    let folder = config.storage_location.clone();
    let place = Place {
        folder: folder.clone(),
        prefix,
        bytes_max: config.file_bytes_max,
        files_max,
        head: Arc::clone(head),
        reopen: reopen.clone(),
        lost: Arc::clone(lost),
    };
    let wrong = |error: io::Error| LoggingError::Folder { folder, reason: error.to_string() };
    Files::open(place, SystemTime::now).map_err(wrong)
}

fn layer(format: LogFormat, writer: NonBlocking) -> Box<dyn Layer<Registry> + Send + Sync> {
    // A fault of the subscriber's own would go to standard error by a macro that panics.
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(OneLine(writer));
    match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
    }
}

/// Our crates at the set level, all others at warnings or above.
fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Off => LevelFilter::OFF,
    };
    // A higher level is one that lets more through.
    // Of the audit, where it has no files, refusals and managers' calls are told at every level.
    let audit = if level == LevelFilter::OFF { level } else { level.max(LevelFilter::INFO) };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(OWN_CRATES, level)
        .with_target(audit::TARGET, audit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    fn test_files(config: &Log) -> Result<Files, LoggingError> {
        let (head, lost) = (Arc::default(), Arc::default());
        open_files(config, "openim", 2, &head, &Reopen::default(), &lost)
    }

    /// What `emit` logs, as it arrives in the daily file.
    fn logged(format: LogFormat, level: LogLevel, emit: impl FnOnce()) -> String {
        let folder = tempfile::tempdir().unwrap();
        let storage_location = folder.path().join("logs");
        let config =
            Log { storage_location: storage_location.clone(), level, format, ..Log::default() };
        let mut started = Started::default();
        let files = test_files(&config);
        let writer = started.writer("test", files.unwrap());
        let subscriber = Registry::default().with(vec![layer(format, writer)]).with(filter(level));
        tracing::subscriber::with_default(subscriber, emit);
        assert_eq!(started.lost.get(), 0);
        drop(started);
        let mut files = std::fs::read_dir(storage_location).unwrap();
        std::fs::read_to_string(files.next().unwrap().unwrap().path()).unwrap()
    }

    #[test]
    fn lines_are_text_or_json() {
        let emit = || tracing::warn!(target: "openim_gateway", shard = 3, "slow disk");
        let text = logged(LogFormat::Text, LogLevel::Info, emit);
        for part in ["WARN", "slow disk", "shard=3"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let json = logged(LogFormat::Json, LogLevel::Info, emit);
        for part in ["\"level\":\"WARN\"", "\"message\":\"slow disk\"", "\"shard\":3"] {
            assert!(json.contains(part), "{part} in {json}");
        }
    }

    #[test]
    fn what_others_send_forges_no_line() {
        let emit =
            || tracing::warn!(target: "openim_gateway", uid = %"a\nERROR forged", "b\u{1b}[2Jc");
        for format in [LogFormat::Text, LogFormat::Json] {
            let log = logged(format, LogLevel::Info, emit);
            assert_eq!(log.lines().count(), 1, "{log}");
            assert!(!log.trim_end().contains(char::is_control), "{log}");
        }
    }

    #[test]
    fn other_crates_are_kept_to_warnings() {
        let text = logged(LogFormat::Text, LogLevel::Trace, || {
            tracing::trace!(target: "openim_shard::inbox", "ours");
            tracing::info!(target: "hyper::proto", "theirs, chatting");
            tracing::error!(target: "hyper::proto", "theirs, failing");
        });
        assert!(text.contains("ours") && text.contains("theirs, failing"), "{text}");
        assert!(!text.contains("chatting"), "{text}");
    }

    #[test]
    fn off_is_off_for_everyone() {
        let off = filter(LogLevel::Off);
        assert!(!off.would_enable("openim_gateway", &Level::ERROR));
        assert!(!off.would_enable("hyper", &Level::ERROR));
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = Log { storage_location: file.path().join("logs"), ..Log::default() };
        let files = test_files(&config);
        let said = files.err().expect("it is a file").to_string();
        assert!(said.contains("log.storageLocation") && said.contains("logs"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
