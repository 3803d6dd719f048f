//! Memberships that the stores have shown a short while ago.
//!
//! Never: that somebody is no member. Whoever has just joined may write at once. What is remembered is asked for again when a
//! change of the group is known of ([`GroupChanges`]): one that was made here at once, on whichever shard; one of
//! another process when it is heard of, in the stream of events, a fraction of a second later. A change is told behind its
//! commit: whoever asked before that may have been shown what was before, and whoever asks when it is heard is shown what is. A
//! process that is killed between the two tells nobody, one whose change failed for a late store tells too early, and
//! while Redis is away nobody is told in time. So nothing is remembered for longer than [`FRESH_MS`] in any case: for so
//! long somebody who was removed may write then, which reaches those who are members where the send lies.
//!
//! What is believed while the stores cannot be asked ([`LAST_MS`]) is not forgotten with a change of another process: it
//! says of which group, and not of whom.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openim_record::{GroupId, MemberChange, Role, UserId};

/// How long one that was found is not asked for again.
const FRESH_MS: u64 = 5_000;
/// How long it is believed while the stores cannot be asked.
const LAST_MS: u64 = 600_000;
/// How many are remembered; the oldest go first. Some 2 MiB.
const FOUND_MAX: usize = 16 * 1024;
/// Counts of changes. Groups that share one are asked about once more when another changes, no worse.
const COUNTS: usize = 4_096;

/// How many changes of groups the shards of a process know of. For all of them, and whoever hears of such changes.
#[derive(Debug)]
pub(crate) struct GroupChanges {
    counts: Box<[AtomicU64]>,
    fresh_ms: u64,
}

impl Default for GroupChanges {
    fn default() -> Self {
        Self { counts: (0..COUNTS).map(|_| AtomicU64::new(0)).collect(), fresh_ms: FRESH_MS }
    }
}

impl GroupChanges {
    /// For tests in which nothing but a change has a membership asked for again.
    #[cfg(feature = "testing")]
    pub(crate) fn without_end() -> Self {
        Self { fresh_ms: u64::MAX, ..Self::default() }
    }

    /// A group has changed, or perhaps it has.
    pub(crate) fn note(&self, group: &GroupId) {
        self.of(group).fetch_add(1, Ordering::AcqRel);
    }

    /// Any group may have.
    #[cfg(feature = "cluster")]
    pub(crate) fn note_all(&self) {
        for count in &self.counts {
            count.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn of(&self, group: &GroupId) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        group.hash(&mut hasher);
        &self.counts[hasher.finish() as usize % COUNTS]
    }
}

type Who = (GroupId, UserId);

#[derive(Clone, Copy, Debug)]
struct Found {
    role: Role,
    at_ms: u64,
    /// As of how many changes of the group it was asked for.
    changes: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Memberships {
    found: HashMap<Who, Found>,
    /// In the order in which they came; each that is remembered once, and perhaps some that are not.
    order: VecDeque<Who>,
    changes: Arc<GroupChanges>,
}

impl Memberships {
    /// None yet.
    pub(crate) fn new(changes: Arc<GroupChanges>) -> Self {
        Self { found: HashMap::new(), order: VecDeque::new(), changes }
    }

    /// The role of a member who was found short of [`FRESH_MS`] ago, and behind all changes of the group.
    pub(crate) fn fresh(&self, who: &Who, now_ms: u64) -> Option<Role> {
        let found = self.younger(who, now_ms, self.changes.fresh_ms)?;
        (found.changes == self.changes(&who.0)).then_some(found.role)
    }

    /// The same for when the stores cannot be asked.
    pub(crate) fn last(&self, who: &Who, now_ms: u64) -> Option<Role> {
        self.younger(who, now_ms, LAST_MS).map(|found| found.role)
    }

    fn younger(&self, who: &Who, now_ms: u64, age_ms: u64) -> Option<&Found> {
        self.found.get(who).filter(|found| now_ms.saturating_sub(found.at_ms) < age_ms)
    }

    /// To be given to [`Self::note`] with what is asked for now.
    pub(crate) fn changes(&self, group: &GroupId) -> u64 {
        self.changes.of(group).load(Ordering::Acquire)
    }

    /// What the stores have shown, asked as of `changes`; `None`: no member.
    pub(crate) fn note(&mut self, who: Who, role: Option<Role>, changes: u64, now_ms: u64) {
        let Some(role) = role else {
            self.found.remove(&who);
            return;
        };
        let new = Found { role, at_ms: now_ms, changes };
        if let Some(found) = self.found.get_mut(&who) {
            *found = new;
            return;
        }
        while self.found.len() >= FOUND_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.found.remove(&oldest);
        }
        if self.order.len() >= 2 * FOUND_MAX {
            let found = &self.found;
            self.order.retain(|who| found.contains_key(who));
        }
        self.order.push_back(who.clone());
        self.found.insert(who, new);
    }

