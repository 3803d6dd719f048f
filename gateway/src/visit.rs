//! One HTTP request of a command: to a server, to its operators' port, or to a proxy in front of it.
//!
//! In: where, and what is asked. Out: status, head and body. Bounded: the time for all of it, from the name that is looked up
//! to the last byte, and the bytes of head and body. Each request has a connection of its own. Never: follows a redirect, or
//! repeats a request. `line` asks again and again on one; `trust` knows whom a server with TLS must be.

mod line;
mod trust;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderValue, UPGRADE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use openim_config::{Config, Endpoint};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

#[cfg(test)]
pub(crate) use self::line::LOOK_EVERY;
pub(crate) use self::line::{Line, Patience};
pub use self::trust::Elsewhere;
pub(crate) use self::trust::Trust;
use crate::{certificate, tls};

/// For each address that a name has.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// For all of one request.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The longest is `/metrics`.
const BODY_BYTES_MAX: usize = 32 << 20;

/// Where a server is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    endpoint: Endpoint,
    /// Behind the host, without a slash at its end.
    path: String,
    /// Where it is asked by TLS.
    trust: Trust,
    time_max: Duration,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// It is a server's that was asked without TLS where it speaks nothing else.
    pub(crate) fn wants_tls(&self) -> bool {
        self.status == 400 && self.text().starts_with(tls::SPEAKS_TLS)
    }
}

/// Whoever is there speaks no TLS.
#[derive(Debug, thiserror::Error)]
#[error("it speaks no TLS: without that, it is asked by http://")]
struct NoTls;

/// Whether a question came to nothing as whoever is there speaks no TLS.
pub(crate) fn speaks_no_tls(cause: &io::Error) -> bool {
    cause.get_ref().is_some_and(|inner| inner.is::<NoTls>())
}

/// An address of this machine at which something that listens there can be reached.
pub(crate) fn reachable(mut listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
        });
    }
    listen
}

impl Place {
    /// What listens here without TLS, or on all interfaces of this machine.
    pub(crate) fn listening(listen: SocketAddr) -> Result<Self, String> {
        Self::parse(&format!("http://{}", reachable(listen)))
    }

    /// A port for clients of the server with these settings, on this machine: where it has TLS, with exactly its certificate.
    pub(crate) fn of_clients(config: &Config, port: u16) -> Result<Self, String> {
        let listen = reachable(SocketAddr::new(config.server_ip.0, port));
        Self::of_server(config, listen, config.tls.is_on())
    }

    /// The operators' port of the server with these settings, likewise.
    pub(crate) fn of_operators(config: &Config) -> Result<Self, String> {
        let listen = config.admin.listen;
        Self::of_server(config, reachable(listen), config.tls.is_for_operators(listen))
    }

    fn of_server(config: &Config, at: SocketAddr, by_tls: bool) -> Result<Self, String> {
        if !by_tls {
            return Self::listening(at);
        }
        // It may change, but has to be there.
        certificate::own(&config.tls)?;
        Ok(Self::parse(&format!("https://{at}"))?.trusting(Trust::own(config)))
    }

