//! The operator endpoints `/metrics`, `/healthz`, `/readyz`, `/copy`, `/why` and `/console`, on a thread of their own.
//!
//! In: what the process counts and how far it is ([`Sources`]), what may be copied ([`Copies`]), and the `Console`. Out: HTTP on the
//! operator address, or HTTPS with the certificate of clients' ports. Apart from the shards, so that a scrape never delays a message and health can be asked while they are
//! busy. Bounded: 64 connections, one request each, ten seconds each; the next one makes the oldest go that
//! has not said what it wants. A copy keeps its connection for as long as it takes something every ten seconds. Their
//! descriptors are kept for them (`FILES_MAX`).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, timeout};

use crate::advice;
use crate::copying::{Copies, Sent};
use crate::health::{self, Verdict};
use crate::metrics::{self, Sources};
use crate::operators::Console;
use crate::socket::{Failed, Offer, Socket, Terms};
use crate::tls::SPEAKS_TLS;

const CONNECTIONS_MAX: usize = 64;
/// Descriptors of these endpoints: connections and what each of them reads, the one that is just accepted, listener,
/// poller, the way to stop.
pub(crate) const FILES_MAX: u64 = 2 * CONNECTIONS_MAX as u64 + 1 + 8;
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Pause after the system could not give a connection (out of descriptors), which lasts a while.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often it is looked how much there is of what is bounded.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Such failures are told so often at most.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The running endpoints. They end when this is dropped.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Starts the endpoints at `listen`; port 0 takes a free one. With `terms` they speak TLS and nothing else. `copies` are of a server with data of its own, the console
    /// where the settings ask for it.
    ///
    /// # Errors
    /// The address cannot be listened on; the text names it and the setting.
    pub(crate) fn start(
        (listen, terms): (SocketAddr, Option<Offer>),
        sources: Sources,
        (copies, console): (Option<Arc<Copies>>, Option<Arc<Console>>),
    ) -> io::Result<Admin> {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), advice::cannot_listen("admin.listen", listen, &error))
        };
        let listener = crate::ingress::bind_alone(listen).map_err(named)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = UnixStream::pair()?;
        stopped.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name("operator-reads")
            .max_blocking_threads(CONNECTIONS_MAX)
            .build()?;
        let told = Told { sources, copies, console };
        let thread = std::thread::Builder::new().name("operator".to_owned()).spawn(move || {
            if let Err(cause) = runtime.block_on(serve(listener, Terms::new(terms), stopped, told))
            {
                tracing::error!(%cause, "operator endpoints ended");
            }
            // Not waited for: what is read may be on a disk that hangs.
            runtime.shutdown_background();
        })?;
        Ok(Admin { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where the endpoints listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        // The other end reads the end of this one, and the thread ends.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the operator thread panicked");
        }
    }
}

/// What is told to whoever asks.
#[derive(Clone)]
struct Told {
    sources: Sources,
    copies: Option<Arc<Copies>>,
    console: Option<Arc<Console>>,
}

