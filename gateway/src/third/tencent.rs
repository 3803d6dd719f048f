//! The question to the STS as bytes: form, policy, signature (version 1 of its scheme, HMAC-SHA1).
//!
//! Pure: time and chance are arguments.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use openim_config::Tencent;
use serde::Serialize;
use sha1::Sha1;

/// How long a credential is good.
pub(super) const DURATION_S: i64 = 3600;

/// What a credential may do.
#[derive(Serialize)]
struct Policy {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Serialize)]
struct Statement {
    action: [&'static str; 2],
    effect: &'static str,
    resource: [String; 1],
}

/// The signed form that asks for a credential of `account`; no two may have the same time and nonce.
pub(super) fn form(account: &Tencent, unix_s: i64, nonce: u32) -> String {
    let parameters = parameters(account, unix_s, nonce);
    let mut form = String::with_capacity(1024);
    for (name, value) in &parameters {
        form.push_str(name);
        form.push('=');
        escape(value, &mut form);
        form.push('&');
    }
    form.push_str("Signature=");
    escape(&signature(account, &parameters), &mut form);
    form
}

/// By name, as they are signed.
fn parameters(account: &Tencent, unix_s: i64, nonce: u32) -> [(&'static str, String); 9] {
    let mut policy = String::with_capacity(512);
    // Once here and once more as a value of the form: so the service expects it.
    escape(&self::policy(account), &mut policy);
    [
        ("Action", "GetFederationToken".to_owned()),
        ("DurationSeconds", DURATION_S.to_string()),
        ("Name", "cos-sts-go".to_owned()),
        ("Nonce", nonce.to_string()),
        ("Policy", policy),
        ("Region", account.region.clone()),
        ("SecretId", account.secret_id.clone()),
        ("Timestamp", unix_s.to_string()),
        ("Version", "2018-08-13".to_owned()),
    ]
}

fn policy(account: &Tencent) -> String {
    let Tencent { app_id, region, bucket, .. } = account;
    let policy = Policy {
        version: "2.0",
        statement: [Statement {
            action: ["name/cos:PostObject", "name/cos:PutObject"],
            effect: "allow",
            resource: [format!("qcs::cos:{region}:uid/{app_id}:{bucket}/*")],
        }],
    };
    serde_json::to_string(&policy).expect("texts in arrays have a JSON form")
}

fn signature(account: &Tencent, parameters: &[(&str, String)]) -> String {
    let mut signed = format!("POST{}/", account.endpoint.authority());
    for (number, (name, value)) in parameters.iter().enumerate() {
        signed.push(if number == 0 { '?' } else { '&' });
        signed.push_str(name);
        signed.push('=');
        signed.push_str(value);
    }
    let mut key = Hmac::<Sha1>::new_from_slice(account.secret_key.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    key.update(signed.as_bytes());
    STANDARD.encode(key.finalize().into_bytes())
}

/// As a value in a form.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => write!(out, "%{byte:02X}").expect("a String takes all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use openim_config::Secret;

    use super::*;

    fn account() -> Tencent {
        Tencent {
            app_id: "1250000000".to_owned(),
            region: "ap-test".to_owned(),
            bucket: "files-1250000000".to_owned(),
            secret_id: "AKIDtest".to_owned(),
            secret_key: Secret::new("a key of nobody"),
            ..Tencent::default()
        }
    }

    fn signature_of(account: &Tencent) -> String {
        signature(account, &parameters(account, 1_625_000_000, 4711))
    }

    /// The signatures were computed by another implementation (Python's `hmac`).
    #[test]
    fn the_signature_is_the_one_the_service_computes() {
        let account = account();
        assert_eq!(signature_of(&account), "GhBsWFgvrUQIBS+PCFUXoP7g5jo=");
        let elsewhere = Tencent { endpoint: "http://127.0.0.1:8080".parse().unwrap(), ..account };
        assert_eq!(signature_of(&elsewhere), "brX1N0bQl0RVVX56GGmhuDprQ+M=");
    }

    #[test]
    fn parameters_are_signed_by_name() {
        assert!(parameters(&account(), 0, 0).is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn the_form_is_escaped_and_the_policy_in_it_twice() {
        let form = form(&account(), 1_625_000_000, 4711);
        let start = "Action=GetFederationToken&DurationSeconds=3600&Name=cos-sts-go&Nonce=4711&Policy=%257B%2522version%2522%253A";
        assert!(form.starts_with(start), "{form}");
        let end = "&Region=ap-test&SecretId=AKIDtest&Timestamp=1625000000&Version=2018-08-13&Signature=GhBsWFgvrUQIBS%2BPCFUXoP7g5jo%3D";
        assert!(form.ends_with(end), "{form}");
        assert!(form.contains("files-1250000000%252F%252A%2522"), "{form}");
    }

    #[test]
    fn the_policy_allows_uploads_to_the_bucket_alone() {
        assert_eq!(
            policy(&account()),
            r#"{"version":"2.0","statement":[{"action":["name/cos:PostObject","name/cos:PutObject"],"effect":"allow","resource":["qcs::cos:ap-test:uid/1250000000:files-1250000000/*"]}]}"#
        );
    }

    #[test]
    fn every_byte_is_escaped_or_plain() {
        let mut escaped = String::new();
        escape("aZ09-_.~ +&=%/*\u{e4}", &mut escaped);
        assert_eq!(escaped, "aZ09-_.~+%2B%26%3D%25%2F%2A%C3%A4");
    }
}
