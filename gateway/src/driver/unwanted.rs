//! Conversations whose messages somebody does not want at all (receive option 1): which may be such ones.
//!
//! What is so is in the stores, and is asked there before a send is offered. Most conversations are none, and nobody is asked about
//! those: this knows them, of all users, in a fixed room. It may take one for such that is none; never the other way round, for
//! it is told before an option is changed, and again behind that, as what is remembered of a group is of a count.
//! Never forgets until the process ends. Of a cluster nothing is kept: options have no effect there.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use openim_record::{GroupId, UserId};

use crate::bus::Refused;
use crate::driver::Core;

/// The option with which nothing is received.
pub(crate) const UNWANTED: i32 = 1;
/// Bits of pairs of users, and counts of groups: 128 and 64 KiB.
const PAIRS: usize = 1 << 20;
const GROUPS: usize = 1 << 14;
/// Groups of which a shard remembers who does not want their messages.
const REMEMBERED_MAX: usize = 1024;

/// See the module. For all shards of a process.
#[derive(Debug, Default)]
pub(crate) struct Unwanted {
    pairs: Box<[AtomicU64]>,
    groups: Box<[AtomicU32]>,
}

impl Unwanted {
    /// Where options have their effect. It is to be told what the stores hold: of each conversation with [`UNWANTED`].
    pub(crate) fn kept() -> Self {
        Self {
            pairs: (0..PAIRS / 64).map(|_| AtomicU64::new(0)).collect(),
            groups: (0..GROUPS).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// An option of a user is about to change, or has.
    pub(crate) fn note(&self, user: &str, conversation: &str) {
        if let Some(peer) = conversation.strip_prefix("single_") {
            let (at, bit) = Self::pair(peer, user);
            if let Some(bits) = self.pairs.get(at) {
                bits.fetch_or(bit, Ordering::AcqRel);
            }
        } else if let Some(group) = conversation.strip_prefix("group_")
            && let Some(count) = self.count(group)
        {
            // Zero means that nobody ever did.
            let more = |count: u32| Some(count.wrapping_add(1).max(1));
            let _always = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        }
    }

    /// Whether `receiver` may not want what `sender` writes.
    pub(crate) fn perhaps(&self, sender: &str, receiver: &str) -> bool {
        let (at, bit) = Self::pair(sender, receiver);
        self.pairs.get(at).is_some_and(|bits| bits.load(Ordering::Acquire) & bit != 0)
    }

    fn pair(sender: &str, receiver: &str) -> (usize, u64) {
        let place = hash((sender, receiver)) as usize % PAIRS;
        (place / 64, 1 << (place % 64))
    }

    fn count(&self, group: &str) -> Option<&AtomicU32> {
        self.groups.get(hash(group) as usize % GROUPS)
    }

    /// Changes of the group's members' options so far; 0: nobody may not want what is written there.
    fn changes(&self, group: &str) -> u32 {
        self.count(group).map_or(0, |count| count.load(Ordering::Acquire))
    }
}

fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Who does not want the messages of groups, as far as that was asked lately.
#[derive(Debug, Default)]
pub(crate) struct Unwilling(HashMap<GroupId, Remembered>);

#[derive(Debug)]
struct Remembered {
    /// As of so many changes of options, and of the group.
    as_of: (u32, u64),
    users: Rc<[UserId]>,
}

impl Core {
    /// Whether `receiver` does not want what `sender` writes.
    pub(crate) async fn is_unwanted(&self, sender: &str, receiver: &str) -> Result<bool, Refused> {
        if sender == receiver || !self.unwanted.perhaps(sender, receiver) {
            return Ok(false);
        }
        self.has_option(UserId::new(receiver), format!("single_{sender}")).await
    }

    /// Whether a member of a group does not want its messages now.
    pub(crate) async fn is_unwilling(&self, user: &UserId, group: &str) -> Result<bool, Refused> {
        if self.unwanted.changes(group) == 0 {
            return Ok(false);
        }
        self.has_option(user.clone(), format!("group_{group}")).await
    }

    async fn has_option(&self, user: UserId, conversation: String) -> Result<bool, Refused> {
        let options = self.query(async move |sources| {
            sources.preferences.get(&user, std::slice::from_ref(&conversation)).await
        });
        Ok(options.await?.first() == Some(&UNWANTED))
    }

    /// The members of a group in memory who do not want its messages.
    pub(crate) async fn unwilling(&self, group: &GroupId) -> Result<Rc<[UserId]>, Refused> {
        let changes = self.unwanted.changes(group.as_str());
        if changes == 0 {
            return Ok(Rc::default());
        }
        let (version, members): (u64, Vec<UserId>) = {
            let shard = self.shard.borrow();
            let groups = shard.groups();
            // Of one that is not there the send is not taken either.
            let Some(version) = groups.version(group.as_str()) else { return Ok(Rc::default()) };
            if let Some(remembered) = self.unwilling.borrow().0.get(group)
                && remembered.as_of == (changes, version)
            {
                return Ok(Rc::clone(&remembered.users));
            }
            let members = groups.members(group.as_str()).iter().map(|(uid, _)| uid.clone());
            (version, members.collect())
        };
        let named = [format!("group_{}", group.as_str())];
        let users = self.query(async move |sources| {
            let mut users = Vec::new();
            for user in members {
                if sources.preferences.get(&user, &named).await?.first() == Some(&UNWANTED) {
                    users.push(user);
                }
            }
            Ok(users)
        });
        let (as_of, users) = ((changes, version), Rc::from(users.await?));
        let mut unwilling = self.unwilling.borrow_mut();
        if unwilling.0.len() >= REMEMBERED_MAX {
            unwilling.0.clear();
        }
        unwilling.0.insert(group.clone(), Remembered { as_of, users: Rc::clone(&users) });
        Ok(users)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_known_and_of_a_group_how_often() {
        let unwanted = Unwanted::kept();
        assert!(!unwanted.perhaps("ann", "bob"));
        assert_eq!(unwanted.changes("g"), 0);
        for conversation in ["single_ann", "group_g", "group_g", "other", ""] {
            unwanted.note("bob", conversation);
        }
        assert!(unwanted.perhaps("ann", "bob") && !unwanted.perhaps("bob", "ann"));
        assert_eq!((unwanted.changes("g"), unwanted.changes("h")), (2, 0));
        // Where nothing is kept nothing is known.
        let none = Unwanted::default();
        none.note("bob", "single_ann");
        none.note("bob", "group_g");
        assert!(!none.perhaps("ann", "bob") && none.changes("g") == 0);
    }
}
