//! What a shard asks of the world around it, and the values that cross that border.

use openim_record::{Member, Members, Message, MessageKey, Position, Seq, Switches, broken};

use crate::{LinkId, Share};

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
    pub(crate) fn record_len(&self) -> usize {
        self.message(MessageKey(0), 0).encoded_len()
    }

    pub(crate) fn key(&self) -> MessageKey {
        MessageKey::new(self.send_id, self.session_type, self.recv_id, self.client_msg_id)
    }

    pub(crate) fn message(&self, key: MessageKey, send_time_ns: i64) -> Message<'a> {
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

/// A record on its way into the log.
#[derive(Debug)]
pub struct Append {
    /// Identity of the send, to find who waits for it.
    pub key: MessageKey,
    /// Shards to tell when it is durable: the receiver's home (a group's is its own), then the home
    /// that hands it in, which is the sender's or the group's.
    pub homes: [u16; 2],
    /// The encoded message.
    pub record: Box<[u8]>,
    /// Of a message to a group: its members, by home. They lie behind the message in the log, in the
    /// same batch, and their homes are told too. Empty for any other.
    pub shares: Box<[Share]>,
}

/// A record that the log holds durably.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Where it lies.
    pub position: Position,
    /// When the log took it, unix milliseconds.
    pub append_ms: i64,
    /// The encoded message.
    pub record: Box<[u8]>,
    /// Of a message to a group: the lists of the members at home here. Empty for any other.
    pub members: Box<[Box<[u8]>]>,
}

impl Committed {
    /// The message, which this process encoded itself, or found whole in the log.
    pub(crate) fn message(&self) -> Message<'_> {
        own_message(&self.record)
    }

    /// Nothing, to stand in for a record that is in use.
    pub(crate) fn none() -> Self {
        Self {
            position: Position(0),
            append_ms: 0,
            record: Box::default(),
            members: Box::default(),
        }
    }

    /// What it holds of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.record.len() + self.members.iter().map(|list| list.len()).sum::<usize>()
    }

    /// The record alone.
    pub(crate) fn without_members(&self) -> Self {
        Self { record: self.record.clone(), members: Box::default(), ..*self }
    }
}

/// A message that this process encoded itself.
pub(crate) fn own_message(record: &[u8]) -> Message<'_> {
    Message::decode(record).unwrap_or_else(|_| broken("a record that a shard encoded is a message"))
}

/// The list of a group's members that this process encoded itself.
pub(crate) fn own_members(list: &[u8]) -> Members<'_> {
    Members::decode(list).unwrap_or_else(|| broken("a list that a shard encoded names members"))
}

/// A message that goes out to a link now.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The message.
    pub message: &'a Message<'a>,
    /// Seq in the inbox of the link's user; 0 when it is not stored.
    pub seq: Seq,
    /// A copy of the user's own message for another platform.
    pub sync: bool,
    /// Of a message to a group: for which member.
    pub member: Option<Member<'a>>,
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

/// Why a ring does not take something now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The owner's ring is full.
    Busy,
}

/// The shard's surroundings. Calls must not re-enter the shard; what they cause comes back as input.
pub trait Effects {
    /// Whether the ring to the log takes a record of so many bytes now. If not, [`crate::Shard::room`]
    /// follows when it may.
    fn has_room(&mut self, bytes: usize) -> bool;

    /// Hands a record to the log. The last answer of [`Self::has_room`] was yes.
    fn append(&mut self, append: Append);

    /// Whether the ring to another shard takes an ephemeral message of so many bytes now. If not,
    /// [`crate::Shard::room`] follows when it may.
    fn has_room_at(&mut self, home: u16, bytes: usize) -> bool;

    /// Hands an ephemeral message to its receiver's home shard. The last answer of
    /// [`Self::has_room_at`] was yes.
    fn forward(&mut self, home: u16, record: Box<[u8]>);

    /// Hands an ephemeral message to a group to the homes of its members, to all or to none. No share
    /// is of this shard.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when a ring is full. [`crate::Shard::room`] follows when none is.
    fn forward_group(&mut self, record: &[u8], shares: Vec<Share>) -> Result<(), Refusal>;

    /// A send is durable (or ephemeral and handed over): answer it.
    fn receipt(
        &mut self,
        origin: Origin,
        send_id: &str,
        client_msg_id: &str,
        key: MessageKey,
        send_time_ns: i64,
    );

    /// A send was not accepted: answer it.
    fn refuse(&mut self, origin: Origin, why: SendRefused);

    /// Queues a push for a link and returns how many bytes that added to its outbox.
    fn push(&mut self, link: LinkId, delivery: &Delivery<'_>) -> usize;

    /// Queues a ping for a link.
    fn ping(&mut self, link: LinkId);

    /// Closes a link; [`crate::Shard::closed`] follows. Asked once a link; nothing is pushed to it
    /// afterwards.
    fn close(&mut self, link: LinkId, reason: CloseReason);

    /// Goes on reading a link that was held.
    fn resume(&mut self, link: LinkId);

    /// At most so many calls that are held may try again; the others are asked for once more.
    fn resume_calls(&mut self, calls_max: usize);
}
