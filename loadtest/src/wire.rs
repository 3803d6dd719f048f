//! The client's half of the websocket wire: upgrade request and answer, masked frames out, frames
//! in. Written apart from the server's codec, so that a mistake in one of them shows.
//!
//! In: byte slices. Out: bytes appended to a caller's buffer, or frames borrowed from it. No
//! sockets, no clock. Never trusts a length that the server sent beyond [`FRAME_BYTES_MAX`].

use std::fmt;

/// Longest frame accepted from the server; a pull of a few hundred messages stays far below.
pub(crate) const FRAME_BYTES_MAX: u64 = 64 << 20;

/// Longest answer to the upgrade request.
pub(crate) const HEAD_BYTES_MAX: usize = 8 << 10;

/// The sample key of RFC 6455: a nonce guards only against caching proxies, and a constant one
/// makes the expected answer a constant too.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    /// A further piece of a fragmented message.
    Continuation,
    /// JSON text.
    Text,
    /// Bytes; this server never sends them, other servers might.
    Binary,
    /// Farewell with code and reason.
    Close,
    /// To be answered with the same payload.
    Ping,
    /// Answer to our ping.
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }
}

/// Why bytes from the server are no websocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WireError {
    /// The upgrade was answered with this HTTP status.
    Refused(u16),
    /// The bytes break the protocol.
    Protocol(&'static str),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::Refused(status) => write!(f, "upgrade refused with HTTP {status}"),
            WireError::Protocol(what) => write!(f, "protocol error: {what}"),
        }
    }
}

impl std::error::Error for WireError {}

/// Appends the upgrade request of `uid` on `platform`.
pub(crate) fn upgrade_request(out: &mut Vec<u8>, host: &str, uid: &str, token: &str, platform: u8) {
    out.extend_from_slice(b"GET /?sendID=");
    percent_encode(out, uid);
    out.extend_from_slice(b"&token=");
    percent_encode(out, token);
    out.extend_from_slice(
        format!(
            "&platformID={platform} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        )
        .as_bytes(),
    );
}

/// Leaves the unreserved characters of RFC 3986 alone and escapes the rest.
fn percent_encode(out: &mut Vec<u8>, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.push(b'%');
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
        }
    }
}

/// Reads the answer to the upgrade request: `None` while it is incomplete, else its length.
pub(crate) fn upgrade_answer(bytes: &[u8]) -> Result<Option<usize>, WireError> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(WireError::Protocol("endless answer to the upgrade"));
        }
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end])
        .map_err(|_| WireError::Protocol("answer to the upgrade is not text"))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse::<u16>().ok());
    match status {
        Some(101) => {}
        Some(status) => return Err(WireError::Refused(status)),
        None => return Err(WireError::Protocol("no status in the answer to the upgrade")),
    }
    let accepted = lines.any(|line| {
        line.split_once(':').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT
        })
    });
    if !accepted {
        return Err(WireError::Protocol("wrong Sec-WebSocket-Accept"));
    }
    Ok(Some(end + 4))
}

/// A frame found at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// What it carries.
    pub(crate) opcode: Opcode,
    /// Whether it ends its message.
    pub(crate) last: bool,
    /// Its payload, which servers send unmasked.
    pub(crate) payload: &'a [u8],
    /// Bytes it took from the buffer.
    pub(crate) taken: usize,
}

/// Takes one frame from the start of `bytes`; `None` while it is incomplete.
pub(crate) fn take_frame(bytes: &[u8]) -> Result<Option<Frame<'_>>, WireError> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(WireError::Protocol("reserved bit set"));
    }
    let opcode = Opcode::from_bits(first & 0x0F).ok_or(WireError::Protocol("reserved opcode"))?;
    let last = first & 0x80 != 0;
    if second & 0x80 != 0 {
        return Err(WireError::Protocol("masked frame from a server"));
    }
    let (length, header) = match second & 0x7F {
        126 => match rest.first_chunk::<2>() {
            Some(two) => (u64::from(u16::from_be_bytes(*two)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(eight) => (u64::from_be_bytes(*eight), 10),
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    let control = matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong);
    if control && (!last || length > 125) {
        return Err(WireError::Protocol("fragmented or long control frame"));
    }
    if length > FRAME_BYTES_MAX {
        return Err(WireError::Protocol("frame longer than this tool accepts"));
    }
    let taken = header + length as usize;
    Ok(bytes.get(header..taken).map(|payload| Frame { opcode, last, payload, taken }))
}

/// Code and reason of a close frame's payload; 1005 when it has none.
pub(crate) fn close_code(payload: &[u8]) -> (u16, String) {
    match payload.split_first_chunk::<2>() {
        Some((code, reason)) => {
            (u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned())
        }
        None => (1005, String::new()),
    }
}

/// Gives each frame a mask of its own. Not secret: the mask protects caches between browsers and
/// servers, and there is neither here.
#[derive(Debug)]
pub(crate) struct Masks(u64);

impl Masks {
    /// A sequence of masks that begins at `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed >> 32) as u32
    }
}

/// Appends one whole masked frame.
pub(crate) fn put_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], masks: &mut Masks) {
    let length = payload.len();
    out.reserve(length + 14);
    out.push(0x80 | opcode.bits());
    if length < 126 {
        out.push(0x80 | length as u8);
    } else if let Ok(short) = u16::try_from(length) {
        out.push(0x80 | 126);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(0x80 | 127);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
    let mask = masks.next().to_ne_bytes();
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], mask);
}

