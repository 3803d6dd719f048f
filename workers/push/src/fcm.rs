//! Firebase Cloud Messaging, HTTP v1: an OAuth token for a service account, one device a request.

use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::Notice;
use crate::client::{Answer, Clients};
use crate::signing::{Key, KeyError};
use crate::vendor::{Request, Verdict, by_status};

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// The token is asked for anew so long before its end.
const EARLY_S: i64 = 300;

/// A project, and the account that may tell its devices.
pub struct Fcm {
    url: String,
    email: String,
    project: String,
    token_url: String,
    key: Key,
    /// The token, and until when it is used, unix seconds.
    token: Mutex<Option<(String, i64)>>,
}

impl Fcm {
    /// Of a service account's file, JSON as Google gives it; `url`: where the service is.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn new(url: String, account: &str) -> Result<Self, KeyError> {
        let account: Value = serde_json::from_str(account)
            .map_err(|_| KeyError::Missing("is not the JSON of a service account"))?;
        let text = |name: &str| account[name].as_str().unwrap_or_default().to_owned();
        let (email, project) = (text("client_email"), text("project_id"));
        let token_url = text("token_uri");
        if [&email, &project, &token_url].iter().any(|text| text.is_empty()) {
            return Err(KeyError::Missing("lacks client_email, project_id or token_uri"));
        }
        let key = Key::rsa(&text("private_key"))?;
        Ok(Self { url, email, project, token_url, key, token: Mutex::new(None) })
    }

    /// The token, asked for if there is none that is good. Who comes meanwhile waits for the same.
    pub(crate) async fn bearer(&self, clients: &Clients, now_s: i64) -> Result<String, Verdict> {
        let mut kept = self.token.lock().await;
        if let Some((token, _)) = kept.as_ref().filter(|(_, until_s)| now_s < *until_s) {
            return Ok(token.clone());
        }
        let head = json!({ "alg": "RS256", "typ": "JWT" });
        let claims = json!({
            "iss": self.email, "scope": SCOPE, "aud": self.token_url, "iat": now_s, "exp": now_s + 3600,
        });
        let assertion = self.key.token(&head, &claims);
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        let request = Request {
            url: self.token_url.clone(),
            headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
            body: format!("grant_type={grant}&assertion={assertion}").into_bytes(),
            http2: false,
        };
        let answer = clients.post(request).await.map_err(|why| Verdict::Later(why, None))?;
        let said = answer.json();
        match (said["access_token"].as_str(), said["expires_in"].as_i64()) {
            (Some(token), Some(for_s)) if answer.status.is_success() => {
                *kept = Some((token.to_owned(), now_s + (for_s - EARLY_S).max(1)));
                Ok(token.to_owned())
            }
            // invalid_grant and its like are 400.
            _ if answer.status.is_client_error() && answer.status.as_u16() != 429 => {
                Err(Verdict::Unknown(answer.told()))
            }
            _ => Err(Verdict::Later(answer.told(), answer.retry_after_s)),
        }
    }

    pub(crate) fn request(&self, notice: &Notice, token: &str, bearer: &str) -> Request {
        let id = notice.collapse_id();
        let mut aps = json!({ "sound": "default" });
        let mut android = json!({ "tag": id });
        if let Some(badge) = notice.badge {
            aps["badge"] = badge.into();
            android["notification_count"] = badge.into();
        }
        // No collapse key: of those the service keeps four a device. The tag replaces what is shown.
        let body = json!({ "message": {
            "token": token,
            "notification": { "title": notice.title, "body": notice.text },
            "data": {
                "chatType": notice.chat_type.to_string(), "from": notice.from, "to": notice.to,
                "seq": notice.seq.to_string(), "id": id,
            },
            "android": { "priority": "high", "notification": android },
            "apns": { "headers": { "apns-collapse-id": id }, "payload": { "aps": aps } },
        }});
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("authorization", format!("Bearer {bearer}")),
        ];
        let url = format!("{}/v1/projects/{}/messages:send", self.url, self.project);
        Request { url, headers, body: body.to_string().into_bytes(), http2: false }
    }

    pub(crate) fn verdict(&self, answer: &Answer) -> Verdict {
        let said = answer.json();
        let details = said["error"]["details"].as_array();
        let code = details.into_iter().flatten().find_map(|detail| detail["errorCode"].as_str());
        match (answer.status.as_u16(), code) {
            (_, Some("UNREGISTERED")) => Verdict::Gone,
            // A token of another project's app.
            (403, Some("SENDER_ID_MISMATCH")) => Verdict::Refused(answer.told()),
            (401, _) => match self.token.try_lock().map(|mut token| token.take()) {
                // It may have been taken back: once more with a new one.
                Ok(Some(_)) => Verdict::Later(answer.told(), None),
                _ => Verdict::Unknown(answer.told()),
            },
            _ => by_status(answer),
        }
    }
}
