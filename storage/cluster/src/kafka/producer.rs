//! Into the log: records by ticket, each answered once, and a client that is replaced when it does not get anywhere (R2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use openim_record::{Position, Topic};
use openim_storage::port::StoreError;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use slab::Slab;

use super::stuck::Stuck;
use super::{Kafka, Purpose, Shared, Target, fault, quiet};

/// What became of a record that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landed {
    /// Where it lies in its log; how many of these were adopted only readers know.
    pub position: Position,
    /// When the broker took it, unix milliseconds.
    pub append_ms: i64,
}

/// See the module. One thread owns it, and polls it at least each second while something is under way.
pub struct Producer {
    kafka: Kafka,
    purpose: Purpose,
    /// Before the client: whose thread waits for nobody then when it goes.
    reports: Receiver<Report>,
    waker: Waker,
    client: Client,
    under_way: Slab<UnderWay>,
    bytes: usize,
    next: u64,
    stuck: Stuck,
    /// Why the client takes nothing any more.
    broken: Option<String>,
    /// Until when no other is opened, as the last one was not.
    rests: Option<Instant>,
}

/// How soon a client that could not be opened is opened again.
const REST: Duration = Duration::from_secs(1);

/// A record that is not answered yet.
struct UnderWay {
    ticket: u64,
    bytes: usize,
}

/// Something that the owner of a producer is told by other threads.
enum Report {
    /// Of the record with this number.
    Of { client: u32, number: usize, became: Result<(i64, i64), RDKafkaErrorCode> },
    /// This client does nothing any more.
    Fatal { client: u32, reason: String },
    /// Whether brokers answer others.
    Probed { well: bool },
    /// Nothing: the wait is over.
    Woken,
}

/// Ends the wait of a [`Producer::poll`], from any thread.
#[derive(Clone)]
pub struct Waker {
    reports: Sender<Report>,
    /// One of them is enough.
    woken: Arc<AtomicBool>,
}

impl Waker {
    /// Ends the wait that goes on, or else the next one.
    pub fn wake(&self) {
        // Where nothing fits, nobody waits.
        if !self.woken.swap(true, Ordering::AcqRel) && self.reports.try_send(Report::Woken).is_err()
        {
            self.woken.store(false, Ordering::Release);
        }
    }
}

impl Producer {
    pub(super) fn open(kafka: &Kafka, purpose: Purpose) -> Result<Self, StoreError> {
        // Those of the records that are under way, those that a client before told of as many, and others' words.
        let capacity = 2 * kafka.shared.options.records_max.max(1) + 64;
        let (told, reports) = crossbeam_channel::bounded(capacity);
        let waker = Waker { reports: told, woken: Arc::default() };
        let client = Client::open(kafka, purpose, 0, &waker.reports)?;
        Ok(Self {
            kafka: kafka.clone(),
            purpose,
            reports,
            waker,
            client,
            under_way: Slab::new(),
            bytes: 0,
            next: 0,
            stuck: Stuck::new(kafka.shared.options.stuck_after),
            broken: None,
            rests: None,
        })
    }

