//! Ids, messages and their encoding at rest.
//!
//! Owns: the newtypes every layer shares ([`UserId`], [`GroupId`], [`Seq`], [`Position`], [`PartitionId`]), the
//! placement of users on partitions, for whom a record is ([`Addresses`]) and the values that cross between those who
//! take sends and those who apply them ([`Submission`], [`Landed`], [`Committed`], [`Settled`], [`Deliver`], [`Presence`]), the identity of a message ([`MessageKey`]) and the binary
//! form in which a message lies in the log ([`Message`]), and a change of rows ([`Rows`]); tickets and accounts of deliveries ([`Stamp`], [`Account`]); and what was decided about a user's tokens ([`Access`]).
//! Never: I/O, clocks, randomness. Everything here is a function of its arguments.
#![forbid(unsafe_code)]

mod access;
mod address;
mod applied;
mod books;
mod conversation;
mod crossing;
mod draft;
mod ids;
mod invariant;
mod kept;
mod key;
mod members;
mod membership;
mod message;
mod now;
mod pauses;
mod placement;
mod presence;
mod role;
mod rows;
mod stored;
mod token;
mod topic;
mod unit;
pub mod varint;

pub use access::{Access, Ban};
pub use address::{Addressee, Addresses, Place, To};
pub use applied::{Body, DuplicateEntry, InboxBounds, InboxRun, StoreBatch, StoredState};
pub use books::{Account, Compared, Milestone, Pair, Residue, Stamp, weight};
pub use conversation::Conversation;
pub use crossing::{
    Committed, Deliver, GroupStep, Landed, MemberList, Presence, Settled, Submission, Told,
    own_members, own_message,
};
pub use draft::Draft;
pub use ids::{GroupId, PartitionId, Position, Process, Seq, UserId};
pub use invariant::broken;
pub use kept::Kept;
pub use key::MessageKey;
pub use members::{Member, Members, MembersWriter, Section};
pub use membership::{DEPARTED_MS, MemberChange};
pub use message::{DecodeError, Heading, Message, Record, SESSION_GROUP, Switches, is_tip};
pub use now::Now;
pub use pauses::{Pauses, spread};
pub use placement::Placement;
pub use presence::{Announced, Entry, LinkId, Mark, Sight, Written};
pub use role::Role;
pub use rows::{Row, Rows, RowsWriter};
pub use stored::{
    Batch, Checkpoint, Content, Contradiction, Document, LoadedUser, PageEntry, Raise,
};
pub use token::{Class, Newest, NewestTokens, Scope, TokenId};
pub use topic::{LogPartition, NoPartition, Source, Topic, place, position};
pub use unit::whole_units;
