//! What crosses between an owner and the stores, the gateways and the directory.

use std::sync::Arc;

use openim_record::{GroupId, InboxBounds, MessageKey, Position, Process, Role, Seq, UserId};

use crate::place::{LogPartition, Source};

/// What one store call writes, in this order: bodies, documents (in any order among themselves), raises,
/// page. The checkpoint is a call of its own, behind what else must come before it.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Messages to groups, once each however many members have them.
    pub bodies: Vec<(Source, Arc<[u8]>)>,
    /// New entries of inboxes.
    pub documents: Vec<Document>,
    /// Bounds of the inboxes that they lie in, one each.
    pub raises: Vec<Raise>,
    /// Keys of sends that were new, in log order.
    pub page: Vec<PageEntry>,
}

/// An entry of an inbox. Storing it again changes nothing; another position under the same seq is a
/// [`Contradiction`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Whose inbox.
    pub user: UserId,
    /// Its number there.
    pub seq: Seq,
    /// The record of the user's partition that has put it there.
    pub position: Position,
    /// When the log took the send, unix milliseconds.
    pub sent_ms: i64,
    /// The message.
    pub content: Content,
}

/// Where the message of an entry lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// With it.
    Own(Arc<[u8]>),
    /// Among the bodies, as one that many have.
    Group(Source),
}

/// Raises a user's document. It finds one whose newest is `first - 1` or more, or none and `first` is 1;
/// anything else is a hole, and a [`Contradiction`]. Nothing is ever lowered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raise {
    /// Whose.
    pub user: UserId,
    /// Seq of the first entry in this batch.
    pub first: Seq,
    /// Seq of the last.
    pub newest: Seq,
    /// Just behind the record that the last is of: everything below is in this inbox.
    pub through: Position,
}

/// A key that the window has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageEntry {
    /// Of the send.
    pub position: Position,
    /// The highest append time of the partition up to it, unix milliseconds.
    pub append_ms: i64,
    /// Identity of the send.
    pub key: MessageKey,
}

/// How far a partition is applied, stored beside what that has effected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The next record.
    pub next: Position,
    /// The highest append time before it, unix milliseconds.
    pub time_ms: i64,
    /// Of each partition that relays come from: the highest source applied.
    pub high_waters: Vec<(LogPartition, Position)>,
}

/// The store holds what this owner cannot have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Another record under the same seq.
    Document(UserId, Seq),
    /// Entries before `Seq` are missing.
    Density(UserId, Seq),
    /// Another checkpoint than this owner's last; this one.
    Checkpoint(Option<Position>),
}

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
    /// The first record that the log still has.
    pub log_start: Position,
    /// The next record that it is going to have.
    pub log_end: Position,
}

/// A user as the store has them. The bounds are read first, entries up to them afterwards.
#[derive(Clone, Debug)]
pub struct LoadedUser {
    /// Who.
    pub uid: UserId,
    /// First and last seq.
    pub bounds: InboxBounds,
    /// Entries of records at or above the checkpoint, ascending; none when `through` is not above it.
    pub above: Vec<(Position, Seq)>,
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
    /// The checkpoint does not lie in the log: records are missing, or it is another log.
    #[error(
        "the checkpoint at {next} is outside of the log, {start} to {end}; adopt the new log if it is one"
    )]
    NotInLog {
        /// Where it goes on.
        next: Position,
        /// The log's first record.
        start: Position,
        /// The log's end.
        end: Position,
    },
}

/// Whether a gateway's presence entries are complete: a number drawn when it has written them all.
pub type Mark = (Process, u64);

/// What was read of presence, in this order.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// The gateways' marks.
    pub before: Vec<Mark>,
    /// Where each user asked for has links, as far as is written.
    pub users: Vec<(UserId, Vec<Process>)>,
    /// The marks once more.
    pub after: Vec<Mark>,
}
