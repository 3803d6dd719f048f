//! Whether another server goes on with this log in its place: then nothing more is written here, ever.
//!
//! Owns `<data>/fenced`: the epochs of the one that was promoted. In: epochs that continue these. Out: from then on no
//! record is taken, a start is refused in a line, and whoever asks is told. Invariant: who was told that this one is fenced
//! may rely on it, after a crash too. A directory that has taken over the newer epochs, as a standby does, is free again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::epochs::{self, Begun, Epochs};
use super::error::OpenError;
use super::log::{Segments, Writer};
use crate::port::StoreError;

/// See the module.
pub struct Fence {
    dir: PathBuf,
    epochs: Mutex<Epochs>,
    segments: Arc<Segments>,
    writer: Arc<Mutex<Writer>>,
}

/// Why a server is not fenced.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// The epochs do not continue those of this server.
    #[error(
        "the epochs that were given end with {given} and do not continue those of this server, which end with {own}: \
         nothing was changed"
    )]
    NotNewer {
        /// The last one that was given.
        given: u64,
        /// The last one of this server.
        own: u64,
    },
    /// It takes nothing any more, but a start would: it could not be noted.
    #[error("this server takes nothing any more, but that could not be noted: {0}")]
    NotNoted(#[from] StoreError),
}

impl Fence {
    pub(super) fn new(
        dir: PathBuf,
        epochs: Epochs,
        segments: Arc<Segments>,
        writer: Arc<Mutex<Writer>>,
    ) -> Self {
        Self { dir, epochs: Mutex::new(epochs), segments, writer }
    }

    /// The epochs of this server's log.
    #[must_use]
    pub fn epochs(&self) -> Epochs {
        self.epochs.lock().clone()
    }

    /// Takes over the epochs of the server that this one follows, durably, before anything under them is written.
    pub(super) fn take_over(&self, epochs: &Epochs) -> Result<(), StoreError> {
        let mut own = self.epochs.lock();
        epochs.write(&self.dir)?;
        own.clone_from(epochs);
        Ok(())
    }

    /// Has this server take nothing any more, durably: another one goes on with its log, under these epochs. Done already
    /// it does nothing.
    ///
    /// # Errors
    /// [`FenceError`].
    pub fn close(&self, newer: &Epochs) -> Result<(), FenceError> {
        let own = self.epochs();
        let begun = match first_of(&own, newer) {
            Some(begun) if own.are_continued_by(newer) => begun,
            _ => {
                let (given, own) = (newer.number(), own.number());
                return Err(FenceError::NotNewer { given, own });
            }
        };
        let line = line(begun);
        if self.segments.close(&line) {
            tracing::error!("fenced, so nothing is taken any more: {line}");
        }
        // What is being written is the last.
        let _written = self.writer.lock();
        let file = path(&self.dir);
        if !matches!(epochs::read(&file), Ok(Some(noted)) if noted == *newer) {
            epochs::write(&file, &newer.text())?;
        }
        Ok(())
    }

    /// Has the log have one epoch more from where it ends now on, durably: the next opening begins it. Nothing is taken here
    /// any more.
    ///
    /// # Errors
    /// [`StoreError`]; the next opening goes on as before, or, where nobody knows, begins the epoch.
    pub fn next_epoch(&self) -> Result<Begun, StoreError> {
        self.segments.close("its next epoch is about to begin");
        let _written = self.writer.lock();
        let end = self.segments.end();
        self.segments.flush_to(end)?;
        let mut epochs = self.epochs.lock();
        let next = epochs.with_next(self.segments.salt(), end);
        next.write(&self.dir)?;
        epochs.clone_from(&next);
        Ok(next.last().expect("one more was added"))
    }

    /// Who goes on with the log in this one's place, if so.
    #[must_use]
    pub fn closed(&self) -> Option<&str> {
        self.segments.closed()
    }
}

/// The first epoch that is not this server's.
fn first_of(own: &Epochs, newer: &Epochs) -> Option<Begun> {
    newer.begun_behind(own.number())
}

fn line(begun: Begun) -> String {
    let (number, from) = (begun.number(), begun.from());
    format!("epoch {number} of the log began at {from} on another server, which was promoted")
}

/// Refuses a directory whose server was fenced, unless it has taken over the epochs that fenced it.
pub(super) fn refuse(dir: &Path, own: &Epochs) -> Result<(), OpenError> {
    let file = path(dir);
    match epochs::read(&file)? {
        Some(newer) if own.are_continued_by(&newer) => {
            let why = first_of(own, &newer).map_or_else(String::new, line);
            Err(OpenError::Fenced { file, why })
        }
        _ => Ok(()),
    }
}

/// The file in a data directory.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("fenced")
}
