//! Tokens as they are remembered: by identity, class and times, never by their text.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Which token it is: the first 16 bytes of SHA-256 over its whole text.
///
/// Two tokens issued in the same second for different platforms differ here though their times are
/// equal. It can be stored and logged: the token cannot be had back from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(pub [u8; 16]);

impl TokenId {
    /// The identity of this text, whether or not it is a good token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let digest = Sha256::digest(token.as_bytes());
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(digest) {
            *to = from;
        }
        Self(first)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenId(")?;
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// What the login policies compare: terminals of one class may supersede each other (spec, REST 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// iOS, Android, MiniWeb.
    Mobile = 0,
    /// Windows, OSX, Web, Linux.
    Pc = 1,
    /// Any terminal the wire does not name.
    Other = 2,
}

impl Class {
    /// Every class, in the order of the numbers that they are stored with.
    pub const ALL: [Self; 3] = [Self::Mobile, Self::Pc, Self::Other];
}

/// The newest token issued to a user, in one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Which token.
    pub id: TokenId,
    /// Its `iat`, in unix seconds.
    pub issued_at: i64,
    /// Its `exp`, in unix seconds; `None` never expires.
    pub expires_at: Option<i64>,
}

/// What a login does to the tokens of a user's other terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Supersedes at most those of its class.
    Class,
    /// Supersedes all.
    All,
}

/// The newest tokens issued to a user, by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NewestTokens {
    /// Of class [`Class::Mobile`].
    pub mobile: Option<Newest>,
    /// Of class [`Class::Pc`].
    pub pc: Option<Newest>,
    /// Of class [`Class::Other`].
    pub other: Option<Newest>,
}

impl NewestTokens {
    /// The newest token of one class.
    #[must_use]
    pub const fn of(&self, class: Class) -> &Option<Newest> {
        match class {
            Class::Mobile => &self.mobile,
            Class::Pc => &self.pc,
            Class::Other => &self.other,
        }
    }

    /// The same, to be replaced.
    pub const fn of_mut(&mut self, class: Class) -> &mut Option<Newest> {
        match class {
            Class::Mobile => &mut self.mobile,
            Class::Pc => &mut self.pc,
            Class::Other => &mut self.other,
        }
    }

    /// Records a token issued now, and gives what it is recorded as: never earlier than the newest of its class,
    /// whatever the clocks say, and later than every newest one if it supersedes all, for then times alone tell which
    /// login was the last. One that is recorded already stays as it is.
    pub fn issue(&mut self, class: Class, token: Newest, scope: Scope) -> Newest {
        if let Some(same) = self.of(class).filter(|newest| newest.id == token.id) {
            return same;
        }
        let newest = |class: Class| self.of(class).map(|newest| newest.issued_at);
        let issued_at = match scope {
            Scope::Class => newest(class).map_or(token.issued_at, |at| at.max(token.issued_at)),
            Scope::All => {
                let all = Class::ALL.into_iter().filter_map(newest);
                all.map(|at| at.saturating_add(1)).fold(token.issued_at, i64::max)
            }
        };
        let recorded = Newest { issued_at, ..token };
        *self.of_mut(class) = Some(recorded);
        recorded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_counts_as_the_newest_though_the_clock_fell() {
        let token = |n, issued_at| Newest { id: TokenId([n; 16]), issued_at, expires_at: None };
        let mut tokens = NewestTokens::default();
        for (n, class, scope, iat, recorded) in [
            (1, Class::Pc, Scope::Class, 100, 100),
            (2, Class::Pc, Scope::Class, 90, 100),
            (3, Class::Mobile, Scope::Class, 50, 50),
            (4, Class::Mobile, Scope::All, 60, 101),
            (5, Class::Other, Scope::All, 200, 200),
            (6, Class::Pc, Scope::All, 200, 201),
            // Once more.
            (6, Class::Pc, Scope::All, 300, 201),
        ] {
            assert_eq!(tokens.issue(class, token(n, iat), scope), token(n, recorded), "{n}");
            assert_eq!(*tokens.of(class), Some(token(n, recorded)));
        }
        let last = tokens.issue(Class::Pc, token(7, 0), Scope::All);
        assert_eq!((last.issued_at, tokens.mobile), (202, Some(token(4, 101))));
    }

    #[test]
    fn identity_is_a_stable_prefix_of_the_digest() {
        // SHA-256("abc") starts with ba7816bf 8f01cfea 414140de 5dae2223.
        assert_eq!(
            format!("{:?}", TokenId::of("abc")),
            "TokenId(ba7816bf8f01cfea414140de5dae2223)"
        );
    }
}
