//! Answers to requests, as JSON text.
//!
//! In: what happened. Out: one JSON object appended to the caller's buffer, without a frame header;
//! the same bytes serve the websocket and REST. Keys come in the original's byte order. Every key of a
//! reply is present whatever the outcome, because clients read ids and lists without checking.

use crate::errcode::ErrCode;
use crate::json;

/// The unit of `sendTime` on the wire. Times are stored in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Clients of June 2021 and before.
    Seconds,
    /// Clients from August 2021 on.
    Nanoseconds,
}

impl TimeUnit {
    /// A stored time in this unit.
    #[must_use]
    pub const fn from_nanos(self, nanos: i64) -> i64 {
        match self {
            Self::Seconds => nanos.div_euclid(1_000_000_000),
            Self::Nanoseconds => nanos,
        }
    }
}

/// The ends of an inbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewestSeq {
    /// The highest seq ever assigned, 0 if none was.
    pub newest: i64,
    /// The oldest seq that is still kept.
    pub min: i64,
}

/// Appends the short answer to a frame that did not become a request (200, 201, 202).
pub fn error_short(
    out: &mut Vec<u8>,
    code: ErrCode,
    text: &str,
    req_identifier: Option<i32>,
    msg_incr: Option<i32>,
) {
    out.extend_from_slice(b"{\"errCode\":");
    json::integer(out, code.number().into());
    out.extend_from_slice(b",\"errMsg\":");
    json::string(out, text);
    echo(out, b",\"msgIncr\":", msg_incr.map(i64::from));
    echo(out, b",\"reqIdentifier\":", req_identifier.map(i64::from));
    out.push(b'}');
}

/// Appends the reply to a newest-seq request. On an error the numbers are 0 and say nothing.
pub fn newest_seq(
    out: &mut Vec<u8>,
    req_identifier: i64,
    msg_incr: Option<i64>,
    result: Result<NewestSeq, (ErrCode, &str)>,
) {
    let (seq, (code, text)) = match result {
        Ok(seq) => (seq, (ErrCode::Ok, "")),
        Err(error) => (NewestSeq::default(), error),
    };
    out.extend_from_slice(b"{\"data\":{\"maxSeq\":");
    json::integer(out, seq.newest);
    out.extend_from_slice(b",\"minSeq\":");
    json::integer(out, seq.min);
    out.extend_from_slice(b",\"seq\":");
    json::integer(out, seq.newest);
    out.push(b'}');
    close(out, code, text, req_identifier, msg_incr);
}

/// Appends the reply to an accepted send. `send_time` is in the unit of the wire.
pub fn receipt(
    out: &mut Vec<u8>,
    req_identifier: i64,
    msg_incr: Option<i64>,
    client_msg_id: &str,
    server_msg_id: &str,
    send_time: i64,
) {
    ids(out, client_msg_id, server_msg_id, send_time);
    close(out, ErrCode::Ok, "", req_identifier, msg_incr);
}

/// Appends the reply to a refused send: both ids empty, time 0.
pub fn receipt_error(
    out: &mut Vec<u8>,
    req_identifier: i64,
    msg_incr: Option<i64>,
    code: ErrCode,
    text: &str,
) {
    receipt_refused(out, req_identifier, msg_incr, code.number(), text);
}

/// The same with a number that is not in the table.
pub fn receipt_refused(
    out: &mut Vec<u8>,
    req_identifier: i64,
    msg_incr: Option<i64>,
    number: i32,
    text: &str,
) {
    ids(out, "", "", 0);
    close_with(out, number, text, req_identifier, msg_incr);
}

fn ids(out: &mut Vec<u8>, client_msg_id: &str, server_msg_id: &str, send_time: i64) {
    out.reserve(160 + client_msg_id.len() + server_msg_id.len());
    out.extend_from_slice(b"{\"data\":{\"clientMsgID\":");
    json::string(out, client_msg_id);
    out.extend_from_slice(b",\"sendTime\":");
    json::integer(out, send_time);
    out.extend_from_slice(b",\"serverMsgID\":");
    json::string(out, server_msg_id);
    out.push(b'}');
}

/// Appends everything after `data`, and the closing brace.
pub(crate) fn close(
    out: &mut Vec<u8>,
    code: ErrCode,
    text: &str,
    req_identifier: i64,
    msg_incr: Option<i64>,
) {
    close_with(out, code.number(), text, req_identifier, msg_incr);
}

fn close_with(
    out: &mut Vec<u8>,
    number: i32,
    text: &str,
    req_identifier: i64,
    msg_incr: Option<i64>,
) {
    out.extend_from_slice(b",\"errCode\":");
    json::integer(out, number.into());
    out.extend_from_slice(b",\"errMsg\":");
    json::string(out, text);
    echo(out, b",\"msgIncr\":", msg_incr);
    echo(out, b",\"reqIdentifier\":", Some(req_identifier));
    out.push(b'}');
}

fn echo(out: &mut Vec<u8>, key: &[u8], number: Option<i64>) {
    if let Some(number) = number {
        out.extend_from_slice(key);
        json::integer(out, number);
    }
}
