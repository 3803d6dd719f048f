//! The ports: what the server asks of a storage engine, one trait a file.
//!
//! All of them take batches, may block, and are called off the shard threads. A call either did
//! what it says or returns an error; [`StoreError::retry`] says whether asking again can help.

mod archive;
mod directory;
mod groups;
mod history;
mod log;
mod preferences;
mod relations;
mod tokens;

pub use archive::{Archive, Archived};
pub use directory::{Directory, Registered, User, UserChange};
pub use groups::{
    Added, Group, GroupChange, GroupLimits, GroupOutcome, GroupRequest, Groups, Member, Role,
};
pub use history::{History, RetainReport};
pub use log::{AppendError, Appended, FALL_FOLLOWED_MS, Log, LogError, Replayed};
pub use preferences::{PreferenceChange, Preferences};
pub use relations::{Friend, FriendRequest, Relation, RelationChange, RelationOutcome, Relations};
pub use tokens::{Access, Ban, Decision, IssuedToken, NewestToken, Terminal, Tokens, UserTokens};

/// A storage call failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The device refused: full, gone, or failing. The text names the file or the address.
    #[error("{what}: {cause}")]
    Io {
        /// What was being done, and where.
        what: String,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// Stored bytes contradict their checksum or form. Never retried, never read as data.
    #[error("{file} is damaged at byte {offset}: {what}")]
    Corrupt {
        /// The file, or the key space, that holds the bytes.
        file: String,
        /// Offset in that file; 0 where the engine knows none.
        offset: u64,
        /// What was expected there.
        what: String,
    },
    /// The engine's own index or table failed.
    #[error("{what}: {cause}")]
    Engine {
        /// What was being done.
        what: String,
        /// The engine's reason.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn retry(&self) -> bool {
        matches!(self, Self::Io { .. })
    }
}
