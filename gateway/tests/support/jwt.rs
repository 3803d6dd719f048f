//! Tokens made by hand, so that what the server accepts is checked against the wire format and not against itself.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// The head every good token carries.
pub(crate) const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_secs()).expect("fits for an age")
}

/// Claims issued `age` seconds ago that expire `life` seconds from now.
pub(crate) fn claims(uid: &str, platform: &str, age: i64, life: i64) -> Value {
    let issued = now() - age;
    json!({"UID": uid, "Platform": platform, "exp": now() + life, "iat": issued, "nbf": issued})
}

/// A token over `claims`, signed with HMAC-SHA256.
pub(crate) fn sign(key: &str, head: &str, claims: &Value) -> String {
    let text =
        format!("{}.{}", base64url(head.as_bytes()), base64url(claims.to_string().as_bytes()));
    let signature = base64url(&hmac_sha256(key.as_bytes(), text.as_bytes()));
    format!("{text}.{signature}")
}

/// A token with the given head and claims and nothing as its signature.
pub(crate) fn unsigned(head: &str, claims: &Value) -> String {
    format!("{}.{}.", base64url(head.as_bytes()), base64url(claims.to_string().as_bytes()))
}

/// The claims of a token, unchecked.
pub(crate) fn read_claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&from_base64url(part)).expect("claims in JSON")
}

/// The head of a token, unchecked.
pub(crate) fn read_head(token: &str) -> Value {
    let part = token.split('.').next().expect("split yields at least one part");
    serde_json::from_slice(&from_base64url(part)).expect("a head in JSON")
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) fn base64url(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut block = [0u8; 3];
        block[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from(block[0]) << 16 | u32::from(block[1]) << 8 | u32::from(block[2]);
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

fn from_base64url(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.bytes() {
        let value =
            ALPHABET.iter().position(|letter| *letter == byte).expect("base64url without padding");
        bits = bits << 6 | u32::try_from(value).expect("below 64");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 255) as u8);
        }
    }
    bytes
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0u8; 64];
    assert!(key.len() <= block.len(), "test keys are short");
    block[..key.len()].copy_from_slice(key);
    let inner: Vec<u8> = block.iter().map(|byte| byte ^ 0x36).chain(text.iter().copied()).collect();
    let outer: Vec<u8> = block.iter().map(|byte| byte ^ 0x5c).chain(sha256(&inner)).collect();
    sha256(&outer)
}

/// FIPS 180-4.
fn sha256(text: &[u8]) -> [u8; 32] {
    let primes: Vec<u32> = (2u32..).filter(|n| (2..*n).all(|d| n % d != 0)).take(64).collect();
    let fraction = |root: f64| ((root - root.floor()) * 4_294_967_296.0) as u32;
    let constants: Vec<u32> =
        primes.iter().map(|prime| fraction(f64::from(*prime).cbrt())).collect();
    let mut state: Vec<u32> =
        primes[..8].iter().map(|prime| fraction(f64::from(*prime).sqrt())).collect();
    let mut padded = text.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() < text.len() + 9 {
        padded.resize(padded.len() + 64, 0);
    }
    let end = padded.len();
    padded[end - 8..].copy_from_slice(&(text.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks_exact(64) {
        let mut w: Vec<u32> = block
            .chunks_exact(4)
            .map(|word| u32::from_be_bytes(word.try_into().expect("four bytes")))
            .collect();
        for i in 16..64 {
            let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ w[i - 15] >> 3;
            let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ w[i - 2] >> 10;
            w.push(w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]).wrapping_add(s1));
        }
        let mut v = state.clone();
        for i in 0..64 {
            let s1 = v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25);
            let choice = v[4] & v[5] ^ !v[4] & v[6];
            let one =
                [s1, choice, constants[i], w[i]].iter().fold(v[7], |sum, n| sum.wrapping_add(*n));
            let s0 = v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22);
            let majority = v[0] & v[1] ^ v[0] & v[2] ^ v[1] & v[2];
            v.rotate_right(1);
            v[4] = v[4].wrapping_add(one);
            v[0] = one.wrapping_add(s0).wrapping_add(majority);
        }
        for (sum, n) in state.iter_mut().zip(v) {
            *sum = sum.wrapping_add(n);
        }
    }
    let mut digest = [0; 32];
    for (place, word) in digest.chunks_exact_mut(4).zip(&state) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

/// The digest and the encoding agree with published vectors (RFC 4231 case 2, RFC 4648).
#[test]
fn hand_made_tokens_are_signed_right() {
    let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
    assert_eq!(base64url(&mac), "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM");
    assert_eq!(base64url(b"foob"), "Zm9vYg");
    assert_eq!(from_base64url("Zm9vYg"), b"foob");
}
