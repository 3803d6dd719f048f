//! HTTP requests to one service: look its name up, connect, TLS, ask, read a bounded answer.
//!
//! The caller bounds the time; dropping the future ends everything but a lookup of a name. So many connections as the
//! client was told are kept for the next request; one that turns out closed is replaced, and the request goes again.
//! Redirects are not followed.

use std::cell::RefCell;
use std::error::Error as _;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use openim_config::Endpoint;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};
use tokio_rustls::TlsConnector;

use super::names::Names;
use crate::tls::connector;

/// Bytes of an answer's head, and of what is read at once.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What is asked of a service.
#[derive(Clone, Debug)]
pub(crate) struct Post<'a> {
    /// Path and query.
    pub(crate) path: &'a str,
    pub(crate) content_type: &'static str,
    pub(crate) headers: &'a [(&'static str, String)],
    pub(crate) body: Bytes,
}

/// What a service said.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// Why a service said nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskFailed {
    #[error("its name is not known ({0})")]
    Name(Rc<str>),
    #[error("no connection ({0})")]
    Connect(io::Error),
    #[error("no TLS ({0})")]
    Tls(io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the answer breaks off ({0})")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("the answer is larger than {0} bytes")]
    Large(usize),
}

/// A connection, which ends with this.
struct Open {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// See the module.
pub(crate) struct Client {
    endpoint: Endpoint,
    names: Rc<Names>,
    tls: Option<TlsConnector>,
    body_bytes_max: usize,
    idle_max: usize,
    idle: RefCell<Vec<Open>>,
}

impl Client {
    /// Trusts the roots that browsers trust. Takes answers of so many bytes; each request has a connection of its own.
    pub(crate) fn new(endpoint: Endpoint, body_bytes_max: usize) -> Self {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Self::trusting(endpoint, body_bytes_max, roots)
    }

    fn trusting(endpoint: Endpoint, body_bytes_max: usize, roots: RootCertStore) -> Self {
        let tls = endpoint.is_secure().then(|| connector(roots));
        let names = Names::new(endpoint.host(), endpoint.port());
        Self { endpoint, names, tls, body_bytes_max, idle_max: 0, idle: RefCell::default() }
    }

    /// The same, which keeps so many connections.
    pub(crate) fn keeping(self, idle_max: usize) -> Self {
        Self { idle_max, ..self }
    }

    /// Posts, and waits for the answer.
    pub(crate) async fn post(&self, post: &Post<'_>) -> Result<Reply, AskFailed> {
        loop {
            let kept = self.idle.borrow_mut().pop();
            let Some(mut open) = kept else { break };
            // The service may have closed it while nobody asked.
            if open.sender.ready().await.is_err() {
                continue;
            }
            match self.exchange(&mut open, post).await {
                Err(AskFailed::Http(cause)) if is_closed(&cause) => {}
                outcome => return self.kept(open, outcome),
            }
        }
        let mut open = self.open().await?;
        let outcome = self.exchange(&mut open, post).await;
        self.kept(open, outcome)
    }

    fn kept(&self, open: Open, outcome: Result<Reply, AskFailed>) -> Result<Reply, AskFailed> {
        let mut idle = self.idle.borrow_mut();
        if outcome.is_ok() && idle.len() < self.idle_max && !open.sender.is_closed() {
            idle.push(open);
        }
        outcome
    }

    async fn open(&self) -> Result<Open, AskFailed> {
        let addresses = self.names.addresses().await.map_err(AskFailed::Name)?;
        let stream = TcpStream::connect(&addresses[..]).await.map_err(AskFailed::Connect)?;
        let Some(tls) = &self.tls else { return begin(stream).await };
        let name = ServerName::try_from(self.endpoint.host().to_owned())
            .map_err(|cause| AskFailed::Name(cause.to_string().into()))?;
        let stream = tls.connect(name, stream).await.map_err(AskFailed::Tls)?;
        begin(stream).await
    }

    async fn exchange(&self, open: &mut Open, post: &Post<'_>) -> Result<Reply, AskFailed> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(post.path)
            .header(HOST, self.endpoint.authority())
            .header(CONTENT_TYPE, post.content_type);
        if self.idle_max == 0 {
            request = request.header(CONNECTION, "close");
        }
        for (name, value) in post.headers {
            request = request.header(*name, value);
        }
        let request = request
            .body(Full::new(post.body.clone()))
            .expect("a path and a host of the settings, and headers of ours");
        let (head, body) = open.sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, self.body_bytes_max).collect().await.map_err(|cause| {
            match cause.is::<LengthLimitError>() {
                true => AskFailed::Large(self.body_bytes_max),
                false => AskFailed::Body(cause),
            }
        })?;
        Ok(Reply { status: head.status.as_u16(), body: body.to_bytes() })
    }
}

