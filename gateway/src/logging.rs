//! The log: to standard error, and to daily files when a folder is set.
//!
//! In: the `log` section. Out: a subscriber for the whole process, and [`Logging`], which writes what is
//! left when it goes. Writers have threads of their own behind bounded queues: a shard that logs never
//! waits for a disk or a terminal; a line that finds its queue full is dropped and counted.
//!
//! Never: logs a token, a secret or a message body. That is the duty of whoever logs; here, other
//! people's crates are kept to warnings, as they do not know what is secret.

use std::io;
use std::path::PathBuf;

use openim_config::{Log, LogFormat, LogLevel};
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// Lines that may wait for a writer.
const WAITING_LINES_MAX: usize = 16_384;

/// The crates of this server begin with this.
const OWN_CRATES: &str = "openim";

/// Keeps the writers alive. Dropped last, it writes the lines that wait.
#[derive(Debug)]
#[must_use = "dropping it ends the log"]
pub struct Logging {
    lost: LinesLost,
    _writers: Vec<WorkerGuard>,
}

impl Logging {
    /// The count of dropped lines.
    pub fn lines_lost(&self) -> LinesLost {
        self.lost.clone()
    }
}

/// Lines dropped because a queue was full.
#[derive(Clone, Debug, Default)]
pub struct LinesLost(Vec<ErrorCounter>);

impl LinesLost {
    /// The lines so far.
    pub fn get(&self) -> u64 {
        self.0.iter().map(|counter| counter.dropped_lines() as u64).sum()
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
    let stderr = started.writer("log-stderr", io::stderr());
    let file = match config.storage_location.as_os_str() {
        folder if folder.is_empty() => None,
        _ => Some(started.writer("log-file", daily_files(config)?)),
    };
    let layers = [Some(stderr), file].into_iter().flatten();
    let layers: Vec<_> = layers.map(|writer| layer(config.format, writer)).collect();
    let subscriber = Registry::default().with(layers).with(filter(config.level));
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError::Twice)?;
    Ok(Logging { lost: started.lost, _writers: started.guards })
}

#[derive(Default)]
struct Started {
    lost: LinesLost,
    guards: Vec<WorkerGuard>,
}

impl Started {
    /// A thread that writes to `sink`, and the queue to it.
    fn writer(&mut self, thread: &str, sink: impl io::Write + Send + 'static) -> NonBlocking {
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(WAITING_LINES_MAX)
            .lossy(true)
            .thread_name(thread)
            .finish(sink);
        self.lost.0.push(writer.error_counter());
        self.guards.push(guard);
        writer
    }
}

fn daily_files(config: &Log) -> Result<RollingFileAppender, LoggingError> {
    let folder = &config.storage_location;
    let wrong = |reason: String| LoggingError::Folder { folder: folder.clone(), reason };
    std::fs::create_dir_all(folder).map_err(|error| wrong(error.to_string()))?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("openim")
        .filename_suffix("log")
        .max_log_files(config.rotation_count)
        .build(folder)
        .map_err(|error| wrong(error.to_string()))
}

fn layer(format: LogFormat, writer: NonBlocking) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
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
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_target(OWN_CRATES, level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    /// What `emit` logs, as it arrives in the daily file.
    fn logged(format: LogFormat, level: LogLevel, emit: impl FnOnce()) -> String {
        let folder = tempfile::tempdir().unwrap();
        let storage_location = folder.path().join("logs");
        let config =
            Log { storage_location: storage_location.clone(), level, format, rotation_count: 2 };
        let mut started = Started::default();
        let writer = started.writer("test", daily_files(&config).unwrap());
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
        let said = daily_files(&config).unwrap_err().to_string();
        assert!(said.contains("log.storageLocation") && said.contains("logs"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
