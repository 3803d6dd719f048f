//! What applying the log to the inboxes yields: the values a shard hands to the history store.

use std::sync::Arc;

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
    /// These records, for an engine that keeps them; empty where it reads them from its log. Handed over by whoever
    /// numbered them: entries of one record share its bytes, and nothing is copied.
    pub records: Vec<Body>,
}

/// A record as an engine keeps it that does not read it from its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// When the log took it, unix milliseconds; for retention.
    pub append_ms: i64,
    /// The encoded message.
    pub bytes: Arc<[u8]>,
}

impl InboxRun {
    /// A run for an engine that reads records from its log.
    #[must_use]
    pub const fn new(user: UserId, first: Seq, positions: Vec<Position>) -> Self {
        Self { user, first, positions, records: Vec::new() }
    }
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

/// Recovered state of one partition; of one that was never stored, its beginning.
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
    /// Just behind the record of the newest entry: everything below is applied to this inbox. 0 where nothing
    /// was, and where the engine does not know it any more, as its entries have expired.
    pub through: Position,
}

impl InboxBounds {
    /// With nothing below `min` any more. Never beyond the next seq: what clients ask for begins at the oldest kept.
    #[must_use]
    pub fn kept_from(self, min: Seq) -> Self {
        Self { min: self.min.max(min.min(self.newest.next())), ..self }
    }
}
