//! The archive: every message whose `persistent` switch is on, kept for ever or for as long as the
//! engine is told to.

use async_trait::async_trait;
use openim_record::Position;

use super::StoreError;

/// The permanent chat log (spec, REST 3.1 `chat_log`).
///
/// Contract: each persistent message of the log appears exactly once, in log order. An engine whose
/// log is itself permanent may answer from the log and store nothing.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Takes messages of one partition, in log order; those whose `persistent` switch is off are no part of it. To
    /// append them again changes nothing. Nothing to do for an engine whose log is the archive.
    ///
    /// # Errors
    /// [`StoreError`]; some of them may be kept.
    async fn append(&self, messages: &[Archived<'_>]) -> Result<(), StoreError>;

    /// Shows up to `messages_max` archived messages at or after `from`; returns where to go on, or
    /// `None` at the end.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn scan(
        &self,
        from: Position,
        messages_max: usize,
        each: &mut (dyn for<'r> FnMut(Archived<'r>) + Send),
    ) -> Result<Option<Position>, StoreError>;
}

/// One archived message.
#[derive(Clone, Copy, Debug)]
pub struct Archived<'a> {
    /// Where it lies in the log.
    pub position: Position,
    /// When the log took it, unix milliseconds.
    pub append_ms: i64,
    /// The encoded message.
    pub record: &'a [u8],
}
