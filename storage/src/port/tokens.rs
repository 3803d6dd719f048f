//! Tokens: the newest token of each user and terminal class (spec, REST 2).

use openim_record::UserId;

use super::StoreError;

/// The newest token issued per (user, terminal class), by identity.
///
/// Contract: when `issue` returns, a restart cannot bring an older token back. Within a batch, later
/// entries win.
pub trait Tokens: Send + Sync {
    /// Records newly issued tokens, durably.
    ///
    /// # Errors
    /// [`StoreError`]; none of the batch is recorded.
    fn issue(&self, tokens: &[IssuedToken]) -> Result<(), StoreError>;

    /// The newest tokens of each user; same order as `users`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn newest(&self, users: &[UserId]) -> Result<Vec<UserTokens>, StoreError>;
}

/// Terminal classes that policies tell apart (spec, REST 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Terminal {
    /// Phones and mini programs.
    Mobile = 0,
    /// Desktops and browsers.
    Pc = 1,
    /// Tokens whose platform is not known.
    Other = 2,
}

/// A token that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// Whose.
    pub user: UserId,
    /// For which class.
    pub terminal: Terminal,
    /// Which token, and until when.
    pub newest: NewestToken,
}

/// Identity and times of a token; never its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewestToken {
    /// Digest of the token's text.
    pub id: [u8; 16],
    /// `iat`, unix seconds.
    pub issued_at: i64,
    /// `exp`, unix seconds; `i64::MAX` for a token without.
    pub expires_at: i64,
}

/// The newest tokens of one user, indexed by [`Terminal`].
pub type UserTokens = [Option<NewestToken>; 3];
