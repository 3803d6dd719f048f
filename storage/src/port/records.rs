//! Records by their place in the log, for what the history does not hold yet.

use async_trait::async_trait;
use openim_record::Position;

use super::StoreError;

/// Reads back what the log took. An engine whose log cannot be read by place has no such port: there a pull waits
/// until the history has everything.
#[async_trait]
pub trait Records: Send + Sync {
    /// Reads the record at `position` into `record` (cleared first), checksum verified.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the bytes are not what was appended, [`StoreError::Conflict`] when the record
    /// has expired.
    async fn read(&self, position: Position, record: &mut Vec<u8>) -> Result<(), StoreError>;

    /// The records from `from` on that lie below `to`, in order, and no more once they have `bytes_max` bytes; from the
    /// oldest kept on. None: there are no more.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn between(
        &self,
        from: Position,
        to: Position,
        bytes_max: usize,
    ) -> Result<Vec<(Position, Box<[u8]>)>, StoreError>;
}