    /// The same, where a server with TLS must be one of these.
    pub(crate) fn trusting(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// `https://HOST`, `http://HOST:PORT`, `wss://HOST/PATH`.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{url}: an address is like https://im.example.com or wss://im.example.com/ws")
        };
        let plain = url.strip_prefix("wss://").map(|rest| format!("https://{rest}"));
        let plain =
            plain.or_else(|| url.strip_prefix("ws://").map(|rest| format!("http://{rest}")));
        let plain = plain.unwrap_or_else(|| url.to_owned());
        let (scheme, rest) = plain.split_once("://").ok_or_else(wrong)?;
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let endpoint = format!("{scheme}://{host}").parse().map_err(|_| wrong())?;
        let graphic = path.bytes().all(|byte| byte.is_ascii_graphic());
        let path = path.trim_end_matches('/').to_owned();
        let (trust, time_max) = (Trust::public(), ANSWER_TIME_MAX);
        let place = Self { endpoint, path, trust, time_max };
        graphic.then_some(place).ok_or_else(wrong)
    }

    /// The operators' port of another server, like `http://10.0.0.1:10002`, or `https://` where it has TLS and is one of these.
    pub(crate) fn of_another(url: &str, trust: Trust) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{url}: an operators' port is like http://10.0.0.1:10002, or https:// where it has TLS (admin.listen of the \
                 server)"
            )
        };
        let (scheme, host) = match url.split_once("://") {
            Some((scheme @ ("http" | "https"), host)) => (scheme, host),
            Some(_) => return Err(wrong()),
            None => ("http", url),
        };
        let host = host.trim_end_matches('/');
        if host.contains('/') || !host.contains(':') {
            return Err(wrong());
        }
        let place = Self::parse(&format!("{scheme}://{host}")).map_err(|_| wrong())?;
        Ok(place.trusting(trust))
    }

    /// As it is told.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.endpoint, self.path)
    }

    /// Asks.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let request = self.request(method, path, headers, body, true)?;
        within(self.time_max, self.answer(request))
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> io::Result<Answer> {
        let (mut sender, connection) = begin(self.open().await?, HEAD_BYTES_MAX).await?;
        let answer =
            async { whole(sender.send_request(request).await.map_err(not_understood)?).await };
        beside(connection, answer).await
    }

    /// Asks for an answer without an end, and has `heard` take it piece by piece until it wants no more. An answer that is no good
    /// one comes back whole. What is silent for too long, or ends, is an error.
    pub(crate) fn listen(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        mut heard: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<Answer> {
        let (request, most) = (self.request("GET", path, headers, b"", true)?, self.time_max);
        run(async {
            let begin = async { begin(self.open().await?, HEAD_BYTES_MAX).await };
            let begun = timely(most, begin).await;
            let (mut sender, connection) = begun?;
            let answer = async {
                let asked = async { sender.send_request(request).await.map_err(not_understood) };
                let answer = timely(most, asked).await?;
                if answer.status() != StatusCode::OK {
                    return timely(most, whole(answer)).await;
                }
                let (head, mut body) = answer.into_parts();
                while let Some(frame) = timely(most, async { Ok(body.frame().await) }).await? {
                    let frame = frame.map_err(io::Error::other)?;
                    if frame.data_ref().is_some_and(|piece| !heard(piece)) {
                        let (status, headers) = (head.status.as_u16(), head.headers);
                        return Ok(Answer { status, headers, body: Bytes::new() });
                    }
                }
                Err(io::Error::other("it tells no more"))
            };
            beside(connection, answer).await
        })
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        closes: bool,
    ) -> io::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.path))
            .header(HOST, self.endpoint.authority());
        if closes && headers.iter().all(|(name, _)| UPGRADE != *name) {
            request = request.header(CONNECTION, "close");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::new(Bytes::copy_from_slice(body))).map_err(io::Error::other)
    }

    /// Whether a connection on which nothing is said is still there after this time.
    pub(crate) fn keeps_silent_link(&self, time: Duration) -> io::Result<bool> {
        within(self.time_max + time, async {
            let mut link = self.open().await?;
            Ok(match timeout(time, link.read(&mut [0])).await {
                Err(_) => true,
                Ok(read) => read.is_ok_and(|read| read > 0),
            })
        })
    }

    async fn open(&self) -> io::Result<Box<dyn Link>> {
        let socket = self.connect().await?;
        if !self.endpoint.is_secure() {
            return Ok(Box::new(socket));
        }
        let connector = self.trust.connector()?;
        let name =
            ServerName::try_from(self.endpoint.host().to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(connector.connect(name, socket).await.map_err(no_handshake)?))
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let mut failed = io::Error::other("the name has no address");
        for address in lookup_host((self.endpoint.host(), self.endpoint.port())).await? {
            match timeout(CONNECT_TIME_MAX, TcpStream::connect(address)).await {
                Ok(Ok(link)) => {
                    link.set_nodelay(true)?;
                    return Ok(link);
                }
                Ok(Err(cause)) => failed = cause,
                Err(_) => failed = too_late(CONNECT_TIME_MAX),
            }
        }
        Err(failed)
    }
}

/// One request by somebody who has a runtime; its URI says where to.
pub(crate) async fn fetch(mut request: Request<Full<Bytes>>, trust: Trust) -> io::Result<Answer> {
    let uri = request.uri();
    let place = Place::parse(&uri.to_string()).map_err(io::Error::other)?.trusting(trust);
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).parse();
    *request.uri_mut() = path.map_err(io::Error::other)?;
    let host = HeaderValue::try_from(place.endpoint.authority()).map_err(io::Error::other)?;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    timely(place.time_max, place.answer(request)).await
}

trait Link: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Link for T {}

/// Why there is no TLS, and what to do where that is known.
fn no_handshake(cause: io::Error) -> io::Error {
    use rustls::{CertificateError, Error};
    match cause.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Error::InvalidMessage(_)) => io::Error::other(NoTls),
        // The latter by another authority of the same name.
        Some(Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => io::Error::other(
            "its certificate is signed by nobody who is trusted here: --ca FILE, or admin.caFile, names who signed it",
        ),
        Some(Error::InvalidCertificate(why)) => {
            io::Error::other(format!("its certificate will not do: {why}"))
        }
        _ => cause,
    }
}

