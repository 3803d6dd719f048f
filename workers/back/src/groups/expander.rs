//! To whom a message about a change of a group goes, as the members are behind that change.
//!
//! Taken at the group's home in the group's turn, and used where the change is decided: what tells of a change lies in
//! the log with it.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashSet;
use openim_record::{MemberChange, MemberList, Members, MessageKey, Role, UserId};

use super::{Groups, Lists};

/// See the module.
#[derive(Clone, Debug)]
pub struct Expander {
    lists: Arc<Lists>,
    members: Arc<Vec<(UserId, Role)>>,
}

impl Groups {
    /// The members of a group as they are now; nobody, if it is not in memory.
    #[must_use]
    pub fn expander(&self, group: &str) -> Expander {
        let members = self.groups.get(group).map(|membership| Arc::clone(&membership.members));
        Expander { lists: Arc::clone(&self.lists), members: members.unwrap_or_default() }
    }
}

impl Expander {
    /// The lists of a message with `key` to the members behind a change, and to `extra` who may be none. Nobody gets it
    /// where no member is left.
    #[must_use]
    pub fn expand(
        &self,
        change: &[MemberChange],
        key: MessageKey,
        extra: &[&str],
    ) -> Vec<MemberList> {
        let mut gone: HashSet<&str, RandomState> = HashSet::default();
        let mut all: Vec<&str> = Vec::with_capacity(self.members.len() + extra.len());
        for step in change {
            match step {
                MemberChange::Joined(uid, _) => all.push(uid.as_str()),
                MemberChange::Left(uid)
                | MemberChange::Removed(uid)
                | MemberChange::Cleared(uid) => {
                    gone.insert(uid.as_str());
                }
                MemberChange::Role(..) | MemberChange::Ended => {}
            }
        }
        let members = self.members.iter().map(|(uid, _)| uid.as_str());
        all.extend(members.filter(|uid| !gone.contains(uid)));
        if all.is_empty() {
            return Vec::new();
        }
        all.extend(extra);
        // Cached: the hash of a uid is most of the work.
        all.sort_by_cached_key(|uid| (self.lists.place(uid), *uid));
        all.dedup();
        let mut lists = self.lists.encode(all.into_iter().map(|uid| (uid, false)));
        for list in &mut lists {
            Members::set_key(&mut list.list, key);
        }
        lists
    }
}