    /// A group was changed here, or perhaps it was (`None`).
    pub(crate) fn forget(&mut self, group: &GroupId, changes: Option<&[MemberChange]>) {
        self.changes.note(group);
        let all = changes.is_none_or(|changes| changes.contains(&MemberChange::Ended));
        if all {
            self.found.retain(|(of, _), _| of != group);
            return;
        }
        for change in changes.into_iter().flatten() {
            if let MemberChange::Role(uid, _)
            | MemberChange::Joined(uid, _)
            | MemberChange::Left(uid)
            | MemberChange::Removed(uid)
            | MemberChange::Cleared(uid) = change
            {
                self.found.remove(&(group.clone(), uid.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(group: &str, uid: &str) -> Who {
        (GroupId::new(group), UserId::new(uid))
    }

    fn memberships() -> Memberships {
        Memberships::new(Arc::default())
    }

    #[test]
    fn a_member_is_remembered_for_a_while_and_a_stranger_never() {
        let mut memberships = memberships();
        let (ann, bob) = (who("g", "ann"), who("g", "bob"));
        memberships.note(ann.clone(), Some(Role::Owner), 0, 100);
        memberships.note(bob.clone(), None, 0, 100);
        let seen = |of: &Memberships, now_ms| (of.fresh(&ann, now_ms), of.last(&ann, now_ms));
        let owner = Some(Role::Owner);
        assert_eq!(seen(&memberships, 5_099), (owner, owner));
        assert_eq!(seen(&memberships, 5_100), (None, owner));
        assert_eq!(seen(&memberships, 600_100), (None, None));
        assert_eq!(memberships.last(&bob, 100), None);
        // Found again later, or found to be out.
        memberships.note(ann.clone(), Some(Role::Ordinary), 0, 9_000);
        assert_eq!(memberships.fresh(&ann, 9_000), Some(Role::Ordinary));
        memberships.note(ann.clone(), None, 0, 9_000);
        assert_eq!(memberships.last(&ann, 9_000), None);
    }

    #[test]
    fn what_changes_is_forgotten_and_so_is_what_was_asked_for_before() {
        let mut memberships = memberships();
        let all = [who("g", "ann"), who("g", "bob"), who("h", "ann")];
        let before = memberships.changes(&GroupId::new("g"));
        for who in &all {
            memberships.note(who.clone(), Some(Role::Ordinary), before, 0);
        }
        let of_all = |of: &Memberships| {
            all.each_ref().map(|who| (of.fresh(who, 0).is_some(), of.last(who, 0).is_some()))
        };
        let left = |of: &Memberships| of_all(of).map(|(_, last)| last);
        assert_eq!(of_all(&memberships), [(true, true); 3]);
        let removed = [MemberChange::Removed(UserId::new("bob"))];
        memberships.forget(&GroupId::new("g"), Some(&removed));
        // All of the group are asked for again; who is removed is not believed any more.
        assert_eq!(of_all(&memberships), [(false, true), (false, false), (true, true)]);
        memberships.note(all[0].clone(), Some(Role::Ordinary), before, 0);
        assert_eq!(of_all(&memberships)[0], (false, true), "it was asked for before");
        let now = memberships.changes(&GroupId::new("g"));
        memberships.note(all[0].clone(), Some(Role::Ordinary), now, 0);
        assert_eq!(of_all(&memberships)[0], (true, true));
        memberships.forget(&GroupId::new("g"), Some(&[MemberChange::Ended]));
        assert_eq!(left(&memberships), [false, false, true]);
        memberships.forget(&GroupId::new("h"), None);
        assert_eq!(left(&memberships), [false; 3]);
    }

    #[cfg(feature = "cluster")]
    #[test]
    fn what_others_change_is_asked_for_again_on_all_shards() {
        let changes = Arc::new(GroupChanges::default());
        let mut shards = [(); 2].map(|()| Memberships::new(Arc::clone(&changes)));
        let (ann, other) = (who("g", "ann"), who("h", "ann"));
        let ask = |shards: &mut [Memberships; 2]| {
            for shard in shards {
                for who in [&ann, &other] {
                    let changes = shard.changes(&who.0);
                    shard.note(who.clone(), Some(Role::Ordinary), changes, 0);
                }
            }
        };
        let fresh = |shards: &[Memberships; 2]| {
            shards.each_ref().map(|of| [&ann, &other].map(|who| of.fresh(who, 0).is_some()))
        };
        ask(&mut shards);
        let before = shards[0].changes(&ann.0);
        changes.note(&ann.0);
        assert_eq!(fresh(&shards), [[false, true]; 2]);
        assert_eq!(shards[0].last(&ann, 0), Some(Role::Ordinary), "nobody knows who is out");
        shards[0].note(ann.clone(), Some(Role::Ordinary), before, 0);
        assert_eq!(shards[0].fresh(&ann, 0), None, "it was asked for before");
        ask(&mut shards);
        assert_eq!(fresh(&shards), [[true; 2]; 2]);
        changes.note_all();
        assert_eq!(fresh(&shards), [[false; 2]; 2]);
    }

    #[test]
    fn there_are_never_more_than_a_bound() {
        let mut memberships = memberships();
        for n in 0..3 * FOUND_MAX {
            let who = who("g", &n.to_string());
            memberships.note(who.clone(), Some(Role::Ordinary), 0, 0);
            if n % 2 == 0 {
                memberships.note(who, None, 0, 0);
            }
        }
        assert!(memberships.found.len() <= FOUND_MAX);
        assert!(memberships.order.len() <= 2 * FOUND_MAX);
        let last = who("g", &(3 * FOUND_MAX - 1).to_string());
        assert_eq!(memberships.fresh(&last, 0), Some(Role::Ordinary));
    }
}
