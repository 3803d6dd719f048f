//! The shape every HTTP head shares: where it ends, its lines, its header fields.
//!
//! Lines end in CRLF and in nothing else: what two readers could take for different lines is refused.

/// Why a head cannot be served. Answer with [`HeadError::refusal`] and close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The head did not end within the limit.
    #[error("HTTP head over {limit_bytes} bytes")]
    TooLarge {
        /// The limit this reader was made with.
        limit_bytes: u32,
    },
    /// Not HTTP/1.x, or against its grammar.
    #[error("malformed HTTP head: {0}")]
    Malformed(&'static str),
}

impl HeadError {
    /// The status that answers this error.
    pub const fn refusal(&self) -> super::Refusal {
        match self {
            Self::TooLarge { .. } => super::Refusal::HeadTooLarge,
            Self::Malformed(_) => super::Refusal::BadRequest,
        }
    }
}

/// The length of the head in `buf`, its empty line included; `from` is where to start looking.
///
/// # Errors
/// When a line ends in a line feed alone.
pub(super) fn end(buf: &[u8], from: usize) -> Result<Option<usize>, HeadError> {
    let unseen = buf.get(from..).unwrap_or_default();
    for found in memchr::memchr_iter(b'\n', unseen) {
        let at = from + found;
        let before = buf.get(..at).unwrap_or_default();
        let line = before.strip_suffix(b"\r").ok_or(HeadError::Malformed("line feed alone"))?;
        if matches!(line, [.., b'\n']) {
            return Ok(Some(at + 1));
        }
    }
    Ok(None)
}

/// Cuts the first line off `head`, without its line end.
pub(super) fn take_line<'a>(head: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (line, rest) = head.split_at_checked(memchr::memchr(b'\n', head)?)?;
    *head = rest.get(1..).unwrap_or_default();
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Splits a header line into name and value, the value without surrounding blanks.
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), HeadError> {
    let colon = memchr::memchr(b':', line).ok_or(HeadError::Malformed("header without a colon"))?;
    let (name, value) = line.split_at(colon);
    if !is_token(name) {
        return Err(HeadError::Malformed("header name"));
    }
    let value = trim(value.get(1..).unwrap_or_default());
    if value.iter().any(|&byte| byte != b'\t' && byte.is_ascii_control()) {
        return Err(HeadError::Malformed("control character in a header"));
    }
    Ok((name, value))
}

/// Whether `list`, a comma-separated header value, has `wanted` among its items, in any case.
pub(super) fn lists(list: &[u8], wanted: &[u8]) -> bool {
    list.split(|&byte| byte == b',').any(|item| trim(item).eq_ignore_ascii_case(wanted))
}

/// Whether `bytes` is an HTTP token: a method, or a header name.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether `value` can be a `Host`: a name or an address, with a port or without; empty is none.
pub(super) fn is_host(value: &[u8]) -> bool {
    value.iter().all(|&byte| {
        byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:[]%".contains(&byte) || !byte.is_ascii()
    })
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
