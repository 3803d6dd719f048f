//! Groups in an owner's memory, with their versions (R6).
//!
//! Invariants: a group is read only when the next record needs it, so that no change passes between the
//! read and its answer; a change is applied to the version before it only, and anything else makes the
//! group be read again. Guarded by the tests of the owner and `tests/cluster.rs`.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use openim_back::{Departure, Groups};
use openim_record::{GroupId, Member, MemberList, Members, MessageKey, PartitionId, UserId};

use super::Settings;
use crate::record::GroupChanged;
use crate::values::LoadedGroup;

#[derive(Debug)]
pub(super) struct Membership {
    groups: Groups,
    versions: HashMap<GroupId, u64, RandomState>,
    /// The group that was asked for.
    asked: Option<GroupId>,
}

impl Membership {
    pub(super) fn new(settings: &Settings) -> Self {
        let own = |partition: PartitionId| partition.0;
        Self {
            groups: Groups::new(settings.placement, own, settings.group_members_max),
            versions: HashMap::default(),
            asked: None,
        }
    }

    pub(super) fn knows(&self, group: &str) -> bool {
        self.groups.knows(group)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        let known = self.versions.keys().filter(|group| self.knows(group.as_str()));
        known.map(GroupId::as_str)
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
        self.groups.load(&group, members);
        self.versions.insert(group, version);
        let Self { groups, versions, .. } = self;
        if versions.len() > 2 * groups.len().0 + 64 {
            versions.retain(|group, _| groups.knows(group.as_str()));
        }
    }

    /// The directory has the group at this version now.
    pub(super) fn is_at(&mut self, group: &str, version: u64) {
        if self.versions.get(group).is_some_and(|own| *own < version) {
            self.forget(group);
        }
    }

    fn forget(&mut self, group: &str) {
        self.groups.forget(group);
        self.versions.remove(group);
    }

    /// A change that lies in the log.
    pub(super) fn changed(&mut self, change: &GroupChanged<'_>) {
        let Some(&own) = self.versions.get(change.group) else { return };
        if !self.knows(change.group) || change.version <= own {
            return;
        }
        // One that names nobody tells of a version whose own record may be lost.
        let names_nobody = change.joined.is_empty() && change.left.is_empty();
        if change.version != own + 1 || names_nobody {
            self.forget(change.group);
            return;
        }
        let group = GroupId::new(change.group);
        for uid in change.left.iter() {
            self.groups.departed(&group, &UserId::new(uid), Departure::Removed, 0);
        }
        for (uid, role) in change.joined.iter() {
            self.groups.joined(change.group, &UserId::new(uid), role);
        }
        self.versions.insert(group, change.version);
    }

    /// The members of each partition, and `extra`, whom a message goes to.
    pub(super) fn expand(
        &mut self,
        group: &str,
        key: MessageKey,
        emphasised: &[&str],
        extra: &[&str],
    ) -> Vec<(PartitionId, Vec<(UserId, bool)>)> {
        let lists = self.groups.expand(group, key, emphasised, extra).unwrap_or_default();
        let mut all: Vec<(PartitionId, Vec<(UserId, bool)>)> = Vec::new();
        for MemberList { partition, list, .. } in lists {
            let Some(of_partition) = Members::decode(&list) else { continue };
            let sections = of_partition.sections().flat_map(|of| Members::of_section(&list, of));
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
