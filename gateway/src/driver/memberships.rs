//! Memberships that the stores have shown a short while ago.
//!
//! Never: that somebody is no member. Whoever has just joined may write at once; whoever was removed elsewhere may for
//! [`FRESH_MS`] more, which reaches those who are members where the send lies. What is changed here is forgotten at once.

use std::collections::{HashMap, VecDeque};

use openim_record::{GroupId, MemberChange, Role, UserId};

/// How long one that was found is not asked for again.
const FRESH_MS: u64 = 5_000;
/// How long it is believed while the stores cannot be asked.
const LAST_MS: u64 = 600_000;
/// How many are remembered; the oldest go first. Some 2 MiB.
const FOUND_MAX: usize = 16 * 1024;

type Who = (GroupId, UserId);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Memberships {
    found: HashMap<Who, (Role, u64)>,
    /// In the order in which they came; each that is remembered once, and perhaps some that are not.
    order: VecDeque<Who>,
    /// Counts what was forgotten: what was asked for before that is not kept after it.
    changes: u64,
}

impl Memberships {
    /// The role of a member who was found short of [`FRESH_MS`] ago.
    pub(crate) fn fresh(&self, who: &Who, now_ms: u64) -> Option<Role> {
        self.younger(who, now_ms, FRESH_MS)
    }

    /// The same for when the stores cannot be asked.
    pub(crate) fn last(&self, who: &Who, now_ms: u64) -> Option<Role> {
        self.younger(who, now_ms, LAST_MS)
    }

    fn younger(&self, who: &Who, now_ms: u64, age_ms: u64) -> Option<Role> {
        let (role, at_ms) = self.found.get(who)?;
        (now_ms.saturating_sub(*at_ms) < age_ms).then_some(*role)
    }

    /// To be given to [`Self::note`] with what is asked for now.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// What the stores have shown, asked as of `changes`; `None`: no member.
    pub(crate) fn note(&mut self, who: Who, role: Option<Role>, changes: u64, now_ms: u64) {
        let Some(role) = role.filter(|_| changes == self.changes) else {
            self.found.remove(&who);
            return;
        };
        if let Some(found) = self.found.get_mut(&who) {
            *found = (role, now_ms);
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
        self.found.insert(who, (role, now_ms));
    }

    /// A group has changed, or perhaps it has (`None`).
    pub(crate) fn forget(&mut self, group: &GroupId, changes: Option<&[MemberChange]>) {
        self.changes += 1;
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

    #[test]
    fn a_member_is_remembered_for_a_while_and_a_stranger_never() {
        let mut memberships = Memberships::default();
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
        let mut memberships = Memberships::default();
        let all = [who("g", "ann"), who("g", "bob"), who("h", "ann")];
        let before = memberships.changes();
        for who in &all {
            memberships.note(who.clone(), Some(Role::Ordinary), before, 0);
        }
        let left = |of: &Memberships| all.each_ref().map(|who| of.fresh(who, 0).is_some());
        let removed = [MemberChange::Removed(UserId::new("bob"))];
        memberships.forget(&GroupId::new("g"), Some(&removed));
        assert_eq!(left(&memberships), [true, false, true]);
        memberships.note(all[1].clone(), Some(Role::Ordinary), before, 0);
        assert_eq!(left(&memberships), [true, false, true]);
        memberships.forget(&GroupId::new("g"), Some(&[MemberChange::Ended]));
        assert_eq!(left(&memberships), [false, false, true]);
        memberships.forget(&GroupId::new("h"), None);
        assert_eq!(left(&memberships), [false; 3]);
    }

    #[test]
    fn there_are_never_more_than_a_bound() {
        let mut memberships = Memberships::default();
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
