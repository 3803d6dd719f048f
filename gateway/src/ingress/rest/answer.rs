//! The answers' outer form: status, headers, body.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use openim_auth::TokenError;
use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{self, BindError};

use super::stalling::Progress;

/// What every route takes and gives, in OpenAPI 3.1.
pub(super) const DESCRIPTION: &[u8] = include_bytes!("../../../../docs/openapi.json");

/// The body of an answer: at once, or in parts.
pub(super) enum Answer {
    Whole(Option<Bytes>),
    Parts(Box<dyn Parts>),
}

/// A body that is made as it is taken.
pub(super) trait Parts {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Bytes>>>;
}

impl Body for Answer {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Parts(parts) => {
                parts.poll_part(cx).map(|part| part.map(|bytes| bytes.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Parts(_) => SizeHint::default(),
        }
    }
}

/// An answer's body on its connection, which may be asked again when it is over.
pub(super) struct Answered {
    body: Answer,
    progress: Rc<Progress>,
}

impl Answered {
    pub(super) fn new(body: Answer, progress: Rc<Progress>) -> Self {
        Self { body, progress }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.progress.answered();
    }
}

impl Body for Answered {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A JSON answer with the headers of every answer.
pub(super) fn json(status: u16, body: impl Into<Bytes>) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Some(body.into())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    cross_origin(headers);
    response
}

/// A JSON answer that is written in parts.
pub(super) fn parts(body: impl Parts + 'static) -> Response<Answer> {
    let mut response = json(200, Bytes::new());
    *response.body_mut() = Answer::Parts(Box::new(body));
    response
}

/// `{"errCode":…,"errMsg":…}` with the status of its code.
pub(super) fn error(code: ErrCode, text: &str) -> Response<Answer> {
    let mut body = Vec::new();
    rest::error_answer(&mut body, code, text);
    let mut response = json(code.http_status(), body);
    response.extensions_mut().insert(code);
    response
}

/// The condition that an answer tells of, where it was made from one.
pub(super) fn named(response: &Response<Answer>) -> Option<ErrCode> {
    response.extensions().get().copied()
}

/// The `errCode` of an answer; of one in parts 0, as errors come whole.
pub(super) fn code(response: &Response<Answer>) -> i64 {
    const KEY: &[u8] = b"\"errCode\":";
    let Answer::Whole(Some(body)) = response.body() else { return 0 };
    // Inside of a text its quotes would be escaped.
    let Some(at) = body.windows(KEY.len()).position(|part| part == KEY) else { return 0 };
    let digits = body[at + KEY.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |code: i64, digit| code.saturating_mul(10) + i64::from(digit - b'0'))
}

/// Whether an answer refuses a token because there is a newer one.
pub(super) fn says_superseded(response: &Response<Answer>) -> bool {
    let text = TokenError::Superseded.to_string();
    match (named(response), response.body()) {
        (Some(ErrCode::ChatToken), _) => true,
        (_, Answer::Whole(Some(body))) => {
            code(response) != 0 && body.windows(text.len()).any(|part| part == text.as_bytes())
        }
        _ => false,
    }
}

/// A body that does not fit its route.
pub(super) fn bind(error: &BindError) -> Response<Answer> {
    self::error(ErrCode::Binding, &error.text)
}

/// A code with its own text; of 0 the plain success.
pub(super) fn refused(code: ErrCode) -> Response<Answer> {
    error(code, code.text())
}

/// The description of all routes.
pub(super) fn description() -> Response<Answer> {
    json(200, DESCRIPTION)
}

/// The answer to any preflight.
pub(super) fn options() -> Response<Answer> {
    json(200, b"\"Options Request!\"".to_vec())
}

/// Unknown path, or known path with another method.
pub(super) fn not_found() -> Response<Answer> {
    let mut response = json(404, b"404 page not found".to_vec());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// A known path with a slash too many; without the headers of the others.
pub(super) fn redirect(path: &str) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(None));
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(location) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// A body over the limit.
pub(super) fn too_large() -> Response<Answer> {
    let mut response = error(ErrCode::Binding, "request body too large");
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response
}

/// A body that did not arrive in its time.
pub(super) fn too_slow() -> Response<Answer> {
    let mut response = error(ErrCode::Binding, "request body did not arrive in time");
    *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
    response
}

/// An address that asks more often than it may.
pub(super) fn too_many() -> Response<Answer> {
    let mut response = error(ErrCode::Unavailable, "too many requests from this address");
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response
}

fn cross_origin(headers: &mut HeaderMap) {
    const FIELDS: [(HeaderName, &str); 6] = [
        (HeaderName::from_static("access-control-allow-origin"), "*"),
        (HeaderName::from_static("access-control-allow-methods"), "*"),
        (HeaderName::from_static("access-control-allow-headers"), "*"),
        (
            HeaderName::from_static("access-control-expose-headers"),
            "Content-Length, Access-Control-Allow-Origin, Access-Control-Allow-Headers,Cache-Control,Content-Language,Content-Type,Expires,Last-Modified,Pragma,FooBar",
        ),
        (HeaderName::from_static("access-control-max-age"), "172800"),
        (HeaderName::from_static("access-control-allow-credentials"), "false"),
    ];
    headers.reserve(FIELDS.len());
    for (name, value) in FIELDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
