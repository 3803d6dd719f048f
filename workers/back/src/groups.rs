//! The groups machine: who is in the groups that are at home here, and to whom a message goes.
//!
//! Driven by loads and by membership changes that are durable; knows nothing of seq, links or rows. A group
//! that has missed a change, or of which nobody knows whether it was made, leaves memory and is loaded again.
//! Invariants: what [`Groups::expand`] gives is the membership as of that moment, so a send that is
//! admitted after a removal was noted does not name the removed member (L9); bounded by members, of all
//! groups together. Guarded by `tests/simulation.rs`.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use openim_record::{
    DEPARTED_MS, GroupId, GroupStep, MemberChange, MemberList, Members, MembersWriter, MessageKey,
    PartitionId, Placement, Role, UserId,
};

mod expander;
mod unwilling;

pub use expander::Expander;
use unwilling::Unwilling;

/// Bytes at which a member list goes on in another record of the log.
const LIST_BYTES_MAX: usize = 256 * 1024;
/// Groups that one load examines at most to make room.
const STEPS_PER_LOAD: usize = 32;
/// Departures that are remembered.
const DEPARTED_MAX: usize = 4096;

#[derive(Debug)]
struct Membership {
    /// In byte order of the uid.
    members: Arc<Vec<(UserId, Role)>>,
    /// Indices of `members` by list, partition and uid; made when it is first needed.
    by_list: Vec<u32>,
    /// The encoded lists of those who are willing, without emphasis and key; made when they are first needed.
    lists: Vec<MemberList>,
    used: bool,
    /// How many changes these members have seen.
    version: u64,
    /// The log has told of the change to that version, and who made it has not.
    told: bool,
    /// The group has ended: nobody in it has a role any more.
    dissolved: bool,
}

impl Membership {
    fn find(&self, uid: &str) -> Result<usize, usize> {
        self.members.binary_search_by(|(member, _)| member.as_str().cmp(uid))
    }

    /// What it counts for in the bound; one that nobody is in must count too.
    fn weight(&self) -> usize {
        self.members.len() + usize::from(self.dissolved)
    }

    /// Takes the steps of a change; none of them concerns somebody twice.
    fn apply(&mut self, changes: &[MemberChange]) {
        let members = Arc::make_mut(&mut self.members);
        let mut joined = Vec::new();
        let mut gone: HashSet<&str, RandomState> = HashSet::default();
        for change in changes {
            match change {
                MemberChange::Joined(uid, role) => joined.push((uid.clone(), *role)),
                MemberChange::Role(uid, role) => {
                    let find = |(member, _): &(UserId, Role)| member.cmp(uid);
                    if let Ok(at) = members.binary_search_by(find)
                        && let Some(member) = members.get_mut(at)
                    {
                        member.1 = *role;
                    }
                }
                MemberChange::Left(uid)
                | MemberChange::Removed(uid)
                | MemberChange::Cleared(uid) => {
                    gone.insert(uid.as_str());
                }
                MemberChange::Ended => self.dissolved = true,
            }
        }
        if !gone.is_empty() {
            members.retain(|(uid, _)| !gone.contains(uid.as_str()));
        }
        if !joined.is_empty() {
            // Stable: of a uid that is there already the older entry stays.
            members.append(&mut joined);
            members.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
            members.dedup_by(|(a, _), (b, _)| a == b);
        }
        self.by_list = Vec::new();
        self.lists = Vec::new();
    }
}

#[derive(Debug)]
struct Departed {
    group: GroupId,
    uid: UserId,
    at_ms: u64,
    /// Whether they may still tell the group that they have left.
    may_tell: bool,
}

impl Departed {
    fn is_of(&self, group: &str, uid: &str, now_ms: u64) -> bool {
        self.uid.as_str() == uid
            && self.group.as_str() == group
            && self.at_ms.saturating_add(DEPARTED_MS) >= now_ms
    }
}

/// The groups of one home that are in memory.
#[derive(Debug)]
pub struct Groups {
    lists: Arc<Lists>,
    groups: HashMap<GroupId, Membership, RandomState>,
    /// The clock's hand goes round here; each group in memory once, and perhaps some that are not.
    order: VecDeque<GroupId>,
    members: usize,
    members_max: usize,
    departed: VecDeque<Departed>,
    /// Of groups in memory or not, who are members or not.
    unwilling: Unwilling,
    evicted: u64,
}

