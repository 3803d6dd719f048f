//! History: each user's numbered inbox, and how far the log has been applied to it.

use openim_record::{InboxBounds, Position, Seq, StoreBatch, StoredState, UserId};

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

    /// The cutoff of the last [`Self::retain`], durably; `None` before the first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn retained_ms(&self) -> Result<Option<i64>, StoreError>;

    /// Removes history appended before `older_than_ms`, at most about `entries_max` entries a call.
    ///
    /// # Errors
    /// [`StoreError`]; what was removed so far stays removed.
    fn retain(&self, older_than_ms: i64, entries_max: usize) -> Result<RetainReport, StoreError>;
}

/// What one [`History::retain`] call did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetainReport {
    /// Inbox entries removed.
    pub entries_removed: u64,
    /// Bytes given back to the file system.
    pub bytes_freed: u64,
    /// The inboxes that were cut, each with its oldest kept seq now.
    pub raised: Vec<(UserId, Seq)>,
    /// Whether another call would find more.
    pub more: bool,
}