fn within<T>(time: Duration, asking: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    run(timely(time, asking))
}

fn run<T>(asking: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(asking);
    // Not waited for: nobody can end the look-up of a name.
    runtime.shutdown_background();
    asked
}

async fn timely<T>(time: Duration, asking: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(time, asking).await.unwrap_or_else(|_| Err(too_late(time)))
}

fn too_late(time: Duration) -> io::Error {
    let told = format!("it does not answer within {} s", time.as_secs_f32());
    io::Error::new(io::ErrorKind::TimedOut, told)
}

type Sender = http1::SendRequest<Full<Bytes>>;
type Connection = http1::Connection<TokioIo<Box<dyn Link>>, Full<Bytes>>;

async fn begin(link: Box<dyn Link>, read_bytes: usize) -> io::Result<(Sender, Connection)> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(read_bytes);
    builder.handshake(TokioIo::new(link)).await.map_err(io::Error::other)
}

/// What is asked for on a connection, which goes on meanwhile.
async fn beside(
    connection: Connection,
    answer: impl Future<Output = io::Result<Answer>>,
) -> io::Result<Answer> {
    let mut answer = pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => return answer,
        // Its error is the answer's as well.
        _ = connection => {}
    }
    answer.await
}

fn not_understood(cause: hyper::Error) -> io::Error {
    match cause.is_parse() || cause.is_parse_too_large() || cause.is_incomplete_message() {
        true => io::Error::other(format!("it does not answer in HTTP: {cause}")),
        false => io::Error::other(cause),
    }
}

