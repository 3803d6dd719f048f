//! Tokens: the newest token of each user and terminal class (spec, REST 2), and whose tokens were ended.

use async_trait::async_trait;
use openim_record::{Class, Newest, NewestTokens, Seq, UserId};

pub use openim_record::{Access, Ban, Scope};

use super::StoreError;

/// The newest token issued per (user, terminal class), by identity; and what else was decided about a
/// user's tokens.
///
/// Contract: when `issue` or `decide` returns, a restart cannot bring an older token back. Within a batch,
/// later entries win, or see what earlier ones changed. Users need not be registered. As what a token is recorded is
/// decided by [`NewestTokens::issue`] on the rows as they are then, whoever else issues meanwhile, by whatever clock:
/// the store reads them under its lock of the user, or of all users.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Records newly issued tokens, durably; same order as `tokens`. One that is recorded already stays as it is.
    ///
    /// # Errors
    /// [`StoreError`]; none of the batch is recorded.
    async fn issue(&self, tokens: &[IssuedToken]) -> Result<Vec<Recorded>, StoreError>;

    /// Whether a token could be recorded now, without recording one: for a writer's idle moments.
    ///
    /// # Errors
    /// [`StoreError`], as [`Tokens::issue`] would give it. [`StoreError::Corrupt`] of the engine itself means
    /// that only a restart helps.
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The newest tokens of each user; same order as `users`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn newest(&self, users: &[UserId]) -> Result<Vec<NewestTokens>, StoreError>;

    /// Makes decisions, durably; same order as `decisions`. Gives what holds of the user now.
    ///
    /// # Errors
    /// [`StoreError`]; none of the batch is made.
    async fn decide(&self, decisions: &[Decision]) -> Result<Vec<Access>, StoreError>;

    /// What was decided about each user; same order as `users`, `None` where nothing ever was.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn access(&self, users: &[UserId]) -> Result<Vec<Option<Access>>, StoreError>;
}

/// What holds of a user's tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The newest ones.
    pub newest: NewestTokens,
    /// What was decided about them, if anything ever was.
    pub access: Option<Box<Access>>,
}

/// Something decided about one user's tokens. Making the same decision again is no error. Times are unix
/// seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Tokens issued up to `at_s` are ended.
    End {
        /// Whose.
        user: UserId,
        /// For which platform; 0 for all.
        platform: u8,
        /// Now.
        at_s: i64,
    },
    /// The user is banned, in place of any ban before; all tokens issued up to `at_s` are ended.
    Ban {
        /// Who.
        user: UserId,
        /// Why, and until when.
        ban: Ban,
        /// Now.
        at_s: i64,
    },
    /// The user is banned no more. What was ended stays so.
    Unban {
        /// Who.
        user: UserId,
    },
    /// The user is deleted: all tokens issued up to `at_s` are ended.
    Erase {
        /// Who.
        user: UserId,
        /// Now.
        at_s: i64,
    },
    /// Somebody is about to register under the uid of a deleted user, and may see seqs from `min` on.
    Renew {
        /// Under which uid.
        user: UserId,
        /// First seq, above every one that was given.
        min: Seq,
    },
}

impl Decision {
    /// Whom it is about.
    #[must_use]
    pub const fn user(&self) -> &UserId {
        match self {
            Self::End { user, .. }
            | Self::Ban { user, .. }
            | Self::Unban { user }
            | Self::Erase { user, .. }
            | Self::Renew { user, .. } => user,
        }
    }

    /// Makes it.
    pub fn apply(&self, access: &mut Access) {
        match self {
            Self::End { platform, at_s, .. } => access.end(*platform, *at_s),
            Self::Ban { ban, at_s, .. } => {
                access.end(0, *at_s);
                access.ban = Some(ban.clone());
            }
            Self::Unban { .. } => access.ban = None,
            Self::Erase { at_s, .. } => {
                access.end(0, *at_s);
                access.erased = true;
            }
            Self::Renew { min, .. } => {
                access.min = access.min.max(*min);
                access.erased = false;
            }
        }
    }
}

/// A token that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// Whose.
    pub user: UserId,
    /// For which class.
    pub class: Class,
    /// Which token, since when by the clock of who issued it, and until when.
    pub newest: Newest,
    /// What it supersedes.
    pub scope: Scope,
}

/// What a token is recorded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// With the time that it counts from.
    pub newest: Newest,
    /// The newest tokens before.
    pub before: NewestTokens,
}
