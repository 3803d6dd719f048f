//! Out of the log: the records of the partitions that this process owns.

use std::ops::ControlFlow;
use std::time::Duration;

use openim_record::{PartitionId, Position};

use super::StoreError;

/// Shows what the log holds, by partition, from where the history store ends.
///
/// Contract:
/// - A partition is assigned before anything of it is shown. Its owner asks the history how far it has come, and says
///   where to begin ([`Self::begin`]); before that none of its records is shown. So a partition can be recovered at any
///   time, also while others are served.
/// - Of a partition every record at or after its beginning is shown, in the order in which the records landed, at least
///   once; a record may be shown again to whoever owns several partitions, who knows what each has applied.
/// - After a crash exactly the records are shown that have landed, and possibly some of those under way: whole batches
///   where they land as one.
pub trait Consume: Send {
    /// Shows what has come, waiting at most so long for the first, until there is no more for now or `each` breaks.
    ///
    /// # Errors
    /// [`StoreError`] when what was once durable cannot be read back.
    fn poll(
        &mut self,
        wait: Duration,
        each: &mut dyn FnMut(Consumed<'_>) -> ControlFlow<()>,
    ) -> Result<Polled, StoreError>;

    /// An assigned partition is shown from this position on; said again, from there again.
    fn begin(&mut self, partition: PartitionId, from: Position);

    /// Everything of a partition below this position is in the history, durably: it need not be shown ever again.
    fn applied(&mut self, partition: PartitionId, below: Position);
}

/// Something that a log shows.
#[derive(Clone, Copy, Debug)]
pub enum Consumed<'a> {
    /// This process owns a partition from now on.
    Assigned(PartitionId),
    /// A record.
    Record {
        /// Of which partition; `None` where one log holds the records of all, and the record says for which it is.
        partition: Option<PartitionId>,
        /// The record.
        record: Replayed<'a>,
    },
    /// This process owns a partition no more: what it holds of it in memory is worth nothing.
    Revoked(PartitionId),
}

/// How far a [`Consume::poll`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// There may be more.
    More,
    /// Everything that had landed when it was called has been shown.
    CaughtUp,
}

/// One record of the log.
#[derive(Clone, Copy, Debug)]
pub struct Replayed<'a> {
    /// Where it lies.
    pub position: Position,
    /// When it was appended, unix milliseconds.
    pub append_ms: i64,
    /// The encoded message.
    pub record: &'a [u8],
}
