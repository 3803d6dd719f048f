//! A broker that is killed, and one that stands still.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openim_cluster::Runtime;
use openim_cluster::kafka::{Landed, Options, Producer, Purpose, Target};
use openim_cluster::testing::Own;
use openim_record::{LogPartition, Position};
use openim_storage::port::{StoreError, wait};

use super::{LOOK, Place, Seen, chat, see, until};

/// A place on a broker of the test's own.
fn place(broker: &Own) -> Place {
    let options = Options {
        brokers: vec![broker.address()],
        partitions: 2,
        notice_partitions: 1,
        call_timeout: Duration::from_secs(30),
        ..Options::default()
    };
    let place = Place { runtime: Runtime::start(2).expect("threads"), options };
    wait(place.kafka().ensure_topics()).expect("the topics are made");
    place
}

/// A producer, and what became of everything that was handed in.
struct Handing {
    producer: Producer,
    to: BTreeMap<u64, (LogPartition, Vec<u8>)>,
    became: BTreeMap<u64, Result<Landed, StoreError>>,
}

impl Handing {
    fn new(producer: Producer) -> Self {
        Self { producer, to: BTreeMap::new(), became: BTreeMap::new() }
    }

    /// Hands some in, one a partition each, and hears of what there is to hear.
    fn step(&mut self, name: &str) {
        for partition in [0, 1] {
            let (at, record) = (chat(partition), format!("{name} {}", self.to.len()).into_bytes());
            let ticket = self.producer.submit(Target::Log(at), &record).expect("there is room");
            assert!(self.to.insert(ticket, (at, record)).is_none(), "tickets are counted up");
        }
        self.hear();
    }

    fn hear(&mut self) {
        let became = &mut self.became;
        self.producer.poll(LOOK, &mut |ticket, result| {
            assert!(became.insert(ticket, result).is_none(), "{ticket} is answered once");
        });
    }

    /// Whether something has landed of what was handed in since this ticket.
    fn lands_since(&self, ticket: u64) -> bool {
        self.became.range(ticket..).any(|(_, result)| result.is_ok())
    }

    fn finish(&mut self) {
        until("all are answered", || {
            self.hear();
            self.producer.under_way() == 0
        });
        assert!(self.to.keys().eq(self.became.keys()), "each is answered");
    }

    /// What the log should show of a partition where each record that has landed lies, in its order.
    fn landed(&self, of: LogPartition) -> Vec<(Position, i64, Vec<u8>)> {
        let ours = self.to.iter().filter(|(_, (at, _))| *at == of);
        ours.filter_map(|(ticket, (_, record))| {
            let Landed { position, append_ms } = *self.became[ticket].as_ref().ok()?;
            Some((position, append_ms, record.clone()))
        })
        .collect()
    }
}

/// Everything that the log has in a partition.
fn shown(place: &Place, group: &str, of: LogPartition) -> Vec<(Position, i64, Vec<u8>)> {
    let (first, next) = wait(place.kafka().ends(of, 0)).expect("Kafka answers");
    let mut consumer = place.consumer(group);
    see(&mut consumer, "all are assigned", |seen| seen.len() == 4);
    consumer.begin(of, first);
    let count = usize::try_from(next.0 - first.0).expect("a few");
    let seen = see(&mut consumer, "all are shown", |seen| seen.len() >= count);
    let kept = seen.into_iter().map(|seen| match seen {
        Seen::Record(_, position, append_ms, record) => (position, append_ms, record),
        other => panic!("{other:?}"),
    });
    kept.collect()
}

/// What was answered lies there, once and in order; of what was refused some may, once.
fn holds(place: &Place, group: &str, sends: &Handing, relays: &Handing) {
    for at in [chat(0), chat(1)] {
        let shown = shown(place, group, at);
        let texts: BTreeSet<&[u8]> = shown.iter().map(|(.., record)| &record[..]).collect();
        assert_eq!(texts.len(), shown.len(), "nothing is there twice");
        for (name, handing) in [("send", sends), ("relay", relays)] {
            let landed = handing.landed(at);
            assert!(landed.is_sorted(), "{name}s of {at:?} are in order");
            for one in &landed {
                let found = shown.binary_search_by_key(&one.0, |(position, ..)| *position);
                assert_eq!(found.ok().map(|found| &shown[found]), Some(one), "{name}s of {at:?}");
            }
        }
        assert!(shown.is_sorted_by_key(|(_, append_ms, _)| *append_ms), "times do not fall");
    }
    assert!(relays.became.values().all(Result::is_ok), "relays are tried for ever");
}

fn is_killed(broker: &Own) {
    let place = place(broker);
    let mut sends = Handing::new(place.producer(Purpose::Sends));
    let mut relays = Handing::new(place.producer(Purpose::Relays));
    for _ in 0..2 {
        let since = sends.to.len() as u64;
        until("something lands", || {
            sends.step("send");
            relays.step("relay");
            sends.lands_since(since) && relays.lands_since(since)
        });
        broker.kill();
        for _ in 0..20 {
            sends.step("send");
            relays.step("relay");
        }
        broker.start_again();
    }
    let since = sends.to.len() as u64;
    until("something lands again", || {
        sends.step("send");
        sends.lands_since(since)
    });
    sends.finish();
    relays.finish();
    holds(&place, "after a kill", &sends, &relays);
}

fn stands_still(broker: &Own) {
    let place = place(broker);
    let mut sends = Handing::new(place.producer(Purpose::Sends));
    let mut relays = Handing::new(place.producer(Purpose::Relays));
    until("something lands", || {
        sends.step("send");
        relays.step("relay");
        sends.lands_since(0) && relays.lands_since(0)
    });
    sends.finish();
    let stalled = broker.stalled();
    // Long enough that a client would be replaced, if brokers answered others.
    for _ in 0..2 {
        let since = sends.to.len() as u64;
        sends.step("send");
        relays.step("relay");
        sends.finish();
        let refused = sends
            .became
            .range(since..)
            .all(|(_, result)| matches!(result, Err(StoreError::Unavailable { .. })));
        assert!(refused, "it stands still, and who waits is told");
    }
    drop(stalled);
    let since = sends.to.len() as u64;
    until("something lands again", || {
        sends.step("send");
        sends.lands_since(since)
    });
    sends.finish();
    relays.finish();
    holds(&place, "after a stall", &sends, &relays);
}

#[test]
fn a_broker_that_is_killed_or_stands_still_costs_time_and_nothing_else() {
    let Some(broker) = Own::up("kafka") else { return };
    is_killed(&broker);
    stands_still(&broker);
}
