//! Tencent Push Notification Service, which the original uses: it knows users by accounts, which are their uids (spec, websocket
//! 4.9).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::Notice;
use crate::client::Answer;
use crate::signing::hmac_hex;
use crate::vendor::{Request, Verdict, by_status};

/// Whose terminals an app of the service is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TpnsSystem {
    /// Apple's.
    Ios,
    /// Android's.
    Android,
}

/// One app of the service.
#[derive(Clone, Debug)]
pub struct Tpns {
    /// For which terminals.
    pub system: TpnsSystem,
    /// Where the service is, like `https://api.tpns.tencent.com`.
    pub url: String,
    /// Number of the app.
    pub access_id: String,
    /// Its key.
    pub secret_key: String,
    /// `dev` or `product`.
    pub environment: String,
}

impl Tpns {
    pub(crate) fn request(&self, notice: &Notice, now_s: i64) -> Request {
        let custom = json!({
            "chatType": notice.chat_type, "from": notice.from, "to": notice.to, "seq": notice.seq,
        })
        .to_string();
        let mut message = json!({});
        for (name, text) in [("title", &notice.title), ("content", &notice.text)] {
            if !text.is_empty() {
                message[name] = text.as_str().into();
            }
        }
        match self.system {
            TpnsSystem::Ios => {
                // Where nothing is known it counts for itself.
                let badge = notice.badge.map_or(-2, i64::from);
                message["ios"] = json!({
                    "aps": { "badge_type": badge, "category": "INVITE_CATEGORY", "sound": "default" },
                    "custom_content": custom,
                });
            }
            TpnsSystem::Android => message["android"] = json!({ "custom_content": custom }),
        }
        let body = json!({
            "audience_type": "account_list",
            "message": message,
            "message_type": "notify",
            "account_list": [notice.uid],
            "environment": self.environment,
            "collapse_id": notice.collapse_number(),
            "tpns_online_push_type": 0,
            "force_collapse": false,
        })
        .to_string();
        let time = now_s.to_string();
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("accessid", self.access_id.clone()),
            ("sign", self.sign(&time, &body)),
            ("timestamp", time),
        ];
        let url = format!("{}/v3/push/app", self.url);
        Request { url, headers, body: body.into_bytes(), http2: false }
    }

    fn sign(&self, time: &str, body: &str) -> String {
        let parts = [time.as_bytes(), self.access_id.as_bytes(), body.as_bytes()];
        STANDARD.encode(hmac_hex(&self.secret_key, &parts))
    }

    pub(crate) fn verdict(answer: &Answer) -> Verdict {
        match by_status(answer) {
            Verdict::Sent => {}
            other => return other,
        }
        let said = answer.json();
        match said["ret_code"].as_i64() {
            Some(0) => Verdict::Sent,
            Some(_) if speaks_of_us(said["err_msg"].as_str()) => Verdict::Unknown(answer.told()),
            Some(_) => Verdict::Refused(answer.told()),
            None => Verdict::Later(format!("no ret_code: {}", answer.told()), None),
        }
    }
}

/// Whether an error is about who asks: the service has no status of its own for that.
fn speaks_of_us(error: Option<&str>) -> bool {
    let error = error.unwrap_or_default().to_lowercase();
    ["sign", "access", "auth", "secret", "\u{9274}\u{6743}"].iter().any(|word| error.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tpns() -> Tpns {
        Tpns {
            system: TpnsSystem::Ios,
            url: String::new(),
            access_id: "1500000000".to_owned(),
            secret_key: "k".to_owned(),
            environment: "dev".to_owned(),
        }
    }

    #[test]
    fn the_signature_is_that_of_the_originals_library() {
        let sign = tpns().sign("1622000000", "{}");
        assert_eq!(
            sign,
            "ZWNjMDljMGQ5M2E0YTE0Y2MwYTFlMzAyZDkxZDFkNTM3NGYzM2YxZGJhZWNiMWFhMzg3MDRhOGY3ODlmZmY5ZA=="
        );
    }

    #[test]
    fn the_body_is_the_originals_but_for_its_collapse_id_and_badge() {
        let notice = Notice {
            id: 6,
            uid: "alice".to_owned(),
            title: "Bob".to_owned(),
            text: "hi".to_owned(),
            chat_type: 1,
            from: "bob".to_owned(),
            to: "alice".to_owned(),
            seq: 3,
            ..Notice::default()
        };
        let mut body: serde_json::Value =
            serde_json::from_slice(&tpns().request(&notice, 9).body).unwrap();
        let custom = body["message"]["ios"]["custom_content"].take();
        let custom: serde_json::Value = serde_json::from_str(custom.as_str().unwrap()).unwrap();
        assert_eq!(custom, json!({"chatType": 1, "from": "bob", "to": "alice", "seq": 3}));
        let expected = json!({
            "audience_type": "account_list",
            "message": {"title": "Bob", "content": "hi", "ios": {
                "aps": {"badge_type": -2, "category": "INVITE_CATEGORY", "sound": "default"},
                "custom_content": null,
            }},
            "message_type": "notify", "account_list": ["alice"], "environment": "dev", "collapse_id": 7,
            "tpns_online_push_type": 0, "force_collapse": false,
        });
        assert_eq!(body, expected);
        let android = Tpns { system: TpnsSystem::Android, ..tpns() };
        let notice = Notice { title: String::new(), ..notice };
        let body: serde_json::Value =
            serde_json::from_slice(&android.request(&notice, 9).body).unwrap();
        assert!(body["message"]["title"].is_null() && body["message"]["ios"].is_null());
        assert!(body["message"]["android"]["custom_content"].is_string());
    }
}
