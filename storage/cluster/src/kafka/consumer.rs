//! Out of the log: the records of partitions that a group gives this process, each from where its owner begins it (R3).

mod bring;
mod client;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openim_record::{LogPartition, Position, Topic, place};
use openim_storage::port::StoreError;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::Offset;
use tokio::sync::oneshot;

use self::client::{Client, Out};
use super::owned::{Bring, Partitions, Take};
use super::rebalance::{Moved, Rebalances};
use super::{Kafka, Pace, Shared, fault};

/// Something that a [`Consumer`] shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// This process owns a partition from now on. Nothing of it is shown before [`Consumer::begin`].
    Assigned(LogPartition),
    /// The next record of a partition that was begun.
    Record {
        /// Of which.
        at: LogPartition,
        /// Where it lies.
        position: Position,
        /// When the broker took it, unix milliseconds.
        append_ms: i64,
        /// The record.
        record: &'a [u8],
    },
    /// This process owns a partition no more, and nothing of it is shown any more. Another may own it already.
    Revoked(LogPartition),
    /// The place where a partition is to go on is beyond its end, or before its first record: what lay there is lost, or
    /// this is another log. It stays assigned, and shows nothing until it is begun again.
    OutOfRange(LogPartition),
}

/// See the module. One thread owns it, and polls it at least every [`Options::poll_interval_max`](super::Options).
pub struct Consumer {
    kafka: Kafka,
    group: String,
    pace: Pace,
    topics: Vec<Topic>,
    client: Client,
    out: Out,
    here: Partitions,
    /// What is to be told before anything else.
    events: VecDeque<Told>,
    /// Whether any partition must be brought to its place.
    away: bool,
    doubt: Doubt,
    committed: Instant,
    opened: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Told {
    Here(LogPartition),
    Gone(LogPartition),
    OutOfRange(LogPartition),
}

/// A broker has said of some partition, and not of which, that it is out of its log's range.
#[derive(Default)]
struct Doubt {
    /// Partitions must be looked at.
    stands: bool,
    looked: Option<Instant>,
    looking: Option<oneshot::Receiver<Vec<Looked>>>,
}

/// Where a partition was to go on, and its log's ends then.
type Looked = (LogPartition, i64, Result<(i64, i64), StoreError>);

/// How soon something that could not be done at once is tried again.
const AGAIN: Duration = Duration::from_millis(10);
/// How soon partitions are looked at again, and how soon a client that is broken is replaced again.
const PAUSE: Duration = Duration::from_millis(500);

impl Consumer {
    pub(super) fn open(
        kafka: &Kafka,
        group: &str,
        pace: Pace,
        topics: &[Topic],
    ) -> Result<Self, StoreError> {
        let client = join(&kafka.shared, group, pace, topics)?;
        let out = Out::new(kafka.shared.options.poll_interval_max);
        Ok(Self {
            kafka: kafka.clone(),
            group: group.to_owned(),
            pace,
            topics: topics.to_vec(),
            client,
            out,
            here: Partitions::default(),
            events: VecDeque::new(),
            away: false,
            doubt: Doubt::default(),
            committed: Instant::now(),
            opened: Instant::now(),
        })
    }