async fn serve(
    listener: TcpListener,
    terms: Terms,
    stopped: UnixStream,
    told: Told,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut stopped = tokio::net::UnixStream::from_std(stopped)?;
    let mut tasks = JoinSet::new();
    let mut open: VecDeque<Open> = VecDeque::new();
    let mut complained = None;
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // What there was at most since the last look is kept.
            _ = looks.tick() => drop(told.sources.bounds.look(&told.sources)),
            _ = stopped.read_u8() => return Ok(()),
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    make_room(&mut open, &mut tasks).await;
                    // There is none only where the system gives no random numbers.
                    let Ok(socket) = terms.take(socket) else { continue };
                    let marks = Marks::default();
                    let task = tasks.spawn(connection((socket, peer.ip()), told.clone(), marks.clone()));
                    open.push_back(Open { task, marks });
                }
                Err(cause) => {
                    if complained.is_none_or(|at: Instant| at.elapsed() >= TELL_EVERY) {
                        complained = Some(Instant::now());
                        tracing::warn!(%cause, "operator endpoints cannot accept");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// A connection that may be ended.
struct Open {
    task: AbortHandle,
    marks: Marks,
}

/// What a connection shows.
#[derive(Clone, Default)]
struct Marks {
    /// It has asked for something.
    asked: Arc<AtomicBool>,
    /// It is a copy's, or an open page's of the console, and has taken something since this was looked at.
    alive: Arc<AtomicBool>,
    /// It is a copy's.
    copies: Arc<AtomicBool>,
}

/// Leaves room for one more: the oldest silent connection goes, or the oldest that is no copy's, or the oldest of all.
async fn make_room(open: &mut VecDeque<Open>, tasks: &mut JoinSet<()>) {
    open.retain(|connection| !connection.task.is_finished());
    if open.len() < CONNECTIONS_MAX {
        return;
    }
    let first = |mark: fn(&Marks) -> &AtomicBool| {
        open.iter().position(|connection| !mark(&connection.marks).load(Ordering::Relaxed))
    };
    let oldest = first(|marks| &marks.asked).or_else(|| first(|marks| &marks.copies));
    if let Some(oldest) = open.remove(oldest.unwrap_or(0)) {
        oldest.task.abort();
    }
    // Its socket is closed when its task has ended.
    while tasks.len() >= CONNECTIONS_MAX && tasks.join_next().await.is_some() {}
}

/// One request, then the end: an operator's tools ask every few seconds at most. A copy asks again and again.
async fn connection((mut socket, from): (Socket, IpAddr), told: Told, marks: Marks) {
    match timeout(HEAD_TIME_MAX, socket.greet()).await {
        Ok(Ok(_)) => {}
        Ok(Err(Failed::Plain)) => return say_tls(socket).await,
        Ok(Err(_)) | Err(_) => return,
    }
    let service = service_fn(async |request| {
        marks.asked.store(true, Ordering::Relaxed);
        Ok::<_, Infallible>(answer(request, from, &told, &marks).await)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service);
    let mut served = std::pin::pin!(served);
    loop {
        match timeout(CONNECTION_TIME_MAX, &mut served).await {
            Ok(Err(cause)) => tracing::debug!(%cause, "operator connection failed"),
            Err(_) if marks.alive.swap(false, Ordering::Relaxed) => continue,
            Ok(Ok(())) | Err(_) => {}
        }
        return;
    }
}

/// Tells who came without TLS that it is wanted here.
async fn say_tls(socket: Socket) {
    let service = service_fn(async |_: Request<Incoming>| {
        let said = format!("{SPEAKS_TLS}: ask by https://\n");
        let mut response = text(StatusCode::BAD_REQUEST, said);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        Ok::<_, Infallible>(response)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket.into_plain()), service);
    // Whether it takes that is its own affair.
    drop(timeout(HEAD_TIME_MAX, served).await);
}

async fn answer(
    request: Request<Incoming>,
    from: IpAddr,
    told: &Told,
    marks: &Marks,
) -> Response<Sent> {
    let copies = told.copies.as_ref().filter(|_| Copies::has(request.uri().path()));
    if let Some(copies) = copies {
        let response = copies.answer(&request, &marks.alive).await;
        // It knows the secret.
        if marks.alive.load(Ordering::Relaxed) {
            marks.copies.store(true, Ordering::Relaxed);
        }
        return response;
    }
    let console = told.console.as_ref().filter(|_| Console::is_at(request.uri().path()));
    let mut response = match console {
        Some(console) => console.answer(request, from, &marks.alive).await,
        None => answer_once(&request, &told.sources).map(Sent::from),
    };
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn answer_once(request: &Request<Incoming>, sources: &Sources) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if !matches!(path, "/metrics" | "/healthz" | "/readyz") {
        return text(StatusCode::NOT_FOUND, "not found: /metrics, /healthz, /readyz are here\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/metrics" => {
            let mut response = text(StatusCode::OK, metrics::render(sources));
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        "/healthz" => verdict(health::worth_keeping(sources)),
        _ => verdict(health::welcome(sources)),
    }
}

/// A verdict as an answer.
fn verdict(verdict: Verdict) -> Response<Full<Bytes>> {
    let status = if verdict.good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(status, verdict.text)
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;
    use crate::logging::LinesLost;
    use crate::phase::{Phase, Stage};

    fn sources() -> Sources {
        Sources {
            shards: Arc::from([]),
            log: Arc::default(),
            store: Arc::default(),
            clock: Arc::new(openim_workers::Clock::new(Duration::ZERO, None, 0).0),
            writes: Arc::default(),
            damage: Arc::default(),
            guards: [].into(),
            disk: Arc::default(),
            engine: Arc::default(),
            phase: Arc::new(Phase::default()),
            lines_lost: LinesLost::default(),
            audit: crate::audit::Audit::default(),
            parts: Default::default(),
            bounds: Default::default(),
        }
    }

    fn started(sources: &Sources) -> Admin {
        let listen = "127.0.0.1:0".parse().unwrap();
        Admin::start((listen, None), sources.clone(), (None, None)).unwrap()
    }

    /// Status and whole answer of one request.
    fn ask(admin: &Admin, head: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(admin.address()).unwrap();
        socket.write_all(format!("{head} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        (answer[9..12].parse().unwrap(), answer)
    }

    #[test]
    fn readiness_follows_the_phase() {
        let sources = sources();
        let admin = started(&sources);
        for (stage, status) in [
            (Stage::Starting, 503),
            (Stage::Serving, 200),
            (Stage::Leaving, 503),
            (Stage::Closing, 503),
            (Stage::Draining, 503),
            (Stage::Stopped, 503),
        ] {
            sources.phase.advance(stage);
            assert_eq!(ask(&admin, "GET /readyz").0, status, "{stage:?}");
            assert_eq!(ask(&admin, "GET /healthz").0, 200, "{stage:?}");
        }
    }

    #[test]
    fn a_poisoned_log_is_unhealthy() {
        let sources = sources();
        let admin = started(&sources);
        sources.log.poisoned.store(true, Ordering::Release);
        assert_eq!(ask(&admin, "GET /healthz").0, 503);
    }

    #[test]
    fn metrics_are_prometheus_text() {
        let admin = started(&sources());
        let (status, answer) = ask(&admin, "GET /metrics?x=1");
        assert_eq!(status, 200);
        assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
        assert!(answer.contains("\nopenim_phase 0\n"), "{answer}");
    }

    #[test]
    fn other_paths_and_methods_are_refused() {
        let admin = started(&sources());
        for (head, status) in [
            ("GET /", 404),
            ("POST /chat/send_msg", 404),
            ("POST /metrics", 405),
            ("HEAD /healthz", 200),
        ] {
            assert_eq!(ask(&admin, head).0, status, "{head}");
        }
    }

    #[test]
    fn those_who_say_nothing_do_not_keep_others_out() {
        let admin = started(&sources());
        let silent: Vec<TcpStream> = (0..3 * CONNECTIONS_MAX)
            .map(|_| TcpStream::connect(admin.address()).unwrap())
            .collect();
        for _ in 0..3 {
            assert_eq!(ask(&admin, "GET /healthz").0, 200);
        }
        drop(silent);
    }

    #[test]
    fn a_taken_address_is_named_with_its_key() {
        let admin = started(&sources());
        let error = Admin::start((admin.address(), None), sources(), (None, None));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("admin.listen") && error.contains(&admin.address().to_string()));
    }

    #[test]
    fn the_address_is_free_after_the_end() {
        let admin = started(&sources());
        let address = admin.address();
        drop(admin);
        assert!(Admin::start((address, None), sources(), (None, None)).is_ok());
    }
}
