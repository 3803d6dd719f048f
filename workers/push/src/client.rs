//! HTTP to the services: connections that are kept, TLS, bounded answers, bounded time.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::RETRY_AFTER;
use hyper::{Method, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use crate::vendor::Request;

const BODY_BYTES_MAX: usize = 64 * 1024;
/// Connections to one host that are kept while nobody needs them, and for how long.
const IDLE_MAX: usize = 32;
const IDLE_TIME: Duration = Duration::from_secs(60);
/// Longer than this nobody keeps us away.
const RETRY_AFTER_MAX_S: u64 = 3600;

/// What a service said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after_s: Option<u64>,
    pub(crate) body: Bytes,
}

type Way = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The ways to all services. The second one speaks HTTP/2 alone.
pub(crate) struct Clients {
    one: Way,
    two: Way,
    time_max: Duration,
}

impl Clients {
    pub(crate) fn new(time_max: Duration) -> Self {
        let way = |two: bool| {
            let mut http = HttpConnector::new();
            http.enforce_http(false);
            http.set_nodelay(true);
            http.set_connect_timeout(Some(time_max));
            let with = HttpsConnectorBuilder::new().with_tls_config(tls()).https_or_http();
            let connector = match two {
                true => with.enable_http2().wrap_connector(http),
                false => with.enable_http1().wrap_connector(http),
            };
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_TIME)
                .pool_max_idle_per_host(IDLE_MAX)
                .http2_only(two)
                .build(connector)
        };
        Self { one: way(false), two: way(true), time_max }
    }

    /// Posts, and reads the answer; an error is one line.
    pub(crate) async fn post(&self, request: Request) -> Result<Answer, String> {
        let Request { url, headers, body, http2 } = request;
        let mut built = hyper::Request::builder().method(Method::POST).uri(url);
        for (name, value) in headers {
            built = built.header(name, value);
        }
        let request = built.body(Full::new(Bytes::from(body))).map_err(|why| why.to_string())?;
        let way = if http2 { &self.two } else { &self.one };
        match timeout(self.time_max, exchange(way, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", self.time_max.as_secs_f32())),
        }
    }
}

async fn exchange(way: &Way, request: hyper::Request<Full<Bytes>>) -> Result<Answer, String> {
    let (head, body) = way.request(request).await.map_err(|why| why_of(&why))?.into_parts();
    let after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after_s =
        after.and_then(|text| text.trim().parse().ok()).map(|s: u64| s.min(RETRY_AFTER_MAX_S));
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|why| format!("the answer breaks off ({why})"))?.to_bytes();
    Ok(Answer { status: head.status, retry_after_s, body })
}

/// An error with what is behind it, in one line.
fn why_of(why: &hyper_util::client::legacy::Error) -> String {
    let mut text = why.to_string();
    let mut cause = why.source();
    while let Some(why) = cause {
        text = format!("{text}: {why}");
        cause = why.source();
    }
    text
}

/// Trusts the roots that browsers trust.
fn tls() -> ClientConfig {
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("the provider has what the default versions need")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