/// Whether a request went to a connection that was closed, so that another may carry it.
fn is_closed(cause: &hyper::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    let io = cause.source().and_then(|source| source.downcast_ref::<io::Error>());
    let is_reset =
        io.is_some_and(|io| matches!(io.kind(), BrokenPipe | ConnectionAborted | ConnectionReset));
    is_reset || cause.is_closed() || cause.is_canceled() || cause.is_incomplete_message()
}

async fn begin<S>(stream: S) -> Result<Open, AskFailed>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    // Its error is the reply's as well.
    let driver = spawn_local(async move {
        connection.await.ok();
    });
    Ok(Open { sender, driver })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use hyper::Response;
    use hyper::body::Incoming;
    use hyper::server::conn::http1 as server;
    use hyper::service::service_fn;
    use rustls::ServerConfig;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    const BYTES_MAX: usize = 1024;

    fn form(body: &'static str) -> Post<'static> {
        let content_type = "application/x-www-form-urlencoded";
        Post { path: "/", content_type, headers: &[], body: Bytes::from(body) }
    }

    /// Made for these tests, good for `localhost`; not trusted by anybody else.
    const CERTIFICATE: &[u8] = include_bytes!("fixtures/certificate.der");
    const KEY: &[u8] = include_bytes!("fixtures/key.der");

    async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let host = request.headers()[HOST].to_str().unwrap().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let said = format!("{host} {}", String::from_utf8_lossy(&body));
        Ok(Response::builder().status(418).body(Full::new(said.into())).unwrap())
    }

    /// Serves one connection; ends without complaint when the client breaks off.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
        server::Builder::new().serve_connection(TokioIo::new(stream), service_fn(echo)).await.ok();
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, test)
    }

    async fn tls_server() -> u16 {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = vec![CertificateDer::from(CERTIFICATE)];
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::try_from(KEY).unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        spawn_local(async move {
            if let Ok(stream) = acceptor.accept(listener.accept().await.unwrap().0).await {
                serve(stream).await;
            }
        });
        port
    }

    #[test]
    fn a_trusted_service_is_asked_through_tls() {
        run(async {
            let port = tls_server().await;
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(CERTIFICATE)).unwrap();
            let endpoint = format!("https://localhost:{port}").parse().unwrap();
            let reply =
                Client::trusting(endpoint, BYTES_MAX, roots).post(&form("a=b")).await.unwrap();
            assert_eq!(reply.status, 418);
            assert_eq!(reply.body, format!("localhost:{port} a=b"));
        });
    }

    #[test]
    fn a_service_that_nobody_vouches_for_is_not_asked() {
        run(async {
            let port = tls_server().await;
            let endpoint = format!("https://localhost:{port}").parse().unwrap();
            let error = Client::new(endpoint, BYTES_MAX).post(&form("a=b")).await.unwrap_err();
            assert!(matches!(error, AskFailed::Tls(_)), "{error}");
        });
    }

    #[test]
    fn a_certificate_for_another_name_is_refused() {
        run(async {
            let port = tls_server().await;
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(CERTIFICATE)).unwrap();
            let endpoint = format!("https://127.0.0.1:{port}").parse().unwrap();
            let error =
                Client::trusting(endpoint, BYTES_MAX, roots).post(&form("")).await.unwrap_err();
            assert!(matches!(error, AskFailed::Tls(_)), "{error}");
        });
    }

    #[test]
    fn a_connection_is_kept_and_replaced_when_it_was_closed() {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
            let client = Client::new(endpoint, BYTES_MAX).keeping(1);
            let accepting = spawn_local(async move {
                let first = spawn_local(serve(listener.accept().await.unwrap().0));
                (listener, first)
            });
            for _ in 0..3 {
                assert_eq!(client.post(&form("a=b")).await.unwrap().status, 418);
            }
            let (listener, first) = accepting.await.unwrap();
            first.abort();
            spawn_local(async move { serve(listener.accept().await.unwrap().0).await });
            assert_eq!(client.post(&form("c=d")).await.unwrap().status, 418);
            assert_eq!(client.idle.borrow().len(), 1);
        });
    }
}
