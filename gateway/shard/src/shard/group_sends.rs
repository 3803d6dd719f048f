//! Sends to a group, at the group's home: who may, to whom it goes, once.
//!
//! Invariants: the members are those of the moment of admission (L9); a send that the group's home
//! has seen within the window creates nothing (L4), so members' homes need not look for it.

use openim_front::{Draft, Origin, Standing};
use openim_record::{
    Addresses, MemberList, MessageKey, Now, Role, SESSION_GROUP, Submission, broken,
};

use super::Shard;
use crate::effects::Effects;
use crate::limits::Admission;

/// `contentType` of the tips that come right behind a departure (spec, websocket 3.3).
const TIP_QUIT: i32 = 505;
const TIP_KICKED: i32 = 509;

/// Bytes of a member in a list, about.
const MEMBER_BYTES: usize = 24;

/// A send to a group.
#[derive(Clone, Copy, Debug)]
pub struct GroupDraft<'a> {
    /// The message; its `recv_id` is the group's id.
    pub draft: Draft<'a>,
    /// Members to emphasise it to.
    pub emphasised: &'a [&'a str],
    /// Whom a tip about removed members names: they get it too, if they were removed a short while ago.
    pub removed: &'a [&'a str],
    /// What it tells the members has happened.
    pub tells: Tells<'a>,
    /// The server's own or a manager's: no membership is asked for, nor whether it tells the truth.
    pub trusted: bool,
    /// The sender's last send time: this one's is later.
    pub after_ns: i64,
}

