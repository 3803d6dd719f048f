//! What a running server gives to those who copy it.
//!
//! In: requests of the operators' port. Out: pieces of files. Bounded: `admin.copiesMax` bodies at once, the next is told
//! to come again; `admin.copyMibPerSecond` over all. Never: anything without the secret, or a file that is read on this
//! thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use openim_auth::secrets_match;
use openim_config::{Admin, Secret};
use openim_storage::embedded::copy::{Origin, PART_BYTES, SourceError, Span};
use openim_storage::embedded::{Epochs, Fence, FenceError};
use openim_workers::Clock;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::followers::Followers;
use super::sent::{FileBody, Sent};
use super::{AHEAD, FENCED, GONE, PART, why};
use crate::bus::Inquiry;
use crate::query::Query;
use crate::watched::{Figure, Watched};

/// Where the answers begin.
const PREFIX: &str = "/copy/";
/// How often somebody who waits for more is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const WAIT_MS_MAX: u64 = 5_000;
/// Whoever shows a wrong secret waits for the answer.
const WRONG_SECRET_PAUSE: Duration = Duration::from_secs(1);

/// See the module.
pub struct Copies {
    origin: Arc<Origin>,
    fence: Arc<Fence>,
    /// When another server was promoted in this one's place, as this one was told.
    fenced: OnceLock<Instant>,
    clock: Arc<Clock>,
    secret: Secret,
    places: Arc<Semaphore>,
    pace: Arc<Pace>,
    followers: Followers,
    sent: Arc<AtomicU64>,
    /// Who answers why somebody did not get a message.
    inquire: Option<mpsc::Sender<Inquiry>>,
}

impl std::fmt::Debug for Copies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copies").field("followers", &self.followers).finish_non_exhaustive()
    }
}

/// An answer that is no piece of a file.
struct Other(StatusCode, String);

impl Copies {
    /// Gives what is at `origin` to those who know `secret`.
    pub(crate) fn new(
        (origin, fence): (Arc<Origin>, Arc<Fence>),
        clock: Arc<Clock>,
        secret: Secret,
        settings: &Admin,
    ) -> Self {
        Self {
            origin,
            fence,
            fenced: OnceLock::new(),
            clock,
            secret,
            places: Arc::new(Semaphore::new(settings.copies_max)),
            pace: Arc::new(Pace::new(settings.copy_mib_per_second << 20)),
            followers: Followers::default(),
            sent: Arc::default(),
            inquire: None,
        }
    }

    /// The same, which has those who know the secret also told why somebody did not get a message.
    pub(crate) fn inquiring(self, inquire: mpsc::Sender<Inquiry>) -> Self {
        Self { inquire: Some(inquire), ..self }
    }

    /// Whether a path is answered here.
    pub(crate) fn has(path: &str) -> bool {
        path.starts_with(PREFIX) || path == why::PATH
    }

    /// Answers a request below [`PREFIX`]. `alive` is told each time that a piece of the answer is taken.
    pub(crate) async fn answer(
        &self,
        request: &Request<Incoming>,
        alive: &Arc<AtomicBool>,
    ) -> Response<Sent> {
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
        if !secrets_match(given.as_bytes(), self.secret.expose().as_bytes()) {
            sleep(WRONG_SECRET_PAUSE).await;
            let what = "admin.secret is another one here: it is in the settings, or in the file admin_secret of the data \
                        directory";
            return said(Other(StatusCode::FORBIDDEN, what.to_owned()));
        }
        alive.store(true, Ordering::Relaxed);
        let ask = Query::read(request.uri().query().unwrap_or_default());
        let answered = match request.uri().path() {
            "/copy/fence" if *request.method() == Method::POST => self.close(&ask).await,
            _ if *request.method() != Method::GET => {
                Err(Other(StatusCode::METHOD_NOT_ALLOWED, "GET only".into()))
            }
            why::PATH => self.why(&ask).await,
            "/copy/about" => self.about().await,
            "/copy/log" => self.log(&ask, alive).await,
            "/copy/base" => self.base(&ask, alive).await,
            _ => Err(Other(StatusCode::NOT_FOUND, "of a copy there are about, log, base".into())),
        };
        let mut response = answered.unwrap_or_else(said);
        let fenced = self.fence.closed().and_then(|why| HeaderValue::try_from(why).ok());
        if let Some(why) = fenced {
            response.headers_mut().insert(FENCED, why);
        }
        response
    }

    fn now_ms(&self) -> i64 {
        self.clock.read().unix_ms()
    }

    async fn about(&self) -> Result<Response<Sent>, Other> {
        let (origin, now_ms) = (Arc::clone(&self.origin), self.now_ms());
        let about = aside(move || origin.about(now_ms)).await?;
        Ok(Response::new(Full::from(about.to_string()).into()))
    }

    async fn log(&self, ask: &Query, alive: &Arc<AtomicBool>) -> Result<Response<Sent>, Other> {
        let (from, follow) = (ask.number("from").unwrap_or(0), ask.text("follow"));
        let follow = Some(follow).filter(|name| !name.is_empty());
        let wait_ms = ask.number("wait").unwrap_or(0).min(WAIT_MS_MAX);
        let until = Instant::now() + Duration::from_millis(wait_ms);
        while self.origin.durable() == from && Instant::now() < until {
            if let Some(name) = follow {
                self.followers.has(name, from, self.now_ms());
            }
            sleep(LOOK_EVERY).await;
        }
        let (origin, now_ms) = (Arc::clone(&self.origin), self.now_ms());
        let bytes_max = ask.number("max").unwrap_or(PART_BYTES);
        let (part, span) = aside(move || origin.log(from, bytes_max, now_ms)).await?;
        if let Some(name) = follow {
            let since_ms = span.as_ref().and_then(|span| span.append_ms);
            self.followers.has(name, from, since_ms.unwrap_or(part.time_ms));
        }
        let mut response = self.body(span, alive)?;
        if let Ok(part) = HeaderValue::try_from(part.to_string()) {
            response.headers_mut().insert(PART, part);
        }
        Ok(response)
    }

