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
use crate::shown::Shown;

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
    pub fn message(&mut self, out: &mut Vec<u8>, id: &str, shown: &Shown<'_>) {
        self.message_to(out, id, shown, None);
    }

    /// Appends a group message whose `recv_id` is the group's id alone, as it is stored, in the reply to
    /// `owner`, the owner of the inbox. Moves on to the section of groups.
    pub fn group_message(&mut self, out: &mut Vec<u8>, owner: &str, shown: &Shown<'_>) {
        self.groups(out);
        self.message_to(out, shown.message.recv_id, shown, Some(owner));
    }

    fn message_to(&mut self, out: &mut Vec<u8>, id: &str, shown: &Shown<'_>, owner: Option<&str>) {
        if self.open.as_deref() == Some(id) {
            out.push(b',');
        } else {
            self.open_list(out, id);
        }
        let (lowest, highest) = self.range.unwrap_or((shown.seq, shown.seq));
        self.range = Some((lowest.min(shown.seq), highest.max(shown.seq)));
        shown.pulled(out, owner);
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
