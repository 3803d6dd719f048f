//! Standard output and standard error of the tool.
//!
//! In: text. One of them that is closed or full (`openim-loadtest ... | head -1`) is left alone: the run
//! goes on, and its JSON and its exit code are what they would have been. The standard macros panic
//! instead, so nothing else prints.

use std::io::{self, Write as _};

/// Writes to standard output.
pub(crate) fn out(text: &str) {
    let mut out = io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Writes to standard error.
pub(crate) fn err(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}
