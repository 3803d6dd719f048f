//! Comparing secrets without telling by the time it takes.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

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
}
