//! Both ends of a log, as suites use them: one after the other, on one thread.

use std::ops::ControlFlow;
use std::time::Duration;

use openim_record::{PartitionId, Position};

use crate::port::{Consume, Consumed, Handed, Outcome, Polled, Produce, Replayed, StoreError};

/// How long a suite waits between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// Looks after which a log does not answer any more.
const LOOKS_MAX: usize = 3_000;

/// The partition that suites write to where it does not matter.
pub(super) const PARTITION: PartitionId = PartitionId(0);

/// See the module.
pub struct Logs {
    pub(super) produce: Box<dyn Produce>,
    pub(super) consume: Box<dyn Consume>,
}

impl Logs {
    /// Of one backend.
    #[must_use]
    pub fn new(produce: Box<dyn Produce>, consume: Box<dyn Consume>) -> Self {
        Self { produce, consume }
    }

    /// See [`append`].
    pub(super) fn append(
        &mut self,
        records: &[&[u8]],
        now_ms: i64,
        positions: &mut Vec<Position>,
    ) -> Result<i64, StoreError> {
        append(self.produce.as_mut(), records, now_ms, positions)
    }

    /// The same; gives where each lies, and since when.
    pub(super) fn place(
        &mut self,
        records: &[&[u8]],
        now_ms: i64,
    ) -> Result<Vec<(Position, i64)>, StoreError> {
        place(self.produce.as_mut(), records, now_ms)
    }

    pub(super) fn head(&self) -> Position {
        self.produce.head(PARTITION)
    }

    /// See [`replay`]; gives the head.
    pub(super) fn replay(
        &mut self,
        from: Position,
        each: &mut dyn FnMut(Replayed<'_>) -> ControlFlow<()>,
    ) -> Result<Position, StoreError> {
        replay(self.consume.as_mut(), from, each)?;
        Ok(self.head())
    }

    /// See [`assigned`].
    pub(super) fn assigned(&mut self) -> Result<Vec<PartitionId>, StoreError> {
        assigned(self.consume.as_mut())
    }
}

/// Hands records in and waits for what becomes of them: gives the append time. `positions` is cleared and gets one a
/// record.
///
/// # Errors
/// Why they were refused.
///
/// # Panics
/// Where they are not answered in order, each once.
pub fn append<R: AsRef<[u8]>>(
    log: &mut dyn Produce,
    records: &[R],
    now_ms: i64,
    positions: &mut Vec<Position>,
) -> Result<i64, StoreError> {
    positions.clear();
    let placed = place(log, records, now_ms)?;
    positions.extend(placed.iter().map(|(position, _)| *position));
    Ok(placed.last().map_or(now_ms, |(_, append_ms)| *append_ms))
}

/// As [`append`]; gives where each lies, and since when.
fn place<R: AsRef<[u8]>>(
    log: &mut dyn Produce,
    records: &[R],
    now_ms: i64,
) -> Result<Vec<(Position, i64)>, StoreError> {
    let records = records.iter().map(AsRef::as_ref);
    let records: Vec<_> = records.map(|record| Handed { partition: PARTITION, record }).collect();
    let tickets = log.submit(&records, now_ms);
    assert_eq!(tickets.end - tickets.start, records.len() as u64, "a ticket for each record");
    let (mut answered, mut refused) = (tickets.start, None);
    let mut placed = Vec::new();
    for _ in 0..LOOKS_MAX {
        if answered == tickets.end {
            return refused.map_or(Ok(placed), Err);
        }
        log.poll(LOOK, &mut |outcome| {
            let told = match outcome {
                Outcome::Landed { tickets, append_ms, positions } => {
                    assert_eq!(tickets.end - tickets.start, positions.len() as u64);
                    placed.extend(positions.iter().map(|position| (*position, append_ms)));
                    tickets
                }
                Outcome::Refused { tickets, cause } => {
                    refused.get_or_insert(cause);
                    tickets
                }
            };
            assert_eq!(told.start, answered, "tickets are answered in order, each once");
            answered = told.end;
        });
    }
    panic!("no answer for the tickets from {answered} on, of {tickets:?}")
}

/// Shows what the log holds from a position on, until there is no more or `each` breaks.
///
/// # Errors
/// What the log says where it cannot be read.
///
/// # Panics
/// Where a partition comes or goes meanwhile.
pub fn replay(
    tail: &mut dyn Consume,
    from: Position,
    each: &mut dyn FnMut(Replayed<'_>) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    assigned(tail)?;
    tail.begin(PARTITION, from);
    let mut stopped = false;
    loop {
        let polled = tail.poll(LOOK, &mut |shown| match shown {
            // Where one log holds all partitions, it may be another one that is not so far.
            Consumed::Record { record, .. } if record.position < from => ControlFlow::Continue(()),
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
            return Ok(());
        }
    }
}

/// The partitions that are assigned and were not before.
fn assigned(tail: &mut dyn Consume) -> Result<Vec<PartitionId>, StoreError> {
    let mut all = Vec::new();
    loop {
        let before = all.len();
        let mut other = false;
        tail.poll(LOOK, &mut |shown| match shown {
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
