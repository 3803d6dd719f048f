//! The archive on the embedded engine: the log itself, shown through the `persistent` switch.
//!
//! Nothing is written: a body lies once in the log, and retention keeps every segment that holds an archived one whose
//! time has not come.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use openim_record::{Message, Position};

use super::commits::Commits;
use super::data_dir::{self, Lock};
use super::epochs::Epochs;
use super::error::OpenError;
use super::log::{BATCH_HEAD_BYTES, Found, Salt, Salvage, Segments, Span, segment_files};
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
        self.segments.walk(
            from,
            &|segment| segment.held.is_some_and(|held| held.is_nothing()),
            &mut |replayed| {
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
            },
        )?;
        Ok(next)
    }
}

/// The archive read from the log's files alone, without the index and around damage: of a server that does not run, or
/// beside one that does.
///
/// Beside one only what is durable is read, as the server notes it in `commits` and in each batch; nobody there notices, but
/// for the disk, which is left to them most of the time.
pub struct ArchiveReader {
    dir: PathBuf,
    salt: Salt,
    /// Keeps a server from starting meanwhile.
    lock: Option<Lock>,
    /// Where the newest segment was read up to.
    read_to: Option<(u64, u64)>,
    pace: Pace,
}

/// What an [`ArchiveReader`] finds.
pub enum Salvaged<'a> {
    /// An archived message.
    Message(Archived<'a>),
    /// Something that cannot be read, by file and offset; it may have been archived messages.
    Lost(StoreError),
}

impl ArchiveReader {
    /// Opens the archive in `dir`, beside the server that runs there if one does; `None` where no server ever was.
    ///
    /// # Errors
    /// [`OpenError`] when the format file cannot be read.
    pub fn open(dir: &Path) -> Result<Option<Self>, OpenError> {
        match data_dir::visit(dir) {
            Ok(visited) => Ok(visited.map(|(lock, salt)| Self::of(dir, salt, Some(lock)))),
            Err(OpenError::Locked { .. }) => Self::beside(dir),
            Err(error) => Err(error),
        }
    }

    /// The same, and lets servers start and stop there.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub fn beside(dir: &Path) -> Result<Option<Self>, OpenError> {
        Ok(data_dir::glance(dir)?.map(|salt| Self::of(dir, salt, None)))
    }

    fn of(dir: &Path, salt: Salt, lock: Option<Lock>) -> Self {
        Self { dir: dir.to_owned(), salt, lock, read_to: None, pace: Pace::default() }
    }

    /// Shows the archived messages of `span` that are there now, in log order, and what is lost between them. Gives where
    /// what comes later will lie.
    ///
    /// # Errors
    /// [`OpenError`] when the log's folder cannot be listed, or a note beside it cannot be read.
    pub fn scan(
        &mut self,
        span: &Span,
        each: &mut dyn FnMut(Salvaged<'_>) -> ControlFlow<()>,
    ) -> Result<Position, OpenError> {
        let epochs = Epochs::read(&self.dir)?;
        let log = self.dir.join("log");
        let bases = segment_files(&log)?;
        // Behind the list: what is missing in it is noted.
        let noted = Commits::look(&self.dir, self.salt).unwrap_or_default();
        let is_live = self.lock.is_none();
        let durable = noted.log_applied.saturating_sub(BATCH_HEAD_BYTES as u64);
        let removed = noted.removed;
        let mut salvage = Salvage {
            dir: &log,
            bases: &bases,
            salt: self.salt,
            epochs: &epochs,
            removed,
            durable: is_live.then_some(durable),
            read_to: self.read_to,
        };
        let (pace, mut next) = (&mut self.pace, span.from);
        salvage.show(span, &mut |found| match found {
            Found::Lost(what) => each(Salvaged::Lost(what)),
            Found::Record(Replayed { position, append_ms, record }) => {
                next = Position(position.0 + 1);
                if is_live {
                    pace.read(record.len());
                }
                match Message::kept_forever(record) {
                    true => each(Salvaged::Message(Archived { position, append_ms, record })),
                    false => ControlFlow::Continue(()),
                }
            }
        });
        self.read_to = salvage.read_to;
        Ok(next)
    }
}

/// Pauses now and then, in times of what was done since the last one: others have the device and the processor most of
/// the time.
struct Pace {
    bytes: usize,
    since: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self { bytes: 0, since: Instant::now() }
    }
}

impl Pace {
    fn read(&mut self, bytes: usize) {
        const PART_BYTES: usize = 1 << 20;
        const PAUSES: u32 = 2;
        const PAUSE_MAX: Duration = Duration::from_millis(100);
        self.bytes += bytes;
        if self.bytes < PART_BYTES {
            return;
        }
        std::thread::sleep((self.since.elapsed() * PAUSES).min(PAUSE_MAX));
        *self = Self::default();
    }
}
