//! The records of the topics, and their bytes.
//!
//! ```text
//! record       = version 1, kind, fields
//! Send         = origin, group 0 or 1 (2: trusted), [emphasised uids, extra uids], message
//! Relay        = source, origin, members u32, (mark u16, uid)*, message
//! GroupChanged = id text, version u64, joined u32, (role u8, text)*, left u32, text*
//! Notice       = uid text, seq u64, message, platforms u8
//! origin       = process (16 bytes)
//! source       = topic u8, partition u16, offset u64, append time i64
//! uids         = number u32, text*;  text = length u16, UTF-8;  message = length u32, bytes
//! ```
//! Integers are little-endian. `message` is [`Message::encode`]; its send time is not looked at, it is that of
//! the source's append. A mark is the length of the uid, its high bit set for who is emphasised.
//!
//! Invariant: what is decoded is whole, so walking it cannot fail. Guarded by `tests`.

use openim_record::{
    LogPartition, Message, PartitionId, Position, Process, Role, Seq, Source, Topic, broken,
};

mod read;
mod write;

pub use read::{Joined, Recipients, Uids};
pub use write::longer_by;

/// The version of every record this build writes.
const VERSION: u8 = 1;
/// Versions up to this are taken for a later build's; anything above is no record of ours.
const VERSIONS_MAX: u8 = 15;
/// The high bit of a uid's length; ids are shorter.
const EMPHASISED: u16 = 1 << 15;

const KIND_SEND: u8 = 1;
const KIND_RELAY: u8 = 2;
const KIND_GROUP_CHANGED: u8 = 3;
const KIND_NOTICE: u8 = 4;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A later build has written it: whoever skipped it would lose it. The partition waits for that build.
    #[error("record of version {version} and kind {kind} is not known to this build")]
    Newer {
        /// First byte.
        version: u8,
        /// Second byte.
        kind: u8,
    },
    /// Nothing that any build has written: set aside, counted, skipped.
    #[error("no record")]
    Damaged,
}

/// A record, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicRecord<'a> {
    /// A message as its sender's, or its group's, partition takes it.
    Send(Sent<'a>),
    /// A message on its way to another partition's inboxes.
    Relay(Relayed<'a>),
    /// A group has other members.
    GroupChanged(GroupChanged<'a>),
    /// Somebody was not reached.
    Notice(Notice<'a>),
}

/// A send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent<'a> {
    /// Who has produced it, and is told when the sender's inbox has it.
    pub origin: Process,
    /// Of a send to a group.
    pub group: Option<ToGroup<'a>>,
    /// The encoded message.
    pub message: &'a [u8],
}

/// What is said of a send to a group besides the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToGroup<'a> {
    /// Members it is emphasised to.
    pub emphasised: Uids<'a>,
    /// Who gets it without being a member.
    pub extra: Uids<'a>,
    /// The server's own, or a manager's.
    pub trusted: bool,
}

/// A send that its partition's owner relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed<'a> {
    /// Where the send lies.
    pub source: Source,
    /// When the log took the send, unix milliseconds: its send time.
    pub sent_ms: i64,
    /// As the send's.
    pub origin: Process,
    /// The members of this partition; of a message to one user nobody, the receiver is meant.
    pub members: Recipients<'a>,
    /// The encoded message.
    pub message: &'a [u8],
}

/// A change of a group's membership. One without anybody says only that there is a new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupChanged<'a> {
    /// Which group.
    pub group: &'a str,
    /// The version it makes.
    pub version: u64,
    /// Who has joined, with what role.
    pub joined: Joined<'a>,
    /// Who has left, or was removed.
    pub left: Uids<'a>,
}

/// For the push stage: a message that reached no mobile terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice<'a> {
    /// Whom it is for.
    pub uid: &'a str,
    /// Its number in their inbox.
    pub seq: Seq,
    /// The encoded message.
    pub message: &'a [u8],
    /// The platforms that were reached, a bit each.
    pub platforms: u8,
}

/// The message in a record.
///
/// # Errors
/// [`Unreadable`]: of a later build, or damaged; so is one whose ids nobody could have.
pub fn message(bytes: &[u8], sent_ms: i64) -> Result<Message<'_>, Unreadable> {
    let is_id = |text: &str| text.len() < usize::from(EMPHASISED);
    match Message::decode(bytes) {
        Ok(message) if !is_id(message.send_id) || !is_id(message.recv_id) => {
            Err(Unreadable::Damaged)
        }
        Ok(message) => Ok(Message { send_time_ns: sent_ms.saturating_mul(1_000_000), ..message }),
        Err(openim_record::DecodeError::Kind(kind)) => {
            Err(Unreadable::Newer { version: VERSION, kind })
        }
        Err(_) => Err(Unreadable::Damaged),
    }
}

#[cfg(test)]
mod tests;
