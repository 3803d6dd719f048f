//! Relations between users: friends, requests to become one, the blacklist.

use async_trait::async_trait;
use openim_record::{Told, UserId, broken};

use super::StoreError;

/// What tells of a change: asked with its number once it is decided what came of it.
pub type Tell<'a, O> = &'a mut (dyn FnMut(usize, &O) -> Option<Told> + Send);

/// Of an engine whose log does not hold changes.
pub(super) const UNTOLD: &str = "what tells of a change lies with it only where the log holds both";

/// Who is whose friend, who asked whom, who blocked whom (spec, REST 1.8 and 3.1).
///
/// Contract: `apply` makes its changes durable as one batch, in order, later ones seeing earlier
/// ones; each change takes effect whole or not at all. Uids compare byte for byte and need not be
/// registered. Lists are in byte order of the other uid and read no more than the page asked for.
#[async_trait]
pub trait Relations: Send + Sync {
    /// Makes changes; same order as `changes`. No owner gets more than `rows_max` friends, or
    /// blocked users, or received requests, or sent requests: such a change is [`RelationOutcome::Full`].
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is changed.
    async fn apply(
        &self,
        changes: &[RelationChange],
        rows_max: usize,
    ) -> Result<Vec<RelationOutcome>, StoreError>;

    /// As [`Self::apply`]; what `tell` says of the change of a number, whose outcome it is given, becomes durable with
    /// the change, or neither does. Only of an engine whose log holds changes.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is changed, and nothing is told.
    async fn apply_and_tell(
        &self,
        _changes: &[RelationChange],
        _rows_max: usize,
        _tell: Tell<'_, RelationOutcome>,
    ) -> Result<Vec<RelationOutcome>, StoreError> {
        broken(UNTOLD)
    }

    /// Takes `users` out of everybody's friends, blacklists and requests, and everything out of theirs, one
    /// step of a walk over all rows: looks at the `rows_max` rows behind `after`, where the step before
    /// ended (`None`: from the beginning), and makes the change durable. Gives where to go on, `None`
    /// when the walk is over.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the step is changed.
    async fn forget(
        &self,
        users: &[UserId],
        after: Option<&[u8]>,
        rows_max: usize,
    ) -> Result<Option<Vec<u8>>, StoreError>;

    /// What `owner` holds of each of `peers`; same order.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn relations(
        &self,
        owner: &UserId,
        peers: &[UserId],
    ) -> Result<Vec<Relation>, StoreError>;

    /// A page of `owner`'s friends: the first `rows_max` behind `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn friends(
        &self,
        owner: &UserId,
        after: Option<&UserId>,
        rows_max: usize,
    ) -> Result<Vec<Friend>, StoreError>;

    /// A page of those whom `owner` blocked.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn blacklist(
        &self,
        owner: &UserId,
        after: Option<&UserId>,
        rows_max: usize,
    ) -> Result<Vec<UserId>, StoreError>;

    /// A page of the requests that `user` received, by applicant.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn requests_received(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        rows_max: usize,
    ) -> Result<Vec<FriendRequest>, StoreError>;

    /// The request of `from` to `to`, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn request(
        &self,
        from: &UserId,
        to: &UserId,
    ) -> Result<Option<FriendRequest>, StoreError>;

    /// A page of the requests that `user` sent, by whom they went to.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn requests_sent(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        rows_max: usize,
    ) -> Result<Vec<FriendRequest>, StoreError>;
}

/// One change. Times are unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelationChange {
    /// `from` asks `to`: a new request with flag 0, or in place of the one before (spec, REST 1.12 D6).
    Request {
        /// Applicant.
        from: UserId,
        /// Who is asked.
        to: UserId,
        /// What the applicant says.
        message: String,
        /// Now.
        now_ms: i64,
    },
    /// `to` answers the request of `from`. Flag 1 also makes both friends of each other, in one with
    /// the flag, whichever of the two rows exist already. A request that was agreed to before may be
    /// agreed to again only while both are friends, even if it was refused since: it is no leave to
    /// come back after one unfriended.
    Answer {
        /// Applicant.
        from: UserId,
        /// Who was asked.
        to: UserId,
        /// 1 agree; any other number refuses and is stored as it is.
        flag: i32,
        /// Now.
        now_ms: i64,
    },
    /// Makes two users friends of each other without a request.
    Befriend {
        /// One.
        owner: UserId,
        /// The other.
        friend: UserId,
        /// Now.
        now_ms: i64,
    },
    /// Removes the row `owner` → `friend` only; absent is no error.
    Unfriend {
        /// Whose list.
        owner: UserId,
        /// Who leaves it.
        friend: UserId,
    },
    /// Writes the comment of the row `owner` → `friend`; absent is no error.
    Comment {
        /// Whose list.
        owner: UserId,
        /// Whose entry.
        friend: UserId,
        /// The new comment, perhaps empty.
        comment: String,
    },
    /// `owner` blocks `peer`; who is blocked already stays so.
    Block {
        /// Whose blacklist.
        owner: UserId,
        /// Who enters it.
        peer: UserId,
        /// Now.
        now_ms: i64,
    },
    /// `owner` unblocks `peer`; absent is no error.
    Unblock {
        /// Whose blacklist.
        owner: UserId,
        /// Who leaves it.
        peer: UserId,
    },
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationOutcome {
    /// Done, or there was nothing to do.
    Done,
    /// [`RelationChange::Request`] and [`RelationChange::Answer`]: done; the request is this old. It
    /// names the request: a later one in its place has another time.
    Requested {
        /// When the request was made, unix milliseconds; of two requests of one pair the later one's is
        /// greater, whatever the clock says.
        create_ms: i64,
    },
    /// [`RelationChange::Befriend`]: both are friends; whether any row is new.
    Befriended {
        /// Whether they were not friends both ways before.
        new: bool,
    },
    /// [`RelationChange::Answer`]: there is no request that can be answered so. Nothing changed.
    NoRequest,
    /// An owner has as many rows as allowed. Nothing changed.
    Full,
}

/// A row of `friend`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Friend {
    /// The friend.
    pub uid: UserId,
    /// What the owner calls them.
    pub comment: String,
    /// Since when, unix milliseconds.
    pub create_ms: i64,
}

/// A row of `friend_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FriendRequest {
    /// Applicant.
    pub from: UserId,
    /// Who was asked.
    pub to: UserId,
    /// 0 pending, 1 agreed, else refused.
    pub flag: i32,
    /// What the applicant said.
    pub message: String,
    /// When, unix milliseconds.
    pub create_ms: i64,
}

/// What an owner holds of one other user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    /// The friend's row, if there is one.
    pub friend: Option<Friend>,
    /// Whether the owner blocked them.
    pub blocked: bool,
}
