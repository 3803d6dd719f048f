//! The client's half of HTTP/1.1: JSON posts out, answers in.
//!
//! In: byte slices. Out: bytes appended to a caller's buffer, or an answer borrowed from it. No
//! sockets. A body comes with a `Content-Length` or, when it is a long pull, in chunks.

use crate::stream::{Tls, Trust};
use anyhow::{Context, bail};
use serde::Deserialize;
use std::borrow::Cow;
use std::net::{SocketAddr, ToSocketAddrs};

/// Longest answer accepted.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// Host and port of an address such as `http://127.0.0.1:10000` or `ws://host:7777/`.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// As the `Host` header wants it.
    pub(crate) host: String,
    /// Where to connect.
    pub(crate) socket: SocketAddr,
    /// How TLS is begun there; plain without.
    pub(crate) tls: Option<Tls>,
}

impl Address {
    /// Reads and resolves `url`, whose scheme must be `scheme`, or that with an s behind, which is with TLS.
    pub(crate) fn read(url: &str, scheme: &str, trust: &Trust) -> anyhow::Result<Self> {
        let (with_tls, rest) = match url.split_once("://") {
            Some((given, rest)) if given == scheme => (false, rest),
            Some((given, rest)) if given.strip_suffix('s') == Some(scheme) => (true, rest),
            Some((given, _)) => {
                bail!("{url}: {given}:// is not spoken here, only {scheme}:// and {scheme}s://")
            }
            None => (false, url),
        };
        let host = rest.split('/').next().unwrap_or_default().to_owned();
        let socket = host
            .to_socket_addrs()
            .with_context(|| format!("{url}: not an address with host and port"))?
            .next()
            .with_context(|| format!("{url}: the name has no address"))?;
        let tls = with_tls.then(|| trust.of(&host)).transpose()?;
        Ok(Self { host, socket, tls })
    }
}

/// Appends one keep-alive POST of `body`; `token` becomes the header of that name.
pub(crate) fn post(out: &mut Vec<u8>, host: &str, path: &str, token: Option<&str>, body: &[u8]) {
    out.extend_from_slice(b"POST ");
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(host.as_bytes());
    if let Some(token) = token {
        out.extend_from_slice(b"\r\ntoken: ");
        out.extend_from_slice(token.as_bytes());
    }
    let length = body.len();
    out.extend_from_slice(
        format!("\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n")
            .as_bytes(),
    );
    out.extend_from_slice(body);
}

/// An answer found at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    /// HTTP status.
    pub(crate) status: u16,
    /// Its body, without the framing of chunks.
    pub(crate) body: Cow<'a, [u8]>,
    /// Bytes it took from the buffer.
    pub(crate) taken: usize,
    /// Whether the connection can carry another call.
    pub(crate) keeps: bool,
}

/// Takes one answer from the start of `bytes`; `None` while it is incomplete.
pub(crate) fn take_answer(bytes: &[u8]) -> Result<Option<Answer<'_>>, &'static str> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > 64 << 10 { Err("endless header") } else { Ok(None) };
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "header is not text")?;
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or("no status")?;
    let mut keeps = first.starts_with("HTTP/1.1");
    let mut length = None;
    let mut chunked = false;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse::<usize>().map_err(|_| "bad Content-Length")?);
        } else if name.eq_ignore_ascii_case("connection") {
            keeps &= !value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
            if !chunked {
                return Err("a transfer encoding other than chunked");
            }
        }
    }
    if chunked {
        let joined = join_chunks(&bytes[end + 4..])?;
        return Ok(joined.map(|(body, taken)| {
            let (body, taken) = (Cow::Owned(body), end + 4 + taken);
            Answer { status, body, taken, keeps }
        }));
    }
    let length = length.ok_or("no Content-Length")?;
    if length > ANSWER_BYTES_MAX {
        return Err("answer longer than this tool accepts");
    }
    let taken = end + 4 + length;
    let body = bytes.get(end + 4..taken);
    Ok(body.map(|body| Answer { status, body: Cow::Borrowed(body), taken, keeps }))
}

