//! Issuing and verifying tokens: JWT, HS256 and nothing else.
//!
//! In: a secret once; then a uid to issue for, or a token to check. Out: a token, or claims.
//! The key is prepared once, so a check hashes the token only.
//!
//! ## Invariants
//! - A token that differs from an issued one in any byte is refused (`a_changed_byte_is_refused`).
//! - No input panics, and none longer than [`TOKEN_BYTES_MAX`] costs any work.

use crate::claims::{Header, Read, Written};
use crate::{Class, Platform, TokenId};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// The longest token that is looked at.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// How far a clock may be behind the one that issued a token. Issuer and checker are different threads
/// or machines, and clocks are set back; without it a fresh token is refused now and then.
pub const CLOCK_SKEW_SECONDS_MAX: i64 = 60;

/// The time, in unix seconds, as far as it is known: what the clock shows, and what expiry goes by. The
/// two are the same unless the clock is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What the clock shows.
    pub clock: i64,
    /// What expiry goes by.
    pub trusted: i64,
}

impl Moment {
    /// What a token that is issued now says of that: the earlier of the two, so that it is good by both.
    #[must_use]
    pub fn issued_at(self) -> i64 {
        self.clock.min(self.trusted)
    }
}

impl From<i64> for Moment {
    /// A time that nobody doubts.
    fn from(unix: i64) -> Moment {
        Moment { clock: unix, trusted: unix }
    }
}

/// `{"alg":"HS256","typ":"JWT"}` as it stands in every token issued here.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// Issues and verifies tokens with one secret.
#[derive(Clone)]
pub struct Signer {
    key: Hmac<Sha256>,
    /// `None`: permanent tokens.
    lifetime_seconds: Option<i64>,
}

/// A token just issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The text to hand out.
    pub token: String,
    /// Its identity.
    pub id: TokenId,
    /// Its `exp`, in unix seconds; `None` never expires.
    pub expires_at: Option<i64>,
    /// Its `iat`, in unix seconds.
    pub issued_at: i64,
}

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Whose it is. May be empty: compare it with the uid the caller claims to be.
    pub uid: String,
    /// The class of its platform.
    pub class: Class,
    /// The platform's name as written; empty when the platform is unknown.
    pub platform_name: String,
    /// Its `exp`, in unix seconds; `None` never expires.
    pub expires_at: Option<i64>,
    /// Its `iat`, in unix seconds.
    pub issued_at: i64,
    /// Its identity.
    pub id: TokenId,
}

/// Why a token is refused. `Display` gives the text the wire shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token at all, empty, or too long to look at.
    #[error("that's not even a token")]
    Malformed,
    /// Past its `exp`.
    #[error("token is timed out, please log in again")]
    Expired,
    /// Before its `nbf`.
    #[error("token not active yet")]
    NotActive,
    /// Wrong signature, another algorithm, or issued in the future.
    #[error("couldn't handle this token")]
    Invalid,
    /// A newer login took its place. [`Signer::verify`] never gives it; the login policy does.
    #[error("token has been invalidated")]
    Superseded,
}

impl Signer {
    /// A signer for `secret`. Tokens live for `expire_seconds`; a negative number (the original's -1)
    /// means permanent: no `exp` is written.
    pub fn new(secret: &[u8], expire_seconds: i64) -> Signer {
        let key = Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
        Signer { key, lifetime_seconds: (expire_seconds >= 0).then_some(expire_seconds) }
    }

    /// Issues a token.
    ///
    /// `jti` tells logins of one uid, platform and second apart; it is a claim of its own (RFC 7519)
    /// that clients and the original ignore. Empty, none is written, and such logins share a token.
    ///
    /// The uid must be short enough for [`TOKEN_BYTES_MAX`] (registration sees to that), or the
    /// token will be refused as malformed.
    ///
    /// While the clock is in doubt the token is good from the earlier of the two times and lives from the
    /// later one: whichever is right, it is good now and not for less than its time.
    pub fn issue(
        &self,
        uid: &str,
        platform: Platform,
        now: impl Into<Moment>,
        jti: &str,
    ) -> Issued {
        let now = now.into();
        let issued_at = now.issued_at();
        let latest = now.clock.max(now.trusted);
        let expires_at = self.lifetime_seconds.map(|seconds| latest.saturating_add(seconds));
        let claims = Written {
            uid,
            platform: platform.name(),
            exp: expires_at,
            iat: issued_at,
            nbf: issued_at,
            jti,
        };
        let json = serde_json::to_vec(&claims).expect("strings and integers always encode");
        let mut token = String::with_capacity(HEADER.len() + json.len() * 4 / 3 + 48);
        token.push_str(HEADER);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&json, &mut token);
        let signature = self.sign(&token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Issued { id: TokenId::of(&token), token, expires_at, issued_at }
    }

    /// Checks a token's form, times and signature, and gives what it says.
    ///
    /// # Errors
    /// The first of these that applies: [`TokenError::Malformed`], [`TokenError::Expired`],
    /// [`TokenError::NotActive`], [`TokenError::Invalid`]. The times are judged before the signature,
    /// as the original does; a refusal says nothing about who signed the token.
    ///
    /// It expires by the trusted time, and has begun by either.
    pub fn verify(&self, token: &str, now: impl Into<Moment>) -> Result<Claims, TokenError> {
        let now = now.into();
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let algorithm_accepted = header == HEADER || decode::<Header>(header)?.is_hs256();
        let read: Read = decode(payload)?;
        if read.exp != 0 && now.trusted > read.exp {
            return Err(TokenError::Expired);
        }
        let clock = now.clock.max(now.trusted).saturating_add(CLOCK_SKEW_SECONDS_MAX);
        if clock < read.nbf {
            return Err(TokenError::NotActive);
        }
        if clock < read.iat || !algorithm_accepted || !self.signature_is_right(signed, signature) {
            return Err(TokenError::Invalid);
        }
        Ok(Claims {
            class: Platform::class_of_name(&read.platform),
            uid: read.uid,
            platform_name: read.platform,
            expires_at: (read.exp != 0).then_some(read.exp),
            issued_at: read.iat,
            id: TokenId::of(token),
        })
    }

    fn signature_is_right(&self, signed: &str, signature: &str) -> bool {
        // 32 bytes are 43 letters; the decoder refuses padding and stray bits in the last letter, so
        // one signature has exactly one text.
        let mut given = [0_u8; 48];
        match URL_SAFE_NO_PAD.decode_slice(signature, &mut given) {
            Ok(32) => {
                given.first_chunk::<32>().is_some_and(|given| self.sign(signed).ct_eq(given).into())
            }
            _ => false,
        }
    }

    fn sign(&self, text: &str) -> [u8; 32] {
        let mut mac = self.key.clone();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Signer {
    /// Shows no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("lifetime_seconds", &self.lifetime_seconds)
            .finish_non_exhaustive()
    }
}

/// Decodes one segment: base64url without padding around a JSON object.
fn decode<T: for<'de> serde::Deserialize<'de>>(segment: &str) -> Result<T, TokenError> {
    let mut buffer = [0_u8; TOKEN_BYTES_MAX];
    let len = URL_SAFE_NO_PAD
        .decode_slice(segment, &mut buffer)
        .map_err(|_not_base64| TokenError::Malformed)?;
    let json = buffer.get(..len).ok_or(TokenError::Malformed)?;
    serde_json::from_slice(json).map_err(|_not_claims| TokenError::Malformed)
}

#[cfg(test)]
mod tests;
