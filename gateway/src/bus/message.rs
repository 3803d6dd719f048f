//! What one shard says to another. Values are boxed, so that a ring slot stays small.

use std::net::IpAddr;

use openim_protocol::claim::Claim;
use openim_protocol::handshake::Accept;
use openim_protocol::reply::TimeUnit;
use openim_record::{Draft, MessageKey, Position, Role, Seq, UserId};
use openim_shard::Credentials;
use openim_storage::port::{
    Ban, By, Group, GroupChange, GroupChanged, GroupOutcome, GroupRefused, Member,
};

use super::{Answer, Call};
use crate::doors::Permit;
use crate::socket::Moving;

/// On the ring from the asking shard to the home shard.
pub(crate) enum Request {
    /// An authenticated socket on its way to the shard that owns its user.
    Socket(Box<Handoff>),
    /// A question whose answer has a place kept in the opposite reply ring.
    Call { ticket: u32, call: Box<Call> },
    /// An ephemeral message for a user at home there.
    Ephemeral(Box<[u8]>),
    /// An ephemeral message to a group, for the members at home there.
    EphemeralGroup(Box<ToMembers>),
}

impl Request {
    /// What a message in it holds of memory; of other questions only the lists that they name.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Socket(handoff) => handoff.early.len(),
            Self::Call { call, .. } => call.bytes(),
            Self::Ephemeral(record) => record.len(),
            Self::EphemeralGroup(to_members) => to_members.record.len() + to_members.list.len(),
        }
    }
}

/// An ephemeral message to a group.
pub(crate) struct ToMembers {
    /// The encoded message.
    pub(crate) record: Box<[u8]>,
    /// The members; see [`openim_record::Members`].
    pub(crate) list: Box<[u8]>,
}

/// On the ring back.
pub(crate) struct Reply {
    pub(crate) ticket: u32,
    /// An error of its own when the home could not even say what came of it in time.
    pub(crate) answer: Box<Result<Answer, Refused>>,
}

/// A socket whose HTTP head was read and whose token was verified on the accepting shard.
pub(crate) struct Handoff {
    pub(crate) stream: Moving,
    /// Bytes that followed the HTTP head.
    pub(crate) early: Vec<u8>,
    pub(crate) uid: UserId,
    pub(crate) platform: u8,
    /// Where it comes from.
    pub(crate) from: IpAddr,
    pub(crate) credentials: Credentials,
    pub(crate) accept: Accept,
    pub(crate) permit: Permit,
}

/// Who asks: a verified token, still to be held against the newest ones at the user's home.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) uid: UserId,
    pub(crate) credentials: Credentials,
    /// What the call says of the device that made it.
    pub(crate) sign: Option<Sign>,
}

/// An operation at the home of a group.
pub(crate) enum GroupCall {
    /// The role of each of these users; same order.
    Roles(Vec<UserId>),
    /// The uids of so many members from the `from`th on.
    Page { from: usize, count: usize },
    /// Make the group.
    Create { group: Box<Group>, members: Vec<Member>, telling: Option<Telling> },
    /// A change that is made by itself.
    Change(Box<GroupChange>, Option<Telling>),
    /// End the group; everybody in it gets the tip.
    Dissolve { by: By, tip: Draft },
    /// A deleted user goes, whatever their place.
    Depart { user: UserId, telling: Telling },
}

/// Says what tells of a change of a group.
pub(crate) type TipsOf = Box<dyn FnOnce(&GroupChanged) -> Vec<Draft> + Send>;

/// Tips about a change of a group, which become durable with it.
pub(crate) struct Telling {
    /// What they are, once it is known what came of the change.
    pub(crate) tips: TipsOf,
    /// Whether those who were removed get what their group is told.
    pub(crate) to_removed: bool,
    /// A time that theirs are later than: that of what their sender has sent before.
    pub(crate) after_ns: i64,
}

/// A send to a group; see [`openim_shard::GroupTerms`].
pub(crate) struct GroupSend {
    pub(crate) draft: Draft,
    pub(crate) emphasised: Vec<String>,
    pub(crate) removed: Vec<String>,
    /// What a client tells by it.
    pub(crate) claim: Claim,
    pub(crate) trusted: bool,
    pub(crate) after_ns: i64,
}

impl GroupSend {
    pub(super) fn bytes(&self) -> usize {
        let named = self.emphasised.iter().chain(&self.removed).map(String::len);
        self.draft.bytes() + named.sum::<usize>()
    }
}

/// What a call says of the device that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    /// Of the device, 1 to 7; 0 if the call does not tell.
    pub(crate) platform: u8,
    pub(crate) unit: TimeUnit,
    /// By a body that only one generation sends. Else it counts until such a body comes.
    pub(crate) sure: bool,
}

/// A send that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) key: MessageKey,
    pub(crate) send_time_ns: i64,
}

/// A caller whose token is good.
pub(crate) struct Authentic {
    pub(crate) after_ns: i64,
    /// Which unit of times the caller's device reads, if that is known.
    pub(crate) unit: Option<TimeUnit>,
}

/// A range clipped to what there is, and its entries that the store may not have.
pub(crate) struct Snapshot {
    pub(crate) from: Seq,
    pub(crate) to: Seq,
    pub(crate) recent: Vec<(Seq, Position)>,
}

/// What came of setting an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionSet {
    Done,
    /// The user has as many as one may have.
    Full,
    /// As many conversations as may be are not received by somebody.
    Crowded,
}

/// What came of an operation on a group.
pub(crate) enum GroupAnswer {
    Done,
    /// Of each user, `None` for who is no member.
    Roles(Vec<Option<Role>>),
    Uids(Vec<UserId>),
    /// What came of a change that was made.
    Changed(GroupOutcome),
    Refused(GroupRefused),
}

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The token was superseded or has expired.
    Token,
    /// A store or the log cannot do it now.
    Unavailable,
    /// The uid is taken.
    Exists,
    /// No such user.
    UnknownUser,
    /// The sender may not write to the group.
    NoPermission,
    /// What the message tells has not happened.
    False,
    /// It was done too often.
    TooOften,
    /// Tokens of this second are ended: a new one must be of a later one.
    TooSoon,
    /// Nobody gets a token for the user.
    Banned(Box<Ban>),
    /// A rule or a bound of the group.
    Group(GroupRefused),
}
