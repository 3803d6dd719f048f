//! History: each user's numbered inbox, and how far the log has been applied to it.

use async_trait::async_trait;
use openim_record::{InboxBounds, PartitionId, Position, Seq, StoreBatch, StoredState, UserId};

use super::StoreError;

/// The store of sequenced messages, read by (uid, seq).
///
/// Contract:
/// - After a crash each user's inbox is a prefix of what was handed in, without a hole, and a replay from `applied`
///   completes it; storing again changes nothing. So `applied` and duplicates are never ahead of the entries they
///   stand for. An engine may store a batch in one stroke, or in several: entries first, `applied` last.
/// - What `store` has answered is durable. After an error any prefix of the batch may be there, and after
///   [`StoreError::Conflict`] nothing of the inbox that contradicts.
/// - `range` never gives less than the range holds with `Ok`.
/// - `retain` raises `min` durably before it deletes below it; `newest` never falls.
///
/// Records come with their batch ([`openim_record::InboxRun::records`]) for an engine that keeps them. One that reads
/// them from its log gets none: whoever numbers records lets go of their bytes at once then, and nothing is copied.
#[async_trait]
pub trait History: Send + Sync {
    /// Stores a batch; the batches of one partition come in log order.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when an inbox would get a hole or a second numbering; [`StoreError`].
    async fn store(&self, batch: &StoreBatch) -> Result<(), StoreError>;

    /// What survived of a partition: the applied position and the duplicates still in the window.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn recover(&self, partition: PartitionId) -> Result<StoredState, StoreError>;

    /// Bounds of each inbox as stored; zeros for a user never seen. Same order as `users`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn bounds(&self, users: &[UserId]) -> Result<Vec<InboxBounds>, StoreError>;

    /// The entries of `from..=to` in `user`'s inbox that are stored, with their records, ascending; from the oldest
    /// kept on. At least one, unless none is stored or all have just expired, and no more once their records have
    /// `bytes_max` bytes.
    ///
    /// # Errors
    /// [`StoreError`]. A damaged record is no error of the call: what is around it must not be lost with it.
    async fn range(
        &self,
        user: &UserId,
        from: Seq,
        to: Seq,
        bytes_max: usize,
    ) -> Result<Range, StoreError>;

    /// Makes durable what need not be at once, so that a start has little to do; asked every few seconds.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is lost by it.
    async fn settle(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The cutoff of the last [`Self::retain`], durably; `None` before the first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn retained_ms(&self) -> Result<Option<i64>, StoreError>;

    /// Removes history appended before `older_than_ms`, at most about `entries_max` entries a call.
    ///
    /// # Errors
    /// [`StoreError`]; what was removed so far stays removed.
    async fn retain(
        &self,
        older_than_ms: i64,
        entries_max: usize,
    ) -> Result<RetainReport, StoreError>;
}

/// What [`History::range`] gives.
#[derive(Debug, Default)]
pub struct Range {
    /// Entries that follow each other.
    pub entries: Vec<Entry>,
    /// Where to go on; `None` when nothing more of the range is stored.
    pub next: Option<Seq>,
}

/// A stored entry of an inbox.
#[derive(Debug)]
pub struct Entry {
    /// Its place in the inbox.
    pub seq: Seq,
    /// That of its record in the log.
    pub position: Position,
    /// The record; [`StoreError::Corrupt`] when it is damaged, for ever.
    pub record: Result<Box<[u8]>, StoreError>,
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
    /// What went because the archive was larger than it may be.
    pub too_much: Option<TooMuch>,
    /// Whether another call would find more.
    pub more: bool,
}

/// What of the archive went before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch {
    /// Bytes given back.
    pub bytes: u64,
    /// Append time of the newest of it, unix milliseconds.
    pub newest_ms: i64,
}
