//! The log: the one place where a message comes into being (law: the log decides).

use std::ops::ControlFlow;

use openim_record::Position;

use super::StoreError;

/// A clock that is further behind the newest record than this is followed: time must not stand still
/// for years because it was wrong once.
pub const FALL_FOLLOWED_MS: i64 = 24 * 60 * 60 * 1000;

/// The durable, totally ordered log of encoded messages.
///
/// One writer thread owns it. Contract:
/// - `append` makes the whole batch durable, in order, or keeps nothing of it that a later replay
///   would show.
/// - Positions grow strictly. Append times (unix milliseconds) never fall, whatever the clock does,
///   but for one case: a clock more than [`FALL_FOLLOWED_MS`] behind the newest record proves that
///   record's time wrong, and is followed. A record is therefore no younger than any behind it.
/// - After a crash, `replay` shows exactly the batches whose `append` returned `Ok`, and possibly
///   the one that was under way, whole.
pub trait Log: Send {
    /// Appends `records` as one durable batch at about `now_ms`.
    ///
    /// `positions` is cleared and gets one position a record.
    ///
    /// # Errors
    /// [`AppendError`]; nothing of the batch is kept.
    fn append(
        &mut self,
        records: &[&[u8]],
        now_ms: i64,
        positions: &mut Vec<Position>,
    ) -> Result<Appended, AppendError>;

    /// Whether an append would be taken now, as far as can be told without one: for the writer's idle
    /// moments, so that a log that cannot go on is known before somebody sends.
    ///
    /// # Errors
    /// [`AppendError`], as the append would give it.
    fn check(&self) -> Result<(), AppendError> {
        Ok(())
    }

    /// Makes everything that was appended as durable as it can be, before the end.
    ///
    /// # Errors
    /// [`AppendError`]; what is lost then is no more than a crash would lose.
    fn finish(&mut self) -> Result<(), AppendError> {
        Ok(())
    }

    /// The position that the next record will get.
    fn head(&self) -> Position;

    /// Shows every record at or after `from`, in order, and returns the head.
    ///
    /// # Errors
    /// [`LogError`] when bytes that were once durable cannot be read back.
    fn replay(
        &mut self,
        from: Position,
        each: &mut dyn FnMut(Replayed<'_>) -> ControlFlow<()>,
    ) -> Result<Position, LogError>;
}

/// A batch became durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Append time of every record in the batch, unix milliseconds.
    pub append_ms: i64,
    /// The log's new head.
    pub head: Position,
}

/// One record shown by [`Log::replay`].
#[derive(Clone, Copy, Debug)]
pub struct Replayed<'a> {
    /// Where it lies.
    pub position: Position,
    /// When it was appended, unix milliseconds.
    pub append_ms: i64,
    /// The encoded message.
    pub record: &'a [u8],
}

/// A batch was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Refused before anything durable changed (disk full, broker away): the next batch may pass.
    #[error("the log refused the batch: {0}")]
    Refused(#[source] StoreError),
    /// It is unknown what the device kept (a failed flush). The process must stop and recover by
    /// replay; going on could acknowledge what is not there.
    #[error("the log is in an unknown state: {0}")]
    Poisoned(#[source] StoreError),
}

/// The log cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}
