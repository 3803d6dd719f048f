//! Sends to a group, at the group's home: who may, to whom it goes, once.
//!
//! Invariants: the members are those of the moment of admission (L9); a send that the group's home
//! has seen within the window creates nothing (L4), so members' homes need not look for it.

use openim_back::Whom;
use openim_front::{Admission, Origin};
use openim_record::{
    Addresses, Draft, Heading, MemberList, MessageKey, Now, Role, broken, is_tip, own_message,
};

use super::{Meeting, Shard};
use crate::effects::Effects;

/// `contentType` of the tips that come right behind a departure (spec, websocket 3.3).
const TIP_QUIT: i32 = 505;
const TIP_KICKED: i32 = 509;

/// Bytes of a member in a list, about.
const MEMBER_BYTES: usize = 24;

/// What there is to know about a send to a group besides the message.
#[derive(Clone, Copy, Debug)]
pub struct GroupTerms<'a> {
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
    /// token, are elsewhere. Of one that was taken nothing is left in `draft`.
    pub fn send_to_group(
        &mut self,
        origin: Origin,
        draft: &mut Draft,
        terms: &GroupTerms<'_>,
        now: Now,
        fx: &mut impl Effects,
    ) -> GroupAdmission {
        let heading = draft.heading();
        if !heading.is_to_group() {
            broken("what is sent to a group is a message to a group");
        }
        let taken = |admission| GroupAdmission::Offered(admission, 0);
        let (key, to) = (heading.key(), Addresses::of_draft(&heading, self.placement));
        if !heading.switches.ephemeral() {
            let members = self.groups().members(heading.recv_id).len();
            // Before the members are written down.
            if !self.front.overdue() && !fx.has_room(draft.bytes() + MEMBER_BYTES * members) {
                return taken(Admission::Hold);
            }
            let first = self.back.duplicate(self.placement.partition(heading.recv_id), key);
            if let Err(admission) = self.front.admit(origin, &heading, key, first, fx) {
                return taken(admission);
            }
        }
        if !self.groups().knows(heading.recv_id) {
            return GroupAdmission::Unknown;
        }
        let Some(extra) = self.strangers(&heading, terms, now) else {
            return GroupAdmission::NotMember;
        };
        if !terms.trusted && !self.is_true(&heading, terms.tells, now) {
            return GroupAdmission::False;
        }
        // Whoever does not receive what is written there learns all the same what becomes of the group.
        let (emphasised, to_all) = (terms.emphasised, is_tip(heading.content_type));
        let whom = Whom { emphasised, to_all, extra: &extra };
        let Some(lists) = self.groups_mut().expand(heading.recv_id, key, &whom) else {
            return GroupAdmission::Unknown;
        };
        let members = lists.iter().map(|list| list.members).sum();
        let ephemeral = heading.switches.ephemeral();
        let quit = (heading.content_type == TIP_QUIT)
            .then(|| (heading.recv_id.to_owned(), heading.send_id.to_owned()));
        self.front.note_time(terms.after_ns);
        if !ephemeral {
            self.front.submit(origin, draft, (key, to), lists, now, fx);
        } else if self.pass_to_group(origin, draft, key, lists, now, fx) != Admission::Taken {
            return taken(Admission::Hold);
        }
        if let Some((group, sender)) = quit {
            self.groups_mut().told(&group, &sender, now.mono_ms);
        }
        GroupAdmission::Offered(Admission::Taken, members)
    }

    /// Who gets the message without being a member; `None` when the sender may not send it.
    fn strangers<'a>(
        &self,
        heading: &Heading<'a>,
        terms: &GroupTerms<'a>,
        now: Now,
    ) -> Option<Vec<&'a str>> {
        let GroupTerms { removed, trusted, .. } = *terms;
        let (group, sender, now_ms) = (heading.recv_id, heading.send_id, now.mono_ms);
        let lately = |uid: &str| self.groups().departed_lately(group, uid, now_ms);
        let role = self.groups().role(group, sender);
        let tells =
            heading.content_type == TIP_QUIT && self.groups().may_tell(group, sender, now_ms);
        if role.is_none() && !trusted && !tells {
            return None;
        }
        // The sender's own inbox holds it, member or not.
        let mut strangers = vec![sender];
        let leads = trusted || role.is_some_and(|role| role != Role::Ordinary);
        if heading.content_type == TIP_KICKED && leads {
            strangers.extend(removed.iter().copied().filter(|uid| lately(uid)));
        }
        Some(strangers)
    }

    /// Whether what a send of a client tells has happened.
    fn is_true(&self, heading: &Heading<'_>, tells: Tells<'_>, now: Now) -> bool {
        let (group, sender) = (heading.recv_id, heading.send_id);
        let role = |uid: &str| self.groups().role(group, uid);
        let leads = role(sender).is_some_and(|role| role != Role::Ordinary);
        match tells {
            Tells::Nothing => true,
            Tells::Made => role(sender) == Some(Role::Owner),
            Tells::Led => leads,
            Tells::Left => self.groups().may_tell(group, sender, now.mono_ms),
            Tells::Let(uids) => uids.iter().all(|uid| role(uid).is_some()),
            Tells::Removed(uids) => leads && uids.iter().all(|uid| role(uid).is_none()),
            Tells::HandedTo(uid) => role(uid) == Some(Role::Owner) && uid != sender,
        }
    }

    /// Leaves no trace: handed to the members' homes, then acknowledged.
    fn pass_to_group(
        &mut self,
        origin: Origin,
        draft: &mut Draft,
        key: MessageKey,
        lists: Vec<MemberList>,
        now: Now,
        fx: &mut impl Effects,
    ) -> Admission {
        let send_time_ns = self.front.stamp(now);
        // Whoever is held offers it again.
        let record = draft.clone().seal(key, send_time_ns);
        let (here, elsewhere): (Vec<MemberList>, Vec<MemberList>) =
            lists.into_iter().partition(|list| self.back.owns(list.partition));
        if !elsewhere.is_empty() && !fx.forward_group(&record, elsewhere) {
            return Admission::Hold;
        }
        let Self { front, back, .. } = self;
        let mut meeting = Meeting { front, fx, now, landed: None };
        for list in here {
            back.pass_to_members(record.clone(), list.list, &mut meeting);
        }
        let fx = meeting.fx;
        self.ephemerals += 1;
        let message = own_message(&record);
        fx.receipt(origin, message.send_id, message.client_msg_id, key, send_time_ns);
        Admission::Taken
    }
}
