//! The client's half of HTTP/1.1: JSON posts out, answers in.
//!
//! In: byte slices. Out: bytes appended to a caller's buffer, or an answer borrowed from it. No
//! sockets. Bodies need a `Content-Length`, which every server of these small answers sends.

use anyhow::{Context, bail};
use serde::Deserialize;
use std::borrow::Cow;
use std::net::{SocketAddr, ToSocketAddrs};

/// Longest answer accepted.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// Host and port of an address such as `http://127.0.0.1:10000` or `ws://host:7777/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// As the `Host` header wants it.
    pub(crate) host: String,
    /// Where to connect.
    pub(crate) socket: SocketAddr,
}

impl Address {
    /// Reads and resolves `url`, whose scheme must be `scheme`.
    pub(crate) fn read(url: &str, scheme: &str) -> anyhow::Result<Self> {
        let rest = match url.split_once("://") {
            Some((given, rest)) if given == scheme => rest,
            Some((given, _)) => bail!("{url}: {given}:// is not spoken here, only {scheme}://"),
            None => url,
        };
        let host = rest.split('/').next().unwrap_or_default().to_owned();
        let socket = host
            .to_socket_addrs()
            .with_context(|| format!("{url}: not an address with host and port"))?
            .next()
            .with_context(|| format!("{url}: the name has no address"))?;
        Ok(Self { host, socket })
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
    /// Its body.
    pub(crate) body: &'a [u8],
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
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse::<usize>().map_err(|_| "bad Content-Length")?);
        } else if name.eq_ignore_ascii_case("connection") {
            keeps &= !value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err("chunked answers are not read by this tool");
        }
    }
    let length = length.ok_or("no Content-Length")?;
    if length > ANSWER_BYTES_MAX {
        return Err("answer longer than this tool accepts");
    }
    let taken = end + 4 + length;
    Ok(bytes.get(end + 4..taken).map(|body| Answer { status, body, taken, keeps }))
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
        let plain = Address::read("127.0.0.1:10000", "http").unwrap();
        assert_eq!(Address::read("http://127.0.0.1:10000/", "http").unwrap(), plain);
        assert_eq!(plain.host, "127.0.0.1:10000");
        assert!(Address::read("https://127.0.0.1:1", "http").is_err());
        assert!(Address::read("127.0.0.1", "http").is_err());
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
        assert_eq!((first.status, first.body, first.keeps), (200, b"{}".as_slice(), true));
        let second = take_answer(&two[first.taken..]).unwrap().unwrap();
        assert_eq!((second.status, second.body.len(), second.keeps), (500, 0, false));
        for cut in 0..first.taken {
            assert_eq!(take_answer(&two[..cut]), Ok(None));
        }
        assert!(take_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(take_answer(b"nonsense\r\n\r\n").is_err());
    }
}
