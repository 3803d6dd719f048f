//! The signature of what is posted to the app's backend: HMAC-SHA256 with `webhook.secret` over time and body. Pure.

use std::fmt::Write as _;

use ring::hmac::{Context, HMAC_SHA256, Key};

/// Names the time of a post, unix seconds.
const TIME: &str = "x-openim-time";
const SIGNATURE: &str = "x-openim-signature";

/// The headers that say when a body was posted, and by whom if there is a secret.
pub(crate) fn headers(secret: &str, unix_s: i64, body: &[u8]) -> Vec<(&'static str, String)> {
    let mut headers = vec![(TIME, unix_s.to_string())];
    if !secret.is_empty() {
        headers.push((SIGNATURE, signature(secret, unix_s, body)));
    }
    headers
}

/// Signed is the time in digits, a point, and the body.
fn signature(secret: &str, unix_s: i64, body: &[u8]) -> String {
    let mut signing = Context::with_key(&Key::new(HMAC_SHA256, secret.as_bytes()));
    signing.update(unix_s.to_string().as_bytes());
    signing.update(b".");
    signing.update(body);
    let mut text = "sha256=".to_owned();
    for byte in signing.sign().as_ref() {
        write!(text, "{byte:02x}").expect("a text grows");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with: `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret`.
    #[test]
    fn a_signature_is_what_openssl_makes() {
        let signed = headers("secret", 1_700_000_000, br#"{"a":1}"#);
        assert_eq!(signed[0], (TIME, "1700000000".to_owned()));
        assert_eq!(signed[1].0, SIGNATURE);
        assert_eq!(
            signed[1].1,
            "sha256=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
        );
        assert_eq!(headers("", 5, b"").len(), 1);
    }
}
