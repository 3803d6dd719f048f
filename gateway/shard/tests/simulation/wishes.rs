//! What users do not receive (receive option 1): set while all goes on, told to each start, and what the judge makes of it.

use std::collections::BTreeSet;

use openim_record::{Conversation, GroupId, Message, UserId};

use crate::world::World;

/// The wishes that are durable, each of which its home knows.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// Who writes, and who does not receive it.
    pub(crate) pairs: BTreeSet<(UserId, UserId)>,
    /// A group, and who does not receive what is written there.
    pub(crate) groups: BTreeSet<(GroupId, UserId)>,
}

impl World {
    /// Somebody does not want to receive what they received, or the other way round.
    pub(crate) fn wish(&mut self) {
        if self.replay.is_some() {
            return;
        }
        let [owner, sender] = [(); 2].map(|()| self.random.below(self.users.len()));
        let owner = self.users[owner].clone();
        let groups: Vec<GroupId> = self.groups.members.keys().cloned().collect();
        if !groups.is_empty() && self.random.percent(50) {
            let group = groups[self.random.below(groups.len())].clone();
            let unwilling = flip(&mut self.wishes.groups, (group.clone(), owner.clone()));
            let of = Conversation::In(group.as_str());
            let home = self.group_home(group.as_str());
            assert!(self.nodes[home].shard.set_unwilling(&owner, of, unwilling), "it is new");
            self.note(|| format!("{owner} receives {group}: {}", !unwilling));
        } else if owner != self.users[sender] {
            let sender = self.users[sender].clone();
            let unwilling = flip(&mut self.wishes.pairs, (sender.clone(), owner.clone()));
            let of = Conversation::With(sender.as_str());
            let home = self.home(&sender);
            assert!(self.nodes[home].shard.set_unwilling(&owner, of, unwilling), "it is new");
            self.note(|| format!("{owner} receives {sender}: {}", !unwilling));
        }
    }

    /// A start tells the shards.
    pub(crate) fn tell_wishes(&mut self) {
        for (sender, owner) in self.wishes.pairs.clone() {
            let home = self.home(&sender);
            let of = Conversation::With(sender.as_str());
            assert!(self.nodes[home].shard.set_unwilling(&owner, of, true), "once");
        }
        for (group, owner) in self.wishes.groups.clone() {
            let home = self.group_home(group.as_str());
            let of = Conversation::In(group.as_str());
            assert!(self.nodes[home].shard.set_unwilling(&owner, of, true), "once");
        }
        let told: usize = self.nodes.iter().map(|node| node.shard.unwilling_len()).sum();
        assert_eq!(told, self.wishes.pairs.len() + self.wishes.groups.len());
    }

    /// A send to one user was taken: whether it was wanted was decided by the wishes of that moment.
    pub(crate) fn judge_send(&mut self, number: usize, appended: Option<&[u8]>) {
        let sent = &mut self.oracle.messages[number];
        let pair = (self.users[sent.sender].clone(), sent.receiver.clone());
        let unwanted = self.wishes.pairs.contains(&pair);
        let what = match appended {
            _ if sent.switches.ephemeral() => "unwanted without a trace",
            Some(record) => {
                let message = Message::decode(record).expect("the shard wrote it");
                assert_eq!(message.switches.unwanted, unwanted, "as its receiver wishes");
                "unwanted"
            }
            // A repeat.
            None => return,
        };
        sent.wanted |= !unwanted;
        if unwanted {
            self.oracle.counts.note(what);
        }
    }
}

/// Whether it is in there now.
fn flip<T: Ord>(set: &mut BTreeSet<T>, wish: T) -> bool {
    !set.remove(&wish) && set.insert(wish)
}
