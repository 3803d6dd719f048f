//! One HTTP request of a command: to a server, to its operators' port, or to a proxy in front of it.
//!
//! In: where, and what is asked. Out: status, head and body. Bounded: the time for all of it, from the name that is looked up
//! to the last byte, and the bytes of head and body. Each request has a connection of its own. Never: follows a redirect, or
//! repeats a request.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderMap, UPGRADE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use openim_config::{Config, Endpoint};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::{certificate, tls};

/// For each address that a name has.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// For all of one request.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The longest is `/metrics`.
const BODY_BYTES_MAX: usize = 32 << 20;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    endpoint: Endpoint,
    /// Behind the host, without a slash at its end.
    path: String,
    /// The one certificate that it may have; none: any that browsers trust.
    certificate: Option<CertificateDer<'static>>,
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
        match certificate::own(config)? {
            None => Self::listening(listen),
            own => Ok(Self { certificate: own, ..Self::parse(&format!("https://{listen}"))? }),
        }
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
        let place = Self { endpoint, path, certificate: None, time_max: ANSWER_TIME_MAX };
        graphic.then_some(place).ok_or_else(wrong)
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
        let request = self.request(method, path, headers, body)?;
        within(self.time_max, async {
            let (mut sender, connection) = begin(self.open().await?).await?;
            let answer =
                async { whole(sender.send_request(request).await.map_err(not_understood)?).await };
            beside(connection, answer).await
        })
    }

    /// Asks for an answer without an end, and has `heard` take it piece by piece until it wants no more. An answer that is no good
    /// one comes back whole. What is silent for too long, or ends, is an error.
    pub(crate) fn listen(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        mut heard: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<Answer> {
        let (request, most) = (self.request("GET", path, headers, b"")?, self.time_max);
        run(async {
            let begun = timely(most, async { begin(self.open().await?).await }).await;
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
    ) -> io::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.path))
            .header(HOST, self.endpoint.authority());
        if headers.iter().all(|(name, _)| UPGRADE != *name) {
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
        let connector = match &self.certificate {
            Some(own) => tls::connector_to(own.clone()),
            None => tls::connector(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()),
        };
        let name =
            ServerName::try_from(self.endpoint.host().to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(connector.connect(name, socket).await?))
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

trait Link: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Link for T {}

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

async fn begin(link: Box<dyn Link>) -> io::Result<(Sender, Connection)> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
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
    use rustls::pki_types::PrivateKeyDer;

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

    #[test]
    fn the_servers_own_certificate_is_trusted_and_no_other() {
        let made = |key: &KeyPair| {
            let params = CertificateParams::new(["im.example.com".to_owned()]).unwrap();
            params.self_signed(key).unwrap().der().clone()
        };
        let (key, another) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let (own, another) = (made(&key), made(&another));
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.clone()], key)
            .unwrap();
        let config = Arc::new(config);
        for (certificate, answers) in [(Some(own), true), (Some(another), false), (None, false)] {
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
            let place = Place { certificate, ..Place::parse(&url).unwrap() };
            let answer = place.call("GET", "/", &[], b"");
            assert_eq!(answer.is_ok_and(|answer| answer.text() == "ok"), answers);
            server.join().unwrap();
        }
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
