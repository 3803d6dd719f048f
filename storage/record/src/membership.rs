//! What a change of a group does to who is in it.

use crate::{Role, UserId};

/// How long it is remembered who has gone out of a group: tips about a departure come right behind it.
pub const DEPARTED_MS: u64 = 600_000;

/// One step of it; the steps of a change are taken in their order, all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Is in the group now.
    Joined(UserId, Role),
    /// Has this role now.
    Role(UserId, Role),
    /// Is out of it, by their own wish.
    Left(UserId),
    /// Is out of it, by somebody else's.
    Removed(UserId),
    /// The group has ended: nobody in it has a role any more.
    Ended,
    /// Was left over in a group that had ended, and is out of it.
    Cleared(UserId),
}
