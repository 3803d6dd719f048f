//! Readers of the log beside the server, each of which keeps its place: what it has dealt with is not shown to it after a start.
//!
//! Owns `<data>/cursors/NAME`, a small text under a checksum that is replaced as a whole. In: how far the reader has come. Out:
//! each record that is on the device, once and in order, and again from the place that was noted last where the process was
//! killed. Never: holds retention up (what was removed before it was read is told as that), or has the writer of the log
//! notice it.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use openim_record::Position;

use super::data_dir::{TITLE, make_private};
use super::epochs;
use super::error::io_error;
use super::log::{Segments, Walked};
use crate::port::{Polled, Replayed, StoreError};

/// Between two looks whether something has come.
const LOOK: Duration = Duration::from_millis(20);

/// Opens cursors.
pub struct Cursors {
    dir: PathBuf,
    segments: Arc<Segments>,
}

/// Where a cursor begins that was never here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With what comes.
    End,
    /// With the oldest record that is kept.
    Oldest,
}

/// One reader's place; see the module.
pub struct Cursor {
    segments: Arc<Segments>,
    file: PathBuf,
    walked: Walked,
    /// What the file says.
    saved: Option<Position>,
}

impl Cursors {
    pub(super) fn new(dir: &Path, segments: Arc<Segments>) -> Self {
        Self { dir: dir.join("cursors"), segments }
    }

    /// Opens the cursor of this name, a file name of its own. One that was never here begins as `begin` says. One that is not
    /// as it was written, or lies behind the log's end (another log was put here), does the same, and a line says so.
    ///
    /// # Errors
    /// [`StoreError`]: the folder cannot be made, or the file not be read or written.
    pub fn open(&self, name: &str, begin: Begin) -> Result<Cursor, StoreError> {
        make_private(&self.dir).map_err(io_error(format!("making {}", self.dir.display())))?;
        let file = self.dir.join(name);
        let read = match std::fs::read_to_string(&file) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(io_error(format!("reading {}", file.display()))(error));
            }
        };
        let head = self.segments.flushed_head();
        let saved = read.as_deref().and_then(of_text).filter(|saved| *saved <= head);
        if read.is_some() && saved.is_none() {
            tracing::warn!(
                file = %file.display(),
                "the place of a reader of the log is damaged or of another log; it begins anew ({begin:?})"
            );
        }
        let next = saved.unwrap_or(match begin {
            Begin::End => head,
            Begin::Oldest => Position(0),
        });
        let segments = Arc::clone(&self.segments);
        let mut cursor = Cursor { segments, file, walked: Walked::from(next), saved };
        // Whoever is killed before it noted anything begins there again.
        cursor.save(next)?;
        Ok(cursor)
    }
}

impl Cursor {
    /// Everything below was shown.
    #[must_use]
    pub const fn next(&self) -> Position {
        self.walked.next
    }

    /// Bytes of the log that were not shown yet, heads of batches and segments included.
    #[must_use]
    pub fn behind_bytes(&self) -> u64 {
        self.segments.flushed_head().0.saturating_sub(self.walked.next.0)
    }

    /// The oldest record that is kept lies there or behind.
    #[must_use]
    pub fn oldest(&self) -> Position {
        Position(self.segments.list().first().map_or(0, |segment| segment.base))
    }

    /// Goes on from another position; what is noted stays.
    pub const fn seek(&mut self, to: Position) {
        self.walked.next = to;
    }

    /// Shows what is on the device and was not shown, waiting at most so long for the first, until there is no more or `each`
    /// breaks, which takes the record all the same.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read; [`Self::pass`] goes on behind damage.
    pub fn poll(
        &mut self,
        wait: Duration,
        each: &mut dyn FnMut(Replayed<'_>) -> ControlFlow<()>,
    ) -> Result<Polled, StoreError> {
        let begun = Instant::now();
        while self.behind_bytes() == 0 {
            let left = wait.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(Polled::CaughtUp);
            }
            std::thread::sleep(left.min(LOOK));
        }
        let broke = self.segments.walk_on(&mut self.walked, each)?;
        Ok(if broke { Polled::More } else { Polled::CaughtUp })
    }

    /// Reads the record at a position.
    ///
    /// # Errors
    /// See [`Records::read`](crate::port::Records::read).
    pub fn read(&self, position: Position, record: &mut Vec<u8>) -> Result<(), StoreError> {
        self.segments.read(position, record)
    }

    /// What retention removed before it was shown, since this was asked last: from where, up to where.
    pub const fn take_removed(&mut self) -> Option<(Position, Position)> {
        self.walked.removed.take()
    }

    /// Goes on behind the file of the log that cannot be read, and gives what was left out; `None`, and nothing happens, while
    /// it is being written.
    pub fn pass(&mut self) -> Option<(Position, Position)> {
        self.segments.pass(&mut self.walked)
    }

    /// Notes durably that everything below `done` need not be shown ever again. For every second or so: it waits for the disk.
    ///
    /// # Errors
    /// [`StoreError`]: what was noted before stays.
    pub fn save(&mut self, done: Position) -> Result<(), StoreError> {
        if self.saved != Some(done) {
            epochs::write(&self.file, &text(done))?;
            self.saved = Some(done);
        }
        Ok(())
    }
}

fn text(next: Position) -> String {
    let text = format!("# {TITLE}\nnext = {next}\n");
    format!("{text}check = {:08x}\n", crc32c::crc32c(text.as_bytes()))
}

fn of_text(read: &str) -> Option<Position> {
    let next = read.lines().find_map(|line| line.strip_prefix("next = "))?;
    let next = Position(next.parse().ok()?);
    (text(next) == read).then_some(next)
}
