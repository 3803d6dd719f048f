//! The directory: who the users are.

use async_trait::async_trait;
use openim_record::UserId;

use super::StoreError;

/// Users. Their relations are in [`super::Relations`], their groups in [`super::Groups`].
///
/// Contract: a change is durable when its call returns; uids compare byte for byte; of two
/// registrations of one uid, in one batch or in two, the first wins. Changes of a batch take effect
/// in its order.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Registers each user; same order as `users`.
    ///
    /// # Errors
    /// [`StoreError`]; none of the batch is registered.
    async fn register(&self, users: &[User]) -> Result<Vec<Registered>, StoreError>;

    /// Looks users up; same order as `users`, `None` where unknown.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn users(&self, users: &[UserId]) -> Result<Vec<Option<User>>, StoreError>;

    /// Changes profiles; same order as `changes`. Gives the row as it is now, `None` where unknown.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is changed.
    async fn update(&self, changes: &[UserChange]) -> Result<Vec<Option<User>>, StoreError>;

    /// Deletes users' rows; same order as `users`. `false` where there was none, which is no error.
    /// Tokens, relations, groups and inboxes stay (spec, REST 7.8).
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is deleted.
    async fn delete(&self, users: &[UserId]) -> Result<Vec<bool>, StoreError>;

    /// A page of all uids: the first `uids_max` behind `after`, in an order that never changes and is
    /// the engine's own. Reads no more than the page.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn uids(
        &self,
        after: Option<&UserId>,
        uids_max: usize,
    ) -> Result<Vec<UserId>, StoreError>;
}

/// A user's row (spec, REST 1.6 and 3.1 `user`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Id, unique.
    pub uid: UserId,
    /// Display name.
    pub name: String,
    /// Face URL.
    pub icon: String,
    /// 0 unknown, 1, 2; a profile change may write any number that is not negative.
    pub gender: i32,
    /// Phone number.
    pub mobile: String,
    /// Birth date as the client wrote it.
    pub birth: String,
    /// Mail address.
    pub email: String,
    /// Free extension text.
    pub ex: String,
    /// When registered, unix milliseconds.
    pub create_ms: i64,
}

/// What to change in a user's row; `None` leaves a column as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserChange {
    /// Whose row.
    pub uid: UserId,
    /// Display name.
    pub name: Option<String>,
    /// Face URL.
    pub icon: Option<String>,
    /// Gender.
    pub gender: Option<i32>,
    /// Phone number.
    pub mobile: Option<String>,
    /// Birth date.
    pub birth: Option<String>,
    /// Mail address.
    pub email: Option<String>,
    /// Free extension text.
    pub ex: Option<String>,
}

/// Outcome of one registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The user is new and durable.
    Created,
    /// The uid was taken; nothing changed.
    Exists,
}
