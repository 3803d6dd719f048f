//! Groups: what they are called, who is in them, who asks to be.

use async_trait::async_trait;
use openim_record::{GroupId, MessageKey, UserId, broken};

pub use openim_record::{MemberChange, Role};

use super::StoreError;
use super::relations::{Tell, UNTOLD};

/// Groups, members and requests to join (spec, REST 7.5).
///
/// Contract: `apply` makes its changes durable as one batch, in order, later ones seeing earlier
/// ones; each change takes effect whole or not at all. What comes of a change is what [`decide`](super::group_rules::decide) says of
/// the rows as they are then, whoever else changes the group meanwhile: the store reads them under its lock of
/// the group, or of all groups. Each change that takes effect adds 1 to the group's version; one that finds
/// nothing to do, or is refused, leaves it. Lists are in byte order of the id and read no more than the page asked for.
#[async_trait]
pub trait Groups: Send + Sync {
    /// Makes changes; same order as `changes`. No group gets more than `limits.members_max` members, no
    /// user into more than `limits.joined_max` groups, no group more than `limits.requests_max`
    /// requests.
    ///
    /// # Errors
    /// [`StoreError`]; whoever remembers a group reads it again, as the batch may be durable or not.
    async fn apply(
        &self,
        changes: &[GroupChange],
        limits: GroupLimits,
    ) -> Result<Vec<GroupChanged>, StoreError>;

    /// As [`Self::apply`]; what `tell` says of the change of a number, whose outcome it is given, becomes durable with
    /// the change, or neither does. Only of an engine whose log holds changes.
    ///
    /// # Errors
    /// As of [`Self::apply`].
    async fn apply_and_tell(
        &self,
        _changes: &[GroupChange],
        _limits: GroupLimits,
        _tell: Tell<'_, GroupChanged>,
    ) -> Result<Vec<GroupChanged>, StoreError> {
        broken(UNTOLD)
    }

    /// Takes `users` out of the requests to join, their own and those in which they are invited, one step of a
    /// walk over the requests of all groups: looks at the `requests_max` behind `after`, where the step before
    /// ended (`None`: from the beginning), and makes the change durable. Gives where to go on, `None`
    /// when the walk is over. Memberships and versions stay as they are.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the step is changed.
    async fn forget(
        &self,
        users: &[UserId],
        after: Option<&[u8]>,
        requests_max: usize,
    ) -> Result<Option<Vec<u8>>, StoreError>;

    /// Looks groups up; same order as `groups`, `None` where unknown.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn groups(&self, groups: &[GroupId]) -> Result<Vec<Option<Group>>, StoreError>;

    /// A page of a group's members: the first `members_max` behind `after`; empty for an unknown group.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn members(
        &self,
        group: &GroupId,
        after: Option<&UserId>,
        members_max: usize,
    ) -> Result<Vec<Member>, StoreError>;

    /// These members of a group; same order as `users`, `None` for who is none.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn members_named(
        &self,
        group: &GroupId,
        users: &[UserId],
    ) -> Result<Vec<Option<Member>>, StoreError>;

    /// A page of the groups that `user` is in, with the user's role there.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn joined(
        &self,
        user: &UserId,
        after: Option<&GroupId>,
        groups_max: usize,
    ) -> Result<Vec<(GroupId, Role)>, StoreError>;

    /// The request of `from` for `to` (`"0"`: for themselves) to be in a group, handled or not.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn request(
        &self,
        group: &GroupId,
        from: &UserId,
        to: &str,
    ) -> Result<Option<GroupRequest>, StoreError>;

    /// A page of a group's requests, handled ones included: the first `requests_max` whose id is above
    /// `after`, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn requests(
        &self,
        group: &GroupId,
        after: u64,
        requests_max: usize,
    ) -> Result<Vec<GroupRequest>, StoreError>;

    /// Of each of `users`, same order, whether they have gone out of the group within [`DEPARTED_MS`](openim_record::DEPARTED_MS), by the store's
    /// clock. Asked where groups have no home that remembers it; any other engine says of nobody that they have.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn departed(&self, _group: &GroupId, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        Ok(vec![false; users.len()])
    }

    /// Whether `user`, who has left the group by their own wish within [`DEPARTED_MS`](openim_record::DEPARTED_MS), may tell it so by the message
    /// with this key: by one message and its repeats, from then on by no other. Durable. Asked as [`Self::departed`] is.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn tell_left(
        &self,
        _group: &GroupId,
        _user: &UserId,
        _key: MessageKey,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// Bounds that [`Groups::apply`] keeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupLimits {
    /// Members of one group.
    pub members_max: usize,
    /// Groups of one user.
    pub joined_max: usize,
    /// Requests kept for one group, handled ones included. When there are as many, a new one takes the
    /// place of the handled one with the lowest id; without any handled it is refused.
    pub requests_max: usize,
}

