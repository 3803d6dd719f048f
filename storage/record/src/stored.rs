//! What the owner of a partition stores, and finds again: entries of inboxes, how far they go, and its checkpoint.
//!
//! In the shape in which a store of a cluster writes them, one after the other; [`crate::StoreBatch`] is that of an engine
//! on one machine.

use std::sync::Arc;

use crate::{InboxBounds, LogPartition, MessageKey, Position, Seq, Source, UserId};

/// What one store call writes, in this order: bodies, documents (in any order among themselves), raises. The
/// page of keys and the checkpoint are a call of their own, behind what else must come before it.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Messages to groups, once each however many members have them.
    pub bodies: Vec<(Source, Arc<[u8]>)>,
    /// New entries of inboxes.
    pub documents: Vec<Document>,
    /// Bounds of the inboxes that they lie in, one each.
    pub raises: Vec<Raise>,
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Another record under the same seq.
    #[error("seq {1} of {0} is another record's")]
    Document(UserId, Seq),
    /// Entries before `Seq` are missing.
    #[error("entries of {0} before seq {1} are missing")]
    Density(UserId, Seq),
    /// Another checkpoint than this owner's last; this one.
    #[error("the checkpoint is another owner's: {0:?}")]
    Checkpoint(Option<Position>),
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
