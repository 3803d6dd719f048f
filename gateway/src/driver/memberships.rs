//! Memberships that the stores have shown a short while ago.
//!
//! Never: that somebody is no member. Whoever has just joined may write at once; whoever was removed by another process may
//! for [`FRESH_MS`] more, which reaches those who are members where the send lies. What this process has changed is asked
//! for again at once, on whichever shard.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use openim_record::{GroupId, MemberChange, Role, UserId};

/// How long one that was found is not asked for again.
const FRESH_MS: u64 = 5_000;
/// How long it is believed while the stores cannot be asked.
const LAST_MS: u64 = 600_000;
/// How many are remembered; the oldest go first. Some 2 MiB.
const FOUND_MAX: usize = 16 * 1024;

/// Changes of groups that this process has begun to make.
static CHANGES: AtomicU64 = AtomicU64::new(0);

type Who = (GroupId, UserId);

#[derive(Clone, Copy, Debug)]
struct Found {
    role: Role,
    at_ms: u64,
    /// As of how many changes it was asked for.
    changes: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Memberships {
    found: HashMap<Who, Found>,
    /// In the order in which they came; each that is remembered once, and perhaps some that are not.
    order: VecDeque<Who>,
    changes: &'static AtomicU64,
}

impl Default for Memberships {
    fn default() -> Self {
        Self { found: HashMap::new(), order: VecDeque::new(), changes: &CHANGES }
    }
}

impl Memberships {
    /// The role of a member who was found short of [`FRESH_MS`] ago, and behind all changes.
    pub(crate) fn fresh(&self, who: &Who, now_ms: u64) -> Option<Role> {
        let found = self.younger(who, now_ms, FRESH_MS)?;
        (found.changes == self.changes()).then_some(found.role)
    }

    /// The same for when the stores cannot be asked.
    pub(crate) fn last(&self, who: &Who, now_ms: u64) -> Option<Role> {
        self.younger(who, now_ms, LAST_MS).map(|found| found.role)
    }

    fn younger(&self, who: &Who, now_ms: u64, age_ms: u64) -> Option<&Found> {
        self.found.get(who).filter(|found| now_ms.saturating_sub(found.at_ms) < age_ms)
    }

    /// To be given to [`Self::note`] with what is asked for now.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
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

    /// A group has changed, or perhaps it has (`None`).
    pub(crate) fn forget(&mut self, group: &GroupId, changes: Option<&[MemberChange]>) {
        self.changes.fetch_add(1, Ordering::AcqRel);
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

    /// With changes of its own.
    fn memberships() -> Memberships {
        Memberships { changes: Box::leak(Box::default()), ..Memberships::default() }
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
        let before = memberships.changes();
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
        // All are asked for again; who is removed is not believed any more.
        assert_eq!(of_all(&memberships), [(false, true), (false, false), (false, true)]);
        memberships.note(all[0].clone(), Some(Role::Ordinary), before, 0);
        assert_eq!(of_all(&memberships)[0], (false, true), "it was asked for before");
        let now = memberships.changes();
        memberships.note(all[0].clone(), Some(Role::Ordinary), now, 0);
        assert_eq!(of_all(&memberships)[0], (true, true));
        memberships.forget(&GroupId::new("g"), Some(&[MemberChange::Ended]));
        assert_eq!(left(&memberships), [false, false, true]);
        memberships.forget(&GroupId::new("h"), None);
        assert_eq!(left(&memberships), [false; 3]);
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
