//! A local server that stands for a service: it keeps what it is asked, and answers what it is told to.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body of JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// What is answered: a status, `Retry-After`, a body. Status 0: nothing, ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Say(pub(crate) u16, pub(crate) Option<u64>, pub(crate) &'static str);

pub(crate) const OK: Say = Say(200, None, r#"{"ret_code":0}"#);
pub(crate) const STALL: Say = Say(0, None, "");

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    said: VecDeque<Say>,
    always: Option<Say>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Speaks HTTP/2 without TLS, or HTTP/1.
    pub(crate) async fn start(http2: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = Self { url, state: Arc::default() };
        let state = Arc::clone(&server.state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let answer = service_fn(|request| answer(Arc::clone(&state), request));
                    let io = TokioIo::new(stream);
                    if http2 {
                        let builder =
                            hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        builder.serve_connection(io, answer).await.ok();
                    } else {
                        let builder = hyper::server::conn::http1::Builder::new();
                        builder.serve_connection(io, answer).await.ok();
                    }
                });
            }
        });
        server
    }

    /// What is answered next, one after the other; then `OK`.
    pub(crate) fn say(&self, said: impl IntoIterator<Item = Say>) {
        self.state.lock().said.extend(said);
    }

    /// What is answered from now on when nothing else is to be.
    pub(crate) fn always(&self, say: Say) {
        self.state.lock().always = Some(say);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.lock().asked.clone()
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let say = {
        let mut state = state.lock();
        let path = head.uri.path().to_owned();
        state.asked.push(Asked { path, headers: head.headers, body });
        let always = state.always.unwrap_or(OK);
        state.said.pop_front().unwrap_or(always)
    };
    if say.0 == 0 {
        std::future::pending::<()>().await;
    }
    let mut response = Response::builder().status(say.0);
    if let Some(after) = say.1 {
        response = response.header("retry-after", after);
    }
    Ok(response.body(Full::new(Bytes::from(say.2))).expect("an answer"))
}
