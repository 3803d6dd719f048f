//! What the homes of users and groups are asked, each question with the type of its answer.
//!
//! In: a question, a value that can go to another shard. Out: the [`Call`] that goes there, and of the [`Answer`]
//! that comes back the value that was asked for. Whoever asks sees neither of the two, so an answer of another
//! kind is nobody's case (`every_question_reads_its_own_answer`).

use std::time::Instant;

use openim_auth::{Newest, Platform};
use openim_record::{Draft, GroupId, InboxBounds, Role, Seq, UserId};
use openim_storage::port::{
    Added, By, Decision, Group, GroupChange, GroupOutcome, GroupRequest, Member, PreferenceChange,
    User, UserChange,
};
use openim_why::{SendName, Who};
use openim_workers::links::Answer as Noted;

use super::{
    Authentic, Caller, GroupAnswer, GroupCall, GroupSend, Named, OptionSet, Receipt, Refused,
    Snapshot, Sought, Telling,
};

/// A question to the home of a user or a group.
pub(crate) trait Ask: Sized {
    type Answer;

    /// Whose home is asked: a uid or the id of a group. Of several users all are at home there.
    fn whose(&self) -> &str;

    fn into_call(self) -> Call;

    /// `None` for the answer to another question.
    fn read(answer: Answer) -> Option<Result<Self::Answer, Refused>>;
}

macro_rules! questions {
    ($(
        $(#[$meta:meta])*
        $name:ident { $($field:ident: $type:ty),* } of |$this:ident| $whose:expr => $answer:ty;
    )*) => {
        $(
            $(#[$meta])*
            pub(crate) struct $name { $(pub(crate) $field: $type),* }

            impl Ask for $name {
                type Answer = $answer;

                fn whose(&self) -> &str {
                    let $this = self;
                    $whose
                }

                fn into_call(self) -> Call {
                    Call::$name(self)
                }

                fn read(answer: Answer) -> Option<Result<$answer, Refused>> {
                    match answer {
                        Answer::$name(answer) => Some(answer),
                        _ => None,
                    }
                }
            }
        )*

        /// An operation that runs at the home of its user, or of its group.
        ///
        /// Running one never waits for another call: a shard that waits for a peer while the peer waits for it
        /// could use up the places that both keep for each other's answers. Who needs several homes asks them
        /// one after the other, from where the request came in.
        pub(crate) enum Call {
            $( $name($name), )*
            /// A question about a group, or a change to it.
            Group(GroupId, GroupCall),
        }

        /// What came of it.
        pub(crate) enum Answer {
            $( $name(Result<$answer, Refused>), )*
            Group(Result<GroupAnswer, Refused>),
        }
    };
}

questions! {
    /// Bounds of the caller's inbox.
    Bounds { caller: Caller } of |ask| ask.caller.uid.as_str() => InboxBounds;
    /// Bounds of the caller's inbox, and what of a range is not stored yet.
    LookUp { caller: Caller, from: Seq, to: Seq } of |ask| ask.caller.uid.as_str() => Snapshot;
    /// Whether the caller's token is good, and a send time that the caller's next send is later than.
    Authenticate { caller: Caller } of |ask| ask.caller.uid.as_str() => Authentic;
    /// A send by the caller to one user.
    SendToUser { caller: Caller, draft: Draft } of |ask| ask.caller.uid.as_str() => Receipt;
    /// A send to one user that needs no token: the server's own, a manager's, or verified before.
    Tell { draft: Draft } of |ask| ask.draft.heading().send_id => Receipt;
    /// A send to a group.
    SendToGroup { send: Box<GroupSend> } of |ask| ask.send.draft.heading().recv_id => Receipt;
    /// Register a user.
    Register { user: Box<User> } of |ask| ask.user.uid.as_str() => ();
    /// Record a new token of a registered user.
    Issue { uid: UserId, platform: Platform, newest: Newest } of |ask| ask.uid.as_str() => ();
    /// The profiles of users at one home; same order.
    Profiles { uids: Vec<UserId> } of |ask| first(&ask.uids) => Vec<Option<Box<User>>>;
    /// Take a send of a user out of their budget, and one to a stranger out of that as well: it may be sent
    /// now, or after so many milliseconds.
    Pace { uid: UserId, to_stranger: bool } of |ask| ask.uid.as_str() => Result<(), u32>;
    /// Change a profile; `paced`: as often as users may. The row as it is then.
    UpdateProfile { change: Box<UserChange>, paced: bool } of |ask| ask.change.uid.as_str() => Option<Box<User>>;
    /// End a user's tokens and links for good, and delete the row.
    DeleteUser { uid: UserId } of |ask| ask.uid.as_str() => ();
    /// Make a decision about a user's tokens; links on `platform` (0: none) are closed in any case.
    Decide { decision: Box<Decision>, platform: u8 } of |ask| ask.decision.user().as_str() => ();
    /// Set receive options of conversations at one home, each of the same `whose` home; same order.
    SetOptions { changes: Vec<PreferenceChange> } of |ask| ask.changes.first().map_or("", PreferenceChange::whose) => Vec<OptionSet>;
    /// What the inbox of a user has of a message, perhaps near a time (unix milliseconds).
    Seek { uid: UserId, named: Named, sender: Option<UserId>, near_ms: Option<i64>, until: Instant } of |ask| ask.uid.as_str() => Box<Sought>;
    /// What the journal of links says of a message in the inbox of a user, and of a send.
    Trace { uid: UserId, asked: openim_why::Asked, send: Option<(SendName, Option<Who>)> } of |ask| ask.uid.as_str() => Box<Noted>;
    /// On which platforms users at one home have links; same order.
    Presence { uids: Vec<UserId> } of |ask| first(&ask.uids) => Vec<Vec<u8>>;
}

fn first(uids: &[UserId]) -> &str {
    uids.first().map_or("", UserId::as_str)
}

impl Call {
    /// What a message in it holds of memory; of other questions only the lists that they name.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::SendToUser(SendToUser { draft, .. }) | Self::Tell(Tell { draft }) => {
                draft.bytes()
            }
            Self::SendToGroup(SendToGroup { send }) => send.bytes(),
            Self::Profiles(Profiles { uids }) | Self::Presence(Presence { uids }) => {
                uids.len() * size_of::<UserId>()
            }
            Self::SetOptions(SetOptions { changes }) => {
                let bytes =
                    |change: &PreferenceChange| size_of_val(change) + change.conversation.len();
                changes.iter().map(bytes).sum()
            }
            _ => 0,
        }
    }
}