/// The body of a chunked answer and the bytes it took; `None` while the last chunk is missing.
fn join_chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Some(line) = bytes[at..].windows(2).position(|two| two == b"\r\n") else {
            return if bytes.len() - at > 64 { Err("endless chunk head") } else { Ok(None) };
        };
        let head = std::str::from_utf8(&bytes[at..at + line]).map_err(|_| "bad chunk head")?;
        let length = usize::from_str_radix(head, 16).map_err(|_| "bad chunk length")?;
        if length > ANSWER_BYTES_MAX - body.len() {
            return Err("answer longer than this tool accepts");
        }
        let begin = at + line + 2;
        let Some(chunk) = bytes.get(begin..begin + length + 2) else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            return Err("a chunk longer than it says");
        }
        body.extend_from_slice(&chunk[..length]);
        at = begin + length + 2;
        if length == 0 {
            return Ok(Some((body, at)));
        }
    }
}

/// Answer of `user_register` and `user_token`.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenAnswer<'a> {
    /// 0, or why there is no token.
    #[serde(rename = "errCode")]
    pub(crate) code: i64,
    /// Text for people.
    #[serde(default, borrow, rename = "errMsg")]
    pub(crate) text: Cow<'a, str>,
    /// The token.
    #[serde(default)]
    pub(crate) data: Option<TokenBody>,
}

/// Body of a [`TokenAnswer`].
#[derive(Debug, Deserialize)]
pub(crate) struct TokenBody {
    /// To be shown on every link and call.
    #[serde(default)]
    pub(crate) token: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_scheme_and_path() {
        let read = |url| Address::read(url, "http", &Trust::default());
        for url in ["127.0.0.1:10000", "http://127.0.0.1:10000/"] {
            let read = read(url).unwrap();
            assert_eq!((read.host.as_str(), read.tls.is_some()), ("127.0.0.1:10000", false));
            assert_eq!(read.socket.port(), 10000);
        }
        assert!(read("ws://127.0.0.1:1").is_err());
        assert!(read("127.0.0.1").is_err());
        let untrusting = read("https://127.0.0.1:1").unwrap_err();
        assert!(untrusting.to_string().contains("--ca"), "{untrusting}");
    }

    #[test]
    fn a_post_carries_length_and_token() {
        let mut out = Vec::new();
        post(&mut out, "h:1", "/auth/user_token", Some("tok"), b"{}");
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("POST /auth/user_token HTTP/1.1\r\nHost: h:1\r\ntoken: tok\r\n"));
        assert!(text.ends_with("Content-Length: 2\r\n\r\n{}"));
    }

    #[test]
    fn answers_are_taken_one_at_a_time() {
        let two = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 500 X\r\n\
                    Content-Length: 0\r\nConnection: close\r\n\r\n";
        let first = take_answer(two).unwrap().unwrap();
        assert_eq!((first.status, &*first.body, first.keeps), (200, b"{}".as_slice(), true));
        let second = take_answer(&two[first.taken..]).unwrap().unwrap();
        assert_eq!((second.status, second.body.len(), second.keeps), (500, 0, false));
        for cut in 0..first.taken {
            assert_eq!(take_answer(&two[..cut]), Ok(None));
        }
        assert!(take_answer(b"nonsense\r\n\r\n").is_err());
    }

    #[test]
    fn chunks_are_joined() {
        let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                      3\r\n{\"a\r\nA\r\n\":1234567}\r\n0\r\n\r\nHTTP";
        let answer = take_answer(whole).unwrap().unwrap();
        assert_eq!(&*answer.body, b"{\"a\":1234567}");
        assert_eq!(&whole[answer.taken..], b"HTTP");
        for cut in 0..answer.taken {
            assert_eq!(take_answer(&whole[..cut]), Ok(None));
        }
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for wrong in ["x\r\n", "2\r\n{}}\r\n", "fffffff\r\n"] {
            assert!(take_answer(format!("{head}{wrong}").as_bytes()).is_err(), "{wrong}");
        }
    }
}
