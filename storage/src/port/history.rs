//! History: each user's numbered inbox, and how far the log has been applied to it.

use openim_record::{MessageKey, PartitionId, Position, Seq, UserId};

use super::StoreError;

/// The store of sequenced messages, read by (uid, seq).
///
/// Contract:
/// - `store` is atomic and durable: after a crash either the whole batch is there or nothing of it,
///   including `applied`, so that a replay from the lowest applied position never numbers twice.
/// - Storing an entry again (same uid, seq, position) changes nothing.
/// - `read` never gives less than the range holds with `Ok`.
/// - `retain` raises `min` durably before it deletes below it; `newest` never falls.
pub trait History: Send + Sync {
    /// Stores a batch; the batches of one partition come in log order.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is kept.
    fn store(&self, batch: &StoreBatch) -> Result<(), StoreError>;

    /// What survived: per partition the applied position and the duplicates still in the window.
    ///
    /// # Errors
    /// [`StoreError`].
    fn recover(&self) -> Result<Vec<StoredState>, StoreError>;

    /// Bounds of each inbox as stored; zeros for a user never seen. Same order as `users`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn bounds(&self, users: &[UserId]) -> Result<Vec<InboxBounds>, StoreError>;

    /// The positions of `from..=to` in `user`'s inbox that are stored, ascending by seq, appended to
    /// `out`. Seqs below the kept minimum are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    fn positions(
        &self,
        user: &UserId,
        from: Seq,
        to: Seq,
        out: &mut Vec<(Seq, Position)>,
    ) -> Result<(), StoreError>;

    /// Reads the record at `position` into `record` (cleared first), checksum verified.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the bytes are not what was appended.
    fn fetch(&self, position: Position, record: &mut Vec<u8>) -> Result<(), StoreError>;

    /// Removes history appended before `older_than_ms`, at most about `entries_max` entries a call.
    ///
    /// # Errors
    /// [`StoreError`]; what was removed so far stays removed.
    fn retain(&self, older_than_ms: i64, entries_max: usize) -> Result<RetainReport, StoreError>;
}

/// One entry of one inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequenced {
    /// Whose inbox.
    pub user: UserId,
    /// Its number there.
    pub seq: Seq,
    /// The record it refers to.
    pub position: Position,
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
    /// New inbox entries, grouped by user, ascending by seq within a user.
    pub entries: Vec<Sequenced>,
    /// Append time of the newest record in `entries`, unix milliseconds; for retention.
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

/// What one [`History::retain`] call did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetainReport {
    /// Inbox entries removed.
    pub entries_removed: u64,
    /// Bytes given back to the file system.
    pub bytes_freed: u64,
    /// Whether another call would find more.
    pub more: bool,
}
