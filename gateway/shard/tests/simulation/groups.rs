//! Groups: sends to them at their homes, membership that changes, and what the oracle makes of both.

use std::collections::{BTreeMap, BTreeSet};

use openim_record::{Draft, GroupId, MemberChange, Members, Message, Role, Submission, UserId};
use openim_shard::{Admission, GroupAdmission, GroupTerms, Origin};

use crate::world::{Node, World};

/// A send on its way from its sender's home to the group's.
#[derive(Clone, Debug)]
pub(crate) struct GroupCall {
    pub(crate) number: u64,
    pub(crate) message: usize,
    pub(crate) after_ns: i64,
}

/// A membership change on its way to be durable.
#[derive(Debug)]
pub(crate) struct Change {
    group: GroupId,
    uid: UserId,
    joins: bool,
    durable: bool,
}

/// A group as it was read: its version, and its members.
type Read = (u64, BTreeSet<UserId>);

/// The groups of a world.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Durable.
    pub(crate) members: BTreeMap<GroupId, BTreeSet<UserId>>,
    /// How many changes each has seen; like `members`, durable.
    pub(crate) versions: BTreeMap<GroupId, u64>,
    /// As far as changes were answered: whom a send that is admitted now goes to.
    pub(crate) answered: BTreeMap<GroupId, BTreeSet<UserId>>,
    pub(crate) changes: Vec<Change>,
    /// Groups that are being loaded, with what was read.
    pub(crate) loads: Vec<(usize, GroupId, Option<Read>)>,
}

impl World {
    pub(crate) fn group_home(&self, group: &str) -> usize {
        usize::from(self.placement.home(group, self.nodes.len() as u16))
    }

    /// Somebody joins or is removed.
    pub(crate) fn change_members(&mut self) {
        let groups: Vec<GroupId> = self.groups.members.keys().cloned().collect();
        if groups.is_empty() || self.replay.is_some() {
            return;
        }
        let group = groups[self.random.below(groups.len())].clone();
        // The group's home makes one change at a time, and loads the group in none.
        let busy = self.groups.changes.iter().any(|change| change.group == group)
            || self.groups.loads.iter().any(|(_, loading, _)| *loading == group);
        if busy {
            return;
        }
        let nth = self.random.below(self.users.len());
        let uid = self.users[nth].clone();
        let joins = !self.groups.members[&group].contains(&uid);
        self.groups.changes.push(Change { group, uid, joins, durable: false });
    }

    /// A change becomes durable, or is noted by the group's home and answered.
    pub(crate) fn change_step(&mut self) {
        if self.groups.changes.is_empty() || self.replay.is_some() {
            return;
        }
        let nth = self.random.below(self.groups.changes.len());
        let change = &mut self.groups.changes[nth];
        if !change.durable {
            change.durable = true;
            *self.groups.versions.entry(change.group.clone()).or_default() += 1;
            let members = self.groups.members.entry(change.group.clone()).or_default();
            if change.joins {
                members.insert(change.uid.clone());
            } else {
                members.remove(&change.uid);
            }
            return;
        }
        let Change { group, uid, joins, .. } = self.groups.changes.swap_remove(nth);
        let home = self.group_home(group.as_str());
        let now_ms = self.now().mono_ms;
        let groups = self.nodes[home].shard.groups_mut();
        if self.random.percent(5) {
            // The answer is lost: nobody at home knows whether the change was made.
            groups.forget(group.as_str());
            self.groups.answered.insert(group.clone(), self.groups.members[&group].clone());
            self.oracle.counts.note("change without an answer");
            self.note(|| format!("a change of {group} has no answer"));
            return;
        }
        let answered = self.groups.answered.entry(group.clone()).or_default();
        let change = if joins {
            answered.insert(uid.clone());
            MemberChange::Joined(uid.clone(), Role::Ordinary)
        } else {
            answered.remove(&uid);
            self.oracle.counts.note("removed");
            MemberChange::Removed(uid.clone())
        };
        groups.follow(&group, self.groups.versions[&group], &[change], now_ms);
        self.note(|| format!("{uid} {} {group}", if joins { "joined" } else { "left" }));
    }

    /// A group is read from the directory, or comes into memory.
    pub(crate) fn group_load_step(&mut self) {
        if !self.calm && !self.random.percent(self.plan.load_speed) {
            return;
        }
        let nth = self.random.below(self.groups.loads.len());
        let Some((node, group, read)) = self.groups.loads.get_mut(nth) else { return };
        if read.is_none() {
            let changing = self.groups.changes.iter().any(|change| change.group == *group);
            if !changing {
                let version = self.groups.versions.get(group).copied().unwrap_or(0);
                *read = self.groups.members.get(group).map(|members| (version, members.clone()));
            }
            return;
        }
        let node = *node;
        let (_, group, read) = self.groups.loads.swap_remove(nth);
        let (version, members) = read.unwrap_or_default();
        let members = members.into_iter().map(|uid| (uid, Role::Ordinary)).collect();
        self.nodes[node].shard.groups_mut().load(&group, version, members);
        self.group_calls(node);
    }

