//! Frames out: appended to a buffer that the caller owns and flushes.
//!
//! Two ways. A payload that exists already is written with its exact header (`write_*`). A payload
//! that is still to be encoded goes between `begin_*` and [`finish`], straight into the outgoing
//! buffer: four header bytes are reserved, right for 126 to 65,535 bytes, so that a typical push is
//! never moved.
//!
//! One message may be streamed as several frames, when building it whole would need too much memory:
//!
//! ```
//! use openim_protocol::frame::{begin_continuation, begin_text, finish, finish_partial};
//! let mut out = Vec::new();
//! let part = begin_text(&mut out);
//! out.extend_from_slice(b"[1,");
//! finish_partial(&mut out, part);
//! let part = begin_continuation(&mut out);
//! out.extend_from_slice(b"2]");
//! finish(&mut out, part);
//! assert_eq!(out, b"\x01\x03[1,\x80\x022]");
//! ```

use super::header::{FIN, LENGTH_16, LENGTH_64, MASKED, Opcode};
use super::{CONTROL_BYTES_MAX, mask};

/// Header bytes that `begin_*` reserves: those of a 16-bit length.
const RESERVED_BYTES: usize = 4;

/// Header bytes of a frame with a 64-bit length.
const LONG_BYTES: usize = 10;

/// The place of an unfinished frame in the buffer it was begun in.
#[derive(Debug)]
#[must_use = "the frame has no valid header before it is finished"]
pub struct Mark {
    at: usize,
}

/// Begins an unmasked text frame; append its payload to `out`, then [`finish`] it.
pub fn begin_text(out: &mut Vec<u8>) -> Mark {
    begin(out, Opcode::Text)
}

/// Begins an unmasked binary frame; append its payload to `out`, then [`finish`] it.
pub fn begin_binary(out: &mut Vec<u8>) -> Mark {
    begin(out, Opcode::Binary)
}

/// Begins the next frame of a message whose earlier frames were ended by [`finish_partial`].
pub fn begin_continuation(out: &mut Vec<u8>) -> Mark {
    begin(out, Opcode::Continuation)
}

fn begin(out: &mut Vec<u8>, opcode: Opcode) -> Mark {
    let at = out.len();
    out.extend_from_slice(&[opcode.bits(), LENGTH_16, 0, 0]);
    Mark { at }
}

/// Ends the frame and its message.
///
/// # Panics
/// If `out` was cut to before the mark since `begin_*`: a caller's mistake that no peer can cause.
pub fn finish(out: &mut Vec<u8>, mark: Mark) {
    seal(out, mark, FIN);
}

/// Ends the frame, not the message: frames begun with [`begin_continuation`] follow. Only control
/// frames may be written between them.
///
/// # Panics
/// As [`finish`].
pub fn finish_partial(out: &mut Vec<u8>, mark: Mark) {
    seal(out, mark, 0);
}

fn seal(out: &mut Vec<u8>, mark: Mark, fin: u8) {
    let Mark { at } = mark;
    let payload_at = at + RESERVED_BYTES;
    let payload_bytes =
        out.len().checked_sub(payload_at).expect("out was not cut to before the mark");
    let (header, header_bytes) =
        header(out.get(at).copied().unwrap_or_default() | fin, payload_bytes);
    if header_bytes > RESERVED_BYTES {
        let payload_end = out.len();
        out.resize(payload_end + (header_bytes - RESERVED_BYTES), 0);
        out.copy_within(payload_at..payload_end, at + header_bytes);
    } else if header_bytes < RESERVED_BYTES {
        out.copy_within(payload_at.., at + header_bytes);
        out.truncate(at + header_bytes + payload_bytes);
    }
    for (slot, byte) in out.iter_mut().skip(at).zip(header.iter().take(header_bytes)) {
        *slot = *byte;
    }
}

