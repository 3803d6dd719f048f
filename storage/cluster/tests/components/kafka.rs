//! The log on a real Kafka: what its two ends promise, on a broker that is well, stalled and killed.

mod conformance;
mod faults;
mod group;
mod stuck;
mod topics;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use openim_cluster::Runtime;
use openim_cluster::kafka::{
    Consumer, Event, Kafka, Landed, Options, Pace, Producer, Purpose, Target, Warning,
};
use openim_record::{LogPartition, PartitionId, Position, Topic};
use openim_storage::port::{StoreError, wait};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::support::component;

/// What a test waits for at most; a loaded machine takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

/// Topics of a test's own, which go with it.
struct Place {
    runtime: Runtime,
    options: Options,
}

impl Place {
    /// Topics that are not made yet; `None` where there is no Kafka.
    fn bare(partitions: u16) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let brokers = vec![component("OPENIM_TEST_KAFKA")?];
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |what| format!("openim_test_{}_{number}_{what}", std::process::id());
        let (chat, group, notices) = (name("chat"), name("group"), name("notices"));
        let options = Options { brokers, chat, group, notices, partitions, ..Options::default() };
        let options = Options { notice_partitions: 2, ..options };
        Some(Self { runtime: Runtime::start(2).expect("threads"), options })
    }

    fn new(partitions: u16) -> Option<Self> {
        let place = Self::bare(partitions)?;
        let warnings = wait(place.kafka().ensure_topics()).expect("the topics are made");
        let Options { chat, group, notices, .. } = place.options.clone();
        let all = [chat, group, notices].join(", ");
        assert_eq!(warnings, [Warning::OneReplica(all)], "one broker");
        Some(place)
    }

    fn open(&self, options: Options) -> Kafka {
        Kafka::open(&self.runtime, options).expect("a client")
    }

    fn kafka(&self) -> Kafka {
        self.open(self.options.clone())
    }

    fn producer(&self, of: Purpose) -> Producer {
        self.kafka().producer(of).expect("a producer")
    }

    fn consumer(&self, group: &str) -> Consumer {
        self.kafka().consumer(group, Pace::Soon).expect("a consumer")
    }

    /// What the brokers know of how far a group has come.
    fn committed(&self, group: &str, at: LogPartition) -> Option<i64> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.options.brokers.join(",")).set("group.id", group);
        let client: BaseConsumer = config.create().expect("a client");
        let topic = match at.topic {
            Topic::Chat => &self.options.chat,
            Topic::Group => &self.options.group,
        };
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, at.partition.0.into());
        let found = client.committed_offsets(list, PATIENCE).expect("Kafka answers");
        found.elements()[0].offset().to_raw()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Options { chat, group, notices, .. } = self.options.clone();
        let admin = admin(&self.options);
        let gone = self.runtime.begin(async move {
            let names = [&chat[..], &group, &notices];
            admin.delete_topics(&names, &AdminOptions::new()).await.map(drop)
        });
        wait(gone.answer()).expect("it runs").expect("Kafka answers");
    }
}

fn admin(options: &Options) -> AdminClient<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", options.brokers.join(","));
    config.create().expect("a client")
}

fn chat(partition: u16) -> LogPartition {
    LogPartition { topic: Topic::Chat, partition: PartitionId(partition) }
}

fn group(partition: u16) -> LogPartition {
    LogPartition { topic: Topic::Group, partition: PartitionId(partition) }
}

/// Polls until it says that it is done.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
    }
}

/// Everything that a producer has under way, as it is answered.
fn answers(producer: &mut Producer) -> Vec<(u64, Result<Landed, StoreError>)> {
    let mut answers = Vec::new();
    until("all are answered", || {
        producer.poll(LOOK, &mut |ticket, became| answers.push((ticket, became)));
        producer.under_way() == 0
    });
    answers
}

/// An event that can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Assigned(LogPartition),
    Record(LogPartition, Position, i64, Vec<u8>),
    Revoked(LogPartition),
    OutOfRange(LogPartition),
}

impl Seen {
    fn keep(event: Event<'_>) -> Self {
        match event {
            Event::Assigned(at) => Self::Assigned(at),
            Event::Record { at, position, append_ms, record } => {
                Self::Record(at, position, append_ms, record.to_vec())
            }
            Event::Revoked(at) => Self::Revoked(at),
            Event::OutOfRange(at) => Self::OutOfRange(at),
        }
    }
}

