//! The upgrade request: read as its bytes arrive, refused as soon as it cannot become valid.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::answer::{Accept, Refusal};
use super::head::{self, HeadError};
use super::query::Login;

/// Reads the key of an upgrade. Clients that make the last of its 22 digits by chance leave bits behind
/// the 16 bytes; they are taken, as by the original's library.
const KEY: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Characters of a key: base64 of 16 bytes.
const KEY_CHARACTERS: usize = 24;

/// Reads the request head of one new link. Remembers only how far it looked, so that a head arriving
/// byte by byte costs no more than one arriving whole.
#[derive(Clone, Copy, Debug)]
pub struct HeadReader {
    head_bytes_max: u32,
    searched: usize,
}

/// What the bytes so far amount to.
#[derive(Debug)]
pub enum Head<'a> {
    /// The head goes on; call again with more bytes behind these.
    Partial,
    /// The head is whole.
    Complete {
        /// What it asks for.
        request: UpgradeRequest<'a>,
        /// Bytes of the head; what follows are frames.
        consumed: usize,
    },
}

/// A request head, as far as this server cares.
#[derive(Debug)]
pub struct UpgradeRequest<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// The path, not decoded; every path behaves the same.
    pub path: &'a [u8],
    /// The query's `token`; the first, decoded. Presence is what check 1 tests, not emptiness.
    pub token: Option<Cow<'a, str>>,
    /// The query's `sendID`, likewise.
    pub send_id: Option<Cow<'a, str>>,
    /// The query's `platformID`, likewise.
    pub platform_id: Option<Cow<'a, str>>,
    /// The `X-Forwarded-For` lines in their order; the nearest proxy wrote the last item of the last one.
    /// Believe it only when the peer is a trusted proxy.
    pub forwarded_for: Vec<&'a str>,
    fields: Fields<'a>,
}

/// What the header fields said about the upgrade.
#[derive(Debug, Default)]
struct Fields<'a> {
    hosts: u8,
    connection_upgrade: bool,
    /// Whether the one `Upgrade` lists `websocket`.
    upgrade: Once<bool>,
    /// Whether the one `Sec-WebSocket-Version` is 13.
    version: Once<bool>,
    key: Once<&'a [u8]>,
    has_body: bool,
}

/// The value of a field that a request has once.
#[derive(Clone, Copy, Debug, Default)]
enum Once<T> {
    #[default]
    Never,
    Given(T),
    /// Which one counts would be a guess.
    Again,
}

impl<T: Copy> Once<T> {
    fn take(&mut self, value: T) {
        *self = if matches!(self, Self::Never) { Self::Given(value) } else { Self::Again };
    }

    fn value(self) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Never | Self::Again => None,
        }
    }
}

impl HeadReader {
    /// The state of a fresh link, which may send at most `head_bytes_max` bytes of head.
    pub const fn new(head_bytes_max: u32) -> Self {
        Self { head_bytes_max, searched: 0 }
    }

    /// Reads the head at the start of `buf`, which holds all bytes of the link so far.
    ///
    /// # Errors
    /// When the head is too large or malformed. Answer [`HeadError::refusal`], then close.
    pub fn next<'a>(&mut self, buf: &'a [u8]) -> Result<Head<'a>, HeadError> {
        // A peer that speaks something else (TLS, a binary protocol) should not wait for the time-out.
        if buf.first().is_some_and(|&byte| !head::is_token_byte(byte)) {
            return Err(HeadError::Malformed("method"));
        }
        let head_bytes_max = usize::try_from(self.head_bytes_max).unwrap_or(usize::MAX);
        let within = buf.get(..head_bytes_max).unwrap_or(buf);
        let Some(consumed) = head::end(within, self.searched)? else {
            if buf.len() >= head_bytes_max {
                return Err(HeadError::TooLarge { limit_bytes: self.head_bytes_max });
            }
            self.searched = within.len();
            return Ok(Head::Partial);
        };
        let request = UpgradeRequest::parse(within.get(..consumed).unwrap_or_default())?;
        Ok(Head::Complete { request, consumed })
    }
}

