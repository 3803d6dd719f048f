//! Apple's push service: HTTP/2, a token signed by ES256, one device a request.

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::Notice;
use crate::client::Answer;
use crate::signing::{Key, KeyError};
use crate::vendor::{Request, Verdict, by_status};

/// Apple wants a token to be new within an hour, and not more often than every 20 minutes.
const TOKEN_S: i64 = 40 * 60;
/// Of a device's token, in hexadecimal digits.
const TOKEN_BYTES_MAX: usize = 200;

/// An app, and the key that signs for its team.
pub struct Apns {
    url: String,
    key: Key,
    key_id: String,
    team_id: String,
    topic: String,
    max_age_s: i64,
    token: Mutex<Option<(String, i64)>>,
}

impl Apns {
    /// Of a key as Apple gives it (`AuthKey_….p8`), its id, the team's, and the app's (its topic). `url`: where the service is, of
    /// the sandbox another one. Apple keeps a notice for `max_age_s` where the device is away.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn new(
        url: String,
        pem: &str,
        (key_id, team_id, topic): (String, String, String),
        max_age_s: i64,
    ) -> Result<Self, KeyError> {
        let key = Key::ec(pem)?;
        Ok(Self { url, key, key_id, team_id, topic, max_age_s, token: Mutex::new(None) })
    }

    fn bearer(&self, now_s: i64) -> String {
        let mut kept = self.token.lock();
        let fresh = kept.as_ref().filter(|(_, at_s)| (0..TOKEN_S).contains(&(now_s - at_s)));
        if let Some((token, _)) = fresh {
            return token.clone();
        }
        let head = json!({ "alg": "ES256", "kid": self.key_id });
        let token = self.key.token(&head, &json!({ "iss": self.team_id, "iat": now_s }));
        *kept = Some((token.clone(), now_s));
        token
    }

    /// `None` where the token cannot be one: it is part of an address.
    pub(crate) fn request(&self, notice: &Notice, token: &str, now_s: i64) -> Option<Request> {
        let is_one = !token.is_empty()
            && token.len() <= TOKEN_BYTES_MAX
            && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_one {
            return None;
        }
        let mut aps = json!({
            "alert": { "title": notice.title, "body": notice.text }, "sound": "default",
        });
        if let Some(badge) = notice.badge {
            aps["badge"] = badge.into();
        }
        let body = json!({
            "aps": aps, "chatType": notice.chat_type, "from": notice.from, "to": notice.to,
            "seq": notice.seq,
        });
        let until_s = notice.sent_ms.div_euclid(1000) + self.max_age_s;
        let headers = vec![
            ("authorization", format!("bearer {}", self.bearer(now_s))),
            ("content-type", "application/json".to_owned()),
            ("apns-topic", self.topic.clone()),
            ("apns-push-type", "alert".to_owned()),
            ("apns-priority", "10".to_owned()),
            ("apns-collapse-id", notice.collapse_id()),
            ("apns-expiration", until_s.to_string()),
        ];
        let url = format!("{}/3/device/{token}", self.url);
        Some(Request { url, headers, body: body.to_string().into_bytes(), http2: true })
    }

    pub(crate) fn verdict(&self, answer: &Answer) -> Verdict {
        let said: Value = answer.json();
        let reason = said["reason"].as_str().unwrap_or_default();
        match (answer.status.as_u16(), reason) {
            (410, _) => Verdict::Gone,
            (403, "ExpiredProviderToken") => {
                *self.token.lock() = None;
                Verdict::Later(answer.told(), None)
            }
            (400, "MissingProviderToken" | "TopicDisallowed" | "BadTopic" | "MissingTopic") => {
                Verdict::Unknown(answer.told())
            }
            _ => by_status(answer),
        }
    }
}
