//! Answers on their way back to a shard.

use std::any::Any;
use std::sync::Arc;

use openim_bus::Shared;
use openim_record::{Access, InboxBounds, Newest, Seq, UserId};
use openim_storage::port::{
    GroupChanged, PreferenceChange, Registered, RelationOutcome, Standing, User,
};

/// Correlates an answer with the one who waits for it on the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// The store could not do it; the cause was logged where it arose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store failed")]
pub struct Failed;

/// An answer.
#[derive(Debug)]
pub enum Done {
    /// The bounds of a user's inbox, asked for with [`crate::reads::Read::Inbox`].
    Inbox(UserId, Result<Inbox, Failed>),
    /// A user's newest tokens, asked for with [`crate::reads::Read::Tokens`].
    Tokens(UserId, Result<Box<Standing>, Failed>),
    /// Records of an inbox, asked for with [`crate::reads::Read::Range`].
    Ranged(Ticket, Result<Ranged, Failed>),
    /// The answer to a question asked with [`crate::reads::Read::Ask`].
    Asked(Ticket, Result<Reply, Failed>),
    /// The outcome of a change to the directory.
    Wrote(Ticket, Result<Wrote, Failed>),
    /// A registration.
    Registered(Ticket, Result<Registered, Failed>),
    /// As what a token is recorded; `None` when the user is not registered.
    Issued(Ticket, Result<Option<Newest>, Failed>),
    /// The batch that this shard handed to the history store is durable.
    Stored,
    /// Retention has raised the oldest kept seq of these users.
    Retained(Vec<(UserId, Seq)>),
}

/// Records of a range of an inbox.
#[derive(Debug, Default)]
pub struct Ranged {
    /// Ascending by seq; one that is damaged is empty.
    pub records: Vec<(Seq, Box<[u8]>)>,
    /// Where to go on; `None` when this is all there is.
    pub next: Option<Seq>,
}

/// A user's inbox.
#[derive(Debug)]
pub struct Inbox {
    /// First kept and newest seq.
    pub bounds: InboxBounds,
    /// From here on whoever has the uid now may see it; see [`Access::min`].
    pub min: Seq,
}

/// What a question found; whoever asked knows its type.
pub type Reply = Box<dyn Any + Send>;

/// What came of a change to the directory.
#[derive(Debug)]
pub enum Wrote {
    /// A profile: the row as it is now, if there is one.
    User(Option<User>),
    /// A user's row: whether there was one.
    Deleted(bool),
    /// A relation.
    Relation(RelationOutcome),
    /// A group.
    Group(GroupChanged),
    /// A decision about tokens: what holds of the user now.
    Access(Box<Access>),
    /// A step of a walk over the relations: where to go on, unless it is over.
    Forgotten(Option<Vec<u8>>),
    /// Receive options, each as it was asked for, and whether there was room.
    Preferences(Vec<(PreferenceChange, bool)>),
    /// A device was named, or is forgotten.
    Device,
}

/// The queues of all shards, by index.
pub type Outlet = Arc<[Shared<Done>]>;

/// Hands an answer to the shard that waits for it.
///
/// # Panics
/// When its queue is full. A place was kept for the answer, and who waits for it would wait for ever: the
/// books are wrong, and the process must not go on with them.
pub(crate) fn answer(outlet: &Outlet, shard: u16, done: Done) {
    let fits = outlet[usize::from(shard)].try_send(done).is_ok();
    assert!(
        fits,
        "shard {shard} has no place for an answer, though it asks for no more than it has"
    );
}
