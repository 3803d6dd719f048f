//! The answers' outer form: status, headers, body.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::StatusCode;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use openim_auth::TokenError;
use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{self, BindError};

use super::body as asked;
use super::stalling::Progress;
use super::under_way::Chunk;
use crate::driver::Core;

/// What every route takes and gives, in OpenAPI 3.1.
pub(super) const DESCRIPTION: &[u8] = include_bytes!("../../../../docs/openapi.json");

/// An answer that is longer keeps what its request counts: most likely it repeats it.
const SHORT_BYTES: usize = 4 * 1024;

/// What a request is answered with.
pub(super) type Response = hyper::Response<AnswerBody>;

/// What a route does: its answer, or why it does not do what it is asked.
pub(super) type Outcome = Result<Response, Refusal>;

/// The answer of a route that does not do what it is asked. `?` makes it of a body that does not fit and of
/// a code.
pub(super) struct Refusal(Box<Response>);

impl Refusal {
    pub(super) fn into_response(self) -> Response {
        *self.0
    }
}

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl From<ErrCode> for Refusal {
    fn from(code: ErrCode) -> Self {
        plain(code).into()
    }
}

impl From<BindError> for Refusal {
    fn from(body: BindError) -> Self {
        error(ErrCode::Binding, &body.text).into()
    }
}

/// A question to a store, or to a user's home, has no answer now.
pub(super) fn unavailable<E>(_: E) -> Refusal {
    ErrCode::Unavailable.into()
}

/// The body of an answer.
pub(super) struct AnswerBody {
    content: Content,
    /// What the request counts, while the answer holds things of it.
    asked: Option<asked::Body>,
}

enum Content {
    Whole(Option<Chunk>),
    /// Text of the program.
    Fixed(Option<&'static [u8]>),
    /// Made as it is taken.
    Parts(Box<dyn Parts>),
}

/// A body that is made as it is taken.
pub(super) trait Parts {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Chunk>>>;
}

impl AnswerBody {
    /// The text of an answer that was made in one piece, until it goes out.
    fn whole(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Whole(chunk) => chunk.as_ref().map(Buf::chunk),
            Content::Fixed(_) | Content::Parts(_) => None,
        }
    }

    /// Goes on counting the request that this answers, if the answer is one that may hold much of it.
    pub(super) fn keep(&mut self, mut asked: asked::Body) {
        let is_short = match &self.content {
            Content::Whole(chunk) => chunk.as_ref().is_none_or(|chunk| chunk.len() <= SHORT_BYTES),
            Content::Fixed(_) => true,
            Content::Parts(_) => false,
        };
        if !is_short {
            asked.bytes = Vec::new();
            self.asked = Some(asked);
        }
    }
}

impl From<Content> for AnswerBody {
    fn from(content: Content) -> Self {
        Self { content, asked: None }
    }
}

/// An answer's body on its connection, which may be asked again when it is over.
pub(super) struct Answered {
    body: AnswerBody,
    core: Rc<Core>,
    progress: Rc<Progress>,
}

impl Answered {
    pub(super) fn new(body: AnswerBody, core: &Rc<Core>, progress: Rc<Progress>) -> Self {
        Self { body, core: Rc::clone(core), progress }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.progress.answered();
    }
}

