//! The audit: who did what to accounts, tokens and the server, from where, and what came of it.
//!
//! In: an `Event`, from any thread, apart from the path of messages. Out: one JSON object a line, in files
//! of its own beside those of the log, else in the log under the target `audit`: there what everybody does
//! all day (logins, registrations and the kicks that follow) only at level debug, so that it does not bury
//! what an operator must see. Lines wait in a bounded
//! queue; one that finds it full is dropped and counted, never waited for. Anybody can cause refusals of
//! tokens and logins: of each only so many a second are noted one by one, so that a crowd without tokens
//! neither fills the disk nor crowds out what others did. The rest is told as a number.
//!
//! Never: a token, a secret or the content of a message.

use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use openim_config::LogFormat;
use serde_json::Value;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking};

use crate::line::Line;

/// The target in the log, where there are no files.
pub(crate) const TARGET: &str = "audit";
/// What everybody does all day, unless it is refused.
const ORDINARY: [&str; 3] = ["registration", "login", "kick"];
/// Characters of a text that a peer has sent.
const TEXT_CHARS_MAX: usize = 256;
/// Refusals of a kind that are noted one by one in a second.
pub(crate) const REFUSALS_PER_SECOND: u64 = 50;

/// Where events go.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    files: Option<Files>,
    /// Of tokens, and of logins and registrations.
    refusals: Arc<[Refusals; 2]>,
}

/// Refusals that strangers cause, counted by the second.
#[derive(Debug)]
struct Refusals {
    begun: Instant,
    /// The second since `begun` that `seen` is about.
    second: AtomicU64,
    seen: AtomicU64,
    /// Those that no line has told of yet, and all that were not noted one by one.
    untold: AtomicU64,
    unnoted: AtomicU64,
}

/// What a stranger was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stranger {
    Token = 0,
    Login = 1,
}

#[derive(Clone, Debug)]
struct Files {
    writer: NonBlocking,
    unqueued: ErrorCounter,
    unwritten: Arc<AtomicU64>,
}

/// Something that happened.
#[must_use = "an event is noted by `Audit::note`"]
pub(crate) struct Event {
    line: Line,
    /// What everybody does all day.
    ordinary: bool,
    refused: Option<Stranger>,
}

impl Audit {
    /// Writes to files, by their writer and its count of lines that could not be written.
    pub(crate) fn to_files(writer: NonBlocking, unwritten: Arc<AtomicU64>) -> Audit {
        let unqueued = writer.error_counter();
        let files = Some(Files { writer, unqueued, unwritten });
        Audit { files, refusals: Arc::default() }
    }

    /// Notes an event, unless it is one of too many refusals.
    pub(crate) fn note(&self, event: Event) {
        if let Some(kind) = event.refused {
            let refusals = &self.refusals[kind as usize];
            match refusals.admit(refusals.begun.elapsed().as_secs()) {
                None => return,
                Some(0) => {}
                Some(untold) => {
                    let of = if matches!(kind, Stranger::Token) { "token" } else { "login" };
                    let more = Event::new(of, Some("more than are noted one by one"));
                    self.write(&more.with("untold", untold));
                }
            }
        }
        self.write(&event);
    }

    /// Whether anybody hears of what everybody does all day.
    pub(crate) fn hears_all(&self) -> bool {
        self.files.is_some() || tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
    }

    fn write(&self, event: &Event) {
        let line = || event.line.text(LogFormat::Json);
        match &self.files {
            // A full queue counts the line as lost.
            Some(files) => drop(files.writer.clone().write_all(line().as_bytes())),
            None if event.ordinary => tracing::debug!(target: TARGET, "{}", line().trim_end()),
            None => tracing::info!(target: TARGET, "{}", line().trim_end()),
        }
    }

    /// Refusals that were not noted one by one.
    pub(crate) fn refusals_unnoted(&self) -> u64 {
        self.refusals.iter().map(|refusals| refusals.unnoted.load(Ordering::Relaxed)).sum()
    }

    /// Lines that were dropped.
    pub(crate) fn lines_lost(&self) -> u64 {
        self.files.as_ref().map_or(0, |files| {
            files.unqueued.dropped_lines() as u64 + files.unwritten.load(Ordering::Relaxed)
        })
    }
}

impl Refusals {
    /// Whether one more is noted in this second; then how many were not, and are to be told of.
    fn admit(&self, second: u64) -> Option<u64> {
        if self.second.fetch_max(second, Ordering::Relaxed) < second {
            self.seen.store(0, Ordering::Relaxed);
        }
        if self.seen.fetch_add(1, Ordering::Relaxed) >= REFUSALS_PER_SECOND {
            self.untold.fetch_add(1, Ordering::Relaxed);
            self.unnoted.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.untold.swap(0, Ordering::Relaxed))
    }
}

impl Default for Refusals {
    fn default() -> Self {
        let [second, seen, untold, unnoted] = Default::default();
        Self { begun: Instant::now(), second, seen, untold, unnoted }
    }
}

impl Event {
    /// Of what happened, and whether it was done or why not.
    pub(crate) fn new(what: &str, refused: Option<&str>) -> Event {
        let ordinary = refused.is_none() && ORDINARY.contains(&what);
        let event = Event { line: Line::info(what), ordinary, refused: None };
        match refused {
            None => event.with("outcome", "done"),
            Some(reason) => event.with("outcome", "refused").with("reason", short(reason)),
        }
    }

    /// It is a refusal that anybody can cause.
    pub(crate) fn of_stranger(self, what: Stranger) -> Event {
        Event { refused: Some(what), ..self }
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
    pub(crate) fn with(self, name: &'static str, value: impl Into<Value>) -> Event {
        Event { line: self.line.with(name, value), ..self }
    }
}

/// A text that a peer has sent, as far as it is kept.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_refusals_a_second_are_noted_and_the_rest_is_told_later() {
        let refusals = Refusals::default();
        let noted = (0..REFUSALS_PER_SECOND + 7).filter(|_| refusals.admit(0) == Some(0));
        assert_eq!(noted.count() as u64, REFUSALS_PER_SECOND);
        assert_eq!(refusals.admit(1), Some(7));
        assert_eq!(refusals.admit(1), Some(0));
        // A thread whose second is over already begins no new one.
        assert_eq!(refusals.admit(0), Some(0));
        assert_eq!(refusals.unnoted.load(Ordering::Relaxed), 7);
    }
}