/// To whom a message to a group goes, besides the members who are willing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whom<'a> {
    /// Members to mark.
    pub emphasised: &'a [&'a str],
    /// Also to members who do not receive what is written there.
    pub to_all: bool,
    /// Whoever they are.
    pub extra: &'a [&'a str],
}

impl Groups {
    /// No groups; at most about `members_max` members stay in memory. Partitions for which `owner` gives the
    /// same are handed out together: their members come in one list.
    #[must_use]
    pub fn new(
        placement: Placement,
        owner: impl Fn(PartitionId) -> u16,
        members_max: usize,
    ) -> Self {
        let owners = (0..placement.partitions()).map(|number| owner(PartitionId(number)));
        Self {
            lists: Arc::new(Lists { placement, owners: owners.collect() }),
            groups: HashMap::with_hasher(RandomState::default()),
            order: VecDeque::new(),
            members: 0,
            members_max,
            departed: VecDeque::new(),
            unwilling: Unwilling::default(),
            evicted: 0,
        }
    }

    /// Whether a group's members are in memory.
    #[must_use]
    pub fn knows(&self, group: &str) -> bool {
        self.groups.contains_key(group)
    }

    /// How many changes a group in memory has seen.
    #[must_use]
    pub fn version(&self, group: &str) -> Option<u64> {
        self.groups.get(group).map(|membership| membership.version)
    }

    /// The groups in memory.
    pub fn known(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(GroupId::as_str)
    }

    /// Brings a group's members into memory, as of a version; ignored when they are there (memory is newer).
    pub fn load(&mut self, group: &GroupId, version: u64, mut members: Vec<(UserId, Role)>) {
        if self.groups.contains_key(group.as_str()) {
            return;
        }
        members.sort_unstable_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        members.dedup_by(|(a, _), (b, _)| a == b);
        self.make_room(members.len());
        self.members += members.len();
        let membership = Membership {
            members: Arc::new(members),
            used: true,
            version,
            told: false,
            by_list: Vec::new(),
            lists: Vec::new(),
            dissolved: false,
        };
        self.groups.insert(group.clone(), membership);
        self.order.push_back(group.clone());
    }

    fn make_room(&mut self, coming: usize) {
        for _ in 0..STEPS_PER_LOAD {
            if self.members + coming <= self.members_max {
                return;
            }
            let Some(oldest) = self.order.pop_front() else { return };
            let Some(membership) = self.groups.get_mut(oldest.as_str()) else { continue };
            if std::mem::take(&mut membership.used) {
                self.order.push_back(oldest);
            } else {
                self.members -= membership.weight();
                self.groups.remove(oldest.as_str());
                self.evicted += 1;
            }
        }
    }

    /// Drops a group from memory: it has missed a change, or nobody knows how it stands.
    pub fn forget(&mut self, group: &str) {
        if let Some(membership) = self.groups.remove(group) {
            self.members -= membership.weight();
            // It comes back with a place of its own.
            self.order.retain(|kept| kept.as_str() != group);
        }
    }

    /// The role of `uid` in a group in memory; `None` for who is no member.
    #[must_use]
    pub fn role(&self, group: &str, uid: &str) -> Option<Role> {
        let membership = self.groups.get(group).filter(|membership| !membership.dissolved)?;
        let at = membership.find(uid).ok()?;
        Some(membership.members.get(at)?.1)
    }

    /// The members of a group in memory, in byte order.
    #[must_use]
    pub fn members(&self, group: &str) -> &[(UserId, Role)] {
        self.groups.get(group).map_or(&[], |membership| &membership.members)
    }

    /// The owner of a group in memory.
    #[must_use]
    pub fn owner(&self, group: &str) -> Option<&UserId> {
        self.members(group).iter().find(|(_, role)| *role == Role::Owner).map(|(uid, _)| uid)
    }

