//! One HTTP request to one service: look its name up, connect, TLS, ask, read a bounded answer.
//!
//! Each request has a connection of its own: there is one in ten seconds at most, and an idle one would
//! only be found closed. The caller bounds the time; dropping the future ends everything but a lookup
//! of a name, which cannot be ended. It goes on in the runtime's one blocking thread, and the next
//! request waits for the same one. Redirects are not followed.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::pin::{Pin, pin};
use std::task::ready;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use openim_config::Endpoint;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_rustls::TlsConnector;

use crate::tls::connector;

/// Bytes of an answer's body.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an answer's head, and of what is read at once.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What a service said.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// Why a service said nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskFailed {
    #[error("its name is not known ({0})")]
    Name(io::Error),
    #[error("no connection ({0})")]
    Connect(io::Error),
    #[error("no TLS ({0})")]
    Tls(io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the answer breaks off ({0})")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("the answer is larger than {BODY_BYTES_MAX} bytes")]
    Large,
}

type Lookup = JoinHandle<io::Result<Vec<SocketAddr>>>;

/// See the module.
pub(super) struct Client {
    endpoint: Endpoint,
    tls: Option<TlsConnector>,
    lookup: RefCell<Option<Lookup>>,
}

impl Client {
    /// Trusts the roots that browsers trust.
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Self::trusting(endpoint, roots)
    }

    fn trusting(endpoint: Endpoint, roots: RootCertStore) -> Self {
        let tls = endpoint.is_secure().then(|| connector(roots));
        Self { endpoint, tls, lookup: RefCell::new(None) }
    }

    /// Posts a form to the root of the service.
    pub(super) async fn post(&self, form: String) -> Result<Reply, AskFailed> {
        let addresses = self.addresses().await.map_err(AskFailed::Name)?;
        let stream = TcpStream::connect(&addresses[..]).await.map_err(AskFailed::Connect)?;
        let Some(tls) = &self.tls else { return self.exchange(stream, form).await };
        let name = ServerName::try_from(self.endpoint.host().to_owned())
            .map_err(|cause| AskFailed::Name(io::Error::other(cause)))?;
        let stream = tls.connect(name, stream).await.map_err(AskFailed::Tls)?;
        self.exchange(stream, form).await
    }

    async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = (self.endpoint.host(), self.endpoint.port());
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        poll_fn(|cx| {
            let mut slot = self.lookup.borrow_mut();
            let lookup = slot.get_or_insert_with(|| {
                let asked = (host.to_owned(), port);
                spawn_blocking(move || asked.to_socket_addrs().map(Iterator::collect))
            });
            let found = ready!(Pin::new(lookup).poll(cx));
            *slot = None;
            std::task::Poll::Ready(found.unwrap_or_else(|cause| Err(io::Error::other(cause))))
        })
        .await
    }

    async fn exchange<S>(&self, stream: S, form: String) -> Result<Reply, AskFailed>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_BYTES_MAX);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .method(Method::POST)
            .uri("/")
            .header(HOST, self.endpoint.authority())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(CONNECTION, "close")
            .body(Full::new(Bytes::from(form)))
            .expect("a host is a header's value");
        let mut reply = pin!(async move {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|cause| {
                if cause.is::<LengthLimitError>() {
                    AskFailed::Large
                } else {
                    AskFailed::Body(cause)
                }
            })?;
            Ok(Reply { status: head.status.as_u16(), body: body.to_bytes() })
        });
        tokio::select! {
            biased;
            reply = &mut reply => return reply,
            // Its error is the reply's as well.
            _ = connection => {}
        }
        reply.await
    }
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
        tokio::task::spawn_local(async move {
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
            let reply = Client::trusting(endpoint, roots).post("a=b".to_owned()).await.unwrap();
            assert_eq!(reply.status, 418);
            assert_eq!(reply.body, format!("localhost:{port} a=b"));
        });
    }

    #[test]
    fn a_service_that_nobody_vouches_for_is_not_asked() {
        run(async {
            let port = tls_server().await;
            let endpoint = format!("https://localhost:{port}").parse().unwrap();
            let error = Client::new(endpoint).post("a=b".to_owned()).await.unwrap_err();
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
            let error = Client::trusting(endpoint, roots).post(String::new()).await.unwrap_err();
            assert!(matches!(error, AskFailed::Tls(_)), "{error}");
        });
    }

    #[test]
    fn a_name_that_is_still_looked_up_is_not_looked_up_again() {
        run(async {
            let client = Client::new("http://localhost:1".parse().unwrap());
            let (end, ended) = std::sync::mpsc::channel::<()>();
            let slow = spawn_blocking(move || {
                ended.recv().ok();
                Ok(vec![SocketAddr::from(([192, 0, 2, 1], 9))])
            });
            *client.lookup.borrow_mut() = Some(slow);
            // Given up once: the lookup stays.
            tokio::select! {
                biased;
                _ = client.addresses() => panic!("nothing is found yet"),
                () = tokio::task::yield_now() => {}
            }
            drop(end);
            let found = client.addresses().await.unwrap();
            assert_eq!(found, [SocketAddr::from(([192, 0, 2, 1], 9))]);
            assert!(client.lookup.borrow().is_none());
        });
    }
}