    /// Whether a record would be taken now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let options = &self.kafka.shared.options;
        self.under_way.len() < options.records_max.max(1) && self.bytes < options.bytes_max.max(1)
    }

    /// Hands a record in. Gives its ticket, counted up from 0 over all that were taken; [`Self::poll`] answers it.
    ///
    /// # Errors
    /// Nothing was taken. [`StoreError::Unavailable`]: too much is under way; whoever needs an order without a gap hands
    /// nothing else in before this one. [`StoreError::Rejected`]: there is no such partition, or the record is too long.
    pub fn submit(&mut self, to: Target<'_>, record: &[u8]) -> Result<u64, StoreError> {
        match self.hand(to, record) {
            // Its client has done its last, and there is nobody to be told.
            Err(_) if self.broken.is_some() && self.under_way.is_empty() => {
                self.mend(&mut |_, _| {});
                self.hand(to, record)
            }
            handed => handed,
        }
    }

    fn hand(&mut self, to: Target<'_>, record: &[u8]) -> Result<u64, StoreError> {
        let shared = &self.kafka.shared;
        let what = || shared.what("handing a record to");
        let Some((topic, partition)) = shared.place(to) else {
            return Err(fault::rejected(&what(), format!("there is no {to:?}")));
        };
        if !self.has_room() {
            return Err(fault::unavailable(&what(), "too much is under way"));
        }
        let entry = self.under_way.vacant_entry();
        let handed = BaseRecord::<(), [u8], usize>::with_opaque_to(topic, entry.key());
        let handed = handed.partition(partition).payload(record);
        if let Err((error, _)) = self.client.producer.send(handed) {
            let fatal = error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal);
            self.broken = self.broken.take().or_else(|| fatal.then(|| error.to_string()));
            return Err(fault::told(&what(), error));
        }
        let (ticket, bytes) = (self.next, record.len());
        entry.insert(UnderWay { ticket, bytes });
        self.next += 1;
        self.bytes += bytes;
        self.stuck.busy(Instant::now());
        Ok(ticket)
    }

    /// Shows what became of records, waiting at most so long for the first. Those of one partition that have landed are
    /// shown in their order.
    pub fn poll(&mut self, wait: Duration, each: &mut dyn FnMut(u64, Result<Landed, StoreError>)) {
        let mut report = self.first(wait);
        // What comes meanwhile is for the next call.
        let mut left = self.reports.len();
        while let Some(told) = report {
            self.hear(told, each);
            report = if left == 0 { None } else { self.reports.try_recv().ok() };
            left = left.saturating_sub(1);
        }
        self.mend(each);
        self.look_after();
    }

    /// A way to end the wait of a poll.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// How many records are not answered yet.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    fn first(&self, wait: Duration) -> Option<Report> {
        match self.reports.try_recv() {
            Ok(report) => Some(report),
            Err(TryRecvError::Empty) if !wait.is_zero() => self.reports.recv_timeout(wait).ok(),
            Err(_) => None,
        }
    }

    fn hear(&mut self, report: Report, each: &mut dyn FnMut(u64, Result<Landed, StoreError>)) {
        match report {
            Report::Of { client, number, became } if client == self.client.number => {
                self.answer(number, became, each);
            }
            Report::Fatal { client, reason } if client == self.client.number => {
                self.broken = Some(reason);
            }
            Report::Of { .. } | Report::Fatal { .. } => {}
            Report::Probed { well } => {
                if self.stuck.told(well, Instant::now()) {
                    self.broken = Some("nothing lands, though brokers answer others".to_owned());
                }
            }
            Report::Woken => self.waker.woken.store(false, Ordering::Release),
        }
    }

    fn answer(
        &mut self,
        number: usize,
        became: Result<(i64, i64), RDKafkaErrorCode>,
        each: &mut dyn FnMut(u64, Result<Landed, StoreError>),
    ) {
        let Some(UnderWay { ticket, bytes }) = self.under_way.try_remove(number) else { return };
        self.bytes -= bytes;
        let (now, shared) = (Instant::now(), &self.kafka.shared);
        let landed = match became {
            Ok((offset, append_ms)) => {
                self.stuck.begin_again(now);
                shared.position(0, offset).map(|position| Landed { position, append_ms })
            }
            Err(code) => Err(fault::by_code(&shared.what("writing to"), code)),
        };
        if self.under_way.is_empty() {
            self.stuck.idle(now);
        }
        each(ticket, landed);
    }

    /// Asks how brokers are when nothing has landed for some time.
    fn look_after(&mut self) {
        if !self.stuck.ask(Instant::now()) {
            return;
        }
        let told = self.waker.reports.clone();
        let kafka = self.kafka.clone();
        drop(self.kafka.runtime.begin(async move {
            let well = kafka.blocking(are_well).answer().await.flatten().unwrap_or(false);
            drop(told.send(Report::Probed { well }));
        }));
    }

    /// Another client for one that does nothing any more; what it had under way is refused, and may be there all the same.
    fn mend(&mut self, each: &mut dyn FnMut(u64, Result<Landed, StoreError>)) {
        if self.rests.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let Some(reason) = self.broken.take() else { return };
        let number = self.client.number.wrapping_add(1);
        match Client::open(&self.kafka, self.purpose, number, &self.waker.reports) {
            Ok(client) => std::mem::replace(&mut self.client, client).end(),
            Err(error) => {
                tracing::error!(%error, "no new client for one that is stuck");
                self.broken = Some(reason);
                self.rests = Some(Instant::now() + REST);
                return;
            }
        }
        self.stuck = Stuck::new(self.kafka.shared.options.stuck_after);
        tracing::warn!(reason, purpose = ?self.purpose, "a producer's client is replaced");
        let mut refused: Vec<u64> = self.under_way.drain().map(|one| one.ticket).collect();
        refused.sort_unstable();
        self.bytes = 0;
        let what = self.kafka.shared.what("writing to");
        for ticket in refused {
            each(ticket, Err(fault::unavailable(&what, &*reason)));
        }
    }
}

/// Whether each partition of the log has a leader and as many copies in sync as an acknowledgement may need. Blocks.
fn are_well(shared: &Shared) -> bool {
    [Topic::Chat, Topic::Group].into_iter().all(|topic| {
        let client = shared.admin.inner();
        let asked = client.fetch_metadata(Some(shared.topic(topic)), shared.options.call_timeout);
        let Ok(metadata) = asked else { return false };
        metadata.topics().iter().flat_map(|topic| topic.partitions()).all(|partition| {
            let enough = partition.replicas().len().min(2);
            partition.leader() >= 0 && partition.isr().len() >= enough
        })
    })
}

/// One client of librdkafka, and the thread that hears of what became of its records.
struct Client {
    number: u32,
    producer: ThreadedProducer<Reports>,
    /// Whether anybody cares for its reports.
    current: Arc<AtomicBool>,
}

impl Client {
    fn open(
        kafka: &Kafka,
        purpose: Purpose,
        number: u32,
        told: &Sender<Report>,
    ) -> Result<Self, StoreError> {
        let shared = &kafka.shared;
        let current = Arc::new(AtomicBool::new(true));
        let reports = Reports { client: number, told: told.clone(), current: current.clone() };
        let producer = shared.options.producer(purpose).create_with_context(reports);
        let producer =
            producer.map_err(|error| fault::told(&shared.what("a producer for"), error))?;
        Ok(Self { number, producer, current })
    }

    /// Ends it where nobody waits for it; there is never more than one that ends.
    fn end(self) {
        self.current.store(false, Ordering::Release);
        let ended = std::thread::Builder::new().name("kafka-end".to_owned());
        if let Err(error) = ended.spawn(move || drop(self)) {
            tracing::warn!(%error, "a client was ended in its producer's thread");
        }
    }
}

/// What librdkafka tells of a client, on its own thread.
struct Reports {
    client: u32,
    told: Sender<Report>,
    current: Arc<AtomicBool>,
}

impl Reports {
    fn tell(&self, report: Report) {
        // There is room for all that can be under way; without an owner nobody is to be told.
        if self.current.load(Ordering::Acquire) {
            drop(self.told.send(report));
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        quiet::log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.tell(Report::Fatal { client: self.client, reason: reason.to_owned() });
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let became = match result {
            Ok(message) => {
                Ok((message.offset(), message.timestamp().to_millis().unwrap_or_default()))
            }
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        self.tell(Report::Of { client: self.client, number, became });
    }
}