/// What a message to a group tells, in what the group's home knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells<'a> {
    /// Nothing of the kind.
    Nothing,
    /// That the sender has made the group, and so owns it.
    Made,
    /// Of something that leaders do.
    Led,
    /// That the sender has left a short while ago.
    Left,
    /// That the sender has let these in: all of them are members.
    Let(&'a [String]),
    /// That the sender, a leader, has removed these: none of them is a member.
    Removed(&'a [String]),
    /// That this member owns the group now.
    HandedTo(&'a str),
}

/// What became of a send to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum GroupAdmission {
    /// As for any send. Of one that was taken, so many members will get their turn.
    Offered(Admission, u32),
    /// The sender is no member, or there is no such group.
    NotMember,
    /// What it tells has not happened.
    False,
    /// The group is not in memory: load it, then offer again.
    Unknown,
}

impl Shard {
    /// Offers a send to a group that is at home here. Its origin is a call: the sender's link, and its
    /// token, are elsewhere.
    pub fn send_to_group(
        &mut self,
        origin: Origin,
        send: &GroupDraft<'_>,
        now: Now,
        fx: &mut impl Effects,
    ) -> GroupAdmission {
        let GroupDraft { draft, .. } = send;
        if draft.session_type != SESSION_GROUP {
            broken("what is sent to a group is a message to a group");
        }
        let taken = |admission| GroupAdmission::Offered(admission, 0);
        let key = draft.key();
        if !draft.switches.ephemeral() {
            let group = self.placement.partition(draft.recv_id);
            if let Some(send_time_ns) = self.inboxes.duplicate(group, key) {
                self.duplicates += 1;
                fx.receipt(origin, draft.send_id, draft.client_msg_id, key, send_time_ns);
                return taken(Admission::Taken);
            }
            let bytes =
                draft.record_len() + MEMBER_BYTES * self.groups.members(draft.recv_id).len();
            // Before the members are written down.
            if !self.pending.overdue() && !fx.has_room(bytes) {
                return taken(Admission::Hold);
            }
            match self.pending.standing(key) {
                Standing::Free if !self.pending.overdue() => {}
                Standing::Open => return taken(self.hold_for(key, origin)),
                Standing::Free | Standing::Late => return taken(Admission::Refused),
            }
        }
        if !self.groups.knows(draft.recv_id) {
            return GroupAdmission::Unknown;
        }
        let Some(extra) = self.strangers(send, now) else { return GroupAdmission::NotMember };
        if !send.trusted && !self.is_true(send, now) {
            return GroupAdmission::False;
        }
        let Some(lists) = self.groups.expand(draft.recv_id, key, send.emphasised, &extra) else {
            return GroupAdmission::Unknown;
        };
        let members = lists.iter().map(|list| list.members).sum();
        let admission = if draft.switches.ephemeral() {
            self.pass_to_group(origin, send, key, lists, now, fx)
        } else {
            self.append_to_group(origin, send, key, lists, members, now, fx)
        };
        if admission != Admission::Taken {
            return taken(admission);
        }
        if draft.content_type == TIP_QUIT {
            self.groups.told(draft.recv_id, draft.send_id, now.mono_ms);
        }
        GroupAdmission::Offered(admission, members)
    }

    /// Who gets the message without being a member; `None` when the sender may not send it.
    fn strangers<'a>(&self, send: &GroupDraft<'a>, now: Now) -> Option<Vec<&'a str>> {
        let GroupDraft { draft, removed, trusted, .. } = *send;
        let (group, now_ms) = (draft.recv_id, now.mono_ms);
        let lately = |uid: &str| self.groups.departed_lately(group, uid, now_ms);
        let role = self.groups.role(group, draft.send_id);
        let tells =
            draft.content_type == TIP_QUIT && self.groups.may_tell(group, draft.send_id, now_ms);
        if role.is_none() && !trusted && !tells {
            return None;
        }
        // The sender's own inbox holds it, member or not.
        let mut strangers = vec![draft.send_id];
        let leads = trusted || role.is_some_and(|role| role != Role::Ordinary);
        if draft.content_type == TIP_KICKED && leads {
            strangers.extend(removed.iter().copied().filter(|uid| lately(uid)));
        }
        Some(strangers)
    }

    /// Whether what a send of a client tells has happened.
    fn is_true(&self, send: &GroupDraft<'_>, now: Now) -> bool {
        let (group, sender) = (send.draft.recv_id, send.draft.send_id);
        let role = |uid: &str| self.groups.role(group, uid);
        let leads = role(sender).is_some_and(|role| role != Role::Ordinary);
        match send.tells {
            Tells::Nothing => true,
            Tells::Made => role(sender) == Some(Role::Owner),
            Tells::Led => leads,
            Tells::Left => self.groups.may_tell(group, sender, now.mono_ms),
            Tells::Let(uids) => uids.iter().all(|uid| role(uid).is_some()),
            Tells::Removed(uids) => leads && uids.iter().all(|uid| role(uid).is_none()),
            Tells::HandedTo(uid) => role(uid) == Some(Role::Owner) && uid != sender,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "each says something else of one send")]
    fn append_to_group(
        &mut self,
        origin: Origin,
        send: &GroupDraft<'_>,
        key: MessageKey,
        lists: Vec<MemberList>,
        members: u32,
        now: Now,
        fx: &mut impl Effects,
    ) -> Admission {
        self.inboxes.note_time(send.after_ns);
        let message = send.draft.message(key, self.inboxes.stamp(now.unix_ns));
        let mut record = Vec::with_capacity(message.encoded_len());
        message.encode(&mut record);
        let to = Addresses::of(&message, self.placement);
        let (record, lists) = (record.into_boxed_slice(), lists.into_boxed_slice());
        fx.submit(Submission { key, to, record, lists });
        let deadline_ms = now.mono_ms + self.limits.send_timeout_ms;
        self.pending.insert(key, origin, members, message.send_time_ns, deadline_ms);
        Admission::Taken
    }

    /// Leaves no trace: handed to the members' homes, then acknowledged.
    fn pass_to_group(
        &mut self,
        origin: Origin,
        send: &GroupDraft<'_>,
        key: MessageKey,
        lists: Vec<MemberList>,
        now: Now,
        fx: &mut impl Effects,
    ) -> Admission {
        let draft = &send.draft;
        self.inboxes.note_time(send.after_ns);
        let message = draft.message(key, self.inboxes.stamp(now.unix_ns));
        let mut record = Vec::with_capacity(message.encoded_len());
        message.encode(&mut record);
        let (here, elsewhere): (Vec<MemberList>, Vec<MemberList>) =
            lists.into_iter().partition(|list| self.inboxes.owns(list.partition));
        if !elsewhere.is_empty() && fx.forward_group(&record, elsewhere).is_err() {
            return Admission::Hold;
        }
        for list in here {
            self.forwarded_group(record.as_slice().into(), list.list, now, fx);
        }
        self.ephemerals += 1;
        fx.receipt(origin, draft.send_id, draft.client_msg_id, key, message.send_time_ns);
        Admission::Taken
    }
}