/// Polls once; what a consumer says of brokers that are away passes.
fn look(consumer: &mut Consumer, seen: &mut Vec<Seen>) {
    let polled = consumer.poll(LOOK, &mut |event| {
        seen.push(Seen::keep(event));
        ControlFlow::Continue(())
    });
    if let Err(error) = polled {
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    }
}

fn see(consumer: &mut Consumer, what: &str, done: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
    let mut seen = Vec::new();
    until(what, || {
        look(consumer, &mut seen);
        done(&seen)
    });
    seen
}

#[test]
fn records_come_back_in_order_with_the_times_that_were_answered() {
    let Some(place) = Place::new(3) else { return };
    let mut producer = place.producer(Purpose::Sends);
    let mut consumer = place.consumer("readers");
    let targets = [chat(0), chat(1), group(2)];
    let text = |n: u64| format!("record {n}").repeat(n as usize % 40).into_bytes();
    let mut handed = Vec::new();
    for n in 0..600 {
        let to = targets[n as usize % 3];
        let ticket = producer.submit(Target::Log(to), &text(n)).expect("there is room");
        assert_eq!(ticket, n, "tickets are counted up");
        handed.push(to);
    }
    let notice = producer.submit(Target::Notice("ann"), b"notice").expect("there is room");
    let mut landed: Vec<_> = answers(&mut producer);
    landed.sort_by_key(|(ticket, _)| *ticket);
    assert!(landed.iter().map(|(ticket, _)| *ticket).eq(0..=notice), "each once");
    let landed: Vec<Landed> =
        landed.into_iter().map(|(_, became)| became.expect("it has landed")).collect();
    let assigned = see(&mut consumer, "all are assigned", |seen| seen.len() == 6);
    for at in [chat(0), chat(1), chat(2), group(0), group(1), group(2)] {
        assert!(assigned.contains(&Seen::Assigned(at)), "{assigned:?}");
        consumer.begin(at, Position(0));
    }
    let seen = see(&mut consumer, "all are shown", |seen| seen.len() >= 600);
    for at in targets {
        let shown: Vec<Seen> = seen
            .iter()
            .filter(|seen| matches!(seen, Seen::Record(of, ..) if *of == at))
            .cloned()
            .collect();
        let expected = (0..600).filter(|n| handed[*n as usize] == at).map(|n| {
            let Landed { position, append_ms } = landed[n as usize];
            Seen::Record(at, position, append_ms, text(n))
        });
        assert_eq!(shown, expected.collect::<Vec<_>>());
        let (first, next) = wait(place.kafka().ends(at, 0)).expect("Kafka answers");
        assert_eq!((first, next), (Position(0), Position(200)));
    }
    // From the middle, again; meanwhile nothing is shown of one that is paused.
    consumer.pause(group(2));
    consumer.begin(chat(1), Position(150));
    consumer.begin(group(2), Position(190));
    let again = see(&mut consumer, "the rest is shown", |seen| seen.len() >= 50);
    let positions: Vec<u64> = again
        .iter()
        .map(|seen| match seen {
            Seen::Record(at, Position(position), ..) if *at == chat(1) => *position,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(positions, (150..200).collect::<Vec<u64>>());
    consumer.resume(group(2));
    let rest = see(&mut consumer, "the rest is shown", |seen| seen.len() >= 10);
    assert!(matches!(rest[0], Seen::Record(at, Position(190), ..) if at == group(2)), "{rest:?}");
}

#[test]
fn positions_are_of_the_log_that_its_reader_has_begun() {
    let Some(place) = Place::new(1) else { return };
    let mut producer = place.producer(Purpose::Relays);
    for record in [&b"one"[..], b"two"] {
        producer.submit(Target::Log(chat(0)), record).expect("there is room");
    }
    let landed = answers(&mut producer);
    let of = |offset: u64| Position(3 << 48 | offset);
    let mut consumer = place.consumer("readers");
    see(&mut consumer, "assigned", |seen| seen.len() == 2);
    consumer.begin(chat(0), of(0));
    let seen = see(&mut consumer, "both are shown", |seen| seen.len() >= 2);
    assert!(matches!(seen[..], [Seen::Record(_, first, ..), Seen::Record(_, second, ..)]
        if (first, second) == (of(0), of(1))));
    assert_eq!(wait(place.kafka().ends(chat(0), 3)).expect("Kafka answers"), (of(0), of(2)));
    // The first record that is younger than a time.
    let after = |ms| wait(place.kafka().first_after(chat(0), 3, ms)).expect("Kafka answers");
    assert_eq!(after(0), Some(of(0)));
    let newest = landed.iter().map(|(_, became)| became.as_ref().expect("landed").append_ms).max();
    assert_eq!(after(newest.expect("two")), None);
}

#[test]
fn a_place_that_the_log_does_not_reach_is_said() {
    let Some(place) = Place::new(2) else { return };
    let mut producer = place.producer(Purpose::Sends);
    for _ in 0..10 {
        producer.submit(Target::Log(chat(0)), b"record").expect("there is room");
    }
    answers(&mut producer);
    let mut consumer = place.consumer("readers");
    see(&mut consumer, "assigned", |seen| seen.len() == 4);
    consumer.begin(chat(1), Position(0));
    consumer.begin(chat(0), Position(11));
    let seen = see(&mut consumer, "it is said", |seen| !seen.is_empty());
    assert_eq!(seen, [Seen::OutOfRange(chat(0))]);
    // Its very end is a place.
    consumer.begin(chat(0), Position(10));
    producer.submit(Target::Log(chat(0)), b"more").expect("there is room");
    producer.submit(Target::Log(chat(1)), b"other").expect("there is room");
    let seen = see(&mut consumer, "both are shown", |seen| seen.len() >= 2);
    let shown = |at, position| {
        seen.iter().any(|seen| matches!(seen, Seen::Record(of, found, ..) if (*of, *found) == (at, Position(position))))
    };
    assert!(shown(chat(0), 10) && shown(chat(1), 0), "{seen:?}");
    // The first records go, as when a reader is later than the log keeps them.
    topics::forget(&place, chat(0), 5);
    let (first, next) = wait(place.kafka().ends(chat(0), 0)).expect("Kafka answers");
    assert_eq!((first, next), (Position(5), Position(11)));
    consumer.begin(chat(0), Position(4));
    let seen = see(&mut consumer, "it is said", |seen| !seen.is_empty());
    assert_eq!(seen, [Seen::OutOfRange(chat(0))]);
    consumer.begin(chat(0), Position(5));
    let seen = see(&mut consumer, "it goes on", |seen| seen.len() >= 6);
    assert!(matches!(seen[0], Seen::Record(_, Position(5), ..)), "{seen:?}");
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_lost() {
    let Some(place) = Place::new(1) else { return };
    let small = Options { records_max: 8, bytes_max: 1_000, ..place.options.clone() };
    let kafka = place.open(small);
    let mut producer = kafka.producer(Purpose::Sends).expect("a producer");
    let unknown = producer.submit(Target::Log(chat(1)), b"r").expect_err("no such partition");
    assert!(matches!(unknown, StoreError::Rejected { .. }), "{unknown}");
    let long = producer.submit(Target::Log(chat(0)), &vec![0; 2_000_000]).expect_err("too long");
    assert!(matches!(long, StoreError::Rejected { .. }), "{long}");
    let mut taken = 0;
    while producer.has_room() {
        producer.submit(Target::Log(chat(0)), &[7; 200]).expect("there is room");
        taken += 1;
    }
    assert_eq!(taken, 5, "bytes are bounded");
    let full = producer.submit(Target::Log(chat(0)), b"r").expect_err("it is full");
    assert!(matches!(full, StoreError::Unavailable { .. }), "{full}");
    assert_eq!(answers(&mut producer).len(), taken);
    let mut taken = 0;
    while producer.has_room() {
        producer.submit(Target::Log(chat(0)), b"").expect("there is room");
        taken += 1;
    }
    assert_eq!(taken, 8, "records are bounded");
    let tickets: Vec<u64> = answers(&mut producer).into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(tickets, (5..13).collect::<Vec<u64>>());
}

#[test]
fn a_wait_for_answers_is_ended_from_another_thread() {
    let Some(place) = Place::new(1) else { return };
    let mut producer = place.producer(Purpose::Sends);
    let waker = producer.waker();
    let waking = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        waker.wake();
        waker.wake();
    });
    // Without the other thread it would be the test that ends.
    let begun = Instant::now();
    producer.poll(10 * PATIENCE, &mut |_, _| panic!("nothing is under way"));
    assert!(begun.elapsed() < PATIENCE);
    waking.join().expect("it has woken");
}
