//! Stores that can be made to stall, to test what the server does when its disk does; and a log that stops as one whose
//! belief about its own state turned out wrong.
//!
//! Only when `OPENIM_TEST_STALL_FILE` names a file: while that file exists, what it names waits. `read`, `write` and
//! `store` are calls of the ports; `log` is an append, and so is an empty file. When it says `broken`, an invariant of
//! the log is.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openim_record::{PartitionId, Position, broken};
use openim_storage::guard::{Before, Kind};
use openim_storage::port::{Handed, Outcome, Produce, StoreError};

/// Names the file whose existence makes stores stall.
const VARIABLE: &str = "OPENIM_TEST_STALL_FILE";
/// Time between two looks at the file.
const LOOK: Duration = Duration::from_millis(20);

/// What makes calls of the ports wait, if the environment asks for the test aid.
pub(crate) fn stall_ports() -> Option<Before> {
    let file = PathBuf::from(std::env::var_os(VARIABLE)?);
    let name = |kind| match kind {
        Kind::Read => "read",
        Kind::Write => "write",
        Kind::Store => "store",
    };
    Some(Arc::new(move |kind| wait(&file, name(kind))))
}

/// Waits while the file names what would be done.
fn wait(file: &Path, what: &str) {
    while std::fs::read_to_string(file).is_ok_and(|text| {
        let mut named = text.split_whitespace().peekable();
        match named.peek() {
            None => what == "log",
            Some(_) => named.any(|name| name == what),
        }
    }) {
        std::thread::sleep(LOOK);
    }
}

/// See the module.
pub(crate) struct StallLog {
    inner: Box<dyn Produce>,
    file: PathBuf,
}

impl StallLog {
    /// The log itself, unless the environment asks for the test aid.
    pub(crate) fn wrap(inner: Box<dyn Produce>) -> Box<dyn Produce> {
        match std::env::var_os(VARIABLE) {
            None => inner,
            Some(file) => {
                tracing::info!("{VARIABLE} is set: what that file names stalls while it exists");
                Box::new(Self { inner, file: file.into() })
            }
        }
    }
}

impl Produce for StallLog {
    fn submit(&mut self, records: &[Handed<'_>], now_ms: i64) -> Range<u64> {
        wait(&self.file, "log");
        if std::fs::read(&self.file).is_ok_and(|said| said == b"broken") {
            broken("the file of a test says so");
        }
        self.inner.submit(records, now_ms)
    }

    fn poll(&mut self, wait: Duration, each: &mut dyn FnMut(Outcome<'_>)) {
        self.inner.poll(wait, each);
    }

    fn head(&self, partition: PartitionId) -> Position {
        self.inner.head(partition)
    }

    fn check(&self) -> Result<(), StoreError> {
        self.inner.check()
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        self.inner.finish()
    }
}
