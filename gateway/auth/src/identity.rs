//! The identity of a token, and comparing secrets without telling by the time it takes.

use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// Which token it is: the first 16 bytes of SHA-256 over its whole text.
///
/// Two tokens issued in the same second for different platforms differ here though their times are
/// equal. It can be stored and logged: the token cannot be had back from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(pub [u8; 16]);

impl TokenId {
    /// The identity of this text, whether or not it is a good token.
    pub fn of(token: &str) -> TokenId {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let (first, _) = digest.split_first_chunk::<16>().expect("16 of 32 bytes");
        TokenId(*first)
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

/// Whether two secrets are equal, in a time that tells neither where nor how far they differ.
///
/// Digests are compared, so that the length of the expected secret is not told either.
pub fn secrets_match(a: &[u8], b: &[u8]) -> bool {
    let (a, b): ([u8; 32], [u8; 32]) = (Sha256::digest(a).into(), Sha256::digest(b).into());
    a.ct_eq(&b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_secrets_match() {
        assert!(secrets_match(b"tuoyun", b"tuoyun"));
        assert!(secrets_match(b"", b""));
        for other in [&b""[..], b"tuoyu", b"tuoyun ", b"Tuoyun", b"tuoyun\0"] {
            assert!(!secrets_match(b"tuoyun", other));
        }
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
