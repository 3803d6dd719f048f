//! Who does not receive what others write to them (receive option 1; spec, REST 7.6): decided where the sender is at home, before the
//! log, and so the same in every replay.
//!
//! Told by whoever makes such a change durable, and by the start. Of groups the back knows ([`openim_back::Groups::set_unwilling`]).
//! Bounded by whoever tells.

use std::hash::{Hash, Hasher};

use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashSet};
use openim_record::{Conversation, Draft, UserId, is_tip};

use super::Shard;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unwilling(HashSet<Pair, RandomState>);

#[derive(Debug, PartialEq, Eq)]
struct Pair {
    sender: UserId,
    receiver: UserId,
}

/// A pair, borrowed; of the same hash.
struct Of<'a> {
    sender: &'a str,
    receiver: &'a str,
}

impl Hash for Pair {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { sender, receiver } = self;
        Of { sender: sender.as_str(), receiver: receiver.as_str() }.hash(state);
    }
}

impl Hash for Of<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.sender, self.receiver).hash(state);
    }
}

impl Equivalent<Pair> for Of<'_> {
    fn equivalent(&self, pair: &Pair) -> bool {
        pair.sender.as_str() == self.sender && pair.receiver.as_str() == self.receiver
    }
}

impl Unwilling {
    /// Decides of a send to one user whether it is wanted. What tells of a change is.
    pub(super) fn judge(&self, draft: &mut Draft) {
        if self.0.is_empty() && !draft.switches().unwanted {
            return;
        }
        let heading = draft.heading();
        let of = Of { sender: heading.send_id, receiver: heading.recv_id };
        let unwanted =
            !heading.is_to_group() && !is_tip(heading.content_type) && self.0.contains(&of);
        draft.turn_away(unwanted);
    }
}

impl Shard {
    /// A durable change says whether `owner` does not receive what is written in a conversation whose user or group is at home
    /// here; `true` where that is new.
    pub fn set_unwilling(
        &mut self,
        owner: &UserId,
        conversation: Conversation<'_>,
        unwilling: bool,
    ) -> bool {
        match conversation {
            Conversation::In(group) => self.groups_mut().set_unwilling(group, owner, unwilling),
            Conversation::With(sender) if unwilling => {
                let (sender, receiver) = (UserId::new(sender), owner.clone());
                self.unwilling.0.insert(Pair { sender, receiver })
            }
            Conversation::With(sender) => {
                self.unwilling.0.remove(&Of { sender, receiver: owner.as_str() })
            }
        }
    }

    /// Whether `owner` does not receive what is written in a conversation whose user or group is at home here.
    #[must_use]
    pub fn is_unwilling(&self, owner: &UserId, conversation: Conversation<'_>) -> bool {
        match conversation {
            Conversation::In(group) => self.groups().is_unwilling(group, owner.as_str()),
            Conversation::With(sender) => {
                self.unwilling.0.contains(&Of { sender, receiver: owner.as_str() })
            }
        }
    }

    /// How often somebody does not receive what is written in a conversation.
    #[must_use]
    pub fn unwilling_len(&self) -> usize {
        self.unwilling.0.len() + self.groups().unwilling_len()
    }
}
