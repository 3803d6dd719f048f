//! The directory: who the users are.

use openim_record::UserId;

use super::StoreError;

/// Users and, with a later issue, their relations and groups.
///
/// Contract: a registration is durable when `register` returns; uids compare byte for byte; of two
/// registrations of one uid, in one batch or in two, the first wins.
pub trait Directory: Send + Sync {
    /// Registers each user; same order as `users`.
    ///
    /// # Errors
    /// [`StoreError`]; none of the batch is registered.
    fn register(&self, users: &[NewUser]) -> Result<Vec<Registered>, StoreError>;

    /// Looks users up; same order as `users`, `None` where unknown.
    ///
    /// # Errors
    /// [`StoreError`].
    fn users(&self, users: &[UserId]) -> Result<Vec<Option<NewUser>>, StoreError>;
}

/// A user's row (spec, REST 1.6 and 3.1 `user`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// Id, unique.
    pub uid: UserId,
    /// Display name.
    pub name: String,
    /// Face URL.
    pub icon: String,
    /// 0 unknown, 1, 2.
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

/// Outcome of one registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The user is new and durable.
    Created,
    /// The uid was taken; nothing changed.
    Exists,
}
