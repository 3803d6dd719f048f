//! What a shard asks of the world around it, and the values that cross that border.

use openim_front::{CloseReason, LinkId, Origin, SendRefused};
use openim_record::{Member, MemberList, Message, MessageKey, PartitionId, Seq, Submission};

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
    fn submit(&mut self, submission: Submission);

    /// Whether the ring to the owner of another shard's partition takes an ephemeral message of so many
    /// bytes now. If not, [`crate::Shard::room`] follows when it may.
    fn has_room_at(&mut self, partition: PartitionId, bytes: usize) -> bool;

    /// Hands an ephemeral message to the owner of its receiver's partition. The last answer of
    /// [`Self::has_room_at`] was yes.
    fn forward(&mut self, partition: PartitionId, record: Box<[u8]>);

    /// Hands an ephemeral message to a group to the owners of its members' partitions, to all or to none.
    /// No list is of this shard.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when a ring is full. [`crate::Shard::room`] follows when none is.
    fn forward_group(&mut self, record: &[u8], lists: Vec<MemberList>) -> Result<(), Refusal>;

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
