//! Who does not receive what is written in which group (receive option 1), of groups at home here.
//!
//! Told by whoever makes such a change durable. Who leaves a group stays in here, for the option stays. Bounded by whoever tells.

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use openim_record::{GroupId, UserId};

type Users = HashSet<UserId, RandomState>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unwilling {
    /// No group without anybody.
    groups: HashMap<GroupId, Users, RandomState>,
    len: usize,
}

impl Unwilling {
    /// Notes of somebody whether they are unwilling; `true` where that is new.
    pub(super) fn set(&mut self, group: &str, uid: &UserId, unwilling: bool) -> bool {
        if unwilling {
            let users = self.groups.entry(GroupId::new(group)).or_default();
            let is_new = users.insert(uid.clone());
            self.len += usize::from(is_new);
            return is_new;
        }
        let Some(users) = self.groups.get_mut(group) else { return false };
        let was = users.remove(uid);
        self.len -= usize::from(was);
        if users.is_empty() {
            self.groups.remove(group);
        }
        was
    }

    /// Those of a group, if there are any.
    pub(super) fn of(&self, group: &str) -> Option<&Users> {
        self.groups.get(group)
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }
}
