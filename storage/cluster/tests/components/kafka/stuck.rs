//! Producers whose client gets nowhere though brokers answer, and consumers that their group gives nothing: what no real broker does when it is told to. librdkafka
//! brings brokers that do.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use openim_cluster::Runtime;
use openim_cluster::kafka::{Kafka, Landed, Options, Pace, Producer, Purpose, Target};
use openim_record::Position;
use openim_storage::port::StoreError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey as Call, RDKafkaRespErr as Answer};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::{Seen, answers, chat, group, look, see, until};

struct Mock {
    brokers: MockCluster<'static, DefaultProducerContext>,
    runtime: Runtime,
    options: Options,
}

impl Mock {
    fn start(stuck_after: Duration) -> Self {
        let brokers = MockCluster::new(3).expect("it starts");
        let address = brokers.bootstrap_servers();
        let options = Options {
            brokers: address.split(',').map(str::to_owned).collect(),
            partitions: 1,
            stuck_after,
            ..Options::default()
        };
        for topic in [&options.chat, &options.group] {
            brokers.create_topic(topic, 1, 3).expect("it is made");
        }
        Self { brokers, runtime: Runtime::start(2).expect("threads"), options }
    }

    fn producer(&self, of: Purpose) -> Producer {
        let kafka = Kafka::open(&self.runtime, self.options.clone()).expect("a client");
        kafka.producer(of).expect("a producer")
    }

    /// What the brokers say to so many of the next records.
    fn say(&self, answer: Answer, times: usize) {
        self.brokers.request_errors(Call::Produce, &vec![answer; times]);
    }
}

fn submit(producer: &mut Producer, record: &[u8]) -> u64 {
    producer.submit(Target::Log(chat(0)), record).expect("there is room")
}

/// All are refused, in their order, and may be handed in again.
fn are_refused(answers: Vec<(u64, Result<Landed, StoreError>)>, tickets: &[u64]) {
    let told: Vec<u64> = answers.iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(told, tickets);
    for (_, became) in answers {
        let refused = became.expect_err("it is refused");
        assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
    }
}

fn gets_somewhere(producer: &mut Producer) {
    until("the next client gets somewhere", || {
        submit(producer, b"again");
        answers(producer).iter().all(|(_, became)| became.is_ok())
    });
}

#[test]
fn a_client_that_gets_nowhere_while_brokers_answer_is_replaced() {
    let mock = Mock::start(Duration::from_millis(500));
    let mut producer = mock.producer(Purpose::Relays);
    // Left alone it would try for ever.
    mock.say(Answer::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 10_000);
    let tickets = [b"one", b"two"].map(|record| submit(&mut producer, record));
    are_refused(answers(&mut producer), &tickets);
    mock.brokers.clear_request_errors(Call::Produce);
    gets_somewhere(&mut producer);
}

#[test]
fn behind_a_relay_that_is_refused_nothing_lands() {
    let mock = Mock::start(Options::default().stuck_after);
    let mut producer = mock.producer(Purpose::Relays);
    submit(&mut producer, b"before");
    assert!(answers(&mut producer).iter().all(|(_, became)| became.is_ok()));
    // Refused for good; and the next ones would be taken.
    mock.say(Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
    let mut tickets = vec![submit(&mut producer, b"refused")];
    let mut all = Vec::new();
    until("it is refused", || {
        tickets.extend(producer.submit(Target::Log(chat(0)), b"behind").ok());
        producer.poll(Duration::from_millis(5), &mut |ticket, became| all.push((ticket, became)));
        !all.is_empty()
    });
    // Until whoever hands them in has heard of it, and begins again.
    all.extend(answers(&mut producer));
    all.sort_by_key(|(ticket, _)| *ticket);
    are_refused(all, &tickets);
    gets_somewhere(&mut producer);
}

#[test]
fn a_client_that_waits_for_brokers_is_left_to_wait() {
    let mock = Mock::start(Duration::from_secs(4));
    let mut producer = mock.producer(Purpose::Relays);
    submit(&mut producer, b"before");
    assert!(answers(&mut producer).iter().all(|(_, became)| became.is_ok()));
    for broker in 1..=3 {
        mock.brokers.broker_down(broker).expect("it goes");
    }
    let ticket = submit(&mut producer, b"waits");
    // Longer than a client may get nowhere.
    for _ in 0..60 {
        let wait = mock.options.stuck_after / 40;
        producer.poll(wait, &mut |_, became| panic!("nobody can know: {became:?}"));
    }
    for broker in 1..=3 {
        mock.brokers.broker_up(broker).expect("it comes");
    }
    let answers = answers(&mut producer);
    assert!(matches!(answers[..], [(told, Ok(_))] if told == ticket), "{answers:?}");
}

/// Counts the lines of a thread that say that a client is replaced.
#[derive(Clone, Default)]
struct Replaced(Arc<AtomicUsize>);

impl Subscriber for Replaced {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Replaced {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let says = field.name() == "message"
            && format!("{value:?}").contains("a consumer's client is replaced");
        self.0.fetch_add(usize::from(says), Ordering::Relaxed);
    }
}

/// A group that takes nobody in, as one does of which a client has lost sight.
#[test]
fn a_consumer_that_its_group_gives_nothing_is_given_other_clients_until_it_has_its_share() {
    let mut mock = Mock::start(Options::default().stuck_after);
    // Brokers wait 3 s for others who may come to a new group.
    mock.options.poll_interval_max = Duration::from_secs(4);
    let mut producer = mock.producer(Purpose::Sends);
    submit(&mut producer, b"record");
    assert!(answers(&mut producer).iter().all(|(_, became)| became.is_ok()));
    let refuses = vec![Answer::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS; 100_000];
    mock.brokers.request_errors(Call::JoinGroup, &refuses);
    let kafka = Kafka::open(&mock.runtime, mock.options.clone()).expect("a client");
    let replaced = Replaced::default();
    tracing::subscriber::with_default(replaced.clone(), || {
        let mut consumer = kafka.consumer("readers", Pace::Soon).expect("a consumer");
        let mut seen = Vec::new();
        until("two clients are replaced", || {
            look(&mut consumer, &mut seen);
            replaced.0.load(Ordering::Relaxed) >= 2
        });
        assert!(seen.is_empty() && !consumer.has_share(), "{seen:?}");
        mock.brokers.clear_request_errors(Call::JoinGroup);
        let came = see(&mut consumer, "both are assigned", |seen| seen.len() == 2);
        assert!([chat(0), group(0)].iter().all(|at| came.contains(&Seen::Assigned(*at))));
        consumer.begin(chat(0), Position(0));
        see(&mut consumer, "it is shown", |seen| matches!(seen, [Seen::Record(..)]));
        let before = replaced.0.load(Ordering::Relaxed);
        // Nobody hears that it leaves: that keeps it for a while, and not for ever.
        for broker in 1..=3 {
            mock.brokers.broker_down(broker).expect("it goes");
        }
        drop(consumer);
        assert_eq!(replaced.0.load(Ordering::Relaxed), before);
    });
}
