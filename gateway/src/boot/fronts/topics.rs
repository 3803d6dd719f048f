//! The producer of sends, as the thread `topics` meets it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use openim_cluster::Runtime;
use openim_cluster::kafka::{Kafka, Landed, Producer, Purpose, Target};
use openim_record::LogPartition;
use openim_storage::port::StoreError;
use openim_workers::topics::{Appended, Topics};
use tokio::sync::oneshot;

/// Between two questions to brokers, and since a record has landed.
const PAUSE: Duration = Duration::from_secs(1);
/// Answers in a row that make Kafka away: one broker of several that hangs may be the one that was asked.
const MISSES: u32 = 2;

/// See the module.
pub(super) struct OnKafka {
    producer: Producer,
    kafka: Kafka,
    runtime: Runtime,
    /// The answer that is to come, and since when.
    asked: Option<(Instant, oneshot::Receiver<Result<(), StoreError>>)>,
    known: Known,
}

impl OnKafka {
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn new(kafka: &Kafka, runtime: &Runtime) -> anyhow::Result<Self> {
        let producer =
            kafka.producer(Purpose::Sends).context("cannot start a producer of Kafka")?;
        let (kafka, runtime) = (kafka.clone(), runtime.clone());
        Ok(Self { producer, kafka, runtime, asked: None, known: Known::new(Instant::now()) })
    }

    /// Takes the answer if it is there, and asks again when it is time; never more than one question is under way.
    fn ask(&mut self, now: Instant) {
        if let Some((since, answer)) = &mut self.asked {
            match answer.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => return,
                Ok(found) => self.known.answered(*since, found),
                // The process ends.
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
            self.asked = None;
            self.known.rests_until = now + PAUSE;
        }
        if self.known.rests_until <= now {
            let (told, answer) = oneshot::channel();
            let kafka = self.kafka.clone();
            drop(self.runtime.begin(async move { drop(told.send(kafka.check().await)) }));
            self.asked = Some((now, answer));
        }
    }
}

impl Topics for OnKafka {
    fn has_room(&self) -> bool {
        self.producer.has_room()
    }

    fn submit(&mut self, to: LogPartition, record: &[u8]) -> Result<u64, StoreError> {
        self.producer.submit(Target::Log(to), record)
    }

    fn poll(&mut self, wait: Duration, each: &mut dyn FnMut(u64, Result<Appended, StoreError>)) {
        let mut last = None;
        self.producer.poll(wait, &mut |ticket, became| {
            match &became {
                Ok(_) => last = Some(None),
                Err(StoreError::Unavailable { what, cause }) => {
                    last = Some(Some(Away { what: what.clone(), cause: cause.to_string() }));
                }
                // Of this record alone.
                Err(
                    StoreError::Conflict { .. }
                    | StoreError::Rejected { .. }
                    | StoreError::Corrupt { .. },
                ) => {}
            }
            let appended = |Landed { position, append_ms }| Appended { position, append_ms };
            each(ticket, became.map(appended));
        });
        if let Some(away) = last {
            self.known.sent(Instant::now(), away);
        }
    }

    fn check(&mut self) -> Result<(), StoreError> {
        self.ask(Instant::now());
        match &self.known.away {
            None => Ok(()),
            Some(Away { what, cause }) => {
                let (what, cause) = (what.clone(), cause.clone().into());
                Err(StoreError::Unavailable { what, cause })
            }
        }
    }
}

/// Why no record could arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Away {
    what: String,
    cause: String,
}

/// What is known of Kafka, by what became of sends and by what brokers answer while nothing is sent; pure.
#[derive(Debug)]
struct Known {
    away: Option<Away>,
    /// Questions in a row that failed.
    misses: u32,
    /// When a send told something last: what was asked before that is older.
    sent: Instant,
    /// When brokers may be asked.
    rests_until: Instant,
}

impl Known {
    fn new(now: Instant) -> Self {
        Self { away: None, misses: 0, sent: now, rests_until: now }
    }

    /// A send has landed, or was given up.
    fn sent(&mut self, now: Instant, away: Option<Away>) {
        self.misses = 0;
        self.away = away;
        self.sent = now;
        self.rests_until = now + PAUSE;
    }

    /// What was asked then is answered.
    fn answered(&mut self, since: Instant, found: Result<(), StoreError>) {
        if since < self.sent {
            return;
        }
        let Err(error) = found else {
            (self.misses, self.away) = (0, None);
            return;
        };
        self.misses += 1;
        if self.misses >= MISSES {
            self.away = Some(match error {
                StoreError::Unavailable { what, cause }
                | StoreError::Conflict { what, cause }
                | StoreError::Rejected { what, cause } => Away { what, cause: cause.to_string() },
                StoreError::Corrupt { place, cause } => {
                    Away { what: place.to_string(), cause: cause.to_string() }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> StoreError {
        StoreError::Unavailable { what: "asking Kafka".to_owned(), cause: "no answer".into() }
    }

    fn away() -> Away {
        Away { what: "asking Kafka".to_owned(), cause: "no answer".to_owned() }
    }

    #[test]
    fn one_that_is_not_answered_says_little_and_two_are_believed() {
        let now = Instant::now();
        let mut known = Known::new(now);
        known.answered(now, Err(error()));
        assert_eq!(known.away, None);
        known.answered(now, Ok(()));
        known.answered(now, Err(error()));
        assert_eq!(known.away, None, "they are not in a row");
        known.answered(now, Err(error()));
        assert_eq!(known.away, Some(away()));
        known.answered(now, Ok(()));
        assert_eq!(known.away, None);
    }

    #[test]
    fn what_became_of_a_send_is_believed_until_a_later_question_is_answered() {
        let before = Instant::now();
        let mut known = Known::new(before);
        let after = before + PAUSE;
        known.sent(after, Some(away()));
        assert_eq!((known.away.clone(), known.rests_until), (Some(away()), after + PAUSE));
        known.answered(before, Ok(()));
        assert_eq!(known.away, Some(away()), "it was asked before that");
        known.answered(after, Ok(()));
        assert_eq!(known.away, None);
        known.answered(after, Err(error()));
        known.sent(after, None);
        known.answered(after, Err(error()));
        assert_eq!(known.away, None, "one has landed between");
    }
}
