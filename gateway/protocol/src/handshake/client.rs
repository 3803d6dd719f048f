//! The client's side of the upgrade, for the load tool and tests.

use super::answer::Accept;
use super::head::{self, HeadError};

/// Writes an upgrade request. `path_and_query` begins with `/`; `key` is base64 of 16 random bytes.
pub fn write_client_request(out: &mut Vec<u8>, host: &str, path_and_query: &str, key: &str) {
    for part in [
        "GET ",
        path_and_query,
        " HTTP/1.1\r\nHost: ",
        host,
        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: ",
        key,
        "\r\n\r\n",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// What a server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientResponse<'a> {
    /// The head goes on; call again with more bytes behind these.
    Partial,
    /// The head is whole.
    Complete {
        /// 101 when the link is a websocket now.
        status: u16,
        /// The `Sec-WebSocket-Accept` value.
        accept: Option<&'a [u8]>,
        /// Bytes of the head; frames, or the body of a refusal, follow.
        consumed: usize,
    },
}

impl ClientResponse<'_> {
    /// Whether the server switched to websocket and read the `key` of this request.
    pub fn is_switched(&self, key: &str) -> bool {
        matches!(self, Self::Complete { status: 101, accept: Some(accept), .. }
            if *accept == Accept::of_key(key.as_bytes()).as_bytes())
    }
}

/// Reads the response head at the start of `buf`, at most `head_bytes_max` of it.
///
/// # Errors
/// When the head is too large or not HTTP/1.x.
pub fn parse_client_response(
    buf: &[u8],
    head_bytes_max: u32,
) -> Result<ClientResponse<'_>, HeadError> {
    let limit = usize::try_from(head_bytes_max).unwrap_or(usize::MAX);
    let within = buf.get(..limit).unwrap_or(buf);
    let Some(consumed) = head::end(within, 0)? else {
        return if buf.len() >= limit {
            Err(HeadError::TooLarge { limit_bytes: head_bytes_max })
        } else {
            Ok(ClientResponse::Partial)
        };
    };
    let mut head = within.get(..consumed).unwrap_or_default();
    let line = head::take_line(&mut head).unwrap_or_default();
    let status = status(line).ok_or(HeadError::Malformed("status line"))?;
    let mut accept = None;
    while let Some(line) = head::take_line(&mut head)
        && !line.is_empty()
    {
        let (name, value) = head::field(line)?;
        if name.eq_ignore_ascii_case(b"sec-websocket-accept") {
            accept.get_or_insert(value);
        }
    }
    Ok(ClientResponse::Complete { status, accept, consumed })
}

fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "))?;
    let (digits, rest) = rest.split_first_chunk::<3>()?;
    if !matches!(rest, [] | [b' ', ..]) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
