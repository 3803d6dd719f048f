//! What suites of MySQL's ports need of a log and a history, in memory: neither is under test.

use std::ops::Range as Places;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use openim_record::{InboxBounds, PartitionId, Position, Seq, StoreBatch, StoredState, UserId};
use openim_storage::conformance::Logs;
use openim_storage::port::{
    Consume, Consumed, Handed, History, Outcome, Polled, Produce, Range, Records, RetainReport,
    StoreError,
};

/// A log that gives positions and forgets records; its copies are one.
#[derive(Clone, Default)]
pub(crate) struct Elsewhere(Arc<AtomicU64>);

impl Elsewhere {
    pub(crate) fn log(&self) -> Logs {
        let landed = Vec::new();
        Logs::new(Box::new(Log { head: Arc::clone(&self.0), landed, tickets: 0 }), Box::new(Tail))
    }
}

struct Log {
    head: Arc<AtomicU64>,
    landed: Vec<(Places<u64>, i64, Vec<Position>)>,
    tickets: u64,
}

impl Produce for Log {
    fn submit(&mut self, records: &[Handed<'_>], now_ms: i64) -> Places<u64> {
        let mut place = |record: &Handed<'_>| {
            let bytes = record.record.len() as u64;
            Position(self.head.fetch_add(bytes, Ordering::Relaxed))
        };
        let positions: Vec<_> = records.iter().map(&mut place).collect();
        let first = self.tickets;
        self.tickets += records.len() as u64;
        self.landed.push((first..self.tickets, now_ms, positions));
        first..self.tickets
    }

    fn poll(&mut self, _: Duration, each: &mut dyn FnMut(Outcome<'_>)) {
        for (tickets, append_ms, positions) in self.landed.drain(..) {
            each(Outcome::Landed { tickets, append_ms, positions: &positions });
        }
    }

    fn head(&self, _: PartitionId) -> Position {
        Position(self.head.load(Ordering::Relaxed))
    }
}

struct Tail;

impl Consume for Tail {
    fn poll(
        &mut self,
        _: Duration,
        _: &mut dyn FnMut(Consumed<'_>) -> std::ops::ControlFlow<()>,
    ) -> Result<Polled, StoreError> {
        Ok(Polled::CaughtUp)
    }

    fn begin(&mut self, _: PartitionId, _: Position) {}

    fn applied(&mut self, _: PartitionId, _: Position) {}
}

/// Takes everything, and has nothing.
#[async_trait]
impl History for Elsewhere {
    async fn store(&self, _: &StoreBatch) -> Result<(), StoreError> {
        Ok(())
    }

    async fn recover(&self, partition: PartitionId) -> Result<StoredState, StoreError> {
        Ok(StoredState { partition, applied: Position(0), duplicates: Vec::new() })
    }

    async fn bounds(&self, users: &[UserId]) -> Result<Vec<InboxBounds>, StoreError> {
        Ok(users.iter().map(|_| InboxBounds::default()).collect())
    }

    async fn range(&self, _: &UserId, _: Seq, _: Seq, _: usize) -> Result<Range, StoreError> {
        Ok(Range::default())
    }

    async fn retained_ms(&self) -> Result<Option<i64>, StoreError> {
        Ok(None)
    }

    async fn retain(&self, _: i64, _: usize) -> Result<RetainReport, StoreError> {
        Ok(RetainReport::default())
    }
}

#[async_trait]
impl Records for Elsewhere {
    async fn read(&self, position: Position, _: &mut Vec<u8>) -> Result<(), StoreError> {
        let what = format!("reading {position}");
        Err(StoreError::Conflict { what, cause: "nothing is kept".into() })
    }

    async fn between(
        &self,
        _: Position,
        _: Position,
        _: usize,
    ) -> Result<Vec<(Position, Box<[u8]>)>, StoreError> {
        Ok(Vec::new())
    }
}