impl Body for Answered {
    type Data = Chunk;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunk>, std::io::Error>>> {
        let this = self.get_mut();
        let part = match &mut this.body.content {
            Content::Whole(chunk) => chunk.take().map(|chunk| Ok(chunk.counted(&this.core))),
            Content::Fixed(text) => {
                text.take().map(|text| Ok(Chunk::uncounted(Bytes::from_static(text))))
            }
            Content::Parts(parts) => ready!(parts.poll_part(cx)),
        };
        Poll::Ready(part.map(|part| part.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.body.content, Content::Whole(None) | Content::Fixed(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body.content {
            Content::Whole(chunk) => {
                SizeHint::with_exact(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64))
            }
            Content::Fixed(text) => SizeHint::with_exact(text.map_or(0, |text| text.len() as u64)),
            Content::Parts(_) => SizeHint::default(),
        }
    }
}

/// A JSON answer with the headers of every answer.
pub(super) fn json(status: u16, body: Vec<u8>) -> Response {
    whole(status, Chunk::uncounted(body.into()))
}

/// Likewise, of one page.
pub(super) fn page(page: Chunk) -> Response {
    whole(200, page)
}

fn whole(status: u16, body: Chunk) -> Response {
    with_headers(status, Content::Whole(Some(body)))
}

fn with_headers(status: u16, content: Content) -> Response {
    let mut response = hyper::Response::new(content.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    cross_origin(headers);
    response
}

/// A JSON answer that is written in parts.
pub(super) fn parts(body: impl Parts + 'static) -> Response {
    with_headers(200, Content::Parts(Box::new(body)))
}

/// `{"errCode":…,"errMsg":…}` with the status of its code.
pub(super) fn error(code: ErrCode, text: &str) -> Response {
    let mut body = Vec::new();
    rest::error_answer(&mut body, code, text);
    let mut response = json(code.http_status(), body);
    response.extensions_mut().insert(code);
    response
}

/// The condition that an answer tells of, where it was made from one.
pub(super) fn named(response: &Response) -> Option<ErrCode> {
    response.extensions().get().copied()
}

/// The `errCode` of an answer; of one in parts 0, as errors come whole.
pub(super) fn code(response: &Response) -> i64 {
    const KEY: &[u8] = b"\"errCode\":";
    let Some(body) = response.body().whole() else { return 0 };
    // Inside of a text its quotes would be escaped.
    let Some(at) = body.windows(KEY.len()).position(|part| part == KEY) else { return 0 };
    let digits = body[at + KEY.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |code: i64, digit| code.saturating_mul(10) + i64::from(digit - b'0'))
}

/// Whether an answer refuses a token because there is a newer one.
pub(super) fn says_superseded(response: &Response) -> bool {
    let text = TokenError::Superseded.to_string();
    match (named(response), response.body().whole()) {
        (Some(ErrCode::ChatToken), _) => true,
        (_, Some(body)) => {
            code(response) != 0 && body.windows(text.len()).any(|part| part == text.as_bytes())
        }
        _ => false,
    }
}

/// A code with its own text; of 0 the plain success.
pub(super) fn plain(code: ErrCode) -> Response {
    error(code, code.text())
}

/// The description of all routes.
pub(super) fn description() -> Response {
    with_headers(200, Content::Fixed(Some(DESCRIPTION)))
}

/// The answer to any preflight.
pub(super) fn options() -> Response {
    json(200, b"\"Options Request!\"".to_vec())
}

/// Unknown path, or known path with another method.
pub(super) fn not_found() -> Response {
    let mut response = json(404, b"404 page not found".to_vec());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// A known path with a slash too many; without the headers of the others.
pub(super) fn redirect(path: &str) -> Response {
    let mut response = hyper::Response::new(Content::Whole(None).into());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(location) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// A body over the limit.
pub(super) fn too_large() -> Response {
    let mut response = error(ErrCode::Binding, "request body too large");
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response
}

/// A body that did not arrive in its time.
pub(super) fn too_slow() -> Response {
    let mut response = error(ErrCode::Binding, "request body did not arrive in time");
    *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
    response
}

/// An address that asks more often than it may.
pub(super) fn too_many() -> Response {
    later("too many requests from this address")
}

/// More guests than `web.guestsPerMinute`.
pub(super) fn too_many_guests() -> Response {
    later("too many new names in this minute, try again in the next")
}

fn later(text: &str) -> Response {
    let mut response = error(ErrCode::Unavailable, text);
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response
}

/// A file of a page, or why there is no need for its content. Of this origin alone, unlike all other answers.
pub(super) fn file(status: StatusCode, content: Option<&'static [u8]>) -> Response {
    let mut response = hyper::Response::new(Content::Fixed(content).into());
    *response.status_mut() = status;
    response
}

/// What a page is told of the server.
pub(super) fn of_page(body: Vec<u8>) -> Response {
    hyper::Response::new(Content::Whole(Some(Chunk::uncounted(body.into()))).into())
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
