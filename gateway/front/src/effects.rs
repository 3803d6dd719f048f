//! The values that come to the front and go from it.

use openim_record::{Message, MessageKey, Switches};

use crate::LinkId;

/// Who waits for the answer to a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A websocket link; `msg_incr` is echoed in the reply.
    Link {
        /// The link.
        id: LinkId,
        /// Correlation number of the request.
        msg_incr: i32,
    },
    /// A call that the driver numbered (REST, on this shard or another).
    Call(u64),
}

/// A send as the client formed it, before it has an identity and a time.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// Author: the token's uid, at home on this shard.
    pub send_id: &'a str,
    /// Addressee.
    pub recv_id: &'a str,
    /// The sender's own id of the message.
    pub client_msg_id: &'a str,
    /// Options.
    pub switches: Switches,
    /// Platform that gets no sync copy.
    pub origin_platform: u8,
    /// As given by the sender.
    pub msg_from: i32,
    /// As given by the sender.
    pub content_type: i32,
    /// 1 single.
    pub session_type: i32,
    /// As given by the sender.
    pub sender_platform_id: i32,
    /// As given by the sender, may be empty.
    pub sender_nick_name: &'a str,
    /// As given by the sender, may be empty.
    pub sender_face_url: &'a str,
    /// JSON text, may be empty.
    pub offline_info: &'a str,
    /// Opaque text.
    pub content: &'a str,
}

impl<'a> Draft<'a> {
    /// Bytes of the record that it becomes.
    #[must_use]
    pub fn record_len(&self) -> usize {
        self.message(MessageKey(0), 0).encoded_len()
    }

    /// What makes another send the same.
    #[must_use]
    pub fn key(&self) -> MessageKey {
        MessageKey::new(self.send_id, self.session_type, self.recv_id, self.client_msg_id)
    }

    /// The message that it becomes.
    #[must_use]
    pub fn message(&self, key: MessageKey, send_time_ns: i64) -> Message<'a> {
        Message {
            key,
            send_time_ns,
            switches: self.switches,
            origin_platform: self.origin_platform,
            msg_from: self.msg_from,
            content_type: self.content_type,
            session_type: self.session_type,
            sender_platform_id: self.sender_platform_id,
            send_id: self.send_id,
            recv_id: self.recv_id,
            client_msg_id: self.client_msg_id,
            sender_nick_name: self.sender_nick_name,
            sender_face_url: self.sender_face_url,
            offline_info: self.offline_info,
            content: self.content,
        }
    }
}

/// Why a send was not accepted. Nothing of it is kept, or (`Timeout`) a retry completes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendRefused {
    /// The log refused the batch.
    LogRefused,
    /// The log did not answer in time.
    Timeout,
}

/// Why a link is closed by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// A newer link of the same user and platform took over; it gets the kick notice first.
    Replaced,
    /// Its token was superseded by that of a login on platform `by`; it gets the kick notice first.
    Superseded {
        /// 1 to 7.
        by: u8,
    },
    /// Its token was ended by a manager, or its user deleted; it gets the kick notice first.
    LoggedOut,
    /// Its user was banned; it gets the kick notice first.
    Banned,
    /// Its token has expired.
    TokenExpired,
    /// More is waiting for it than `limits.outboxBytesMax`.
    OutboxFull,
    /// The socket took nothing for `limits.writeStallSeconds`.
    WriteStalled,
    /// It answered no ping.
    Dead,
}

/// The platform that is named where a manager ended a link: Web, and to links there Windows.
const MANAGERS_PLATFORMS: [u8; 2] = [5, 3];

impl CloseReason {
    /// For a link that gets the kick notice: on which platform is who ended it; `own` is the link's.
    #[must_use]
    pub const fn kicked_by(self, own: u8) -> Option<u8> {
        match self {
            Self::Replaced => Some(own),
            Self::Superseded { by } => Some(by),
            // Nobody logged in, but clients of October 2021 take a notice of their own platform, or of none,
            // for a copy of something that they sent themselves.
            Self::LoggedOut | Self::Banned => {
                let [usual, other] = MANAGERS_PLATFORMS;
                Some(if own == usual { other } else { usual })
            }
            Self::TokenExpired | Self::OutboxFull | Self::WriteStalled | Self::Dead => None,
        }
    }
}
