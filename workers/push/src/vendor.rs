//! What all services have in common: a request, and what an answer means.

use hyper::StatusCode;
use serde_json::Value;

use crate::client::{Answer, Clients};
use crate::{Apns, Device, Fcm, Notice, Tpns, TpnsSystem, Webhook};

/// Bytes of an answer that are told.
const TOLD_BYTES: usize = 200;

/// One of the ways to somebody's terminals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Tencent's, to iOS.
    TpnsIos,
    /// Tencent's, to Android.
    TpnsAndroid,
    /// Firebase Cloud Messaging.
    Fcm,
    /// Apple's.
    Apns,
    /// Whatever the operator runs.
    Webhook,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::TpnsIos, Self::TpnsAndroid, Self::Fcm, Self::Apns, Self::Webhook];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TpnsIos => "tpns_ios",
            Self::TpnsAndroid => "tpns_android",
            Self::Fcm => "fcm",
            Self::Apns => "apns",
            Self::Webhook => "webhook",
        }
    }

    /// Whose tokens it wants, as apps name it; `None`: it knows users by their uids.
    #[must_use]
    pub const fn vendor(self) -> Option<&'static str> {
        match self {
            Self::Fcm => Some("fcm"),
            Self::Apns => Some("apns"),
            Self::TpnsIos | Self::TpnsAndroid | Self::Webhook => None,
        }
    }

    /// The setting that is wrong where it takes our credentials for none.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::TpnsIos => "push.tpns.ios.secretKey",
            Self::TpnsAndroid => "push.tpns.android.secretKey",
            Self::Fcm => "push.fcm.serviceAccountFile",
            Self::Apns => "push.apns.keyFile",
            Self::Webhook => "push.webhook.secret",
        }
    }
}

/// A service as it is configured.
pub enum Vendor {
    /// See [`Tpns`].
    Tpns(Tpns),
    /// See [`Fcm`].
    Fcm(Box<Fcm>),
    /// See [`Apns`].
    Apns(Box<Apns>),
    /// See [`Webhook`].
    Webhook(Webhook),
}

/// What is posted.
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// By HTTP/2 and nothing else.
    pub(crate) http2: bool,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Sent,
    /// The device has the app no more.
    Gone,
    /// It does not know us.
    Unknown(String),
    /// Again, perhaps not before so many seconds.
    Later(String, Option<u64>),
    /// It will never take this.
    Refused(String),
}

impl Vendor {
    /// Which it is.
    #[must_use]
    pub const fn service(&self) -> Service {
        match self {
            Self::Tpns(tpns) => match tpns.system {
                TpnsSystem::Ios => Service::TpnsIos,
                TpnsSystem::Android => Service::TpnsAndroid,
            },
            Self::Fcm(_) => Service::Fcm,
            Self::Apns(_) => Service::Apns,
            Self::Webhook(_) => Service::Webhook,
        }
    }

    /// Tells the service once, and says what came of it.
    pub(crate) async fn tell(
        &self,
        clients: &Clients,
        notice: &Notice,
        devices: &[Device],
        now_s: i64,
    ) -> Verdict {
        let token = devices.first().map_or("", |device| device.token.as_str());
        let request = match self {
            Self::Tpns(tpns) => tpns.request(notice, now_s),
            Self::Fcm(fcm) => match fcm.bearer(clients, now_s).await {
                Ok(bearer) => fcm.request(notice, token, &bearer),
                Err(verdict) => return verdict,
            },
            Self::Apns(apns) => match apns.request(notice, token, now_s) {
                Some(request) => request,
                None => return Verdict::Refused("the token is none of Apple's".to_owned()),
            },
            Self::Webhook(webhook) => webhook.request(notice, devices, now_s),
        };
        let answer = match clients.post(request).await {
            Ok(answer) => answer,
            Err(why) => return Verdict::Later(why, None),
        };
        match self {
            Self::Tpns(_) => Tpns::verdict(&answer),
            Self::Fcm(fcm) => fcm.verdict(&answer),
            Self::Apns(apns) => apns.verdict(&answer),
            Self::Webhook(_) => by_status(&answer),
        }
    }
}

/// What an answer means by its status alone.
pub(crate) fn by_status(answer: &Answer) -> Verdict {
    let status = answer.status;
    match status {
        _ if status.is_success() => Verdict::Sent,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Verdict::Unknown(answer.told()),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Verdict::Later(answer.told(), answer.retry_after_s)
        }
        _ if status.is_server_error() => Verdict::Later(answer.told(), answer.retry_after_s),
        _ => Verdict::Refused(answer.told()),
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// In one line, for an operator.
    pub(crate) fn told(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = &text[..text.floor_char_boundary(TOLD_BYTES)];
        format!("{} {text}", self.status.as_u16()).trim_end().to_owned()
    }
}
