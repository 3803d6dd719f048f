//! Changes to the directory and to tokens, each with the type of its outcome.
//!
//! In: a change. Out: the [`Write`] that the workers make durable, and of what they answer the outcome of that
//! change: whoever asks for one never meets another's.

use std::sync::Arc;

use openim_record::{Access, Newest, UserId};
use openim_storage::port::{
    Decision, DeviceChange, GroupChange, GroupChanged, IssuedToken, PreferenceChange, Registered,
    RelationChange, RelationOutcome, User, UserChange,
};
use openim_workers::writes::{Tell, Walk, Write};
use openim_workers::{Done, Failed, Ticket, Wrote};

/// Something to make durable.
pub(crate) trait Change {
    type Outcome;

    fn write(self, ticket: Ticket) -> Write;

    /// `None` for what came of another kind of change.
    fn outcome(done: Done) -> Option<Result<Self::Outcome, Failed>>;
}

/// A user's row is to go.
pub(crate) struct Delete(pub(crate) UserId);

/// A step of a walk that takes users out of what others have, behind the key where the step before
/// ended. Its outcome is where to go on, unless it is over.
pub(crate) struct Forget {
    pub(crate) of: Walk,
    pub(crate) users: Arc<[UserId]>,
    pub(crate) after: Option<Vec<u8>>,
}

macro_rules! changes {
    ($( $change:ty => $outcome:ty: |$this:ident, $ticket:ident| $write:expr, $done:pat => $result:expr; )*) => {
        $(
            impl Change for $change {
                type Outcome = $outcome;

                fn write(self, $ticket: Ticket) -> Write {
                    let $this = self;
                    $write
                }

                fn outcome(done: Done) -> Option<Result<$outcome, Failed>> {
                    match done {
                        $done => Some($result),
                        Done::Wrote(_, Err(failed)) => Some(Err(failed)),
                        _ => None,
                    }
                }
            }
        )*
    };
}

changes! {
    Box<User> => Registered: |user, ticket| Write::Register(ticket, user), Done::Registered(_, outcome) => outcome;
    // As what it is recorded, if the user is registered.
    IssuedToken => Option<Newest>: |token, ticket| Write::Issue(ticket, token), Done::Issued(_, outcome) => outcome;
    Decision => Box<Access>: |decision, ticket| Write::Decide(ticket, decision),
        Done::Wrote(_, Ok(Wrote::Access(access))) => Ok(access);
    // The row as it is then, if there is one.
    Box<UserChange> => Option<User>: |change, ticket| Write::Update(ticket, change),
        Done::Wrote(_, Ok(Wrote::User(user))) => Ok(user);
    // Whether there was one.
    Delete => bool: |delete, ticket| Write::Delete(ticket, delete.0),
        Done::Wrote(_, Ok(Wrote::Deleted(was))) => Ok(was);
    // With what is to tell of it, as the next one.
    (RelationChange, Option<Tell<RelationOutcome>>) => RelationOutcome: |change, ticket| Write::Relation(ticket, change.0, change.1),
        Done::Wrote(_, Ok(Wrote::Relation(outcome))) => Ok(outcome);
    Forget => Option<Vec<u8>>: |step, ticket| Write::Forget {
        ticket, of: step.of, users: step.users, after: step.after
    },
        Done::Wrote(_, Ok(Wrote::Forgotten(next))) => Ok(next);
    (Box<GroupChange>, Option<Tell<GroupChanged>>) => GroupChanged: |change, ticket| Write::Group(ticket, change.0, change.1),
        Done::Wrote(_, Ok(Wrote::Group(outcome))) => Ok(outcome);
    // Of each, whether there was room.
    Vec<PreferenceChange> => Vec<bool>: |changes, ticket| Write::Prefer(ticket, changes),
        Done::Wrote(_, Ok(Wrote::Preferences(set))) => Ok(set.into_iter().map(|(_, fits)| fits).collect());
    DeviceChange => (): |change, ticket| Write::Device(ticket, change), Done::Wrote(_, Ok(Wrote::Device)) => Ok(());
}