    /// Shows what has come, waiting at most so long for the first, until there is no more for now, `each` breaks, or it is
    /// time to come back. What `each` was shown counts as shown, also when it breaks there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: brokers are away or do not do what they should. It goes on by itself: poll again.
    pub fn poll(
        &mut self,
        wait: Duration,
        each: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        if let Some(reason) = self.client.context().broken().or_else(|| self.shut_out()) {
            self.replace(&reason, wait)?;
        }
        self.commit_when_due();
        self.judge();
        self.bring();
        let mut wait = wait;
        if self.away || self.doubt.looking.is_some() || self.doubt.stands {
            wait = wait.min(AGAIN);
        }
        for _ in 0..self.kafka.shared.options.shown_max.max(1) {
            self.see_changes();
            if self.tell(each).is_break() {
                return Ok(());
            }
            let flow = match self.one(wait, each) {
                Some(Ok(flow)) => flow,
                Some(Err(error)) => {
                    self.hear(error)?;
                    ControlFlow::Continue(())
                }
                // Nothing more, or partitions have come or gone.
                None if self.see_changes() => ControlFlow::Continue(()),
                None => ControlFlow::Break(()),
            };
            if flow.is_break() {
                return Ok(());
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// Whether this process is in its group and has what that gives it: nothing, where there are more processes than
    /// partitions, or before others have given up what is to come here.
    #[must_use]
    pub fn has_share(&self) -> bool {
        self.client.context().has_share()
    }

    /// An assigned partition is shown from this position on; said again, from there again. Positions of what is shown are
    /// of the log that this one is in.
    pub fn begin(&mut self, at: LogPartition, from: Position) {
        let Some(owned) = self.here.get_mut(at) else { return };
        owned.begin(from);
        self.away = true;
    }

    /// Shows nothing of a partition until [`Self::resume`], and fetches nothing.
    pub fn pause(&mut self, at: LogPartition) {
        let Some(owned) = self.here.get_mut(at) else { return };
        if !std::mem::replace(&mut owned.paused, true) && owned.fetched {
            let list = self.list([(at, None)]);
            if let Err(error) = self.client.pause(&list) {
                // It is fetched, and not shown: that costs, and harms nobody.
                tracing::debug!(%error, "a partition is not paused");
            }
        }
    }

    /// Shows a partition again, from where it was paused.
    pub fn resume(&mut self, at: LogPartition) {
        let Some(owned) = self.here.get_mut(at) else { return };
        if std::mem::replace(&mut owned.paused, false) {
            owned.need_seek();
            self.away = true;
        }
    }

    /// Everything of a partition below this position is stored. Told to the brokers now and then, for tools that show the
    /// lag; nobody begins there.
    pub fn applied(&mut self, at: LogPartition, below: Position) {
        let (epoch, offset) = place(below);
        if let Some(owned) = self.here.get_mut(at).filter(|owned| owned.epoch == epoch) {
            owned.applied = Some(offset.cast_signed());
        }
    }

    /// The partition is to go on here; `None` until it was begun.
    pub(super) fn next(&mut self, at: LogPartition) -> Option<i64> {
        self.here.get_mut(at)?.next
    }

    /// Waits so long for something that librdkafka has, and shows it if it is a record.
    fn one(
        &mut self,
        wait: Duration,
        each: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Option<Result<ControlFlow<()>, KafkaError>> {
        let Self { kafka, client, here, away, .. } = self;
        let came = client.poll(wait)?;
        Some(came.map(|message| show(&kafka.shared, here, away, &message, each)))
    }

    /// Takes over what librdkafka has told of partitions; whether there was anything.
    fn see_changes(&mut self) -> bool {
        let moved = self.client.context().take();
        let any = !moved.is_empty();
        for one in moved {
            match one {
                Moved::Here(at) => {
                    self.here.insert(at);
                    self.events.push_back(Told::Here(at));
                }
                Moved::Gone(at) => {
                    self.here.remove(at);
                    self.events.push_back(Told::Gone(at));
                }
            }
        }
        any
    }

    fn tell(&mut self, each: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        while let Some(told) = self.events.pop_front() {
            each(match told {
                Told::Here(at) => Event::Assigned(at),
                Told::Gone(at) => Event::Revoked(at),
                Told::OutOfRange(at) => Event::OutOfRange(at),
            })?;
        }
        ControlFlow::Continue(())
    }

    fn hear(&mut self, error: KafkaError) -> Result<(), StoreError> {
        match error {
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => {
                self.doubt.stands = true;
                Ok(())
            }
            KafkaError::PartitionEOF(_) => Ok(()),
            error => Err(fault::told(&self.kafka.shared.what("reading from"), error)),
        }
    }

    /// Finds out which partition is out of its log's range, when some is.
    fn judge(&mut self) {
        if let Some(looking) = &mut self.doubt.looking {
            match looking.try_recv() {
                Ok(looked) => {
                    self.doubt.looking = None;
                    self.decide(looked);
                }
                Err(oneshot::error::TryRecvError::Empty) => {}
                Err(oneshot::error::TryRecvError::Closed) => {
                    (self.doubt.looking, self.doubt.stands) = (None, true);
                }
            }
        }
        let lately = self.doubt.looked.is_some_and(|looked| looked.elapsed() < PAUSE);
        if !self.doubt.stands || self.doubt.looking.is_some() || lately {
            return;
        }
        let begun = self.here.iter_mut();
        let begun: Vec<_> = begun.filter_map(|(at, owned)| Some((at, owned.next?))).collect();
        let (told, looking) = oneshot::channel();
        drop(self.kafka.blocking(move |shared| {
            let ends = |(at, next)| (at, next, shared.ends(at));
            drop(told.send(begun.into_iter().map(ends).collect()));
        }));
        let looked = Some(Instant::now());
        self.doubt = Doubt { stands: false, looked, looking: Some(looking) };
    }

    fn decide(&mut self, looked: Vec<Looked>) {
        for (at, asked, ends) in looked {
            let Some(owned) = self.here.get_mut(at) else { continue };
            // One that has gone on since is well.
            if owned.next != Some(asked) {
                continue;
            }
            match ends {
                Ok((first, next)) if asked < first || asked > next => {
                    owned.next = None;
                    owned.bring = Bring::Assign;
                    self.events.push_back(Told::OutOfRange(at));
                }
                // It may be one that librdkafka has given up all the same.
                Ok(_) => {
                    owned.bring = Bring::Assign;
                    self.away = true;
                }
                Err(error) => {
                    tracing::debug!(%error, "where a log ends is not known");
                    self.doubt.stands = true;
                }
            }
        }
    }

    fn commit_when_due(&mut self) {
        if self.committed.elapsed() >= self.kafka.shared.options.commit_every {
            self.committed = Instant::now();
            let again = self.client.context().has_not_committed();
            self.commit(again);
        }
    }

    /// `again`: also what is committed as far as is known here.
    fn commit(&mut self, again: bool) {
        let mut places = Vec::new();
        for (at, owned) in self.here.iter_mut() {
            if let Some(applied) =
                owned.applied.filter(|_| again || owned.applied != owned.committed)
            {
                owned.committed = owned.applied;
                places.push((at, Some(Offset::Offset(applied))));
            }
        }
        if places.is_empty() {
            return;
        }
        let list = self.list(places);
        if let Err(error) = self.client.commit(&list, CommitMode::Async) {
            tracing::debug!(%error, "Kafka does not know how far this consumer is");
        }
    }

    /// Why this client will be given nothing by its group any more, perhaps.
    fn shut_out(&mut self) -> Option<String> {
        let stuck = self.out.is_stuck(self.client.context().has_share(), Instant::now);
        stuck.then(|| "its group has given it nothing for long".to_owned())
    }

    /// Another client for one that can own nothing any more.
    fn replace(&mut self, reason: &str, wait: Duration) -> Result<(), StoreError> {
        let what = self.kafka.shared.what("reading from");
        if self.opened.elapsed() < PAUSE {
            std::thread::sleep(wait.min(PAUSE));
            return Err(fault::unavailable(&what, reason));
        }
        self.opened = Instant::now();
        let client = join(&self.kafka.shared, &self.group, self.pace, &self.topics)?;
        self.see_changes();
        let old = std::mem::replace(&mut self.client, client);
        tracing::warn!(reason, group = self.group, "a consumer's client is replaced");
        let gone: Vec<_> = self.here.iter_mut().map(|(at, _)| at).collect();
        self.events.extend(gone.into_iter().map(Told::Gone));
        self.here = Partitions::default();
        old.end(Duration::ZERO, Arc::clone(&self.out.ends));
        Ok(())
    }
}

impl Drop for Consumer {
    /// The last word; whoever leaves the group waits until it is heard.
    fn drop(&mut self) {
        self.commit(true);
    }
}

fn join(
    shared: &Arc<Shared>,
    group: &str,
    pace: Pace,
    topics: &[Topic],
) -> Result<Client, StoreError> {
    let what = || shared.what(&format!("a consumer of group {group} for"));
    let config = shared.options.consumer(group, pace);
    let client: BaseConsumer<Rebalances> = config
        .create_with_context(Rebalances::new(shared))
        .map_err(|error| fault::told(&what(), error))?;
    let names: Vec<&str> = topics.iter().map(|topic| shared.topic(*topic)).collect();
    client.subscribe(&names).map_err(|error| fault::told(&what(), error))?;
    Ok(Client::new(client))
}

fn show(
    shared: &Shared,
    here: &mut Partitions,
    away: &mut bool,
    message: &BorrowedMessage<'_>,
    each: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Some(at) = shared.at(message.topic(), message.partition()) else {
        return ControlFlow::Continue(());
    };
    let Some(owned) = here.get_mut(at) else { return ControlFlow::Continue(()) };
    let (epoch, offset) = (owned.epoch, message.offset());
    let taken = owned.take(offset);
    *away |= owned.is_away();
    match taken {
        Take::Drop => return ControlFlow::Continue(()),
        Take::Show => {}
        Take::ShowBehindGap => {
            tracing::warn!(?at, offset, "the log has no records right before this one");
        }
    }
    let Ok(position) = shared.position(epoch, offset) else { return ControlFlow::Continue(()) };
    each(Event::Record {
        at,
        position,
        append_ms: message.timestamp().to_millis().unwrap_or_default(),
        record: message.payload().unwrap_or_default(),
    })
}
