//! Groups in an owner's memory, with their versions (R6).
//!
//! Invariants: a group is read only when the next record needs it, so that no change passes between the
//! read and its answer; a change is applied to the version before it only, and anything else makes the
//! group be read again. Guarded by the tests of the owner and `tests/cluster.rs`.

use openim_back::{Groups, Whom};
use openim_record::{
    GroupId, Member, MemberChange, MemberList, Members, MessageKey, PartitionId, UserId, broken,
    own_members,
};

use super::Settings;
use crate::record::GroupChanged;
use crate::values::LoadedGroup;

#[derive(Debug)]
pub(super) struct Membership {
    groups: Groups,
    /// The group that was asked for.
    asked: Option<GroupId>,
}

impl Membership {
    pub(super) fn new(settings: &Settings) -> Self {
        let own = |partition: PartitionId| partition.0;
        Self {
            groups: Groups::new(settings.placement, own, settings.group_members_max),
            asked: None,
        }
    }

    pub(super) fn knows(&self, group: &str) -> bool {
        self.groups.knows(group)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.known()
    }

    /// Whether the group is to be asked for now: it was not before.
    pub(super) fn ask(&mut self, group: &str) -> Option<GroupId> {
        if self.asked.is_some() {
            return None;
        }
        self.asked = Some(GroupId::new(group));
        self.asked.clone()
    }

    pub(super) fn failed(&mut self) {
        self.asked = None;
    }

    pub(super) fn loaded(&mut self, loaded: LoadedGroup) {
        let LoadedGroup { group, version, members } = loaded;
        self.asked = None;
        self.groups.load(&group, version, members);
    }

    /// The directory has the group at this version now.
    pub(super) fn is_at(&mut self, group: &str, version: u64) {
        if self.groups.version(group).is_some_and(|own| own < version) {
            self.groups.forget(group);
        }
    }

    /// A change that lies in the log.
    pub(super) fn changed(&mut self, change: &GroupChanged<'_>) {
        if self.groups.version(change.group).is_none_or(|own| change.version <= own) {
            return;
        }
        // One that names nobody tells of a version whose own record may be lost.
        if change.joined.is_empty() && change.left.is_empty() {
            self.groups.forget(change.group);
            return;
        }
        let left = change.left.iter().map(|uid| MemberChange::Removed(UserId::new(uid)));
        let joined = change.joined.iter();
        let joined = joined.map(|(uid, role)| MemberChange::Joined(UserId::new(uid), role));
        let changes: Vec<MemberChange> = left.chain(joined).collect();
        self.groups.follow(&GroupId::new(change.group), change.version, &changes, 0);
    }

    /// The members of each partition, and `extra`, whom a message goes to.
    pub(super) fn expand(
        &mut self,
        group: &str,
        key: MessageKey,
        emphasised: &[&str],
        extra: &[&str],
    ) -> Vec<(PartitionId, Vec<(UserId, bool)>)> {
        let Some(lists) = self.groups.expand(group, key, &Whom { emphasised, extra, to_all: true })
        else {
            broken("a group is expanded when in memory")
        };
        let mut all: Vec<(PartitionId, Vec<(UserId, bool)>)> = Vec::new();
        for MemberList { partition, list, .. } in lists {
            let sections =
                own_members(&list).sections().flat_map(|of| Members::of_section(&list, of));
            let members = sections.map(|Member { uid, emphasised }| (UserId::new(uid), emphasised));
            // One relay a partition, however many lists: a second of the same source would be dropped.
            match all.iter_mut().find(|(of, _)| *of == partition) {
                Some((_, before)) => before.extend(members),
                None => all.push((partition, members.collect())),
            }
        }
        all
    }
}