    /// Has this server take nothing any more: another one was promoted.
    async fn close(&self, ask: &Query) -> Result<Response<Sent>, Other> {
        let wrong = |what: &str| Other(StatusCode::BAD_REQUEST, format!("epochs: the list {what}"));
        let epochs = Epochs::of_word(ask.text("epochs")).map_err(wrong)?;
        let fence = Arc::clone(&self.fence);
        let closed = spawn_blocking(move || fence.close(&epochs)).await;
        let failed = |cause: String| Other(StatusCode::INTERNAL_SERVER_ERROR, cause);
        match closed.map_err(|cause| failed(cause.to_string()))? {
            Ok(()) => {
                self.fenced.get_or_init(Instant::now);
                Ok(Response::new(Full::from("fenced\n").into()))
            }
            Err(error @ FenceError::NotNewer { .. }) => {
                Err(Other(StatusCode::CONFLICT, error.to_string()))
            }
            Err(error @ FenceError::NotNoted(_)) => Err(failed(error.to_string())),
        }
    }

    async fn why(&self, ask: &Query) -> Result<Response<Sent>, Other> {
        let away = || {
            let what =
                "the server cannot tell now, or keeps no journal of links (why.journalBytesMax)";
            Other(StatusCode::SERVICE_UNAVAILABLE, what.to_owned())
        };
        let wrong = |what: &str| Other(StatusCode::BAD_REQUEST, what.to_owned());
        let ask = why::read(ask).map_err(wrong)?;
        let inquire = self.inquire.as_ref().ok_or_else(away)?;
        let told = why::asked(inquire, ask, why::ANSWER_TIME).await;
        let mut text = Vec::new();
        told.ok_or_else(away)?.write(&mut text);
        Ok(Response::new(Full::from(text).into()))
    }

    async fn base(&self, ask: &Query, alive: &Arc<AtomicBool>) -> Result<Response<Sent>, Other> {
        let origin = Arc::clone(&self.origin);
        let (through, from) = (ask.number("through").unwrap_or(0), ask.number("from").unwrap_or(0));
        let span = aside(move || origin.base(through, from)).await?;
        self.body(span, alive)
    }

    fn body(&self, span: Option<Span>, alive: &Arc<AtomicBool>) -> Result<Response<Sent>, Other> {
        let Some(span) = span else { return Ok(Response::new(Full::default().into())) };
        let place = Arc::clone(&self.places).try_acquire_owned();
        let Ok(place) = place else {
            let what = "as many copies as admin.copiesMax allows are being made";
            return Err(Other(StatusCode::SERVICE_UNAVAILABLE, what.to_owned()));
        };
        Ok(Response::new(Sent::File(FileBody {
            span: Arc::new(span),
            at: 0,
            reading: None,
            pausing: None,
            pace: Arc::clone(&self.pace),
            alive: Arc::clone(alive),
            sent: Arc::clone(&self.sent),
            _place: place,
        })))
    }
}

impl Watched for Copies {
    fn missing(&self) -> Vec<String> {
        Vec::new()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        let (there, behind) = self.followers.figures(self.origin.durable(), self.now_ms());
        // Who follows this one lacks what is written elsewhere since.
        let fenced = self.fenced.get().filter(|_| there > 0);
        let behind = fenced.map_or(behind, |since| behind.max(since.elapsed().as_secs_f64()));
        show(Figure::BackupFollowers, there as f64);
        show(Figure::BackupBehind, behind);
        show(Figure::BackupBytes, self.sent.load(Ordering::Relaxed) as f64);
    }
}

/// Does what may wait for the disk on another thread.
async fn aside<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, Other> {
    let done = spawn_blocking(read).await;
    let done = done.map_err(|cause| Other(StatusCode::INTERNAL_SERVER_ERROR, cause.to_string()))?;
    let status = |code| StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST);
    done.map_err(|error| match error {
        SourceError::Gone { first } => Other(status(GONE), first.to_string()),
        SourceError::Ahead { durable } => Other(status(AHEAD), durable.to_string()),
        other => Other(StatusCode::INTERNAL_SERVER_ERROR, other.to_string()),
    })
}

fn said(Other(status, what): Other) -> Response<Sent> {
    let mut response = Response::new(Full::<Bytes>::from(format!("{what}\n")).into());
    *response.status_mut() = status;
    response
}

/// So many bytes a second, over all who read; 0: as many as they take.
pub(crate) struct Pace {
    bytes_per_second: u64,
    /// When the next may be read.
    next: Mutex<Instant>,
}

impl Pace {
    fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, next: Mutex::new(Instant::now()) }
    }

    /// How long to wait before so many are read, if at all.
    pub(super) fn pause(&self, bytes: u64) -> Option<Duration> {
        if self.bytes_per_second == 0 {
            return None;
        }
        let takes = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let (mut next, now) = (self.next.lock(), Instant::now());
        let begin = (*next).max(now);
        *next = begin + takes;
        Some(begin - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_at_their_pace() {
        assert_eq!(Pace::new(0).pause(1 << 30), None);
        let pace = Pace::new(1_000);
        assert!(pace.pause(5_000).is_some_and(|pause| pause < Duration::from_secs(1)));
        assert!(pace.pause(1_000).is_some_and(|pause| pause > Duration::from_secs(3)));
    }
}
