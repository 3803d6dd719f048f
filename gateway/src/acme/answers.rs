//! Answers to the authority, which asks by HTTP whether a name is this server's (HTTP-01).
//!
//! Bounded: [`CONNECTIONS_MAX`] connections, the oldest goes for a newcomer; one request each, within [`TIME_MAX`]. Never:
//! anything but what was put here to be asked for.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::{advice, ingress};

const PATH: &str = "/.well-known/acme-challenge/";
const CONNECTIONS_MAX: usize = 32;
const TIME_MAX: Duration = Duration::from_secs(10);
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Pause after the system could not give a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is answered, by token: one for each name of the order under way.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Mutex<HashMap<String, String>>>);

/// # Errors
/// One line with the setting.
pub(super) fn listen(at: SocketAddr) -> anyhow::Result<TcpListener> {
    ingress::bind_alone(at).map_err(|error| {
        anyhow::Error::msg(advice::cannot_listen("tls.acme.httpListen", at, &error))
    })
}

impl Answers {
    pub(super) fn put(&self, token: &str, answer: &str) {
        self.0.lock().insert(token.to_owned(), answer.to_owned());
    }

    /// The order is over.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }

    /// Answers for ever.
    pub(super) async fn serve(self, listener: TcpListener) {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(cause) => {
                tracing::error!(%cause, "tls.acme: nobody answers the authority");
                return;
            }
        };
        let (mut tasks, mut open) = (JoinSet::new(), VecDeque::<AbortHandle>::new());
        loop {
            tokio::select! {
                Some(_) = tasks.join_next() => open.retain(|task| !task.is_finished()),
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => {
                        while open.len() >= CONNECTIONS_MAX {
                            open.pop_front().iter().for_each(AbortHandle::abort);
                        }
                        open.push_back(tasks.spawn(self.clone().answer_one(socket)));
                    }
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
            }
        }
    }

    async fn answer_one(self, socket: TcpStream) {
        let service = service_fn(async |request| Ok::<_, Infallible>(self.answer(&request)));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(TIME_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(socket), service);
        // Whoever is too slow asks again.
        drop(timeout(TIME_MAX, served).await);
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let token = request.uri().path().strip_prefix(PATH);
        let is_asked = matches!(*request.method(), Method::GET | Method::HEAD);
        let answer = token.filter(|_| is_asked).and_then(|token| self.0.lock().get(token).cloned());
        let status = if answer.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        let text =
            answer.unwrap_or_else(|| "not found: ACME's authority is answered here\n".into());
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        response
    }
}
