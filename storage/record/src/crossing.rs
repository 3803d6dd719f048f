//! The values that cross between who takes sends and who applies what the log holds.

use crate::{
    Addresses, GroupId, LinkId, Member, MemberChange, Members, Message, MessageKey, PartitionId,
    Place, Position, Seq, broken,
};

/// From the front to the log: a record that is to be durable.
#[derive(Debug)]
pub struct Submission {
    /// Identity of the send, to find who waits for it.
    pub key: MessageKey,
    /// For whom it is. The owner of [`Addresses::origin`] hands it in and is told what became of it.
    pub to: Addresses,
    /// The encoded message.
    pub record: Box<[u8]>,
    /// Of a message to a group: its members. They lie behind the message in the log, in the same batch, and
    /// the owners of their partitions get them. Empty for any other.
    pub lists: Box<[MemberList]>,
}

impl Submission {
    /// Its records, as they lie in the log.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&*self.record).chain(self.lists.iter().map(|list| &*list.list))
    }

    /// What it holds of memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.record.len() + self.lists.iter().map(|list| list.list.len()).sum::<usize>()
    }
}

/// What tells of a change: it lies in the log with the change's rows, all of it or nothing.
#[derive(Debug, Default)]
pub struct Told {
    /// The messages, in order. Nobody waits for one of them.
    pub messages: Vec<Submission>,
    /// Of a change of who is in a group, whose home sees it before anything behind it.
    pub change: Option<GroupStep>,
}

impl Told {
    /// How many records they are.
    #[must_use]
    pub fn records(&self) -> usize {
        self.messages.iter().map(|message| 1 + message.lists.len()).sum()
    }

    /// What it holds of memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.messages.iter().map(Submission::bytes).sum()
    }
}

/// A change of who is in a group, by which it has come to a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStep {
    /// Which group.
    pub group: GroupId,
    /// How many changes of it have taken effect.
    pub version: u64,
    /// What it did.
    pub members: Vec<MemberChange>,
}

/// Members of a group whose partitions have one owner, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberList {
    /// The partition of its first section; the others have the same owner.
    pub partition: PartitionId,
    /// How many members.
    pub members: u32,
    /// What they count for in tickets, together ([`MembersWriter::weight`](crate::MembersWriter::weight)).
    pub weight: u64,
    /// See [`Members`].
    pub list: Box<[u8]>,
}

/// From the log to the back: a record that is durable, for partitions of one owner.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Where it lies, in the log of each partition that it is for.
    pub position: Position,
    /// When the log took it, unix milliseconds.
    pub append_ms: i64,
    /// For which partitions of the owner.
    pub to: Addresses,
    /// The encoded message.
    pub record: Box<[u8]>,
    /// Of a message to a group: the lists of members, of whom the owner's are meant. Empty for any other.
    pub members: Box<[Box<[u8]>]>,
}

impl Committed {
    /// The message, which this system encoded itself, or found whole in the log.
    #[must_use]
    pub fn message(&self) -> Message<'_> {
        own_message(&self.record)
    }

    /// Nothing, to stand in for a record that is in use.
    #[must_use]
    pub fn none() -> Self {
        Self {
            position: Position(0),
            append_ms: 0,
            to: Addresses::NONE,
            record: Box::default(),
            members: Box::default(),
        }
    }

    /// What it holds of memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.record.len() + self.members.iter().map(|list| list.len()).sum::<usize>()
    }

    /// The message alone, without members.
    #[must_use]
    pub fn without_members(&self) -> Self {
        Self { record: self.record.clone(), members: Box::default(), ..*self }
    }
}

/// From the log to the front: what became of a submission.
#[derive(Clone, Copy, Debug)]
pub enum Landed<'a> {
    /// It is durable.
    Durable {
        /// Where, in the log of the partition that it was handed in for.
        place: Place,
        /// What its receipt says, unix nanoseconds.
        send_time_ns: i64,
        /// What it holds.
        message: &'a Message<'a>,
    },
    /// Nothing of it is kept.
    Refused(MessageKey),
}

/// From the back to the front: the partition that a record was handed in for has it; who looks into the sender's
/// inbox finds the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Identity of the send.
    pub key: MessageKey,
    /// Which of its records.
    pub place: Place,
    /// The time of the first send with this key, unix nanoseconds.
    pub first_ns: i64,
}

/// From the back to the front: a message for the links of one user.
#[derive(Clone, Copy, Debug)]
pub struct Deliver<'a> {
    /// Whose links.
    pub uid: &'a str,
    /// Platform whose links do not get it; 0: none.
    pub except_platform: u8,
    /// The message.
    pub message: &'a Message<'a>,
    /// Seq in the user's inbox; 0 when it is not stored.
    pub seq: Seq,
    /// Of a message to a group: the user as its member.
    pub member: Option<Member<'a>>,
    /// What it counts for in the books of deliveries ([`Stamp`](crate::Stamp)); 0: nothing, of one that has no place in the log.
    pub ticket: u64,
}

impl Deliver<'_> {
    /// Whether it is a copy of the user's own message.
    #[must_use]
    pub fn sync(&self) -> bool {
        self.uid == self.message.send_id
    }
}

/// From the front to the back: a user's link on a platform is there, or is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence<'a> {
    /// Whose link.
    pub uid: &'a str,
    /// 1 to 7.
    pub platform: u8,
    /// Which link of this front: that an older one is gone says nothing of a newer one.
    pub link: LinkId,
    /// Whether it is there.
    pub up: bool,
}

/// A message that this system encoded itself.
#[must_use]
pub fn own_message(record: &[u8]) -> Message<'_> {
    Message::decode(record).unwrap_or_else(|_| broken("a record that was handed in is a message"))
}

/// The list of a group's members that this system encoded itself.
#[must_use]
pub fn own_members(list: &[u8]) -> Members<'_> {
    Members::decode(list).unwrap_or_else(|| broken("a list that was handed in names members"))
}