/// Masks eight bytes at a time.
fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let half = u32::from_ne_bytes(mask);
    let wide = u64::from(half) << 32 | u64::from(half);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let word: [u8; 8] = (&*chunk).try_into().expect("chunks of eight");
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match payload.len() {
            short @ 0..126 => out.push(short as u8),
            medium @ 126..65536 => {
                out.push(126);
                out.extend_from_slice(&(medium as u16).to_be_bytes());
            }
            long => {
                out.push(127);
                out.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(payload);
        out
    }

    #[test]
    fn the_example_of_the_rfc_is_read() {
        let frame = take_frame(&[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]).unwrap().unwrap();
        assert_eq!((frame.opcode, frame.last, frame.taken), (Opcode::Text, true, 7));
        assert_eq!(frame.payload, b"Hello");
    }

    #[test]
    fn a_masked_frame_unmasks_to_its_payload_at_every_length_class() {
        let mut masks = Masks::new(7);
        for length in [0usize, 1, 3, 4, 7, 8, 9, 125, 126, 127, 65_535, 65_536, 70_001] {
            let payload: Vec<u8> = (0..length).map(|i| (i * 31 % 251) as u8).collect();
            let mut out = Vec::new();
            put_frame(&mut out, Opcode::Text, &payload, &mut masks);
            assert_eq!(out[0], 0x81);
            assert_eq!(out[1] & 0x80, 0x80, "client frames are masked");
            let header = match out[1] & 0x7F {
                126 => 4,
                127 => 10,
                _ => 2,
            };
            let mask = [out[header], out[header + 1], out[header + 2], out[header + 3]];
            let plain: Vec<u8> =
                out[header + 4..].iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]).collect();
            assert_eq!(plain, payload, "length {length}");
        }
    }

    #[test]
    fn masks_differ_from_frame_to_frame() {
        let mut masks = Masks::new(1);
        let drawn: std::collections::HashSet<u32> = (0..1000).map(|_| masks.next()).collect();
        assert!(drawn.len() > 990);
    }

    #[test]
    fn every_cut_of_a_frame_is_incomplete_and_the_whole_is_not() {
        for length in [0usize, 5, 126, 300, 66_000] {
            let bytes = server_frame(0x81, &vec![b'a'; length]);
            for cut in [0, 1, 2, 3, 5, 9, bytes.len() - 1] {
                if cut < bytes.len() {
                    assert_eq!(take_frame(&bytes[..cut]).unwrap(), None);
                }
            }
            assert_eq!(take_frame(&bytes).unwrap().unwrap().taken, bytes.len());
        }
    }

    #[test]
    fn what_a_server_may_not_send_is_refused() {
        let wrong: [&[u8]; 5] = [
            &[0xC1, 0x00],
            &[0x83, 0x00],
            &[0x81, 0x80, 1, 2, 3, 4],
            &[0x09, 0x00],
            &[0x81, 127, 0xFF, 0, 0, 0, 0, 0, 0, 0],
        ];
        for bytes in wrong {
            assert!(matches!(take_frame(bytes), Err(WireError::Protocol(_))), "{bytes:?}");
        }
    }

    #[test]
    fn the_upgrade_answer_is_checked() {
        let good = format!("HTTP/1.1 101 X\r\nsec-websocket-ACCEPT: {ACCEPT}\r\n\r\nrest");
        assert_eq!(upgrade_answer(good.as_bytes()), Ok(Some(good.len() - 4)));
        assert_eq!(upgrade_answer(&good.as_bytes()[..20]), Ok(None));
        assert_eq!(
            upgrade_answer(b"HTTP/1.1 401 Unauthorized\r\n\r\n"),
            Err(WireError::Refused(401))
        );
        let wrong = "HTTP/1.1 101 X\r\nSec-WebSocket-Accept: nope\r\n\r\n";
        assert!(matches!(upgrade_answer(wrong.as_bytes()), Err(WireError::Protocol(_))));
        assert!(upgrade_answer(&vec![b'x'; HEAD_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn the_upgrade_request_escapes_what_a_query_cannot_carry() {
        let mut out = Vec::new();
        upgrade_request(&mut out, "h:1", "a b&c", "t.o-k_n", 3);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(
            "GET /?sendID=a%20b%26c&token=t.o-k_n&platformID=3 HTTP/1.1\r\nHost: h:1\r\n"
        ));
        assert!(text.ends_with("\r\n\r\n"));
    }

    #[test]
    fn close_payloads_give_code_and_reason() {
        assert_eq!(close_code(&[0x03, 0xE9, b'b', b'y', b'e']), (1001, "bye".to_owned()));
        assert_eq!(close_code(&[]), (1005, String::new()));
    }
}