/// An unmasked header for `payload_bytes`, and how many of its bytes count.
fn header(first: u8, payload_bytes: usize) -> ([u8; LONG_BYTES], usize) {
    let mut header = [first, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    if let Ok(short) = u8::try_from(payload_bytes)
        && short < LENGTH_16
    {
        header[1] = short;
        return (header, 2);
    }
    if let Ok(medium) = u16::try_from(payload_bytes) {
        header[1] = LENGTH_16;
        [header[2], header[3]] = medium.to_be_bytes();
        return (header, 4);
    }
    header[1] = LENGTH_64;
    for (slot, byte) in header.iter_mut().skip(2).zip((payload_bytes as u64).to_be_bytes()) {
        *slot = byte;
    }
    (header, LONG_BYTES)
}

/// How long the unmasked frame at the front of `bytes` is, as its header says; what is cut short counts
/// as the end of a frame.
pub fn length(bytes: &[u8]) -> usize {
    let whole = match *bytes {
        [_, LENGTH_16, high, low, ..] => 4 + usize::from(u16::from_be_bytes([high, low])),
        [_, LENGTH_64, a, b, c, d, e, f, g, h, ..] => {
            usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
                .map_or(usize::MAX, |payload| payload.saturating_add(LONG_BYTES))
        }
        [_, short, ..] => 2 + usize::from(short),
        _ => 0,
    };
    whole.clamp(1, bytes.len().max(1))
}

/// How long the header of the unmasked frame at the front of `bytes` is.
pub fn header_bytes(bytes: &[u8]) -> usize {
    match bytes.get(1) {
        Some(&LENGTH_16) => 4,
        Some(&LENGTH_64) => LONG_BYTES,
        _ => 2,
    }
}

/// Writes one unmasked message whose payload exists already.
pub fn write_message(out: &mut Vec<u8>, text: bool, payload: &[u8]) {
    write(out, data_opcode(text), &[payload], None);
}

/// Writes one message as a client does.
pub fn write_message_masked(out: &mut Vec<u8>, text: bool, payload: &[u8], mask: [u8; 4]) {
    write(out, data_opcode(text), &[payload], Some(mask));
}

/// Writes a ping; a payload over 125 bytes is cut.
pub fn write_ping(out: &mut Vec<u8>, payload: &[u8]) {
    write(out, Opcode::Ping, &[control(payload)], None);
}

/// Writes a ping as a client does; a payload over 125 bytes is cut.
pub fn write_ping_masked(out: &mut Vec<u8>, payload: &[u8], mask: [u8; 4]) {
    write(out, Opcode::Ping, &[control(payload)], Some(mask));
}

/// Writes the answer to a ping; a payload over 125 bytes is cut.
pub fn write_pong(out: &mut Vec<u8>, payload: &[u8]) {
    write(out, Opcode::Pong, &[control(payload)], None);
}

/// Writes the answer to a ping as a client does; a payload over 125 bytes is cut.
pub fn write_pong_masked(out: &mut Vec<u8>, payload: &[u8], mask: [u8; 4]) {
    write(out, Opcode::Pong, &[control(payload)], Some(mask));
}

/// Writes a close frame; a reason over 123 bytes is cut at a character.
pub fn write_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    write(out, Opcode::Close, &[&code.to_be_bytes(), cut(reason)], None);
}

/// Writes a close frame as a client does; a reason over 123 bytes is cut at a character.
pub fn write_close_masked(out: &mut Vec<u8>, code: u16, reason: &str, mask: [u8; 4]) {
    write(out, Opcode::Close, &[&code.to_be_bytes(), cut(reason)], Some(mask));
}

/// Answers a peer's close frame: the same code, if there was one, without its reason.
pub fn write_close_echo(out: &mut Vec<u8>, code: Option<u16>) {
    let code = code.map(u16::to_be_bytes);
    write(out, Opcode::Close, &[code.as_ref().map_or(&[], |code| code)], None);
}

/// Answers a server's close frame as a client does: the same code, if there was one.
pub fn write_close_echo_masked(out: &mut Vec<u8>, code: Option<u16>, mask: [u8; 4]) {
    let code = code.map(u16::to_be_bytes);
    write(out, Opcode::Close, &[code.as_ref().map_or(&[], |code| code)], Some(mask));
}

const fn data_opcode(text: bool) -> Opcode {
    if text { Opcode::Text } else { Opcode::Binary }
}

fn control(payload: &[u8]) -> &[u8] {
    payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload)
}

fn cut(reason: &str) -> &[u8] {
    let end = reason.floor_char_boundary(CONTROL_BYTES_MAX - 2);
    reason.as_bytes().get(..end).unwrap_or_default()
}

fn write(out: &mut Vec<u8>, opcode: Opcode, parts: &[&[u8]], mask: Option<[u8; 4]>) {
    let payload_bytes = parts.iter().map(|part| part.len()).sum();
    let (mut header, header_bytes) = header(FIN | opcode.bits(), payload_bytes);
    if mask.is_some() {
        header[1] |= MASKED;
    }
    out.reserve(header_bytes + 4 + payload_bytes);
    out.extend(header.iter().take(header_bytes));
    out.extend(mask.iter().flatten());
    let payload_at = out.len();
    for part in parts {
        out.extend_from_slice(part);
    }
    if let Some(mask) = mask
        && let Some(payload) = out.get_mut(payload_at..)
    {
        mask::apply(mask, payload);
    }
}
