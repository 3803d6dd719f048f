//! The app's backend is asked about a message before it is taken (`messagecallback`): it lets it be, gives another content, or
//! refuses it.
//!
//! In: a message that no rule of the server refuses. Out: a [`Verdict`], within the time that the settings give, whatever the
//! backend does. So many questions as the settings say are under way; others wait for a place within their own time.

use std::cell::{Cell, OnceCell};
use std::sync::Arc;
use std::time::Duration;

use openim_config::{Fallback, MessageCallback, Secret};
use openim_record::Message;
use openim_workers::Clock;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::client::{AskFailed, Client, Post};
use super::credential::plain;
use super::signature;
use crate::metrics::{CallbackOutcome, ShardMetrics};

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Connections that are kept for the next question.
const IDLE_MAX: usize = 8;
/// Characters of a reason that clients are told.
const REASON_CHARS_MAX: usize = 256;
/// A backend that does not answer is told of that often.
const TOLD_MS: u64 = 60_000;
const SESSION_SINGLE: i32 = 1;

/// How the backend is asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Terms {
    pub(crate) callback: MessageCallback,
    /// Signs the questions.
    pub(crate) secret: Secret,
}

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on as it is.
    Pass,
    /// It goes on with this content.
    Content(String),
    /// It is refused: number and text for its client.
    Refused(i32, String),
    /// It is refused as nobody has said what becomes of it.
    Unknown,
}

/// See the module.
pub(crate) struct Judge {
    terms: Terms,
    clock: Arc<Clock>,
    metrics: Arc<ShardMetrics>,
    client: OnceCell<Client>,
    places: Semaphore,
    /// When the last complaint was logged, and how many questions had no answer since.
    told: Cell<(Option<u64>, u64)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    #[serde(rename = "sendID")]
    send_id: &'a str,
    #[serde(rename = "recvID")]
    recv_id: &'a str,
    content: &'a str,
    send_time: i64,
    msg_from: i32,
    content_type: i32,
    session_type: i32,
    #[serde(rename = "senderPlatformID")]
    sender_platform_id: i32,
    #[serde(rename = "msgID")]
    msg_id: &'a str,
    is_online_only: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    err_code: i32,
    #[serde(default)]
    err_msg: String,
    #[serde(default)]
    response_err_code: i32,
    /// The original reads its names without regard to case, and its example begins with a capital.
    #[serde(default, alias = "ResponseResult")]
    response_result: Option<Changed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    #[serde(default)]
    modified_msg: String,
}

/// Why there is no answer.
enum NoAnswer {
    Unreachable(AskFailed),
    Status(u16),
    Malformed(serde_json::Error),
    Late,
    NoPlace,
}

impl Judge {
    /// Of one shard of so many.
    pub(crate) fn new(
        terms: Terms,
        clock: Arc<Clock>,
        metrics: Arc<ShardMetrics>,
        shards: u16,
    ) -> Self {
        let places = terms.callback.in_flight_max.div_ceil(usize::from(shards.max(1)));
        let places = Semaphore::new(places);
        let (client, told) = (OnceCell::new(), Cell::default());
        Self { terms, clock, metrics, client, places, told }
    }

    /// How it is asked.
    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// On these terms from now on.
    pub(crate) fn on(&self, terms: Terms, shards: u16) -> Self {
        Self::new(terms, Arc::clone(&self.clock), Arc::clone(&self.metrics), shards)
    }

    /// Whether the backend is asked about such a message.
    pub(crate) fn judges(&self, session_type: i32, content_type: i32) -> bool {
        let MessageCallback { all, c2c, content_types, url, .. } = &self.terms.callback;
        let is_asked = !url.is_empty() && (*all || c2c.before.on && session_type == SESSION_SINGLE);
        is_asked && (content_types.is_empty() || content_types.contains(&content_type.into()))
    }

    /// Asks about a message.
    pub(crate) async fn judge(&self, message: &Message<'_>) -> Verdict {
        let time = Duration::from_secs(self.terms.callback.time_out_seconds);
        let has_place = Cell::new(false);
        let answer = timeout(time, async {
            // Nobody closes it.
            let _place = self.places.acquire().await;
            has_place.set(true);
            let _under_way = UnderWay::count(&self.metrics);
            self.ask(message).await
        });
        let answer = answer.await.unwrap_or(Err(match has_place.get() {
            true => NoAnswer::Late,
            false => NoAnswer::NoPlace,
        }));
        let (outcome, verdict) = match answer {
            Ok(answer) => verdict(answer),
            Err(why) => {
                self.complain(&why);
                let verdict = match self.terms.callback.fallback {
                    Fallback::Continue => Verdict::Pass,
                    Fallback::Refuse => Verdict::Unknown,
                };
                (why.outcome(), verdict)
            }
        };
        self.metrics.callbacks.of(outcome).add(1);
        verdict
    }

    async fn ask(&self, message: &Message<'_>) -> Result<Answer, NoAnswer> {
        let url = &self.terms.callback.url;
        let unix_ns = self.clock.read().unix_ns;
        let body = question(message, unix_ns / 1_000_000);
        let headers =
            signature::headers(self.terms.secret.expose(), unix_ns / 1_000_000_000, &body);
        let client = self.client.get_or_init(|| {
            let endpoint = url.endpoint().expect("the settings are refused without one").clone();
            Client::new(endpoint, ANSWER_BYTES_MAX).keeping(IDLE_MAX)
        });
        let (path, content_type) = (url.path(), "application/json");
        let post = Post { path, content_type, headers: &headers, body: body.into() };
        let reply = client.post(&post).await.map_err(NoAnswer::Unreachable)?;
        if !(200..300).contains(&reply.status) {
            return Err(NoAnswer::Status(reply.status));
        }
        serde_json::from_slice(&reply.body).map_err(NoAnswer::Malformed)
    }