/// A row of `group`, and what follows from its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Id, unique.
    pub id: GroupId,
    /// Name.
    pub name: String,
    /// What it is about.
    pub introduction: String,
    /// What members are told.
    pub notification: String,
    /// Face URL.
    pub face_url: String,
    /// Free extension text.
    pub ex: String,
    /// When it was made, unix milliseconds.
    pub create_ms: i64,
    /// The member with [`Role::Owner`]; the store computes it, and ignores it in a create.
    pub owner: Option<UserId>,
    /// How many members; the store computes it, and ignores it in a create.
    pub members: u32,
    /// How many changes have taken effect, its making among them; the store computes it, and ignores it in a
    /// create. A group that is older than versions has 0.
    pub version: u64,
}

/// A row of `group_member`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub uid: UserId,
    /// Place.
    pub role: Role,
    /// Name when they joined.
    pub nickname: String,
    /// Face URL when they joined.
    pub face_url: String,
    /// When they joined, unix milliseconds.
    pub join_ms: i64,
}

/// A row of `group_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRequest {
    /// Which request, of all groups: a number from 1 that only grows; the store gives it.
    pub id: u64,
    /// The group.
    pub group: GroupId,
    /// Applicant.
    pub from: UserId,
    /// `"0"` for an application; else who was invited.
    pub to: String,
    /// 0 open, 1 agreed, −1 refused.
    pub flag: i32,
    /// What the applicant said.
    pub request_message: String,
    /// What the one who handled it said.
    pub handled_message: String,
    /// When it was made, unix milliseconds.
    pub create_ms: i64,
    /// The applicant's name then.
    pub from_nickname: String,
    /// The invited one's name then.
    pub to_nickname: String,
    /// The applicant's face URL then.
    pub from_face_url: String,
    /// The invited one's face URL then.
    pub to_face_url: String,
    /// Who handled it; empty while open.
    pub handled_by: String,
}

/// Who asks for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// Who.
    pub uid: UserId,
    /// Acts for the app: needs no role in the group.
    pub trusted: bool,
}