/// Questions about one group: each is a [`GroupCall`], and reads its own kind of [`GroupAnswer`].
macro_rules! group_questions {
    ($(
        $(#[$meta:meta])*
        $name:ident { $($field:ident: $type:ty),* } as |$group:ident| $call:expr => $answer:ty: $pattern:pat => $value:expr;
    )*) => {
        $(
            $(#[$meta])*
            pub(crate) struct $name {
                pub(crate) group: GroupId,
                $(pub(crate) $field: $type),*
            }

            impl Ask for $name {
                type Answer = $answer;

                fn whose(&self) -> &str {
                    self.group.as_str()
                }

                fn into_call(self) -> Call {
                    let Self { group: $group, $($field),* } = self;
                    Call::Group($group.clone(), $call)
                }

                fn read(answer: Answer) -> Option<Result<$answer, Refused>> {
                    match answer {
                        Answer::Group(Ok($pattern)) => Some(Ok($value)),
                        Answer::Group(Ok(GroupAnswer::Refused(why))) => Some(Err(Refused::Group(why))),
                        Answer::Group(Err(why)) => Some(Err(why)),
                        _ => None,
                    }
                }
            }
        )*
    };
}

group_questions! {
    /// The role of each of these users, `None` for who is no member; same order.
    GroupRoles { users: Vec<UserId> }
        as |group| GroupCall::Roles(users) => Vec<Option<Role>>: GroupAnswer::Roles(roles) => roles;
    /// The uids of so many members from the `from`th on.
    GroupPage { from: usize, count: usize }
        as |group| GroupCall::Page { from, count } => Vec<UserId>: GroupAnswer::Uids(uids) => uids;
    /// Make the group.
    CreateGroup { row: Box<Group>, members: Vec<Member>, telling: Option<Telling> }
        as |group| GroupCall::Create { group: row, members, telling }
        => (): GroupAnswer::Changed(GroupOutcome::Done) => ();
    /// Change what it is called.
    DescribeGroup { change: Box<GroupChange>, telling: Option<Telling> }
        as |group| GroupCall::Change(change, telling) => (): GroupAnswer::Changed(GroupOutcome::Done) => ();
    /// Let users in without asking them; of each, whether they joined.
    InviteToGroup { by: By, members: Vec<Member>, telling: Option<Telling> }
        as |group| GroupCall::Change(Box::new(GroupChange::Add { group, by, members }), telling)
        => Vec<bool>: GroupAnswer::Changed(GroupOutcome::Added(added))
        => added.into_iter().map(|added| added == Added::Joined).collect();
    /// Remove users; of each, whether they are gone.
    KickFromGroup { by: By, users: Vec<UserId>, telling: Option<Telling> }
        as |group| GroupCall::Change(Box::new(GroupChange::Remove { group, by, users }), telling)
        => Vec<bool>: GroupAnswer::Changed(GroupOutcome::Removed(gone)) => gone;
    /// Leave.
    QuitGroup { user: UserId, telling: Option<Telling> }
        as |group| GroupCall::Change(Box::new(GroupChange::Leave { group, user }), telling)
        => (): GroupAnswer::Changed(GroupOutcome::Left { .. }) => ();
    /// End the group; everybody in it gets the tip.
    DissolveGroup { by: By, tip: Draft }
        as |group| GroupCall::Dissolve { by, tip } => (): GroupAnswer::Done => ();
    /// A deleted user goes, whatever their place.
    DepartFromGroup { user: UserId, telling: Telling }
        as |group| GroupCall::Depart { user, telling } => (): GroupAnswer::Done => ();
    /// Hand the group over.
    TransferGroup { by: UserId, to: UserId, telling: Option<Telling> }
        as |group| GroupCall::Change(Box::new(GroupChange::Transfer { group, by, to }), telling)
        => (): GroupAnswer::Changed(GroupOutcome::Done) => ();
    /// Ask to be let in.
    ApplyToGroup { request: Box<GroupRequest>, telling: Option<Telling> }
        as |group| GroupCall::Change(Box::new(GroupChange::Request(*request)), telling)
        => (): GroupAnswer::Changed(GroupOutcome::Done) => ();
    /// Answer a request to be let in.
    HandleApplication { by: UserId, from: UserId, to: String, agree: bool, message: String, now_ms: i64, telling: Option<Telling> }
        as |group| GroupCall::Change(Box::new(GroupChange::Handle { group, from, to, agree, message, by, now_ms }), telling)
        => (): GroupAnswer::Changed(GroupOutcome::Handled { .. }) => ();
}

#[cfg(test)]
mod tests {
    use openim_storage::port::GroupRefused;

    use super::*;

    #[test]
    fn every_question_reads_its_own_answer() {
        let roles = || Answer::Group(Ok(GroupAnswer::Roles(vec![None])));
        assert_eq!(GroupRoles::read(roles()), Some(Ok(vec![None])));
        assert_eq!(QuitGroup::read(roles()), None);
        let refused = Refused::Group(GroupRefused::NoGroup);
        let answer = Answer::Group(Ok(GroupAnswer::Refused(GroupRefused::NoGroup)));
        assert_eq!(QuitGroup::read(answer), Some(Err(refused)));
        assert_eq!(DeleteUser::read(Answer::DeleteUser(Ok(()))), Some(Ok(())));
        assert_eq!(DeleteUser::read(Answer::Register(Ok(()))), None);
    }
}