    /// A change of the group is durable, by which it has come to `version`: sends from now on see it. A group in
    /// memory that is not just before that version has missed something, and leaves.
    pub fn follow(&mut self, group: &GroupId, version: u64, changes: &[MemberChange], now_ms: u64) {
        if let Some(membership) = self.groups.get_mut(group.as_str())
            && std::mem::take(&mut membership.told)
            && membership.version == version
        {
            return;
        }
        for change in changes {
            match change {
                MemberChange::Left(uid) => self.departed(group, uid, true, now_ms),
                MemberChange::Removed(uid) => self.departed(group, uid, false, now_ms),
                MemberChange::Joined(..)
                | MemberChange::Role(..)
                | MemberChange::Ended
                | MemberChange::Cleared(_) => {}
            }
        }
        let Some(membership) = self.groups.get_mut(group.as_str()) else { return };
        let nothing_done = changes.is_empty() && membership.version == version;
        if !nothing_done && membership.version.checked_add(1) != Some(version) {
            self.forget(group.as_str());
            return;
        }
        membership.version = version;
        let before = membership.weight();
        membership.apply(changes);
        self.members = self.members - before + membership.weight();
    }

    /// The same as the log tells it with what tells of the change, before or after whoever made it.
    pub fn follow_told(&mut self, step: &GroupStep, now_ms: u64) {
        let GroupStep { group, version, members } = step;
        if self.version(group.as_str()) == Some(*version) {
            return;
        }
        self.follow(group, *version, members, now_ms);
        if let Some(membership) = self.groups.get_mut(group.as_str()) {
            membership.told = true;
        }
    }

    /// Somebody is out of the group; who has left by their own wish may tell so.
    fn departed(&mut self, group: &GroupId, uid: &UserId, may_tell: bool, now_ms: u64) {
        if self.departed.len() == DEPARTED_MAX {
            self.departed.pop_front();
        }
        let (group, uid) = (group.clone(), uid.clone());
        self.departed.push_back(Departed { group, uid, at_ms: now_ms, may_tell });
    }

    /// Whether `uid` has left the group a short while ago (spec, REST 7.6: tips about a departure).
    #[must_use]
    pub fn departed_lately(&self, group: &str, uid: &str, now_ms: u64) -> bool {
        self.departed.iter().any(|departed| departed.is_of(group, uid, now_ms))
    }

    /// Whether `uid` has left the group a short while ago and has not told it yet.
    #[must_use]
    pub fn may_tell(&self, group: &str, uid: &str, now_ms: u64) -> bool {
        let mut lately = self.departed.iter().filter(|one| one.is_of(group, uid, now_ms));
        lately.any(|departed| departed.may_tell)
    }

    /// `uid` has told the group that they have left: once is enough.
    pub fn told(&mut self, group: &str, uid: &str, now_ms: u64) {
        let lately = self.departed.iter_mut().filter(|one| one.is_of(group, uid, now_ms));
        lately.for_each(|departed| departed.may_tell = false);
    }

    /// Whether a group in memory has ended.
    #[must_use]
    pub fn is_dissolved(&self, group: &str) -> bool {
        self.groups.get(group).is_some_and(|membership| membership.dissolved)
    }

    /// Notes whether somebody, member or not, does not receive what is written in a group at home here, in memory or not;
    /// `true` where that is new.
    pub fn set_unwilling(&mut self, group: &str, uid: &UserId, unwilling: bool) -> bool {
        let is_new = self.unwilling.set(group, uid, unwilling);
        if is_new && let Some(membership) = self.groups.get_mut(group) {
            membership.lists = Vec::new();
        }
        is_new
    }

    /// Whether somebody does not receive what is written in a group.
    #[must_use]
    pub fn is_unwilling(&self, group: &str, uid: &str) -> bool {
        self.unwilling.of(group).is_some_and(|unwilling| unwilling.contains(uid))
    }

    /// How often somebody does not receive what is written in some group.
    #[must_use]
    pub const fn unwilling_len(&self) -> usize {
        self.unwilling.len()
    }

