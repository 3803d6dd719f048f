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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_is_a_stable_prefix_of_the_digest() {
        // SHA-256("abc") starts with ba7816bf 8f01cfea 414140de 5dae2223.
        assert_eq!(
            format!("{:?}", TokenId::of("abc")),
            "TokenId(ba7816bf8f01cfea414140de5dae2223)"
        );
    }
}
