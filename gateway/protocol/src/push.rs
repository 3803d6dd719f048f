//! The push frame (2001) and the kick notice that travels in one.
//!
//! In: a message for one inbox, or for those of a group. Out: JSON text appended to the caller's buffer, without a frame header:
//! the union of the keys that clients of all generations read (spec 3.1). Never chooses connections.

use crate::json;

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

/// A message on its way to the devices of one user. `send_time` is in the unit of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Push<'a> {
    /// Author.
    pub send_id: &'a str,
    /// The addressee, also in the sender's copy; in a group `"<member> <groupID>"`.
    pub recv_id: &'a str,
    /// 1 single, 2 group.
    pub session_type: i32,
    /// 100 user, 200 system.
    pub msg_from: i32,
    /// As sent; another one in a synced copy, if the profile says so.
    pub content_type: i32,
    /// The same in receipt, push and pull.
    pub server_msg_id: &'a str,
    /// Opaque text.
    pub content: &'a str,
    /// The seq in the receiving user's inbox; 0 for a message that is not stored.
    pub seq: i64,
    /// When the server took it.
    pub send_time: i64,
    /// The sending device's platform; 0 for the system's own.
    pub sender_platform_id: i32,
    /// Whether a group member is named in the message's `forceList`.
    pub is_emphasize: bool,
    /// Empty if unknown.
    pub sender_nick_name: &'a str,
    /// Empty if unknown.
    pub sender_face_url: &'a str,
    /// The sender's own id of it.
    pub client_msg_id: &'a str,
}

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

/// Appends a push frame's text.
pub fn push(out: &mut Vec<u8>, push: &Push<'_>) {
    out.reserve(420 + push.content.len());
    until_emphasis(out, push);
    json::boolean(out, push.is_emphasize);
    until_receiver(out, push);
    json::string(out, push.recv_id);
    until_seq(out, push);
    json::integer(out, push.seq);
    to_the_end(out, push);
}

fn until_emphasis(out: &mut Vec<u8>, push: &Push<'_>) {
    out.extend_from_slice(b"{\"data\":{\"clientMsgID\":");
    json::string(out, push.client_msg_id);
    out.extend_from_slice(b",\"content\":");
    json::string(out, push.content);
    out.extend_from_slice(b",\"contentType\":");
    json::integer(out, push.content_type.into());
    out.extend_from_slice(b",\"isEmphasize\":");
}

fn until_receiver(out: &mut Vec<u8>, push: &Push<'_>) {
    out.extend_from_slice(b",\"msgFrom\":");
    json::integer(out, push.msg_from.into());
    out.extend_from_slice(b",\"recvID\":");
}

fn until_seq(out: &mut Vec<u8>, push: &Push<'_>) {
    out.extend_from_slice(b",\"sendID\":");
    json::string(out, push.send_id);
    out.extend_from_slice(b",\"sendTime\":");
    json::integer(out, push.send_time);
    out.extend_from_slice(b",\"senderFaceUrl\":");
    json::string(out, push.sender_face_url);
    out.extend_from_slice(b",\"senderNickName\":");
    json::string(out, push.sender_nick_name);
    out.extend_from_slice(b",\"senderPlatformID\":");
    json::integer(out, push.sender_platform_id.into());
    out.extend_from_slice(b",\"seq\":");
}

fn to_the_end(out: &mut Vec<u8>, push: &Push<'_>) {
    out.extend_from_slice(b",\"serverMsgID\":");
    json::string(out, push.server_msg_id);
    out.extend_from_slice(b",\"sessionType\":");
    json::integer(out, push.session_type.into());
    out.extend_from_slice(b"},\"errCode\":0,\"errMsg\":\"\",\"reqIdentifier\":2001}");
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
    /// Encodes `push` for the members of a group. Its `recv_id`, `seq` and `is_emphasize` are not looked at.
    #[must_use]
    pub fn new(push: &Push<'_>, group_id: &str) -> Self {
        let mut text = Vec::with_capacity(420 + push.content.len());
        until_emphasis(&mut text, push);
        let emphasis_at = text.len();
        until_receiver(&mut text, push);
        text.push(b'"');
        let member_at = text.len();
        text.push(b' ');
        json::escaped(&mut text, group_id);
        text.push(b'"');
        until_seq(&mut text, push);
        let seq_at = text.len();
        to_the_end(&mut text, push);
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
    push(
        out,
        &Push {
            send_id: kick.uid,
            recv_id: kick.uid,
            session_type: SESSION_SINGLE,
            msg_from: FROM_SYSTEM,
            content_type: kick.content_type,
            server_msg_id: kick.server_msg_id,
            content: kick.content,
            seq: 0,
            send_time: kick.send_time,
            sender_platform_id: kick.platform,
            is_emphasize: false,
            sender_nick_name: "",
            sender_face_url: "",
            client_msg_id: kick.server_msg_id,
        },
    );
}
