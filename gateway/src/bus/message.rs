//! What one shard says to another. Values are boxed, so that a ring slot stays small.

use openim_auth::{Class, Newest};
use openim_protocol::handshake::Accept;
use openim_record::{InboxBounds, MessageKey, Position, Seq, Switches, UserId};
use openim_shard::{Credentials, Draft};
use openim_storage::port::User;

use crate::ingress::Permit;

/// On the ring from the asking shard to the home shard.
pub(crate) enum Request {
    /// An authenticated socket on its way to the shard that owns its user.
    Socket(Box<Handoff>),
    /// A question whose answer has a place kept in the opposite reply ring.
    Call { ticket: u32, call: Box<Call> },
    /// An ephemeral message for a user at home there.
    Ephemeral(Box<[u8]>),
}

/// On the ring back.
pub(crate) struct Reply {
    pub(crate) ticket: u32,
    pub(crate) answer: Box<Answer>,
}

/// A socket whose HTTP head was read and whose token was verified on the accepting shard.
pub(crate) struct Handoff {
    pub(crate) stream: std::net::TcpStream,
    /// Bytes that followed the HTTP head.
    pub(crate) early: Vec<u8>,
    pub(crate) uid: UserId,
    pub(crate) platform: u8,
    pub(crate) credentials: Credentials,
    pub(crate) accept: Accept,
    pub(crate) permit: Permit,
}

/// Who asks: a verified token, still to be held against the newest ones at the user's home.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) uid: UserId,
    pub(crate) credentials: Credentials,
}

/// An operation that runs at the home of its user.
pub(crate) enum Call {
    /// Bounds of the caller's inbox.
    Newest(Caller),
    /// Bounds of the caller's inbox, and what of a range is not stored yet.
    Snapshot { caller: Caller, from: Seq, to: Seq },
    /// A send by the caller.
    Send { caller: Caller, draft: Box<OwnedDraft> },
    /// Register a user.
    Register(Box<User>),
    /// Record a new token of a registered user.
    Issue { uid: UserId, class: Class, newest: Newest },
}

/// What came of it.
pub(crate) enum Answer {
    Newest(InboxBounds),
    /// The range clipped to what there is, and its entries that the store may not have.
    Snapshot {
        from: Seq,
        to: Seq,
        recent: Vec<(Seq, Position)>,
    },
    Receipt {
        key: MessageKey,
        send_time_ns: i64,
    },
    Registered,
    Issued,
    Refused(Refused),
}

/// Why an operation was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The token was superseded or has expired.
    Token,
    /// A store or the log cannot do it now.
    Unavailable,
    /// The uid is taken.
    Exists,
    /// No such user.
    UnknownUser,
}

/// A [`Draft`] that owns its strings, to cross threads.
pub(crate) struct OwnedDraft {
    pub(crate) send_id: String,
    pub(crate) recv_id: String,
    pub(crate) client_msg_id: String,
    pub(crate) switches: Switches,
    pub(crate) origin_platform: u8,
    pub(crate) msg_from: i32,
    pub(crate) content_type: i32,
    pub(crate) session_type: i32,
    pub(crate) sender_platform_id: i32,
    pub(crate) sender_nick_name: String,
    pub(crate) sender_face_url: String,
    pub(crate) offline_info: String,
    pub(crate) content: String,
}

impl OwnedDraft {
    pub(crate) fn as_draft(&self) -> Draft<'_> {
        Draft {
            send_id: &self.send_id,
            recv_id: &self.recv_id,
            client_msg_id: &self.client_msg_id,
            switches: self.switches,
            origin_platform: self.origin_platform,
            msg_from: self.msg_from,
            content_type: self.content_type,
            session_type: self.session_type,
            sender_platform_id: self.sender_platform_id,
            sender_nick_name: &self.sender_nick_name,
            sender_face_url: &self.sender_face_url,
            offline_info: &self.offline_info,
            content: &self.content,
        }
    }
}
