//! A credential, and the four ways to have none.
//!
//! In: the answer of the STS as bytes. Out: [`Credential`] or [`CredentialError`]. What others wrote is
//! bounded and freed of control characters before anybody sees it.

use openim_protocol::rest::StorageCredential;
use serde::Deserialize;

use super::tencent::DURATION_S;

/// Characters of a message of the service that are kept.
const MESSAGE_CHARS_MAX: usize = 256;
/// Characters of its error codes.
const CODE_CHARS_MAX: usize = 64;

/// What a client uploads with, as the service names it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Credential {
    credentials: Keys,
    #[serde(default)]
    expired_time: i64,
    #[serde(default)]
    expiration: String,
    /// Of our making: the service does not say it.
    #[serde(skip_deserializing)]
    start_time: i64,
    #[serde(default)]
    request_id: String,
}

#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    tmp_secret_id: String,
    tmp_secret_key: String,
    token: String,
}

impl Credential {
    /// As the wire writes it.
    pub(crate) fn wire(&self) -> StorageCredential<'_> {
        StorageCredential {
            tmp_secret_id: &self.credentials.tmp_secret_id,
            tmp_secret_key: &self.credentials.tmp_secret_key,
            token: &self.credentials.token,
            expired_time: self.expired_time,
            expiration: &self.expiration,
            start_time: self.start_time,
            request_id: &self.request_id,
        }
    }
}

/// It lets its holder upload: no debug output shows it.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("expired_time", &self.expired_time)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

/// Why there is no credential. `Display` is one line for the operator; clients get [`Self::for_clients`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialError {
    /// Keys of the configuration are empty.
    #[error("object storage is not configured: set {missing}")]
    NotConfigured {
        /// The empty ones.
        missing: String,
    },
    /// No answer in time, or none at all.
    #[error("the service cannot be reached: {cause}")]
    Unreachable {
        /// What stands in the way.
        cause: String,
    },
    /// The service said no.
    #[error("the service refused, {code}: {message}; check the account under credential.tencent")]
    Refused {
        /// Its code.
        code: String,
        /// Its text.
        message: String,
    },
    /// The service said what is no answer.
    #[error("the service's answer cannot be used: {cause}")]
    Malformed {
        /// What is wrong with it.
        cause: String,
    },
}

impl CredentialError {
    /// What anybody may know: the route asks for no token.
    pub(crate) fn for_clients(&self) -> String {
        match self {
            Self::NotConfigured { .. } => self.to_string(),
            Self::Unreachable { .. } => "the credential service cannot be reached".to_owned(),
            Self::Refused { code, .. } => format!("the credential service refused: {code}"),
            Self::Malformed { .. } => "the credential service gave no credential".to_owned(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<T> {
    response: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    error: Reason,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reason {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Reads an answer of the service, which came with this HTTP status.
pub(super) fn read(status: u16, body: &[u8]) -> Result<Credential, CredentialError> {
    // An error comes with status 200 as well; so what the body says decides.
    if let Ok(Reply { response: Refusal { error } }) = serde_json::from_slice(body) {
        return Err(CredentialError::Refused {
            code: plain(&error.code, CODE_CHARS_MAX),
            message: plain(&error.message, MESSAGE_CHARS_MAX),
        });
    }
    let malformed = |cause: String| CredentialError::Malformed { cause };
    let reply: Reply<Credential> = serde_json::from_slice(body)
        .map_err(|cause| malformed(format!("HTTP {status}, {} bytes, {cause}", body.len())))?;
    let mut credential = reply.response;
    let Keys { tmp_secret_id, tmp_secret_key, token } = &credential.credentials;
    if [tmp_secret_id, tmp_secret_key, token].iter().any(|key| key.is_empty()) {
        return Err(malformed(format!("HTTP {status}, a key is empty")));
    }
    if credential.expired_time != 0 {
        credential.start_time = credential.expired_time.saturating_sub(DURATION_S);
    }
    Ok(credential)
}

/// Cut to a length and on one line.
pub(super) fn plain(text: &str, chars_max: usize) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(chars_max).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"Response":{"Credentials":{"Token":"t","TmpSecretId":"i","TmpSecretKey":"k","More":1},"ExpiredTime":1625003600,"Expiration":"2021-06-29T21:53:20Z","RequestId":"r"}}"#;

    #[test]
    fn a_credential_is_read_and_its_start_computed() {
        let credential = read(200, GOOD.as_bytes()).unwrap();
        let expected = StorageCredential {
            tmp_secret_id: "i",
            tmp_secret_key: "k",
            token: "t",
            expired_time: 1_625_003_600,
            expiration: "2021-06-29T21:53:20Z",
            start_time: 1_625_000_000,
            request_id: "r",
        };
        assert_eq!(credential.wire(), expected);
    }

    #[test]
    fn what_the_service_leaves_out_is_empty() {
        let least =
            r#"{"Response":{"Credentials":{"Token":"t","TmpSecretId":"i","TmpSecretKey":"k"}}}"#;
        let credential = read(200, least.as_bytes()).unwrap();
        let wire = credential.wire();
        assert_eq!((wire.expired_time, wire.start_time, wire.expiration), (0, 0, ""));
    }

    #[test]
    fn a_refusal_is_read_with_any_status() {
        let body = r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureFailure","Message":"bad\nsignature"},"RequestId":"r"}}"#;
        for status in [200, 400, 500] {
            let error = read(status, body.as_bytes()).unwrap_err();
            let said = "the service refused, AuthFailure.SignatureFailure: bad signature; check the account under credential.tencent";
            assert_eq!(error.to_string(), said);
            let told = "the credential service refused: AuthFailure.SignatureFailure";
            assert_eq!(error.for_clients(), told);
        }
    }

    #[test]
    fn texts_of_others_are_bounded() {
        let long = "x".repeat(10_000);
        let body = format!(r#"{{"Response":{{"Error":{{"Code":"{long}","Message":"{long}"}}}}}}"#);
        assert!(read(200, body.as_bytes()).unwrap_err().to_string().len() < 500);
    }

    #[test]
    fn what_is_no_answer_is_malformed_and_never_shown() {
        let deep = "[".repeat(10_000);
        for body in [
            "",
            "<html>hush</html>",
            "{}",
            "null",
            "[]",
            r#"{"Response":null}"#,
            r#"{"Response":{"RequestId":"r"}}"#,
            r#"{"Response":{"Error":"hush"}}"#,
            r#"{"Response":{"Credentials":{"Token":"hush","TmpSecretId":"hush"}}}"#,
            r#"{"Response":{"Credentials":{"Token":"","TmpSecretId":"hush","TmpSecretKey":"hush"}}}"#,
            &deep,
        ] {
            let error = read(502, body.as_bytes()).unwrap_err();
            assert!(matches!(error, CredentialError::Malformed { .. }), "{body}: {error}");
            let said = format!("{error} {error:?} {}", error.for_clients());
            assert!(said.contains("502") && !said.contains("hush"), "{said}");
        }
    }

    #[test]
    fn debug_output_shows_no_credential() {
        let credential = read(200, GOOD.replace("\"k\"", "\"hush\"").as_bytes()).unwrap();
        assert!(!format!("{credential:?}").contains("hush"));
    }
}