/// One change, and who asks for it where that decides whether it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupChange {
    /// Makes a group with its first members. A uid that is listed twice joins once, as listed first.
    Create {
        /// The row.
        group: Group,
        /// The members; one of them is the owner.
        members: Vec<Member>,
    },
    /// Writes columns; `None` leaves one as it is. For leaders.
    Describe {
        /// Which group.
        group: GroupId,
        /// Who asks.
        by: UserId,
        /// Name.
        name: Option<String>,
        /// What it is about.
        introduction: Option<String>,
        /// What members are told.
        notification: Option<String>,
        /// Face URL.
        face_url: Option<String>,
    },
    /// Adds members, each by itself: the answer says of each whether it worked. Nobody joins when
    /// one of them would be a second owner. For members.
    Add {
        /// Which group.
        group: GroupId,
        /// Who asks.
        by: By,
        /// Who joins.
        members: Vec<Member>,
    },
    /// Removes members, each by itself: the answer says of each whether they are out; who is none is. Nobody
    /// removes themselves or the owner, and administrators not each other. For leaders.
    Remove {
        /// Which group.
        group: GroupId,
        /// Who asks.
        by: By,
        /// Who goes.
        users: Vec<UserId>,
    },
    /// A member goes; the last one ends the group. Not for an owner of others: a group without one could not
    /// be led any more.
    Leave {
        /// Which group.
        group: GroupId,
        /// Who goes.
        user: UserId,
    },
    /// A user who is deleted goes, also out of what is left of a group that has ended; the last one ends the
    /// group.
    Depart {
        /// Which group.
        group: GroupId,
        /// Who goes.
        user: UserId,
        /// Who owns the group then, if the user does.
        heir: Option<UserId>,
    },
    /// The owner becomes ordinary and another member, never the same one, the owner. For the owner.
    Transfer {
        /// Which group.
        group: GroupId,
        /// Owner before.
        by: UserId,
        /// Owner afterwards.
        to: UserId,
    },
    /// Ends the group. From then on it is unknown to every question and change but this one, which is done
    /// again, [`GroupChange::Clear`] and [`GroupChange::Depart`], for its members stay until they are
    /// removed; its id stays taken. For the owner, or who was to the end.
    Dissolve {
        /// Which group.
        group: GroupId,
        /// Who asks.
        by: By,
    },
    /// Removes the first members of a group that has ended.
    Clear {
        /// Which group.
        group: GroupId,
        /// How many at most.
        members_max: usize,
    },
    /// Records a request in place of any earlier one of the same (group, from, to); gets a new id. Not for
    /// members.
    Request(GroupRequest),
    /// Handles an open request, and lets the applicant (or the one invited) in with the same stroke
    /// when it is agreed to. Who is a member already stays as they are. For leaders.
    Handle {
        /// Which group.
        group: GroupId,
        /// Applicant.
        from: UserId,
        /// `"0"` or who was invited.
        to: String,
        /// Whether it is agreed to.
        agree: bool,
        /// What the one who handles it says.
        message: String,
        /// Who handles it.
        by: UserId,
        /// Now, unix milliseconds.
        now_ms: i64,
    },
}

impl GroupChange {
    /// Which group it is about.
    #[must_use]
    pub const fn group(&self) -> &GroupId {
        match self {
            Self::Create { group, .. } => &group.id,
            Self::Request(request) => &request.group,
            Self::Describe { group, .. }
            | Self::Add { group, .. }
            | Self::Remove { group, .. }
            | Self::Leave { group, .. }
            | Self::Depart { group, .. }
            | Self::Transfer { group, .. }
            | Self::Dissolve { group, .. }
            | Self::Clear { group, .. }
            | Self::Handle { group, .. } => group,
        }
    }
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChanged {
    /// What the one who asked is told.
    pub outcome: GroupOutcome,
    /// The group's version now; 0 where there is no group.
    pub version: u64,
    /// What it did to who is in the group. None of it, and the version before: it took no effect.
    pub members: Vec<MemberChange>,
}

/// What the one who asked for a change is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupOutcome {
    /// Done, or there was nothing to do.
    Done,
    /// [`GroupChange::Add`]: of each, in order.
    Added(Vec<Added>),
    /// [`GroupChange::Remove`]: of each in order, whether they are out.
    Removed(Vec<bool>),
    /// [`GroupChange::Leave`], [`GroupChange::Depart`]: done.
    Left {
        /// It was the last one, and the group has ended.
        ended: bool,
    },
    /// [`GroupChange::Clear`]: done.
    Cleared {
        /// Whether some may be left.
        more: bool,
    },
    /// [`GroupChange::Handle`]: done; the member who is in the group for it.
    Handled {
        /// Who was let in; `None` when refused, or when they were in already.
        joined: Option<Member>,
    },
    /// Nothing changed.
    Refused(GroupRefused),
}

/// Why a change was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRefused {
    /// There is no such group.
    NoGroup,
    /// [`GroupChange::Create`]: the id is taken.
    Exists,
    /// [`GroupChange::Create`]: no owner, or more than one. [`GroupChange::Add`]: a second owner.
    /// [`GroupChange::Depart`]: no heir, or one who cannot be. [`GroupChange::Clear`]: it has not ended.
    Unfit,
    /// Who asks is no member.
    NotMember,
    /// Who asks has no such right.
    NoPermission,
    /// The other user is no other member.
    Stranger,
    /// Who asks to be let in is a member already.
    Member,
    /// [`GroupChange::Handle`]: no such open request.
    NoRequest,
    /// A bound of [`GroupLimits`] is reached.
    Full,
}

/// What came of adding one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// In the group now.
    Joined,
    /// Was in it already, and stays as they were.
    Member,
    /// The group is full, or the user is in too many.
    Full,
}
