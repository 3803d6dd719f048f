//! Who is told what of a batch that is durable: the shards that own the partitions its records are for, each once.

use std::collections::BTreeMap;

use openim_record::{
    Committed, GroupStep, MemberList, PartitionId, Placement, Position, Submission, Told,
};

use super::books::HandedOut;
use super::{Lane, LogEvent, ToldHere};

pub(super) const EACH_HAS_A_POSITION: &str = "the log gives each record a position";

pub(super) fn send(lanes: &mut [Lane], to: usize, event: LogEvent) {
    // A commit that is not handed out would be a message that is acknowledged to nobody, or a seq that
    // differs after the next start.
    let sent = lanes[to].events.try_send(event).is_ok();
    assert!(sent, "room was reserved before the append was taken");
}

/// Which shard owns which partition.
pub(super) struct Owners {
    pub(super) placement: Placement,
    pub(super) shards: u16,
}

impl Owners {
    pub(super) fn lane(&self, partition: PartitionId) -> usize {
        usize::from(self.placement.shard(partition, self.shards))
    }

    /// Tells the one or two owners of a message. `from` handed it in, and is one of them.
    pub(super) fn hand_out(&self, lanes: &mut [Lane], from: usize, committed: Committed) {
        let other =
            committed.to.iter().map(|to| self.lane(to.partition)).find(|&lane| lane != from);
        let Some(other) = other else {
            return send(lanes, from, LogEvent::Landed(committed));
        };
        let of = |lane: usize| committed.to.only(|partition| self.lane(partition) == lane);
        let (theirs, own) = (of(other), of(from));
        send(lanes, other, LogEvent::Committed(Committed { to: theirs, ..committed.clone() }));
        send(lanes, from, LogEvent::Landed(Committed { to: own, ..committed }));
    }

    /// Tells the owners of a group's members, each once and with all of its own, and the group's home, which
    /// is `from`.
    pub(super) fn hand_out_to_group(
        &self,
        lanes: &mut [Lane],
        from: usize,
        message: &Committed,
        lists: Box<[MemberList]>,
    ) {
        for (lane, committed) in self.parts(message, lists) {
            let event = match lane == from {
                true => LogEvent::Landed(committed),
                false => LogEvent::Committed(committed),
            };
            send(lanes, lane, event);
        }
    }

    /// A message as each owner that it concerns gets it, once: of a group's members with all of its own.
    fn parts(&self, message: &Committed, lists: Box<[MemberList]>) -> Vec<(usize, Committed)> {
        let mut parts: Vec<(usize, Vec<Box<[u8]>>)> = Vec::new();
        for to in message.to.iter() {
            let lane = self.lane(to.partition);
            if !parts.iter().any(|(owner, _)| *owner == lane) {
                parts.push((lane, Vec::new()));
            }
        }
        for MemberList { partition, list, .. } in lists {
            let lane = self.lane(partition);
            match parts.iter_mut().find(|(owner, _)| *owner == lane) {
                Some((_, members)) => members.push(list),
                None => parts.push((lane, vec![list])),
            }
        }
        let part = |(lane, members): (usize, Vec<Box<[u8]>>)| {
            let to = message.to.only(|partition| self.lane(partition) == lane);
            (lane, Committed { to, members: members.into(), ..message.without_members() })
        };
        parts.into_iter().map(part).collect()
    }

    /// What each owner will be told of changes, in bytes; 0: nothing.
    pub(super) fn sizes(&self, told: &[Told], lanes: usize) -> Vec<usize> {
        let mut sizes = vec![0; lanes];
        for message in told.iter().flat_map(|told| &told.messages) {
            let bytes = message.bytes();
            self.concerned(message).iter().for_each(|&home| sizes[usize::from(home)] += bytes);
        }
        sizes
    }

    /// Tells each owner what tells of a change, as one. Gives where that ends.
    pub(super) fn hand_out_told(
        &self,
        lanes: &mut [Lane],
        told: Vec<Told>,
        append_ms: i64,
        positions: &mut impl Iterator<Item = Position>,
        books: &mut HandedOut,
    ) -> Position {
        let mut end = Position(0);
        let mut events: BTreeMap<usize, Vec<ToldHere>> = BTreeMap::new();
        for Told { messages, change } in told {
            let mut here: BTreeMap<usize, ToldHere> = BTreeMap::new();
            for Submission { to, record, lists, .. } in messages {
                let position = positions.next().expect(EACH_HAS_A_POSITION);
                let last = positions.by_ref().take(lists.len()).last().unwrap_or(position);
                end = Position(last.0 + 1);
                books.count(self, position, to, &lists);
                let members = Box::default();
                let committed = Committed { position, append_ms, to, record, members };
                for (lane, committed) in self.parts(&committed, lists) {
                    here.entry(lane).or_default().records.push(committed);
                }
            }
            if let Some(change) = change
                && let Some(at_home) = here.get_mut(&self.home(&change))
            {
                at_home.change = Some(change);
            }
            for (lane, told) in here {
                events.entry(lane).or_default().push(told);
            }
        }
        for (lane, told) in events {
            send(lanes, lane, LogEvent::Told(told));
        }
        end
    }

    fn home(&self, change: &GroupStep) -> usize {
        self.lane(self.placement.partition(change.group.as_str()))
    }

    /// Whom the outcome of a submission concerns, each once. Nearly always one or two.
    pub(super) fn concerned(&self, submission: &Submission) -> Concerned {
        let mut homes =
            submission.to.iter().map(|to| self.placement.shard(to.partition, self.shards));
        if submission.lists.is_empty() {
            let first = homes.next().unwrap_or(0);
            return match homes.next().filter(|&second| second != first) {
                Some(second) => Concerned::Pair([first, second], 2),
                None => Concerned::Pair([first; 2], 1),
            };
        }
        let members = submission.lists.iter().map(|list| list.partition);
        let members = members.map(|partition| self.placement.shard(partition, self.shards));
        let mut homes: Vec<u16> = homes.chain(members).collect();
        homes.sort_unstable();
        homes.dedup();
        Concerned::Many(homes)
    }
}

pub(super) enum Concerned {
    /// The first so many of the two.
    Pair([u16; 2], usize),
    Many(Vec<u16>),
}

impl std::ops::Deref for Concerned {
    type Target = [u16];

    fn deref(&self) -> &[u16] {
        match self {
            Self::Pair(pair, count) => &pair[..*count],
            Self::Many(homes) => homes,
        }
    }
}
