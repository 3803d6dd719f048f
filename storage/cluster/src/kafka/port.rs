//! One topic behind the ports of a log, each on its own thread.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::time::Duration;

use openim_record::{LogPartition, PartitionId, Position, Topic};
use openim_storage::port::{
    Consume, Consumed, Handed, Outcome, Polled, Produce, Replayed, StoreError, wait as wait_for,
};

use super::{Consumer, Event, Kafka, Landed, Pace, Producer, Purpose, Target, fault};

/// Into one topic. What is handed in while there is no room is refused with the next poll.
pub struct Head {
    producer: Producer,
    topic: Topic,
    /// The next position of each partition, as far as this process knows.
    heads: Vec<Position>,
    /// Records that were handed in, by the producer's ticket: ours, and of which partition.
    taken: BTreeMap<u64, (u64, PartitionId)>,
    refused: Vec<(u64, StoreError)>,
    next: u64,
}

/// Out of one topic.
pub struct Tail {
    kafka: Kafka,
    consumer: Consumer,
    topic: Topic,
    begun: Vec<PartitionId>,
}

impl Kafka {
    /// Both ends of one topic's log, the tail in a group. Asks the brokers where the log ends, and waits for the answer.
    ///
    /// # Errors
    /// As [`Self::ends`], [`Self::producer`] and [`Self::consumer`].
    pub fn log(&self, topic: Topic, group: &str) -> Result<(Head, Tail), StoreError> {
        let partitions = 0..self.shared.options.partitions;
        let heads = partitions.map(|number| {
            let at = LogPartition { topic, partition: PartitionId(number) };
            wait_for(self.ends(at, 0)).map(|(_, next)| next)
        });
        let head = Head {
            producer: self.producer(Purpose::Sends)?,
            topic,
            heads: heads.collect::<Result<_, _>>()?,
            taken: BTreeMap::new(),
            refused: Vec::new(),
            next: 0,
        };
        let consumer = Consumer::open(self, group, Pace::Soon, &[topic])?;
        let tail = Tail { kafka: self.clone(), consumer, topic, begun: Vec::new() };
        Ok((head, tail))
    }
}

impl Produce for Head {
    fn submit(&mut self, records: &[Handed<'_>], _now_ms: i64) -> Range<u64> {
        let first = self.next;
        for Handed { partition, record } in records {
            let at = LogPartition { topic: self.topic, partition: *partition };
            match self.producer.submit(Target::Log(at), record) {
                Ok(ticket) => drop(self.taken.insert(ticket, (self.next, *partition))),
                Err(cause) => self.refused.push((self.next, cause)),
            }
            self.next += 1;
        }
        first..self.next
    }

    fn poll(&mut self, wait: Duration, each: &mut dyn FnMut(Outcome<'_>)) {
        for (ticket, cause) in self.refused.drain(..) {
            each(Outcome::Refused { tickets: ticket..ticket + 1, cause });
        }
        let Self { producer, heads, taken, .. } = self;
        producer.poll(wait, &mut |ticket, became| {
            let Some((ticket, partition)) = taken.remove(&ticket) else { return };
            let tickets = ticket..ticket + 1;
            match became {
                Ok(Landed { position, append_ms }) => {
                    if let Some(head) = heads.get_mut(usize::from(partition.0)) {
                        *head = (*head).max(Position(position.0 + 1));
                    }
                    each(Outcome::Landed { tickets, append_ms, positions: &[position] });
                }
                Err(cause) => each(Outcome::Refused { tickets, cause }),
            }
        });
    }

    fn head(&self, partition: PartitionId) -> Position {
        self.heads.get(usize::from(partition.0)).copied().unwrap_or_default()
    }
}

impl Tail {
    fn at(&self, partition: PartitionId) -> LogPartition {
        LogPartition { topic: self.topic, partition }
    }

    /// Whether all partitions that were begun are shown to where their logs end now.
    fn is_at_end(&mut self) -> Result<bool, StoreError> {
        for partition in self.begun.clone() {
            let at = self.at(partition);
            let Some(next) = self.consumer.next(at) else { continue };
            let (_, end) = wait_for(self.kafka.ends(at, 0))?;
            if self.kafka.shared.position(0, next)? < end {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Consume for Tail {
    fn poll(
        &mut self,
        wait: Duration,
        each: &mut dyn FnMut(Consumed<'_>) -> ControlFlow<()>,
    ) -> Result<Polled, StoreError> {
        let (mut any, mut lost) = (false, None);
        let begun = &mut self.begun;
        self.consumer.poll(wait, &mut |event| {
            any = true;
            match event {
                Event::Assigned(at) => each(Consumed::Assigned(at.partition)),
                Event::Record { at, position, append_ms, record } => {
                    let partition = Some(at.partition);
                    let record = Replayed { position, append_ms, record };
                    each(Consumed::Record { partition, record })
                }
                Event::Revoked(at) => {
                    begun.retain(|one| *one != at.partition);
                    each(Consumed::Revoked(at.partition))
                }
                Event::OutOfRange(at) => {
                    lost = Some(at.partition);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(PartitionId(number)) = lost {
            let what = self.kafka.shared.what(&format!("partition {number} of"));
            return Err(fault::conflict(&what, "the log does not reach there"));
        }
        match !any && self.is_at_end()? {
            true => Ok(Polled::CaughtUp),
            false => Ok(Polled::More),
        }
    }

    fn begin(&mut self, partition: PartitionId, from: Position) {
        if !self.begun.contains(&partition) {
            self.begun.push(partition);
        }
        self.consumer.begin(self.at(partition), from);
    }

    fn applied(&mut self, partition: PartitionId, below: Position) {
        self.consumer.applied(self.at(partition), below);
    }
}