    /// One line a minute, however many have no answer.
    fn complain(&self, why: &NoAnswer) {
        let now_ms = self.clock.read().mono_ms;
        let (at_ms, since) = self.told.get();
        if at_ms.is_some_and(|at_ms| now_ms.saturating_sub(at_ms) < TOLD_MS) {
            return self.told.set((at_ms, since + 1));
        }
        self.told.set((Some(now_ms), 0));
        let callback = &self.terms.callback;
        let endpoint = callback.url.endpoint().map(ToString::to_string).unwrap_or_default();
        let becomes = match callback.fallback {
            Fallback::Continue => "it is taken as it is",
            Fallback::Refuse => "it is refused",
        };
        tracing::warn!(
            "no answer of the app's backend about a message ({endpoint}, messagecallback.callbackUrl): {why}; \
             {becomes} (messagecallback.fallback); {since} more since the last such line"
        );
    }
}

impl NoAnswer {
    fn outcome(&self) -> CallbackOutcome {
        match self {
            Self::Unreachable(_) => CallbackOutcome::Unreachable,
            Self::Status(_) | Self::Malformed(_) => CallbackOutcome::Malformed,
            Self::Late => CallbackOutcome::Late,
            Self::NoPlace => CallbackOutcome::NoPlace,
        }
    }
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(cause) => write!(f, "{cause}"),
            Self::Status(status) => write!(f, "it answers with status {status}"),
            Self::Malformed(cause) => write!(f, "its answer is none ({cause})"),
            Self::Late => write!(f, "none within messagecallback.callbackTimeOut"),
            Self::NoPlace => {
                write!(f, "it answers none of messagecallback.inFlightMax others in time")
            }
        }
    }
}

/// A question under way.
struct UnderWay<'a>(&'a ShardMetrics);

impl<'a> UnderWay<'a> {
    fn count(metrics: &'a ShardMetrics) -> Self {
        metrics.callbacks_in_flight.add(1);
        Self(metrics)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.callbacks_in_flight.sub(1);
    }
}

fn question(message: &Message<'_>, unix_ms: i64) -> Vec<u8> {
    let question = Question {
        send_id: message.send_id,
        recv_id: message.recv_id,
        content: message.content,
        send_time: unix_ms,
        msg_from: message.msg_from,
        content_type: message.content_type,
        session_type: message.session_type,
        sender_platform_id: message.sender_platform_id,
        msg_id: message.client_msg_id,
        is_online_only: !message.switches.history,
    };
    serde_json::to_vec(&question).expect("texts and numbers have a JSON form")
}

fn verdict(answer: Answer) -> (CallbackOutcome, Verdict) {
    if answer.err_code != 0 {
        let text = plain(&answer.err_msg, REASON_CHARS_MAX);
        let code = answer.response_err_code;
        return (CallbackOutcome::Refused, Verdict::Refused(code, text));
    }
    match answer.response_result.map(|changed| changed.modified_msg) {
        // No message is empty.
        Some(content) if !content.is_empty() => {
            (CallbackOutcome::Changed, Verdict::Content(content))
        }
        _ => (CallbackOutcome::Allowed, Verdict::Pass),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Verdict> {
        Some(verdict(serde_json::from_str(text).ok()?).1)
    }

    #[test]
    fn answers_are_the_originals() {
        for text in [
            r#"{"errCode":0}"#,
            r#"{"errCode":0,"errMsg":"","responseErrCode":0,"ResponseResult":{"modifiedMsg":"","ext":""}}"#,
            r#"{"errCode":0,"responseResult":null}"#,
        ] {
            assert_eq!(of(text), Some(Verdict::Pass), "{text}");
        }
        for name in ["ResponseResult", "responseResult"] {
            let text = format!(r#"{{"errCode":0,"{name}":{{"modifiedMsg":"other"}}}}"#);
            assert_eq!(of(&text), Some(Verdict::Content("other".to_owned())));
        }
        let refused = r#"{"errCode":1,"errMsg":"no\nsuch words","responseErrCode":4001}"#;
        assert_eq!(of(refused), Some(Verdict::Refused(4001, "no such words".to_owned())));
        assert_eq!(of(r#"{"errCode":1}"#), Some(Verdict::Refused(0, String::new())));
        for text in ["", "{}", "[]", r#"{"errCode":"0"}"#] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_question_has_the_originals_form() {
        let message = Message {
            send_id: "ann",
            recv_id: "bob",
            client_msg_id: "m1",
            content: "hi \"x\"",
            msg_from: 100,
            content_type: 101,
            session_type: 1,
            sender_platform_id: 2,
            ..Message::BLANK
        };
        let body = question(&message, 5);
        let online_only = !message.switches.history;
        assert_eq!(
            String::from_utf8(body).unwrap(),
            format!(
                r#"{{"sendID":"ann","recvID":"bob","content":"hi \"x\"","sendTime":5,"msgFrom":100,"contentType":101,"sessionType":1,"senderPlatformID":2,"msgID":"m1","isOnlineOnly":{online_only}}}"#
            )
        );
    }
}
