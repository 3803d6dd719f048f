//! How much space the data takes and how much is left, looked at now and then.
//!
//! In: the data directory. Out: figures that the operator's thread reads. A look walks folders and may wait
//! for a disk, so it has a thread of its own: a disk that hangs makes the figures old and stops nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender};
use openim_storage::embedded;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(10);

/// What the last look has found.
#[derive(Debug, Default)]
pub struct DiskFigures {
    /// Bytes that this process could still write.
    pub free_bytes: AtomicU64,
    /// Bytes of the log.
    pub log_bytes: AtomicU64,
    /// Bytes of the index.
    pub index_bytes: AtomicU64,
}

/// Looks for as long as it lives.
#[derive(Debug)]
pub(crate) struct Looking {
    pub(crate) figures: Arc<DiskFigures>,
    _stop: Sender<()>,
}

impl Looking {
    /// Looks once, and then every few seconds.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn at(data_dir: &Path) -> std::io::Result<Looking> {
        let figures = Arc::new(DiskFigures::default());
        let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
        let (data_dir, found) = (data_dir.to_owned(), Arc::clone(&figures));
        // Not joined: it may be waiting for a disk that hangs.
        std::thread::Builder::new().name("disk".to_owned()).spawn(move || {
            loop {
                // What cannot be looked at keeps its last figure.
                if let Ok(sizes) = embedded::sizes(&data_dir) {
                    found.free_bytes.store(sizes.free_bytes, Ordering::Relaxed);
                    found.log_bytes.store(sizes.log_bytes, Ordering::Relaxed);
                    found.index_bytes.store(sizes.index_bytes, Ordering::Relaxed);
                }
                if stopped.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Looking { figures, _stop: stop })
    }
}