impl<'a> UpgradeRequest<'a> {
    /// The checks that follow authentication, in the order clients observe: the upgrade headers,
    /// the method, the version and the key.
    ///
    /// # Errors
    /// The status to refuse with.
    pub fn upgrade(&self) -> Result<Accept, Refusal> {
        let fields = &self.fields;
        if !fields.connection_upgrade || fields.upgrade.value() != Some(true) {
            return Err(Refusal::BadRequest);
        }
        if self.method != "GET" {
            return Err(Refusal::MethodNotAllowed);
        }
        if fields.version.value() != Some(true) {
            return Err(Refusal::BadRequest);
        }
        // The bytes of a body would be read as frames.
        if fields.has_body {
            return Err(Refusal::BadRequest);
        }
        match fields.key.value() {
            Some(key) if is_key(key) => Ok(Accept::of_key(key)),
            _ => Err(Refusal::BadRequest),
        }
    }

    fn parse(mut head: &'a [u8]) -> Result<Self, HeadError> {
        let line = head::take_line(&mut head).unwrap_or_default();
        let (method, target) = request_line(line)?;
        let (path, query) = match memchr::memchr(b'?', target) {
            Some(at) => {
                (target.get(..at).unwrap_or_default(), target.get(at + 1..).unwrap_or_default())
            }
            None => (target, &[][..]),
        };
        let login = Login::parse(query);
        let mut request = UpgradeRequest {
            method,
            path,
            token: login.token,
            send_id: login.send_id,
            platform_id: login.platform_id,
            forwarded_for: Vec::new(),
            fields: Fields::default(),
        };
        while let Some(line) = head::take_line(&mut head)
            && !line.is_empty()
        {
            let (name, value) = head::field(line)?;
            request.take_field(name, value)?;
        }
        if request.fields.hosts != 1 {
            return Err(HeadError::Malformed("exactly one Host is needed"));
        }
        Ok(request)
    }

    fn take_field(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), HeadError> {
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        let fields = &mut self.fields;
        // By length first: most headers of a browser are none of these.
        match name.len() {
            4 if is(b"host") => {
                if !head::is_host(value) {
                    return Err(HeadError::Malformed("host"));
                }
                fields.hosts = fields.hosts.saturating_add(1);
            }
            7 if is(b"upgrade") => fields.upgrade.take(head::lists(value, b"websocket")),
            10 if is(b"connection") => fields.connection_upgrade |= head::lists(value, b"upgrade"),
            14 if is(b"content-length") => fields.has_body |= value != b"0",
            15 if is(b"x-forwarded-for") => self.forwarded_for.extend(std::str::from_utf8(value)),
            17 if is(b"sec-websocket-key") => fields.key.take(value),
            17 if is(b"transfer-encoding") => fields.has_body = true,
            21 if is(b"sec-websocket-version") => fields.version.take(value == b"13"),
            _ => {}
        }
        Ok(())
    }
}

/// Whether `key` is base64 of 16 bytes.
fn is_key(key: &[u8]) -> bool {
    let mut bytes = [0; 18];
    key.len() == KEY_CHARACTERS && KEY.decode_slice(key, &mut bytes) == Ok(16)
}

/// Method and target of a request line of HTTP/1.1: 1.0 knows no upgrade.
fn request_line(line: &[u8]) -> Result<(&str, &[u8]), HeadError> {
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(HeadError::Malformed("request line"));
    };
    let method = match std::str::from_utf8(method) {
        Ok(text) if head::is_token(method) => text,
        _ => return Err(HeadError::Malformed("method")),
    };
    let of_a_host = target.strip_prefix(b"http://").is_some_and(|rest| {
        let authority = rest.split(|&byte| matches!(byte, b'/' | b'?')).next().unwrap_or_default();
        !authority.is_empty() && head::is_host(authority)
    });
    let is_target = target.starts_with(b"/") || of_a_host;
    if !is_target || target.iter().any(u8::is_ascii_control) {
        return Err(HeadError::Malformed("request target"));
    }
    if version != b"HTTP/1.1" {
        return Err(HeadError::Malformed("HTTP version"));
    }
    Ok((method, target))
}
