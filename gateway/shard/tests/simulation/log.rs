//! The log's one thread: takes appends when their homes have room, appends a batch, tells the homes.

use std::collections::VecDeque;

use openim_record::Position;
use openim_shard::{Append, Committed};

use crate::io::LogEvent;
use crate::ledger::Ledger;
use crate::stores::Records;
use crate::world::Node;

/// An append taken from the ring of one shard.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) append: Append,
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
    pub(crate) fn gather(&mut self, nodes: &mut [Node], events_max: usize, batch_max: usize) {
        if !self.batch.is_empty() {
            return;
        }
        let mut room: Vec<usize> =
            nodes.iter().map(|node| events_max - node.io.events.len()).collect();
        for turn in 0..nodes.len() {
            let from = (self.first + turn) % nodes.len();
            while self.batch.len() < batch_max {
                let Some(next) = nodes[from].io.appends.front() else { break };
                assert_eq!(usize::from(next.homes[1]), from, "a send is handed in by its home");
                let homes = homes(next);
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
        nodes: &mut [Node],
        records: &mut Records,
        ledger: &mut Ledger,
        now_ms: i64,
    ) {
        for Taken { append } in self.batch.drain(..) {
            let homes = homes(&append);
            let entry = records.append(&append, now_ms);
            ledger.record(&entry);
            self.head = Position(entry.position.0 + 1);
            for home in homes {
                let lists = append.shares.iter().filter(|share| usize::from(share.home) == home);
                nodes[home].io.events.push_back(LogEvent::Committed(Committed {
                    position: entry.position,
                    append_ms: entry.append_ms,
                    record: entry.record.clone(),
                    members: lists.map(|share| share.list.clone()).collect(),
                }));
            }
        }
    }

    /// The batch was refused: nothing of it is kept.
    pub(crate) fn refuse(&mut self, nodes: &mut [Node]) {
        for Taken { append } in self.batch.drain(..) {
            let [_, sender] = append.homes.map(usize::from);
            nodes[sender].io.events.push_back(LogEvent::Refused(append.key));
        }
    }
}

/// Whom the log tells, each once.
fn homes(append: &Append) -> Vec<usize> {
    let shares = append.shares.iter().map(|share| share.home);
    let mut homes: Vec<usize> = append.homes.into_iter().chain(shares).map(usize::from).collect();
    homes.sort_unstable();
    homes.dedup();
    homes
}