async fn whole(answer: Response<hyper::body::Incoming>) -> io::Result<Answer> {
    let (head, body) = answer.into_parts();
    let status = head.status.as_u16();
    if status == 101 {
        return Ok(Answer { status, headers: head.headers, body: Bytes::new() });
    }
    let body =
        Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|cause| match cause
            .is::<LengthLimitError>(
        ) {
            true => io::Error::other("it answers with too much"),
            false => io::Error::other(format!("its answer breaks off: {cause}")),
        })?;
    Ok(Answer { status, headers: head.headers, body: body.to_bytes() })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread::JoinHandle;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    use super::*;

    #[test]
    fn addresses_are_understood() {
        for (url, told) in [
            ("http://127.0.0.1:10002", "http://127.0.0.1:10002"),
            ("wss://im.example.com/ws/", "https://im.example.com/ws"),
            ("ws://[::1]:7777", "http://[::1]:7777"),
        ] {
            assert_eq!(Place::parse(url).unwrap().url(), told);
        }
        for url in ["", "im.example.com", "ftp://a", "https://", "http://a/b c"] {
            assert!(Place::parse(url).is_err_and(|what| what.contains("is like")), "{url}");
        }
        assert_eq!(reachable("0.0.0.0:7".parse().unwrap()), "127.0.0.1:7".parse().unwrap());
        assert_eq!(reachable("[::]:7".parse().unwrap()), "[::1]:7".parse().unwrap());
    }

    /// Takes one connection, reads what is asked, and answers with this.
    fn answering(text: &'static str) -> (SocketAddr, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                socket.read_exact(&mut byte).unwrap();
                asked.extend(byte);
            }
            socket.write_all(text.as_bytes()).unwrap();
            String::from_utf8_lossy(&asked).into_owned()
        });
        (address, server)
    }

    /// What is understood of this answer.
    fn answered(text: &'static str) -> io::Result<Answer> {
        let (address, server) = answering(text);
        let answer = Place::listening(address).unwrap().call("GET", "/x", &[("a", "b")], b"");
        let asked = server.join().unwrap();
        assert!(asked.starts_with("GET /x HTTP/1.1\r\nhost: 127.0.0.1:"), "{asked}");
        assert!(asked.contains("\r\na: b\r\n"), "{asked}");
        answer
    }

    #[test]
    fn answers_are_read_whole() {
        for (text, status, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", 200, "ab"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore", 200, ""),
            ("HTTP/1.1 503 No\r\n\r\nuntil the end", 503, "until the end"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n",
                200,
                "abc",
            ),
            ("HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", 101, ""),
        ] {
            let answer = answered(text).unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (status, body), "{text}");
        }
        let told = answered("HTTP/1.1 200 OK\r\nX-Who:  me \r\nContent-Length: 0\r\n\r\n").unwrap();
        assert_eq!((told.header("x-who"), told.header("x-what")), (Some("me"), None));
    }

    #[test]
    fn an_answer_without_an_end_is_heard_piece_by_piece() {
        let listened = |text, most: usize| {
            let (address, server) = answering(text);
            let mut heard = String::new();
            let answer = Place::listening(address).unwrap().listen("/x", &[], |piece| {
                heard.push_str(&String::from_utf8_lossy(piece));
                heard.len() < most
            });
            server.join().unwrap();
            (answer, heard)
        };
        let (answer, heard) = listened("HTTP/1.1 200 OK\r\n\r\nabcde", 3);
        assert_eq!((answer.unwrap().status, heard.as_str()), (200, "abcde"));
        let (answer, heard) = listened("HTTP/1.1 200 OK\r\n\r\nab", 3);
        assert!(answer.unwrap_err().to_string().contains("tells no more") && heard == "ab");
        let (answer, heard) = listened("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", 3);
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.text().as_str(), heard.as_str()), (403, "no", ""));
    }

    /// Half of what was meant is nothing.
    #[test]
    fn answers_that_break_off_are_none() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            "HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\nabc",
        ] {
            assert!(answered(text).is_err(), "{text}");
        }
        for text in ["what?\r\n\r\n", ""] {
            let told = answered(text).unwrap_err().to_string();
            assert!(told.contains("does not answer in HTTP"), "{told}");
        }
    }

    /// Wherever it is that a server says nothing, the time is over once.
    #[test]
    fn a_silent_server_is_left() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        for scheme in ["http", "https"] {
            let place = Place::parse(&format!("{scheme}://{address}")).unwrap();
            let place = Place { time_max: Duration::from_millis(20), ..place };
            let cause = place.call("GET", "/", &[], b"").unwrap_err();
            assert_eq!(cause.kind(), io::ErrorKind::TimedOut, "{cause}");
            let cause = place.listen("/", &[], |_| true).unwrap_err();
            assert_eq!(cause.kind(), io::ErrorKind::TimedOut, "{cause}");
        }
    }

    /// In files of their own: `NAME.pem` and `NAME.key`.
    fn certified(dir: &std::path::Path, name: &str) -> Config {
        let (key, mut config) = (KeyPair::generate().unwrap(), Config::default());
        let params = CertificateParams::new(["im.example.com".to_owned()]).unwrap();
        let tls = &mut config.tls;
        (tls.cert_file, tls.key_file) =
            (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        std::fs::write(&tls.cert_file, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&tls.key_file, key.serialize_pem()).unwrap();
        config
    }

    #[test]
    fn certificates_that_are_known_are_trusted_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let (own, another) = (certified(dir.path(), "own"), certified(dir.path(), "another"));
        let chain = CertificateDer::from_pem_file(&own.tls.cert_file).unwrap();
        let key = PrivateKeyDer::from_pem_file(&own.tls.key_file).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        let config = Arc::new(config);
        let (none, file) = (Config::default(), own.tls.cert_file.as_path());
        for (trust, answers) in [
            (Trust::own(&own), true),
            (Trust::own(&another), false),
            (Trust::public(), false),
            (Trust::another(&own, None).unwrap(), true),
            (Trust::another(&another, None).unwrap(), false),
            (Trust::another(&none, Some(file)).unwrap(), true),
            (Trust::by(Some(&another.tls.cert_file)).unwrap(), false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("https://{}", listener.local_addr().unwrap());
            let config = Arc::clone(&config);
            let server = std::thread::spawn(move || {
                let (mut socket, _) = listener.accept().unwrap();
                let mut tls = rustls::ServerConnection::new(config).unwrap();
                let mut stream = rustls::Stream::new(&mut tls, &mut socket);
                // A client that does not trust it goes before it has asked.
                if stream.read(&mut [0; 1024]).is_ok() {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
                }
            });
            let place = Place::parse(&url).unwrap().trusting(trust.clone());
            let answer = place.call("GET", "/", &[], b"");
            assert_eq!(answer.is_ok_and(|answer| answer.text() == "ok"), answers, "{trust:?}");
            server.join().unwrap();
        }
    }

    #[test]
    fn who_speaks_no_tls_is_told_so() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = Place::parse(&format!("https://{}", listener.local_addr().unwrap())).unwrap();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut hello = [0; 16];
            socket.read_exact(&mut hello).unwrap();
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
            // What it does not read would be a reset.
            drop(socket.read(&mut [0; 4096]));
        });
        let cause = place.call("GET", "/", &[], b"").unwrap_err();
        assert!(speaks_no_tls(&cause), "{cause}");
        server.join().unwrap();
    }

    #[test]
    fn a_silent_link_is_kept_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = Place::listening(listener.local_addr().unwrap()).unwrap();
        assert!(place.keeps_silent_link(Duration::from_millis(10)).unwrap());
        let closer = std::thread::spawn(move || drop((listener.accept(), listener.accept())));
        assert!(!place.keeps_silent_link(ANSWER_TIME_MAX).unwrap());
        closer.join().unwrap();
    }
}
