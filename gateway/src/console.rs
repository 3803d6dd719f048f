//! Standard output and standard error of the program.
//!
//! In: text for whoever started it. Either may be closed, full or broken: that is told to the caller or
//! dropped, and never ends the process. The standard macros panic instead, so nothing else prints
//! (`gateway/tests/tidy` looks).

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use openim_config::LogFormat;

use crate::line::Line;

/// Whether what goes wrong is told to machines.
static JSON: AtomicBool = AtomicBool::new(false);

/// From now on complaints are JSON, one object a line.
pub fn speak_json() {
    JSON.store(true, Ordering::Relaxed);
}

/// The form of what is said here.
pub(crate) fn format() -> LogFormat {
    if JSON.load(Ordering::Relaxed) { LogFormat::Json } else { LogFormat::Text }
}

/// Writes the result of a command. A reader that has seen enough (`openim help | head -1`) is no failure.
///
/// # Errors
/// Standard output takes nothing, for another reason.
pub fn print(text: &str) -> anyhow::Result<()> {
    unless_left(try_print(text)).context("cannot write to standard output")
}

/// The same for one who goes on: `false` when the reader has seen enough.
///
/// # Errors
/// The same.
pub fn show(text: &str) -> anyhow::Result<bool> {
    match try_print(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).context("cannot write to standard output"),
    }
}

/// A text of somebody, for a terminal: without what steers it, or turns the direction of what stands beside it.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|char| if steers(char) { '\u{fffd}' } else { char }).collect()
}

/// JSON for a terminal: what would steer it is escaped, which changes nothing for who reads the JSON.
pub(crate) fn plain_json(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            // Between values; inside of them it is escaped already.
            '\n' => plain.push(char),
            // All of them are of 16 bits.
            _ if steers(char) => plain.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => plain.push(char),
        }
    }
    plain
}

fn steers(char: char) -> bool {
    let turns = ['\u{200e}', '\u{200f}'].contains(&char)
        || ('\u{202a}'..='\u{202e}').contains(&char)
        || ('\u{2066}'..='\u{2069}').contains(&char);
    char.is_control() || turns
}

/// Drops the error that says that the reader has left.
///
/// # Errors
/// Any other.
pub fn unless_left(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes to standard output what somebody may read, and says in the log when that cannot be.
pub fn announce(text: &str) {
    if let Err(cause) = unless_left(try_print(text)) {
        tracing::warn!(%cause, "cannot write to standard output");
    }
}

/// Says on standard error what went wrong; if it takes nothing, there is nobody else to tell.
pub fn complain(what: &str) {
    match format() {
        LogFormat::Json => say(&Line::error(what)),
        LogFormat::Text => write(&format!("openim: {what}\n")),
    }
}

/// Puts a line on standard error as the log would.
pub(crate) fn say(line: &Line) {
    write(&line.text(format()));
}

fn write(line: &str) {
    drop(io::stderr().lock().write_all(line.as_bytes()));
}

fn try_print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_left_is_no_failure() {
        assert!(unless_left(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        assert!(unless_left(Err(io::ErrorKind::StorageFull.into())).is_err());
        assert!(unless_left(Ok(())).is_ok());
    }
}
