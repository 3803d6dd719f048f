//! The log's one thread: takes appends when their homes have room, appends a batch, tells the owners of
//! the partitions that they are for.

use std::collections::VecDeque;

use openim_record::{
    Account, Committed, Members, Milestone, PartitionId, Placement, Position, Stamp, Submission,
    own_members,
};

use crate::io::LogEvent;
use crate::ledger::Ledger;
use crate::stores::Records;
use crate::world::Node;

/// An append taken from the ring of one shard.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) append: Submission,
}

/// The log thread between two steps.
#[derive(Debug, Default)]
pub(crate) struct LogThread {
    /// The batch being made durable.
    pub(crate) batch: VecDeque<Taken>,
    first: usize,
    /// Everything below was handed to the homes.
    pub(crate) head: Position,
    /// Until then nothing moves (mono milliseconds).
    pub(crate) stalled_until_ms: u64,
}

impl LogThread {
    /// Gathers a batch, as far as there is room for every outcome.
    pub(crate) fn gather(
        &mut self,
        placement: Placement,
        nodes: &mut [Node],
        events_max: usize,
        batch_max: usize,
    ) {
        if !self.batch.is_empty() {
            return;
        }
        let owner = owner_of(placement, nodes.len());
        let mut room: Vec<usize> =
            nodes.iter().map(|node| events_max - node.io.events.len()).collect();
        for turn in 0..nodes.len() {
            let from = (self.first + turn) % nodes.len();
            while self.batch.len() < batch_max {
                let Some(next) = nodes[from].io.appends.front() else { break };
                let origin = next.to.origin().expect("somebody answers for it");
                assert_eq!(owner(origin), from, "a send is handed in by its home");
                let homes = homes(next, owner);
                if homes.iter().any(|&home| room[home] == 0) {
                    break;
                }
                homes.iter().for_each(|&home| room[home] -= 1);
                let append = nodes[from].io.appends.pop_front().expect("it was there");
                self.batch.push_back(Taken { append });
            }
        }
        self.first = (self.first + 1) % nodes.len();
    }

    /// The batch is durable: the homes are told, in log order.
    pub(crate) fn hand_out(
        &mut self,
        placement: Placement,
        nodes: &mut [Node],
        records: &mut Records,
        ledger: &mut Ledger,
        now_ms: i64,
    ) {
        let owner = owner_of(placement, nodes.len());
        for Taken { append } in self.batch.drain(..) {
            let homes = homes(&append, owner);
            let entry = records.append(&append, now_ms);
            ledger.record(&entry);
            self.head = Position(entry.position.0 + 1);
            for home in homes {
                let lists = append.lists.iter().filter(|list| owner(list.partition) == home);
                let committed = Committed {
                    position: entry.position,
                    append_ms: entry.append_ms,
                    to: append.to.only(|partition| owner(partition) == home),
                    record: entry.record.clone(),
                    members: lists.map(|list| list.list.clone()).collect(),
                };
                nodes[home].io.handed =
                    nodes[home].io.handed.plus(owed(&committed, |p| owner(p) == home));
                let landed = append.to.origin().map(owner) == Some(home);
                nodes[home].io.events.push_back(LogEvent::Committed(committed, landed));
            }
        }
    }

    /// Says to homes with room how much was handed out so far.
    pub(crate) fn tell_books(&self, nodes: &mut [Node], events_max: usize) {
        for node in nodes.iter_mut().filter(|node| node.io.events.len() < events_max) {
            let (began, upto, handed) = (Position(0), self.head, node.io.handed);
            node.io.events.push_back(LogEvent::Milestone(Milestone { began, upto, handed }));
        }
    }

    /// The batch was refused: nothing of it is kept.
    pub(crate) fn refuse(&mut self, placement: Placement, nodes: &mut [Node]) {
        let owner = owner_of(placement, nodes.len());
        for Taken { append } in self.batch.drain(..) {
            let origin = owner(append.to.origin().expect("somebody answers for it"));
            nodes[origin].io.events.push_back(LogEvent::Refused(append.key));
        }
    }
}

/// The deliveries of a record to one home, counted one by one.
pub(crate) fn owed(committed: &Committed, own: impl Fn(PartitionId) -> bool) -> Account {
    let (stamp, mut owed) = (Stamp::of(committed.position), Account::default());
    committed.to.iter().for_each(|to| owed.add(stamp.addressee(to.addressee)));
    for list in &committed.members {
        for section in own_members(list).sections().filter(|section| own(section.partition)) {
            Members::of_section(list, section).for_each(|member| owed.add(stamp.uid(member.uid)));
        }
    }
    owed
}

/// Which shard owns a partition.
pub(crate) fn owner_of(
    placement: Placement,
    shards: usize,
) -> impl Fn(PartitionId) -> usize + Copy {
    move |partition| usize::from(placement.shard(partition, shards as u16))
}

/// Whom the log tells, each once.
fn homes(append: &Submission, owner: impl Fn(PartitionId) -> usize) -> Vec<usize> {
    let partitions = append.to.iter().map(|to| to.partition);
    let members = append.lists.iter().map(|list| list.partition);
    let mut homes: Vec<usize> = partitions.chain(members).map(owner).collect();
    homes.sort_unstable();
    homes.dedup();
    homes
}
