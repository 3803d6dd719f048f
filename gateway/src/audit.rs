//! The audit: who did what to accounts, tokens and the server, from where, and what came of it.
//!
//! In: an `Event`, from any thread, apart from the path of messages. Out: one JSON object a line, in files
//! of its own beside those of the log, else in the log under the target `audit`. Lines wait in a bounded
//! queue; one that finds it full is dropped and counted, never waited for.
//!
//! Never: a token, a secret or the content of a message.

use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openim_config::LogFormat;
use serde_json::Value;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking};

use crate::logging::Line;

/// The target in the log, where there are no files.
pub(crate) const TARGET: &str = "audit";
/// Characters of a text that a peer has sent.
const TEXT_CHARS_MAX: usize = 256;

/// Where events go.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    files: Option<Files>,
}

#[derive(Clone, Debug)]
struct Files {
    writer: NonBlocking,
    unqueued: ErrorCounter,
    unwritten: Arc<AtomicU64>,
}

/// Something that happened.
#[must_use = "an event is noted by `Audit::note`"]
pub(crate) struct Event(Line);

impl Audit {
    /// Writes to files, by their writer and its count of lines that could not be written.
    pub(crate) fn to_files(writer: NonBlocking, unwritten: Arc<AtomicU64>) -> Audit {
        let unqueued = writer.error_counter();
        Audit { files: Some(Files { writer, unqueued, unwritten }) }
    }

    /// Notes an event.
    pub(crate) fn note(&self, event: Event) {
        let line = event.0.text(LogFormat::Json);
        match &self.files {
            // A full queue counts the line as lost.
            Some(files) => drop(files.writer.clone().write_all(line.as_bytes())),
            None => tracing::info!(target: TARGET, "{}", line.trim_end()),
        }
    }

    /// Lines that were dropped.
    pub(crate) fn lines_lost(&self) -> u64 {
        self.files.as_ref().map_or(0, |files| {
            files.unqueued.dropped_lines() as u64 + files.unwritten.load(Ordering::Relaxed)
        })
    }
}

impl Event {
    /// Of what happened, and whether it was done or why not.
    pub(crate) fn new(what: &str, refused: Option<&str>) -> Event {
        let event = Event(Line::info(what));
        match refused {
            None => event.with("outcome", "done"),
            Some(reason) => event.with("outcome", "refused").with("reason", short(reason)),
        }
    }

    /// Whom it concerns. Of a refused token that is what somebody claims.
    pub(crate) fn uid(self, uid: &str) -> Event {
        self.with("uid", short(uid))
    }

    /// From where.
    pub(crate) fn from(self, address: Option<IpAddr>) -> Event {
        match address {
            Some(address) => self.with("address", address.to_string()),
            None => self,
        }
    }

    /// Anything else.
    pub(crate) fn with(self, name: &str, value: impl Into<Value>) -> Event {
        Event(self.0.with(name, value))
    }
}

/// A text that a peer has sent, as far as it is kept.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}
