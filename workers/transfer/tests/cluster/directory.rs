//! MySQL and the API processes: membership, its changes on their way into the log, and what they promise.

use std::collections::{BTreeMap, BTreeSet};

use openim_record::{GroupId, Position, Role, UserId};
use openim_transfer::{GroupChanged, LoadedGroup, LogPartition, Topic};

use crate::ledger::Ledger;
use crate::rules::Without;
use crate::world::World;

/// A change of one user's membership, in the order of commits.
#[derive(Clone, Debug)]
struct Event {
    joins: bool,
    /// Where the log told of it, if somebody was answered.
    answered: Option<Position>,
}

#[derive(Debug, Default)]
pub(crate) struct Group {
    version: u64,
    members: BTreeSet<UserId>,
    events: BTreeMap<UserId, Vec<Event>>,
}

/// A change on its way.
#[derive(Debug)]
pub(crate) struct Change {
    group: GroupId,
    uid: UserId,
    joins: bool,
    /// The version it has made and whether it changed anything, when it is committed.
    committed: Option<(u64, bool)>,
    /// Which event of the user it is about.
    event: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) groups: BTreeMap<GroupId, Group>,
    pub(crate) changes: Vec<Change>,
}

impl Directory {
    pub(crate) fn add(&mut self, group: GroupId, members: BTreeSet<UserId>, users: &[UserId]) {
        let first = |uid: &UserId| {
            let joins = members.contains(uid);
            (uid.clone(), vec![Event { joins, answered: None }])
        };
        let events = users.iter().map(first).collect();
        self.groups.insert(group, Group { version: 1, members, events });
    }

    pub(crate) fn is_member(&self, group: &str, uid: &UserId) -> bool {
        self.groups.get(group).is_some_and(|group| group.members.contains(uid))
    }

    pub(crate) fn version(&self, group: &str) -> u64 {
        self.groups[group].version
    }

    pub(crate) fn load(&self, group: &GroupId) -> LoadedGroup {
        let stored = &self.groups[group];
        let members = stored.members.iter().map(|uid| (uid.clone(), Role::Ordinary)).collect();
        LoadedGroup { group: group.clone(), version: stored.version, members }
    }

    /// L9, and that nobody is left out: what was answered before a send holds for it, unless there was
    /// another change since.
    pub(crate) fn assert_expansions(&self, ledger: &Ledger) {
        let of_groups = ledger.firsts.iter().filter(|first| first.source.of.topic == Topic::Group);
        for first in of_groups.filter(|first| first.history) {
            let group = &self.groups[first.receiver.as_str()];
            let got = ledger.relayed.get(&first.source).map(|(_, users)| users);
            for (uid, events) in &group.events {
                let before =
                    |event: &Event| event.answered.is_some_and(|at| at < first.source.position);
                let known = events.iter().rposition(before).unwrap_or(0);
                let joins = events[known].joins;
                if events[known + 1..].iter().any(|event| event.joins != joins) {
                    continue;
                }
                let extra = *uid == first.sender || first.extra.contains(uid);
                let has = got.is_some_and(|users| users.contains(uid));
                let law = if joins { "a member misses" } else { "L9: reaches who was removed" };
                assert_eq!(has, joins || extra, "{law}: {uid} of {first:?}");
            }
        }
    }
}

impl World {
    fn group_partition(&self, group: &str) -> LogPartition {
        LogPartition { topic: Topic::Group, partition: self.placement.partition(group) }
    }

    /// Somebody is let in or removed, or asks once more for what is so already.
    pub(crate) fn change_members(&mut self) {
        let nth = self.random.below(self.directory.groups.len());
        let Some(group) = self.directory.groups.keys().nth(nth).cloned() else { return };
        let nth = self.random.below(self.users.len());
        let uid = self.users[nth].clone();
        let member = self.directory.is_member(group.as_str(), &uid);
        let joins = if self.random.percent(self.plan.changes_repeated) { member } else { !member };
        self.directory.changes.push(Change { group, uid, joins, committed: None, event: 0 });
    }

    /// A change is committed, or told to the log, or its API process is killed in between.
    pub(crate) fn change_step(&mut self) {
        let nth = self.random.below(self.directory.changes.len());
        let Directory { groups, changes } = &mut self.directory;
        let Some(change) = changes.get_mut(nth) else { return };
        let group = groups.get_mut(&change.group).expect("a group");
        let Some((version, changed)) = change.committed else {
            let events = group.events.get_mut(&change.uid).expect("a user");
            let changes_it = group.members.contains(&change.uid) != change.joins;
            if changes_it {
                group.version += 1;
                match change.joins {
                    true => drop(group.members.insert(change.uid.clone())),
                    false => drop(group.members.remove(&change.uid)),
                }
                events.push(Event { joins: change.joins, answered: None });
            }
            change.event = events.len() - 1;
            change.committed = Some((group.version, changes_it));
            return;
        };
        if !self.calm && self.random.percent(self.plan.changes_cut) {
            self.directory.changes.swap_remove(nth);
            self.counts.note("change cut short");
            return;
        }
        let names = changed || self.without == Some(Without::NamelessRepeat);
        let uids = [change.uid.as_str()];
        let joined = [(change.uid.as_str(), Role::Ordinary)];
        let none: (&[(&str, Role)], &[&str]) = (&[], &[]);
        let (joined, left) = match (names, change.joins) {
            (false, _) => none,
            (true, true) => (&joined[..], none.1),
            (true, false) => (none.0, &uids[..]),
        };
        let record = GroupChanged::encode(change.group.as_str(), version, joined, left);
        let (name, uid, event) = (change.group.clone(), change.uid.clone(), change.event);
        let at = self.group_partition(name.as_str());
        let position = self.append(at, record.into());
        if !self.calm && self.random.percent(10) {
            // Nobody heard that it landed: the caller asks once more, or not.
            return;
        }
        let group = self.directory.groups.get_mut(&name).expect("a group");
        let event = &mut group.events.get_mut(&uid).expect("a user")[event];
        // Of several answers the first is the strongest promise.
        event.answered = Some(event.answered.unwrap_or(position).min(position));
        self.directory.changes.swap_remove(nth);
        self.counts.note(if changed { "change answered" } else { "change repeated" });
    }
}
