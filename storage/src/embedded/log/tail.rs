//! The reading end of the log: all partitions are this process's, and all their records lie in one order.
//!
//! In: where partitions begin. Out: each record once from the lowest of these on; it says itself for which partitions it
//! is. What lands while the process serves is handed to the owners by the log's writer, which has it in memory. Never:
//! forgets what was applied, for retention asks the index.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use openim_record::{PartitionId, Position};

use super::Segments;
use crate::port::{Consume, Consumed, Polled, StoreError};

/// See the module.
pub struct EmbeddedTail {
    segments: Arc<Segments>,
    /// Partitions that were not announced yet.
    unannounced: std::ops::Range<u16>,
    /// The lowest of the beginnings that were said since the last look.
    begin: Option<Position>,
    /// Everything below has been shown.
    next: Option<Position>,
    /// Nothing from here on is.
    until: Position,
}

impl EmbeddedTail {
    pub(in crate::embedded) const fn new(segments: Arc<Segments>, partitions: u16) -> Self {
        Self {
            segments,
            unannounced: 0..partitions,
            begin: None,
            next: None,
            until: Position(u64::MAX),
        }
    }

    /// The same, which ends there.
    pub(in crate::embedded) const fn until(mut self, until: Position) -> Self {
        self.until = until;
        self
    }
}

impl Consume for EmbeddedTail {
    fn poll(
        &mut self,
        _: Duration,
        each: &mut dyn FnMut(Consumed<'_>) -> ControlFlow<()>,
    ) -> Result<Polled, StoreError> {
        for number in self.unannounced.by_ref() {
            if each(Consumed::Assigned(PartitionId(number))).is_break() {
                return Ok(Polled::More);
            }
        }
        let from = match (self.begin.take(), self.next) {
            (Some(begin), Some(next)) => begin.min(next),
            (Some(first), None) | (None, Some(first)) => first,
            (None, None) => return Ok(Polled::CaughtUp),
        };
        let head = self.segments.head();
        let mut broke = None;
        self.segments.walk(from, &|_| false, &mut |record| {
            if record.position >= self.until {
                return ControlFlow::Break(());
            }
            let flow = each(Consumed::Record { partition: None, record });
            if flow.is_break() {
                broke = Some(Position(record.position.0 + 1));
            }
            flow
        })?;
        self.next = Some(broke.unwrap_or(head.max(from)));
        Ok(if broke.is_some() { Polled::More } else { Polled::CaughtUp })
    }

    fn begin(&mut self, _: PartitionId, from: Position) {
        self.begin = Some(self.begin.map_or(from, |begin| begin.min(from)));
    }

    fn applied(&mut self, _: PartitionId, _: Position) {}
}
