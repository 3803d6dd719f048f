//! What a shard asks of the world around it, and the values that cross that border.

use openim_back::Share;
use openim_front::{CloseReason, LinkId, Origin, SendRefused};
use openim_record::{Member, Members, Message, MessageKey, Position, Seq, broken};

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
