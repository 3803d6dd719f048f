//! The push frame (2001) and the kick notice that travels in one.
//!
//! In: a message for one inbox, or for those of a group. Out: JSON text appended to the caller's buffer, without a frame header:
//! the union of the keys that clients of all generations read (spec 3.1). Never chooses connections.

use openim_record::Message;

use crate::frame;
use crate::json;
use crate::shown::Shown;

/// What the June profile puts into the content of a kick.
pub const KICK_CONTENT_JUNE: &str = concat!(
    r#"{"isDisplay":1,"id":"","#,
    r#""text":"Your account is already logged on other terminal,please confirm"}"#
);
/// What the May profile puts into the content of a kick.
pub const KICK_CONTENT_MAY: &str =
    "Your account is already logged on other terminal,please confirm";
/// The content type of a kick in the June profile.
pub const KICK_TYPE_JUNE: i32 = 303;
/// The content type of a kick in the May profile.
pub const KICK_TYPE_MAY: i32 = 203;

/// `msgFrom` of what the server itself says.
const FROM_SYSTEM: i32 = 200;
const SESSION_SINGLE: i32 = 1;

/// The notice to a link that another one has replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kick<'a> {
    /// Whose link it is.
    pub uid: &'a str,
    /// An id of its own; clients key what they receive by it.
    pub server_msg_id: &'a str,
    /// [`KICK_TYPE_JUNE`] or [`KICK_TYPE_MAY`].
    pub content_type: i32,
    /// [`KICK_CONTENT_JUNE`] or [`KICK_CONTENT_MAY`].
    pub content: &'a str,
    /// In the unit of the wire.
    pub send_time: i64,
    /// The platform of the newer login. Clients of October 2021 take 0 for their own and stay silent.
    pub platform: i32,
}

/// Appends a push frame's text; `is_emphasize`: the receiver is a member of a group, named in the message's
/// `forceList`.
pub fn push(out: &mut Vec<u8>, shown: &Shown<'_>, is_emphasize: bool) {
    out.reserve(420 + shown.message.content.len());
    shown.until_emphasis(out);
    json::boolean(out, is_emphasize);
    shown.until_receiver(out);
    json::string(out, shown.message.recv_id);
    shown.until_seq(out);
    json::integer(out, shown.seq);
    shown.until_end(out);
}

/// The seq in a push frame, its header included; `None` for any other frame.
#[must_use]
pub fn seq_of(frame: &[u8]) -> Option<u64> {
    const BEGINS: &[u8] = b"{\"data\":{\"clientMsgID\":";
    // No text can hold this: a quote in one has a backslash before it.
    const SEQ: &[u8] = b",\"seq\":";
    let text = frame.get(frame::header_bytes(frame)..)?.strip_prefix(BEGINS)?;
    let at = memchr::memmem::find(text, SEQ)?;
    let mut digits = text.get(at + SEQ.len()..)?.iter().take_while(|byte| byte.is_ascii_digit());
    digits.try_fold(0_u64, |seq, digit| seq.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// A group message's push frame, encoded once: what differs between the members is put in by
/// [`PushTemplate::stamp`], at the price of a copy.
///
/// # Invariants
/// - The text is that of [`push`] with `recv_id` `"<member> <group>"` (`stamps_are_pushes`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushTemplate {
    text: Vec<u8>,
    /// Where the flag, the member and the seq go.
    emphasis_at: usize,
    member_at: usize,
    seq_at: usize,
}

/// The most bytes of a flag and of a seq.
const STAMP_BYTES: usize = 5 + 20;

impl PushTemplate {
    /// Encodes a message to a group for its members. The `seq` is not looked at.
    #[must_use]
    pub fn new(shown: &Shown<'_>) -> Self {
        let mut text = Vec::with_capacity(420 + shown.message.content.len());
        shown.until_emphasis(&mut text);
        let emphasis_at = text.len();
        shown.until_receiver(&mut text);
        text.push(b'"');
        let member_at = text.len();
        text.push(b' ');
        json::escaped(&mut text, shown.message.recv_id);
        text.push(b'"');
        shown.until_seq(&mut text);
        let seq_at = text.len();
        shown.until_end(&mut text);
        text.shrink_to_fit();
        Self { text, emphasis_at, member_at, seq_at }
    }

    /// Appends the push frame's text for one member.
    pub fn stamp(&self, out: &mut Vec<u8>, member: &str, seq: i64, is_emphasize: bool) {
        out.reserve(self.text.len() + member.len() + STAMP_BYTES);
        out.extend_from_slice(self.part(0, self.emphasis_at));
        json::boolean(out, is_emphasize);
        out.extend_from_slice(self.part(self.emphasis_at, self.member_at));
        json::escaped(out, member);
        out.extend_from_slice(self.part(self.member_at, self.seq_at));
        json::integer(out, seq);
        out.extend_from_slice(self.part(self.seq_at, self.text.len()));
    }

    /// How many bytes it holds; a stamped text is longer by the member's id, the flag and the seq.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.text.capacity()
    }

    fn part(&self, start: usize, end: usize) -> &[u8] {
        self.text.get(start..end).unwrap_or_default()
    }
}

/// Appends the text of a kick notice: a push from and to the user, not stored, with seq 0.
pub fn kick(out: &mut Vec<u8>, kick: &Kick<'_>) {
    let message = Message {
        send_id: kick.uid,
        recv_id: kick.uid,
        session_type: SESSION_SINGLE,
        msg_from: FROM_SYSTEM,
        content_type: kick.content_type,
        content: kick.content,
        sender_platform_id: kick.platform,
        client_msg_id: kick.server_msg_id,
        ..Message::BLANK
    };
    let server_msg_id = kick.server_msg_id;
    let shown = Shown { message, server_msg_id, seq: 0, send_time: kick.send_time };
    push(out, &shown, false);
}
