//! The server's answer to an upgrade request: 101, or a refusal with the original's headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// RFC 6455, 1.3: what the key is hashed with.
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Base64 of the 20 bytes of a SHA-1.
const ACCEPT_BYTES: usize = 28;

/// The proof that the key was read: the value of `Sec-WebSocket-Accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept([u8; ACCEPT_BYTES]);

impl Accept {
    /// The accept value that belongs to a `Sec-WebSocket-Key`.
    pub fn of_key(key: &[u8]) -> Self {
        let hash = Sha1::new_with_prefix(key).chain_update(KEY_SUFFIX).finalize();
        let mut text = [0; ACCEPT_BYTES];
        STANDARD
            .encode_slice(hash.as_slice(), &mut text)
            .expect("20 bytes take exactly 28 in base64");
        Self(text)
    }

    /// The header value.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why a link is refused before it becomes a websocket; each is an HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400: not an upgrade, or not HTTP.
    BadRequest,
    /// 401: parameters missing, or the token does not admit this uid.
    Unauthorized,
    /// 405: an upgrade with another method than GET.
    MethodNotAllowed,
    /// 431: the head exceeds its limit.
    HeadTooLarge,
    /// 503: no room for another link, or draining.
    Unavailable,
}

impl Refusal {
    /// A whole answer 503, for when there is no time and room to write one.
    pub const UNAVAILABLE: &'static [u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
        Content-Type: text/plain; charset=utf-8\r\nSec-Websocket-Version: 13\r\n\
        X-Content-Type-Options: nosniff\r\nContent-Length: 20\r\nConnection: close\r\n\r\n\
        Service Unavailable\n";

    /// The status code.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::MethodNotAllowed => 405,
            Self::HeadTooLarge => 431,
            Self::Unavailable => 503,
        }
    }

    const fn phrase(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad Request",
            Self::Unauthorized => "Unauthorized",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::HeadTooLarge => "Request Header Fields Too Large",
            Self::Unavailable => "Service Unavailable",
        }
    }
}

/// Writes the 101 that turns the link into a websocket. No subprotocol or extension is ever agreed.
pub fn write_switching(out: &mut Vec<u8>, accept: &Accept) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: ",
    );
    out.extend_from_slice(accept.as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
}

/// Writes a refusal, after which the link is closed.
pub fn write_refusal(out: &mut Vec<u8>, refusal: Refusal) {
    let phrase = refusal.phrase().as_bytes();
    let mut number = itoa::Buffer::new();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(number.format(refusal.status()).as_bytes());
    out.push(b' ');
    out.extend_from_slice(phrase);
    out.extend_from_slice(
        b"\r\nContent-Type: text/plain; charset=utf-8\r\nSec-Websocket-Version: 13\r\n\
          X-Content-Type-Options: nosniff\r\n",
    );
    if refusal == Refusal::MethodNotAllowed {
        out.extend_from_slice(b"Allow: GET\r\n");
    }
    out.extend_from_slice(b"Content-Length: ");
    out.extend_from_slice(number.format(phrase.len() + 1).as_bytes());
    out.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
    out.extend_from_slice(phrase);
    out.push(b'\n');
}
