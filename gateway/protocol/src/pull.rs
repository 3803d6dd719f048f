//! The reply to a pull, written message by message.
//!
//! In: messages in any order of peers. Out: JSON text appended to the caller's buffer, which may be
//! sent and emptied between any two calls: a pull of a whole inbox never stands in memory. The outcome
//! is written last, so a store that fails halfway still ends in a reply that the client will drop.
//!
//! # Invariants
//! - Whatever the order of calls, the bytes are one JSON object (`any_order_of_calls_is_one_object`).
//! - `single` and `group` are lists, never null.

use crate::errcode::ErrCode;
use crate::json;
use crate::reply;

/// A message as an inbox holds it. Texts are unescaped; `send_time` is in the unit of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PulledMessage<'a> {
    /// Author.
    pub send_id: &'a str,
    /// The addressee; in a group `"<inbox owner> <groupID>"`.
    pub recv_id: &'a str,
    /// 100 user, 200 system.
    pub msg_from: i32,
    /// As sent.
    pub content_type: i32,
    /// The same in receipt, push and pull.
    pub server_msg_id: &'a str,
    /// Opaque text.
    pub content: &'a str,
    /// The seq in the inbox pulled from.
    pub seq: i64,
    /// When the server took it.
    pub send_time: i64,
    /// The sending device's platform; 0 for the system's own.
    pub sender_platform_id: i32,
    /// Empty if unknown.
    pub sender_nick_name: &'a str,
    /// Empty if unknown.
    pub sender_face_url: &'a str,
    /// The sender's own id of it.
    pub client_msg_id: &'a str,
}

/// A pull reply being written. [`PullWriter::end`] must be called, or the text stays open.
#[must_use = "a pull reply that is not ended is no JSON"]
#[derive(Clone, Debug)]
pub struct PullWriter {
    /// The peer or group whose list is open.
    open: Option<String>,
    /// Whether this list has a list before it.
    first_list: bool,
    in_groups: bool,
    /// Lowest and highest seq written.
    range: Option<(i64, i64)>,
}

impl PullWriter {
    /// Starts the reply, in the section of single chats.
    pub fn begin(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(b"{\"data\":{\"single\":[");
        Self { open: None, first_list: true, in_groups: false, range: None }
    }

    /// Moves on to the section of groups, for good.
    pub fn groups(&mut self, out: &mut Vec<u8>) {
        if self.in_groups {
            return;
        }
        self.close_list(out);
        out.extend_from_slice(b"],\"group\":[");
        self.first_list = true;
        self.in_groups = true;
    }

    /// Appends a message under `id`, its peer or its group. Consecutive messages with the same id share
    /// a list; an id that comes back opens another one, which clients read alike.
    pub fn message(&mut self, out: &mut Vec<u8>, id: &str, message: &PulledMessage<'_>) {
        self.message_to(out, id, message, None);
    }

    /// Appends a group message whose `recv_id` is the group's id alone, as it is stored, in the reply to
    /// `owner`, the owner of the inbox. Moves on to the section of groups.
    pub fn group_message(&mut self, out: &mut Vec<u8>, owner: &str, message: &PulledMessage<'_>) {
        self.groups(out);
        self.message_to(out, message.recv_id, message, Some(owner));
    }

    fn message_to(
        &mut self,
        out: &mut Vec<u8>,
        id: &str,
        message: &PulledMessage<'_>,
        owner: Option<&str>,
    ) {
        if self.open.as_deref() == Some(id) {
            out.push(b',');
        } else {
            self.open_list(out, id);
        }
        let (lowest, highest) = self.range.unwrap_or((message.seq, message.seq));
        self.range = Some((lowest.min(message.seq), highest.max(message.seq)));
        append(out, message, owner);
    }

    /// Ends the reply. `maxSeq` and `minSeq` are those of the messages written, 0 if there were none.
    pub fn end(
        mut self,
        out: &mut Vec<u8>,
        req_identifier: i64,
        msg_incr: Option<i64>,
        code: ErrCode,
        text: &str,
    ) {
        self.groups(out);
        self.close_list(out);
        let (min_seq, max_seq) = self.range.unwrap_or_default();
        out.extend_from_slice(b"],\"maxSeq\":");
        json::integer(out, max_seq);
        out.extend_from_slice(b",\"minSeq\":");
        json::integer(out, min_seq);
        out.push(b'}');
        reply::close(out, code, text, req_identifier, msg_incr);
    }

    fn open_list(&mut self, out: &mut Vec<u8>, id: &str) {
        self.close_list(out);
        if !self.first_list {
            out.push(b',');
        }
        self.first_list = false;
        out.extend_from_slice(b"{\"id\":");
        json::string(out, id);
        out.extend_from_slice(b",\"list\":[");
        self.open = Some(id.to_owned());
    }

    fn close_list(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            out.extend_from_slice(b"]}");
        }
    }
}

/// Appends the reply to a pull that brought nothing: empty lists and zeros.
pub fn pull_error(
    out: &mut Vec<u8>,
    req_identifier: i64,
    msg_incr: Option<i64>,
    code: ErrCode,
    text: &str,
) {
    PullWriter::begin(out).end(out, req_identifier, msg_incr, code, text);
}

fn append(out: &mut Vec<u8>, message: &PulledMessage<'_>, owner: Option<&str>) {
    out.reserve(320 + message.content.len());
    out.extend_from_slice(b"{\"sendID\":");
    json::string(out, message.send_id);
    out.extend_from_slice(b",\"recvID\":\"");
    if let Some(owner) = owner {
        json::escaped(out, owner);
        out.push(b' ');
    }
    json::escaped(out, message.recv_id);
    out.push(b'"');
    out.extend_from_slice(b",\"msgFrom\":");
    json::integer(out, message.msg_from.into());
    out.extend_from_slice(b",\"contentType\":");
    json::integer(out, message.content_type.into());
    out.extend_from_slice(b",\"serverMsgID\":");
    json::string(out, message.server_msg_id);
    out.extend_from_slice(b",\"content\":");
    json::string(out, message.content);
    out.extend_from_slice(b",\"seq\":");
    json::integer(out, message.seq);
    out.extend_from_slice(b",\"sendTime\":");
    json::integer(out, message.send_time);
    out.extend_from_slice(b",\"senderPlatformID\":");
    json::integer(out, message.sender_platform_id.into());
    out.extend_from_slice(b",\"senderNickName\":");
    json::string(out, message.sender_nick_name);
    out.extend_from_slice(b",\"senderFaceUrl\":");
    json::string(out, message.sender_face_url);
    out.extend_from_slice(b",\"clientMsgID\":");
    json::string(out, message.client_msg_id);
    out.push(b'}');
}
