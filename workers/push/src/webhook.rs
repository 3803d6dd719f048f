//! A service of the operator's own, for every other way to a terminal: a signed post of JSON.

use serde_json::json;

use crate::signing::hmac_hex;
use crate::vendor::Request;
use crate::{Device, Notice};

/// Where it is, and what it knows us by.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where notices are posted to.
    pub url: String,
    /// What both sides sign with.
    pub secret: String,
}

/// The value of `X-OpenIM-Signature` for a body and the unix seconds in `X-OpenIM-Time`: `sha256=` and
/// HMAC-SHA256 of the time, a full stop and the body, in hexadecimal digits.
#[must_use]
pub fn sign(secret: &str, time: &str, body: &[u8]) -> String {
    format!("sha256={}", hmac_hex(secret, &[time.as_bytes(), b".", body]))
}

impl Webhook {
    pub(crate) fn request(&self, notice: &Notice, devices: &[Device], now_s: i64) -> Request {
        let devices: Vec<_> = devices
            .iter()
            .map(|device| json!({ "platform": device.platform, "vendor": device.vendor, "token": device.token }))
            .collect();
        let body = json!({
            "id": notice.collapse_id(), "uid": notice.uid, "title": notice.title, "text": notice.text,
            "badge": notice.badge, "chatType": notice.chat_type, "from": notice.from, "to": notice.to,
            "seq": notice.seq, "sendTime": notice.sent_ms, "tokens": devices,
        });
        let (body, time) = (body.to_string().into_bytes(), now_s.to_string());
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-openim-signature", sign(&self.secret, &time, &body)),
            ("x-openim-time", time),
        ];
        Request { url: self.url.clone(), headers, body, http2: false }
    }
}
