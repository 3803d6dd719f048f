//! The archive on the embedded engine: the log itself, shown through the `persistent` switch.
//!
//! Nothing is written: a body lies once in the log, and retention keeps every segment that holds an
//! archived one.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use openim_record::{Message, Position};

use super::data_dir::{self, Lock};
use super::epochs::Epochs;
use super::error::OpenError;
use super::log::{Found, Salt, Segments, salvage};
use crate::port::{Archive, Archived, Replayed, StoreError};

/// The embedded engine's archive.
pub struct EmbeddedArchive {
    segments: Arc<Segments>,
}

impl EmbeddedArchive {
    pub(super) const fn new(segments: Arc<Segments>) -> Self {
        Self { segments }
    }
}

#[async_trait]
impl Archive for EmbeddedArchive {
    /// The log has them.
    async fn append(&self, _: &[Archived<'_>]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn scan(
        &self,
        from: Position,
        messages_max: usize,
        each: &mut (dyn for<'r> FnMut(Archived<'r>) + Send),
    ) -> Result<Option<Position>, StoreError> {
        let mut shown = 0;
        let mut next = None;
        self.segments.walk(from, &|segment| segment.archived == Some(false), &mut |replayed| {
            if !Message::peek_switches(replayed.record).is_some_and(|on| on.persistent) {
                return ControlFlow::Continue(());
            }
            if shown == messages_max.max(1) {
                next = Some(replayed.position);
                return ControlFlow::Break(());
            }
            shown += 1;
            each(Archived {
                position: replayed.position,
                append_ms: replayed.append_ms,
                record: replayed.record,
            });
            ControlFlow::Continue(())
        })?;
        Ok(next)
    }
}

/// The archive of a server that does not run, read from the log alone: without the index, and around damage.
pub struct ArchiveReader {
    log: PathBuf,
    salt: Salt,
    epochs: Epochs,
    /// Keeps a server from starting meanwhile.
    _lock: Lock,
}

/// What an [`ArchiveReader`] finds.
pub enum Salvaged<'a> {
    /// An archived message.
    Message(Archived<'a>),
    /// Something that cannot be read, by file and offset; it may have been archived messages.
    Lost(StoreError),
}

impl ArchiveReader {
    /// Opens the archive in `dir`; `None` where no server ever was.
    ///
    /// # Errors
    /// [`OpenError`] when a server runs there, or the format file cannot be read.
    pub fn open(dir: &Path) -> Result<Option<Self>, OpenError> {
        let Some((lock, salt)) = data_dir::visit(dir)? else { return Ok(None) };
        let epochs = Epochs::read(dir)?;
        Ok(Some(Self { log: dir.join("log"), salt, epochs, _lock: lock }))
    }

    /// Shows archived messages at or after `from`, in log order, and what is lost between them.
    ///
    /// # Errors
    /// [`StoreError`] when the log's folder cannot be listed.
    pub fn scan(
        &self,
        from: Position,
        each: &mut dyn FnMut(Salvaged<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        salvage(&self.log, self.salt, &self.epochs, from, &mut |found| match found {
            Found::Lost(what) => each(Salvaged::Lost(what)),
            Found::Record(Replayed { position, append_ms, record }) => {
                if Message::kept_forever(record) {
                    each(Salvaged::Message(Archived { position, append_ms, record }))
                } else {
                    ControlFlow::Continue(())
                }
            }
        })
    }
}
