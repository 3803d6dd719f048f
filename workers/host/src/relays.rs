//! Relays and notices on their way into the log, in the order in which owners hand them out (R1).
//!
//! In: records of all owners here. Out: what of them the log has, by owner and life. Behind one that failed nothing of that
//! life goes out: the producer takes nothing more where a record could be missing before another, and what waits is dropped.
//!
//! Bounded by what owners hand out: each waits when so many bytes of its own are not in the log.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use openim_record::{LogPartition, UserId};
use openim_storage::port::StoreError;
use openim_transfer::Life;

use crate::held::Key;
use crate::troubles::{Component, Troubles};
use openim_cluster::kafka::{Kafka, Producer, Purpose, Target};

/// Where a record goes.
#[derive(Debug)]
pub(crate) enum To {
    Log(LogPartition),
    /// To be notified.
    Notice(UserId),
}

/// What a record is to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The relay with this number in its life.
    Relay(u64),
    /// A notice of this stage.
    Notice(u64),
}

#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) key: Key,
    pub(crate) life: Life,
    pub(crate) what: What,
    pub(crate) to: To,
    pub(crate) record: Box<[u8]>,
}

/// What became of something that was handed out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    InLog(Key, Life, What),
    /// Nobody knows of one at least; of this life nothing more goes out.
    Failed(Key, Life),
    /// One will never be taken as things are: to hand it out again helps nobody.
    Refused(Key, Life, String),
}

/// What an owner that goes no further is told of.
fn refused(key: Key, life: Life, error: &StoreError) -> Outcome {
    let why = format!(
        "the log refuses what was made of a send ({error}); raise max.message.bytes of its topics to what openim \
         check-config FILE --connect asks for, and start the transfers again"
    );
    Outcome::Refused(key, life, why)
}

pub(crate) struct Relays {
    kafka: Kafka,
    producer: Option<Producer>,
    waiting: VecDeque<Handed>,
    /// What the producer has, by its tickets.
    /// By ticket, with when it was handed in.
    under_way: HashMap<u64, (Key, Life, What, Instant)>,
    /// Until when no producer is opened.
    rests: Instant,
}

impl Relays {
    pub(crate) fn new(kafka: Kafka) -> Self {
        let (waiting, under_way) = (VecDeque::new(), HashMap::new());
        Self { kafka, producer: None, waiting, under_way, rests: Instant::now() }
    }

    /// The log that they go into.
    pub(crate) const fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    /// Those that are not in the log.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.under_way.len()
    }

    pub(crate) fn hand_out(&mut self, handed: Handed) {
        self.waiting.push_back(handed);
    }

    /// What waits of earlier lives of this stay, or of all of it, goes out no more.
    pub(crate) fn forget(&mut self, key: Key, before: Option<Life>) {
        self.waiting.retain(|of| of.key != key || before.is_some_and(|life| of.life >= life));
    }

    /// Hands on what there is room for, and tells what has become of what was.
    pub(crate) fn turn(&mut self, troubles: &mut Troubles) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        self.submit(troubles, &mut outcomes);
        let Some(producer) = &mut self.producer else { return outcomes };
        let under_way = &mut self.under_way;
        producer.poll(Duration::ZERO, &mut |ticket, landed| {
            let Some((key, life, what, began)) = under_way.remove(&ticket) else { return };
            match landed {
                Ok(_) => {
                    troubles.answered(Component::Relays, began);
                    outcomes.push(Outcome::InLog(key, life, what));
                }
                Err(error) => {
                    outcomes.push(match &error {
                        StoreError::Rejected { .. } => refused(key, life, &error),
                        _ => Outcome::Failed(key, life),
                    });
                    troubles.failed(Component::Relays, &error, began);
                }
            }
        });
        for outcome in &outcomes {
            if let Outcome::Failed(key, life) | Outcome::Refused(key, life, _) = outcome {
                self.waiting.retain(|of| (of.key, of.life) != (*key, *life));
            }
        }
        outcomes
    }

    fn submit(&mut self, troubles: &mut Troubles, outcomes: &mut Vec<Outcome>) {
        if self.waiting.is_empty() || !self.has_producer(troubles) {
            return;
        }
        let Some(producer) = &mut self.producer else { return };
        let now = Instant::now();
        while producer.has_room()
            && let Some(next) = self.waiting.front()
        {
            let target = match &next.to {
                To::Log(at) => Target::Log(*at),
                To::Notice(user) => Target::Notice(user.as_str()),
            };
            match producer.submit(target, &next.record) {
                Ok(ticket) => {
                    self.under_way.insert(ticket, (next.key, next.life, next.what, now));
                    self.waiting.pop_front();
                }
                Err(error @ StoreError::Unavailable { .. }) => {
                    // It may be taken later, in its place.
                    troubles.met(Component::Relays, &error);
                    return;
                }
                Err(error) => {
                    let (key, life) = (next.key, next.life);
                    self.waiting.retain(|of| (of.key, of.life) != (key, life));
                    outcomes.push(refused(key, life, &error));
                }
            }
        }
    }

    fn has_producer(&mut self, troubles: &mut Troubles) -> bool {
        if self.producer.is_none() && Instant::now() >= self.rests {
            match self.kafka.producer(Purpose::Relays) {
                Ok(producer) => self.producer = Some(producer),
                Err(error) => {
                    self.rests = Instant::now() + troubles.pause(Component::Relays);
                    troubles.met(Component::Relays, &error);
                }
            }
        }
        self.producer.is_some()
    }
}

/// Which relays of a life are in the log, and have been told: owners are told in the order in which they handed out.
#[derive(Debug, Default)]
pub(crate) struct Relayed {
    handed: u64,
    told: u64,
    /// Of those handed out and not told, whether they are in the log.
    in_log: VecDeque<bool>,
}

impl Relayed {
    /// The number of the next relay.
    pub(crate) fn next(&mut self) -> u64 {
        self.in_log.push_back(false);
        self.handed += 1;
        self.handed - 1
    }

    /// One is in the log: how many more are to be told.
    pub(crate) fn is_in_log(&mut self, number: u64) -> u64 {
        let place = number.checked_sub(self.told).and_then(|place| usize::try_from(place).ok());
        if let Some(in_log) = place.and_then(|place| self.in_log.get_mut(place)) {
            *in_log = true;
        }
        let mut more = 0;
        while self.in_log.front() == Some(&true) {
            self.in_log.pop_front();
            more += 1;
        }
        self.told += more;
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_are_told_in_the_order_in_which_they_were_handed_out() {
        let mut relayed = Relayed::default();
        assert_eq!([relayed.next(), relayed.next(), relayed.next()], [0, 1, 2]);
        assert_eq!(relayed.is_in_log(1), 0);
        assert_eq!(relayed.is_in_log(0), 2);
        assert_eq!(relayed.is_in_log(0), 0, "it was told");
        assert_eq!(relayed.next(), 3);
        assert_eq!(relayed.is_in_log(3), 0);
        assert_eq!(relayed.is_in_log(2), 2);
    }
}
