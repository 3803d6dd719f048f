//! What crosses between an owner and the stores, the gateways and the directory.

use std::sync::Arc;

use openim_record::{GroupId, Position, Role, Seq, UserId};

use crate::fit::{LogNow, Misfit};

pub use openim_record::{
    Batch, Checkpoint, Content, Contradiction, Document, LoadedUser, Mark, PageEntry, Raise, Sight,
};

/// A store call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotStored {
    /// It was refused.
    Contradiction(Contradiction),
    /// It has failed, or nobody knows.
    Unknown,
}

/// A partition as an owner finds it. The checkpoint is read first: what lies behind it may be newer.
#[derive(Clone, Debug, Default)]
pub struct LoadedPartition {
    /// The last one, if there ever was any.
    pub checkpoint: Option<Checkpoint>,
    /// Keys of all pages whose time is within the window, in any order, perhaps several times.
    pub pages: Vec<PageEntry>,
    /// The log, read behind it.
    pub log: LogNow,
}

/// A group as the directory has it.
#[derive(Clone, Debug)]
pub struct LoadedGroup {
    /// Which.
    pub group: GroupId,
    /// Counts its changes.
    pub version: u64,
    /// Who is in it.
    pub members: Vec<(UserId, Role)>,
}

/// A message on its way to the links of one user at one gateway, where it becomes an
/// [`openim_record::Deliver`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Whose links.
    pub uid: UserId,
    /// Number in their inbox; 0 when it is not stored.
    pub seq: Seq,
    /// The user's own, for other platforms.
    pub sync: bool,
    /// Of a message to a group: whether it is emphasised.
    pub member: Option<bool>,
    /// Platform that gets none; 0: all do.
    pub except_platform: u8,
    /// When the log took the send, unix milliseconds.
    pub sent_ms: i64,
    /// The encoded message.
    pub message: Arc<[u8]>,
}

/// Why an owner has stopped for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Alarm {
    /// The store refused the same twice in a row: going on would make it worse.
    #[error("the store contradicts the log, also after loading again: {0:?}")]
    Contradicted(Contradiction),
    /// A record that only a later build can read.
    #[error(
        "the record at {at} is of a later build (version {version}, kind {kind}); update this one"
    )]
    Newer {
        /// Where it lies.
        at: Position,
        /// Of the record.
        version: u8,
        /// Of the record.
        kind: u8,
    },
    /// The checkpoint does not lie in the log.
    #[error(transparent)]
    NotInLog(#[from] Misfit),
}
