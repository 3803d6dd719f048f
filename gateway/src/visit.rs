//! One HTTP request of a command: to a server, to its operators' port, or to a proxy in front of it.
//!
//! In: where, and what is asked. Out: status, head and body. Bounded: the time for all of it, the bytes of head and
//! body. Each request has a connection of its own. Never: follows a redirect, or repeats a request.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use openim_config::Endpoint;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::tls;

const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// For one answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);
const SILENCE_MAX: Duration = Duration::from_secs(5);
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The longest is `/metrics`.
const BODY_BYTES_MAX: usize = 32 << 20;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    endpoint: Endpoint,
    /// Behind the host, without a slash at its end.
    path: String,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lines `name: value`, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value.trim())
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
    /// What listens here, or on all interfaces of this machine.
    pub(crate) fn listening(listen: SocketAddr) -> Result<Self, String> {
        Self::parse(&format!("http://{}", reachable(listen)))
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
        graphic.then_some(Self { endpoint, path }).ok_or_else(wrong)
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
        let until = Instant::now() + ANSWER_TIME_MAX;
        let mut link = self.open()?;
        let authority = self.endpoint.authority();
        let mut head = format!("{method} {}{path} HTTP/1.1\r\nhost: {authority}\r\n", self.path);
        let is_upgrade = headers.iter().any(|(name, _)| *name == "upgrade");
        let closes = if is_upgrade { "" } else { "connection: close\r\n" };
        head.push_str(closes);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        link.write_all(head.as_bytes())?;
        link.write_all(body)?;
        link.flush()?;
        read_answer(&mut *link, until)
    }

    /// Whether a connection on which nothing is said is still there after this time.
    pub(crate) fn keeps_silent_link(&self, time: Duration) -> io::Result<bool> {
        let link = self.connect()?;
        link.set_read_timeout(Some(time))?;
        match (&link).read(&mut [0]) {
            Ok(read) => Ok(read > 0),
            Err(cause) if is_time_out(&cause) => Ok(true),
            Err(_) => Ok(false),
        }
    }

    fn open(&self) -> io::Result<Box<dyn Link>> {
        let socket = self.connect()?;
        if !self.endpoint.is_secure() {
            return Ok(Box::new(socket));
        }
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let name =
            ServerName::try_from(self.endpoint.host().to_owned()).map_err(io::Error::other)?;
        let begun = ClientConnection::new(Arc::new(tls::client(roots)), name);
        Ok(Box::new(StreamOwned::new(begun.map_err(io::Error::other)?, socket)))
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut failed = io::Error::other("the name has no address");
        for address in (self.endpoint.host(), self.endpoint.port()).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIME_MAX) {
                Ok(link) => {
                    link.set_nodelay(true)?;
                    link.set_read_timeout(Some(SILENCE_MAX))?;
                    link.set_write_timeout(Some(SILENCE_MAX))?;
                    return Ok(link);
                }
                Err(cause) => failed = cause,
            }
        }
        Err(failed)
    }
}

trait Link: Read + Write {}

impl<T: Read + Write> Link for T {}

fn is_time_out(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn read_answer(link: &mut dyn Link, until: Instant) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if bytes.len() > HEAD_BYTES_MAX || !more(link, &mut bytes, until)? {
            return Err(io::Error::other("it does not answer in HTTP"));
        }
    };
    let mut body = bytes.split_off(end + 4);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().filter(|line| line.starts_with("HTTP/1."));
    let status = status.and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("it does not answer in HTTP"))?;
    let lower = |line: &str| match line.split_once(':') {
        Some((name, value)) => format!("{}:{value}\n", name.to_ascii_lowercase()),
        None => String::new(),
    };
    let mut answer = Answer { status, head: lines.map(lower).collect(), body: Vec::new() };
    if status == 101 {
        return Ok(answer);
    }
    let length: Option<usize> =
        answer.header("content-length").and_then(|length| length.parse().ok());
    while length.is_none_or(|length| body.len() < length) {
        if body.len() > BODY_BYTES_MAX {
            return Err(io::Error::other("it answers with too much"));
        }
        if !more(link, &mut body, until)? {
            break;
        }
    }
    let chunked =
        answer.header("transfer-encoding").is_some_and(|value| value.ends_with("chunked"));
    answer.body = if chunked { from_chunks(&body) } else { body };
    Ok(answer)
}

/// Takes what comes next; `false`: nothing comes any more.
fn more(link: &mut dyn Link, into: &mut Vec<u8>, until: Instant) -> io::Result<bool> {
    if Instant::now() >= until {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let mut chunk = [0; 16 * 1024];
    let read = match link.read(&mut chunk) {
        // Some end TLS without saying so.
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => 0,
        read => read?,
    };
    into.extend_from_slice(&chunk[..read]);
    Ok(read > 0)
}

/// What is in chunks, as far as they are whole.
fn from_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let length = std::str::from_utf8(&rest[..end]).ok();
        let length =
            length.and_then(|word| usize::from_str_radix(word.split(';').next()?, 16).ok());
        let begin = end + 2;
        let Some(chunk) = length
            .filter(|length| *length > 0)
            .and_then(|length| rest.get(begin..begin.checked_add(length)?))
        else {
            break;
        };
        content.extend_from_slice(chunk);
        rest = rest.get(begin + chunk.len() + 2..).unwrap_or_default();
    }
    content
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

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

    /// What is understood of this answer.
    fn answered(text: &'static str) -> io::Result<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            let read = socket.read(&mut asked).unwrap();
            socket.write_all(text.as_bytes()).unwrap();
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        let answer = Place::listening(address).unwrap().call("GET", "/x", &[("a", "b")], b"");
        let asked = server.join().unwrap();
        assert!(asked.starts_with("GET /x HTTP/1.1\r\nhost: 127.0.0.1:"), "{asked}");
        answer
    }

    #[test]
    fn answers_are_read_whole() {
        for (text, status, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", 200, "abc"),
            ("HTTP/1.1 503 No\r\n\r\nuntil the end", 503, "until the end"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n",
                200,
                "abc",
            ),
            ("HTTP/1.1 101 Go\r\nUpgrade: websocket\r\n\r\n", 101, ""),
        ] {
            let answer = answered(text).unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (status, body), "{text}");
        }
        assert!(answered("what?\r\n\r\n").is_err());
        assert!(answered("").is_err());
    }

    #[test]
    fn a_silent_link_is_kept_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = Place::listening(listener.local_addr().unwrap()).unwrap();
        assert!(place.keeps_silent_link(Duration::from_millis(10)).unwrap());
        let closer = std::thread::spawn(move || drop((listener.accept(), listener.accept())));
        assert!(!place.keeps_silent_link(SILENCE_MAX).unwrap());
        closer.join().unwrap();
    }
}
