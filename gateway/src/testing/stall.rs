//! A log that can be made to stall, to test what the server does when its disk does, and to stop as one
//! whose belief about its own state turned out wrong.
//!
//! Only when `OPENIM_TEST_STALL_FILE` names a file: while that file exists, appends wait; when it says
//! `broken`, an invariant is.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use openim_record::{Position, broken};
use openim_storage::port::{AppendError, Appended, Log, LogError, Replayed};

/// Names the file whose existence stalls the log.
const VARIABLE: &str = "OPENIM_TEST_STALL_FILE";

/// See the module.
pub(crate) struct StallLog {
    inner: Box<dyn Log>,
    file: PathBuf,
}

impl StallLog {
    /// The log itself, unless the environment asks for the test aid.
    pub(crate) fn wrap(inner: Box<dyn Log>) -> Box<dyn Log> {
        match std::env::var_os(VARIABLE) {
            None => inner,
            Some(file) => {
                tracing::info!("{VARIABLE} is set: the log stalls while that file exists");
                Box::new(Self { inner, file: file.into() })
            }
        }
    }
}

impl Log for StallLog {
    fn append(
        &mut self,
        records: &[&[u8]],
        now_ms: i64,
        positions: &mut Vec<Position>,
    ) -> Result<Appended, AppendError> {
        while self.file.exists() {
            if std::fs::read(&self.file).is_ok_and(|said| said == b"broken") {
                broken("the file of a test says so");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.inner.append(records, now_ms, positions)
    }

    fn check(&self) -> Result<(), AppendError> {
        self.inner.check()
    }

    fn finish(&mut self) -> Result<(), AppendError> {
        self.inner.finish()
    }

    fn head(&self) -> Position {
        self.inner.head()
    }

    fn replay(
        &mut self,
        from: Position,
        each: &mut dyn FnMut(Replayed<'_>) -> ControlFlow<()>,
    ) -> Result<Position, LogError> {
        self.inner.replay(from, each)
    }
}
