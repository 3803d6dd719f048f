//! The topics: partitioned logs, each with one order and its broker's time.

use std::collections::BTreeMap;
use std::sync::Arc;

use openim_record::{PartitionId, Position};
use openim_transfer::{LogPartition, Topic};

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) append_ms: i64,
    pub(crate) bytes: Arc<[u8]>,
}

#[derive(Debug, Default)]
pub(crate) struct Logs {
    by: BTreeMap<LogPartition, Vec<Entry>>,
    /// How far the clock of each partition's broker is off.
    skew_ms: BTreeMap<LogPartition, i64>,
    /// Until when a partition takes nothing.
    stalled_until_ms: BTreeMap<LogPartition, u64>,
}

impl Logs {
    pub(crate) fn new(partitions: u16) -> Self {
        let at =
            |topic| (0..partitions).map(move |p| LogPartition { topic, partition: PartitionId(p) });
        let by = at(Topic::Chat).chain(at(Topic::Group)).map(|at| (at, Vec::new())).collect();
        Self { by, ..Self::default() }
    }

    pub(crate) fn partitions(&self) -> Vec<LogPartition> {
        self.by.keys().copied().collect()
    }

    pub(crate) fn end(&self, at: LogPartition) -> Position {
        Position(self.by[&at].len() as u64)
    }

    pub(crate) fn at(&self, at: LogPartition, position: Position) -> Option<&Entry> {
        self.by[&at].get(usize::try_from(position.0).ok()?)
    }

    /// Another broker leads the partition, with another clock.
    pub(crate) fn skew(&mut self, at: LogPartition, skew_ms: i64) {
        self.skew_ms.insert(at, skew_ms);
    }

    pub(crate) fn stall(&mut self, at: LogPartition, until_ms: u64) {
        self.stalled_until_ms.insert(at, until_ms);
    }

    pub(crate) fn is_stalled(&self, at: LogPartition, now_ms: u64) -> bool {
        self.stalled_until_ms.get(&at).is_some_and(|until_ms| now_ms < *until_ms)
    }

    pub(crate) fn append(
        &mut self,
        at: LogPartition,
        now_ms: i64,
        bytes: Arc<[u8]>,
    ) -> (Position, i64) {
        let append_ms = now_ms + self.skew_ms.get(&at).copied().unwrap_or_default();
        let log = self.by.get_mut(&at).expect("a partition");
        log.push(Entry { append_ms, bytes });
        (Position(log.len() as u64 - 1), append_ms)
    }
}
