//! What is remembered of users' tokens where it is read faster than in [`Tokens`](super::Tokens), which decide.

use async_trait::async_trait;
use openim_record::UserId;

use super::{Standing, StoreError};

/// Leave to hand in what is read behind the look that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(pub u64);

/// What a look has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// What holds.
    Known(Box<Standing>),
    /// Nothing: what is read now may be handed in.
    Unknown(Lease),
    /// Nothing, as somebody is changing it: what is read now may have passed when it would be handed in.
    Changing,
}

/// A memory of what holds of users' tokens; all of it may be gone at any time.
///
/// Contract: what it gives as known is no older than the look. So whoever changes a user's tokens says so before, and is
/// not answered before nothing is given of them any more; and what was read before that is not taken from anybody.
#[async_trait]
pub trait TokenCache: Send + Sync {
    /// What it knows of a user's tokens.
    ///
    /// # Errors
    /// [`StoreError`]: it cannot be asked now.
    async fn look(&self, user: &UserId) -> Result<Remembered, StoreError>;

    /// Hands in what was read behind a look, which is taken if nobody has begun to change it since.
    ///
    /// # Errors
    /// [`StoreError`]: nobody knows whether it was taken.
    async fn remember(
        &self,
        user: &UserId,
        lease: Lease,
        standing: &Standing,
    ) -> Result<(), StoreError>;
}
