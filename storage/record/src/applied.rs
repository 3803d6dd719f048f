//! What applying the log to the inboxes yields: the values a shard hands to the history store.

use crate::{MessageKey, PartitionId, Position, Seq, UserId};

/// A dense run of one inbox: the entries `first`, `first + 1`, … in log order.
///
/// A batch holds at most one run a user, so an engine can store a run as one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRun {
    /// Whose inbox.
    pub user: UserId,
    /// Seq of the first entry.
    pub first: Seq,
    /// The record each entry refers to; never empty, strictly ascending.
    pub positions: Vec<Position>,
}

/// A key that a partition has seen, for law L4 across a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateEntry {
    /// Identity of the send.
    pub key: MessageKey,
    /// `sendTime` of the first receipt, unix nanoseconds.
    pub send_time_ns: i64,
    /// When the log took it, unix milliseconds.
    pub append_ms: i64,
}

/// What one shard has applied since its last batch.
#[derive(Clone, Debug, Default)]
pub struct StoreBatch {
    /// New inbox entries, one run a user.
    pub runs: Vec<InboxRun>,
    /// Append time of the newest record in `runs`, unix milliseconds; for retention.
    pub newest_append_ms: i64,
    /// New duplicates by partition, oldest first.
    pub duplicates: Vec<(PartitionId, Vec<DuplicateEntry>)>,
    /// All records of these partitions below these positions are in this or an earlier batch.
    pub applied: Vec<(PartitionId, Position)>,
    /// Per partition, how many duplicates the owner still holds; older stored ones may be dropped.
    pub duplicates_kept: Vec<(PartitionId, usize)>,
}

/// Recovered state of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredState {
    /// Which partition.
    pub partition: PartitionId,
    /// Replay from here.
    pub applied: Position,
    /// Stored duplicates, oldest first.
    pub duplicates: Vec<DuplicateEntry>,
}

/// First and last kept seq of an inbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboxBounds {
    /// Oldest kept seq; 0 when the inbox was never written. `newest + 1` when all has expired.
    pub min: Seq,
    /// Highest seq ever assigned; 0 when the inbox was never written.
    pub newest: Seq,
}