    /// The lists of a message with `key` to the group's members who are willing, and to others as [`Whom`] says. `None`:
    /// the group is not in memory.
    pub fn expand(
        &mut self,
        group: &str,
        key: MessageKey,
        whom: &Whom<'_>,
    ) -> Option<Vec<MemberList>> {
        let Self { lists: by, groups, unwilling, .. } = self;
        let by: &Lists = by;
        let membership = groups.get_mut(group)?;
        membership.used = true;
        if membership.by_list.len() != membership.members.len() {
            membership.by_list = by.order(&membership.members);
        }
        let unwilling = unwilling.of(group);
        let spared = unwilling.filter(|_| !whom.to_all);
        let is_spared = |uid: &str| spared.is_some_and(|spared| spared.contains(uid));
        let encode_all = |emphasised: &[&str]| {
            let ordered = membership.by_list.iter().filter_map(|&at| {
                let (uid, _) = membership.members.get(at as usize)?;
                let uid = uid.as_str();
                (!is_spared(uid)).then(|| (uid, emphasised.binary_search(&uid).is_ok()))
            });
            by.encode(ordered)
        };
        // Lists are kept of those who are willing.
        let are_kept = whom.emphasised.is_empty() && spared.is_some() == unwilling.is_some();
        let mut lists = if are_kept {
            if membership.lists.is_empty() {
                membership.lists = encode_all(&[]);
            }
            membership.lists.clone()
        } else {
            let mut emphasised = whom.emphasised.to_vec();
            emphasised.sort_unstable();
            encode_all(&emphasised)
        };
        let is_listed = |uid: &&str| membership.find(uid).is_ok() && !is_spared(uid);
        let mut others: Vec<&str> =
            whom.extra.iter().copied().filter(|uid| !is_listed(uid)).collect();
        others.sort_unstable_by_key(|uid| (by.place(uid), *uid));
        others.dedup();
        lists.extend(by.encode(others.into_iter().map(|uid| (uid, false))));
        for list in &mut lists {
            Members::set_key(&mut list.list, key);
        }
        Some(lists)
    }

    /// Groups and members in memory, and how many groups had to leave it so far.
    #[must_use]
    pub fn len(&self) -> (usize, usize, u64) {
        (self.groups.len(), self.members, self.evicted)
    }

    /// Panics when the counts do not add up; walks everything.
    pub fn check_invariants(&self) {
        let members = self.groups.values().map(Membership::weight).sum::<usize>();
        assert_eq!(self.members, members, "members in memory");
        for (id, group) in &self.groups {
            assert!(self.order.contains(id), "{id} can leave memory");
            assert!(group.members.is_sorted_by(|(a, _), (b, _)| a < b), "{id}: in order");
        }
    }
}

/// Which members come in one list.
#[derive(Debug)]
struct Lists {
    placement: Placement,
    /// By partition.
    owners: Box<[u16]>,
}

impl Lists {
    fn owner(&self, partition: PartitionId) -> u16 {
        self.owners.get(usize::from(partition.0)).copied().unwrap_or(0)
    }

    fn place(&self, uid: &str) -> (u16, PartitionId) {
        let partition = self.placement.partition(uid);
        (self.owner(partition), partition)
    }

    /// Indices of members by list and partition.
    fn order(&self, members: &[(UserId, Role)]) -> Vec<u32> {
        let mut order: Vec<u32> = (0..).take(members.len()).collect();
        // Cached: the hash of a uid is most of the work.
        order.sort_by_cached_key(|&at| {
            members.get(at as usize).map(|(uid, _)| self.place(uid.as_str()))
        });
        order
    }

    /// Encodes members who come by list and partition; a long list goes on in another one.
    fn encode<'a>(&self, members: impl Iterator<Item = (&'a str, bool)>) -> Vec<MemberList> {
        let mut lists: Vec<MemberList> = Vec::new();
        let mut open: Option<(PartitionId, MembersWriter)> = None;
        let close = |(partition, list): (PartitionId, MembersWriter), lists: &mut Vec<_>| {
            lists.push(MemberList {
                partition,
                members: list.len(),
                weight: list.weight(),
                list: list.finish(),
            });
        };
        for (uid, emphasised) in members {
            let (owner, partition) = self.place(uid);
            let fits = |(first, list): &(PartitionId, MembersWriter)| {
                self.owner(*first) == owner && list.bytes() < LIST_BYTES_MAX
            };
            if !open.as_ref().is_some_and(fits)
                && let Some(full) = open.replace((partition, MembersWriter::new()))
            {
                close(full, &mut lists);
            }
            if let Some((_, list)) = &mut open {
                list.push(partition, uid, emphasised);
            }
        }
        if let Some(last) = open {
            close(last, &mut lists);
        }
        lists
    }
}

#[cfg(test)]
mod tests;
