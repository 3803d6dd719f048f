//! Both ends of a log, as suites use them: one after the other, on one thread.

use std::ops::ControlFlow;
use std::time::Duration;

use openim_record::{PartitionId, Position};

use crate::port::{Consume, Consumed, Handed, Outcome, Polled, Produce, Replayed, StoreError};

/// How long a suite waits between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// The partition that suites write to where it does not matter.
pub(super) const PARTITION: PartitionId = PartitionId(0);

/// See the module.
pub struct Logs {
    pub(super) produce: Box<dyn Produce>,
    pub(super) consume: Box<dyn Consume>,
}

/// A batch that has landed.
#[derive(Debug)]
pub(super) struct Appended {
    pub(super) append_ms: i64,
    pub(super) head: Position,
}

impl Logs {
    /// Of one backend.
    #[must_use]
    pub fn new(produce: Box<dyn Produce>, consume: Box<dyn Consume>) -> Self {
        Self { produce, consume }
    }

    /// Hands records in and waits for what becomes of them. `positions` is cleared and gets one a record.
    pub(super) fn append(
        &mut self,
        records: &[&[u8]],
        now_ms: i64,
        positions: &mut Vec<Position>,
    ) -> Result<Appended, StoreError> {
        let records: Vec<Handed<'_>> =
            records.iter().map(|record| Handed { partition: PARTITION, record }).collect();
        let tickets = self.produce.submit(&records, now_ms);
        assert_eq!(tickets.end - tickets.start, records.len() as u64, "a ticket for each record");
        positions.clear();
        let (mut answered, mut landed) = (tickets.start, Ok(now_ms));
        while answered < tickets.end {
            self.produce.poll(LOOK, &mut |outcome| match outcome {
                Outcome::Landed { tickets, append_ms, positions: places } => {
                    assert_eq!(tickets.start, answered, "tickets are answered in order, each once");
                    assert_eq!(tickets.end - tickets.start, places.len() as u64);
                    positions.extend_from_slice(places);
                    answered = tickets.end;
                    landed = Ok(append_ms);
                }
                Outcome::Refused { tickets, cause } => {
                    assert_eq!(tickets.start, answered, "tickets are answered in order, each once");
                    answered = tickets.end;
                    landed = Err(cause);
                }
            });
        }
        Ok(Appended { append_ms: landed?, head: self.head() })
    }

    pub(super) fn head(&self) -> Position {
        self.produce.head(PARTITION)
    }

    /// Shows what the log holds from a position on, until there is no more; gives the head.
    pub(super) fn replay(
        &mut self,
        from: Position,
        each: &mut dyn FnMut(Replayed<'_>) -> ControlFlow<()>,
    ) -> Result<Position, StoreError> {
        self.assigned()?;
        self.consume.begin(PARTITION, from);
        let mut stopped = false;
        loop {
            let polled = self.consume.poll(LOOK, &mut |shown| match shown {
                // Where one log holds all partitions, it may be another one that is not so far.
                Consumed::Record { record, .. } if record.position < from => {
                    ControlFlow::Continue(())
                }
                Consumed::Record { record, .. } => {
                    let flow = each(record);
                    stopped = flow.is_break();
                    flow
                }
                Consumed::Assigned(partition) | Consumed::Revoked(partition) => {
                    panic!("nothing happens to {partition:?} now")
                }
            })?;
            if stopped || polled == Polled::CaughtUp {
                return Ok(self.head());
            }
        }
    }

    /// The partitions that are assigned and were not before.
    pub(super) fn assigned(&mut self) -> Result<Vec<PartitionId>, StoreError> {
        let mut all = Vec::new();
        loop {
            let before = all.len();
            let mut other = false;
            self.consume.poll(LOOK, &mut |shown| match shown {
                Consumed::Assigned(partition) => {
                    all.push(partition);
                    ControlFlow::Continue(())
                }
                // Of partitions that were begun before.
                Consumed::Record { .. } | Consumed::Revoked(_) => {
                    other = true;
                    ControlFlow::Break(())
                }
            })?;
            if other || all.len() == before {
                return Ok(all);
            }
        }
    }
}