    pub(crate) fn group_calls(&mut self, at: usize) {
        for _ in 0..self.nodes[at].io.group_calls.len() {
            if let Some(call) = self.nodes[at].io.group_calls.pop_front() {
                self.group_call(at, call);
            }
        }
    }

    fn group_call(&mut self, at: usize, call: GroupCall) {
        if self.replay.is_some() {
            self.nodes[at].io.group_calls.push_back(call);
            return;
        }
        let origin = Origin::Call(call.number);
        let admission = self.offer_to_group(at, origin, &call);
        match admission {
            GroupAdmission::Unknown => {
                let group = GroupId::new(self.oracle.messages[call.message].receiver.as_str());
                if !self.groups.loads.iter().any(|(_, loading, _)| *loading == group) {
                    self.groups.loads.push((at, group, None));
                }
                self.nodes[at].io.group_calls.push_back(call);
            }
            GroupAdmission::False => panic!("nobody tells anything"),
            GroupAdmission::NotMember => self.oracle.counts.note("not a member"),
            GroupAdmission::Offered(Admission::Hold, _) => {
                self.nodes[at].io.held_group_calls.push_back(call);
            }
            GroupAdmission::Offered(Admission::Refused, _) => {
                self.oracle.counts.note("refused at once");
            }
            GroupAdmission::Offered(Admission::Taken, _) => {
                self.oracle.counts.note("group send");
            }
        }
        self.absorb(at);
    }

    fn offer_to_group(&mut self, at: usize, origin: Origin, call: &GroupCall) -> GroupAdmission {
        let now = self.now();
        let sent = &mut self.oracle.messages[call.message];
        sent.attempts += 1;
        let (sender, group) = (self.users[sent.sender].clone(), sent.receiver.clone());
        let (client_msg_id, content) = (sent.client_msg_id.clone(), sent.content.clone());
        let mut draft = Draft::new(&Message {
            send_id: sender.as_str(),
            recv_id: group.as_str(),
            client_msg_id: &client_msg_id,
            switches: sent.switches,
            origin_platform: 0,
            msg_from: 100,
            content_type: 101,
            session_type: 2,
            sender_platform_id: 0,
            content: &content,
            ..Message::BLANK
        });
        let after_ns = call.after_ns;
        let terms = GroupTerms {
            emphasised: &["user0"],
            removed: &[],
            tells: openim_shard::Tells::Nothing,
            trusted: false,
            after_ns,
        };
        self.oracle.debts.offered(at, origin);
        let Node { shard, io, .. } = &mut self.nodes[at];
        let before = io.appends.len();
        let admission = shard.send_to_group(origin, &mut draft, &terms, now, io);
        let appended = io.appends.get(before);
        if let Some(append) = appended {
            let group = GroupId::new(group.as_str());
            let wishes = &self.wishes.groups;
            let willing = |uid: &&UserId| !wishes.contains(&(group.clone(), (*uid).clone()));
            let members = self.groups.answered[&group].iter().filter(willing).cloned().collect();
            assert_expansion(append, &members, &sender);
        }
        self.note(|| format!("shard {at}: {client_msg_id} of {sender} to {group}: {admission:?}"));
        if !matches!(admission, GroupAdmission::Offered(Admission::Taken, _)) {
            self.oracle.messages[call.message].attempts -= 1;
            self.oracle.debts.not_taken(at, origin);
        }
        admission
    }

    /// Members of groups have their turn.
    pub(crate) fn fan_out(&mut self, at: usize) {
        let now = self.now();
        let members = self.random.range(1, 5);
        let Node { shard, io, fanning_max, .. } = &mut self.nodes[at];
        *fanning_max = (*fanning_max).max(shard.back().fanning());
        let before = (shard.back().fanning(), shard.back().fanned());
        shard.fan_out(members, now, io);
        let had = shard.back().fanned() - before.1;
        assert_eq!(before.0 - shard.back().fanning(), had as usize, "who had a turn waits no more");
        self.absorb(at);
    }
}

/// L9, and that nobody is left out: a send goes to the members of the moment and to its sender.
fn assert_expansion(append: &Submission, members: &BTreeSet<UserId>, sender: &UserId) {
    let mut named: Vec<UserId> = Vec::new();
    for list in append.lists.iter().map(|list| &list.list) {
        let members_of = Members::decode(list).expect("a list");
        assert_eq!(members_of.key(), append.key);
        for section in members_of.sections() {
            for member in Members::of_section(list, section) {
                assert_eq!(member.emphasised, member.uid == "user0" && members.contains("user0"));
                named.push(UserId::new(member.uid));
            }
        }
    }
    let count = named.len();
    let named: BTreeSet<UserId> = named.into_iter().collect();
    assert_eq!(named.len(), count, "a member is named once");
    let mut expected = members.clone();
    expected.insert(sender.clone());
    assert_eq!(named, expected, "L9: members as of the admission");
}
