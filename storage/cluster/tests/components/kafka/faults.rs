//! A broker that is killed, and one that stands still.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use openim_cluster::Runtime;
use openim_cluster::kafka::{Landed, Options, Producer, Purpose, Target};
use openim_record::{LogPartition, Position};
use openim_storage::port::{StoreError, wait};

use super::{LOOK, Place, Seen, chat, see, until};
use crate::support::component;

/// A broker of a test's own.
struct Broker {
    folder: tempfile::TempDir,
    address: String,
}

impl Broker {
    /// `None`, after saying what is left out, where there can be none.
    fn start() -> Option<Self> {
        component("OPENIM_TEST_KAFKA")?;
        let folder = tempfile::tempdir().expect("a directory for the test");
        let mut broker = Self { folder, address: String::new() };
        if !broker.command("up").status().expect("it runs").success() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "no broker can be had");
            println!("!!! LEFT OUT: a broker that is killed: none can be started");
            return None;
        }
        let told = broker.command("env").stdout(Stdio::piped()).output().expect("it runs");
        let told = String::from_utf8(told.stdout).expect("text");
        let address = told.trim().rsplit_once('=').expect("an address").1;
        broker.address = address.trim_matches(['\'', '"']).to_owned();
        Some(broker)
    }

    fn command(&self, what: &str) -> Command {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut command = Command::new(root.join("scripts/components"));
        command.args([what, "kafka"]).env("OPENIM_COMPONENTS_DIR", self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn tell(&self, what: &str) {
        assert!(self.command(what).status().expect("it runs").success(), "{what}");
    }

    /// Stops or continues its process.
    fn signal(&self, signal: &str) {
        let record = self.folder.path().join("kafka.pid");
        let record = std::fs::read_to_string(record).expect("it was started");
        let pid = record.split(' ').next().expect("a number");
        let told = Command::new("kill").args([signal, pid]).status().expect("it runs");
        assert!(told.success(), "{signal} {pid}");
    }

    fn place(&self) -> Place {
        let options = Options {
            brokers: vec![self.address.clone()],
            partitions: 2,
            notice_partitions: 1,
            call_timeout: Duration::from_secs(30),
            ..Options::default()
        };
        let place = Place { runtime: Runtime::start(2).expect("threads"), options };
        wait(place.kafka().ensure_topics()).expect("the topics are made");
        place
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // One that stands still does not hear that it is to end.
        if !std::thread::panicking() {
            self.tell("down");
        } else if self.command("kill").status().is_err() {
            println!("a broker is left behind");
        }
    }
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
    let (first, next) = wait(place.kafka().ends(of)).expect("Kafka answers");
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

fn is_killed(broker: &Broker) {
    let place = broker.place();
    let mut sends = Handing::new(place.producer(Purpose::Sends));
    let mut relays = Handing::new(place.producer(Purpose::Relays));
    for _ in 0..2 {
        let since = sends.to.len() as u64;
        until("something lands", || {
            sends.step("send");
            relays.step("relay");
            sends.lands_since(since) && relays.lands_since(since)
        });
        broker.tell("kill");
        for _ in 0..20 {
            sends.step("send");
            relays.step("relay");
        }
        broker.tell("restart");
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

fn stands_still(broker: &Broker) {
    let place = broker.place();
    let mut sends = Handing::new(place.producer(Purpose::Sends));
    let mut relays = Handing::new(place.producer(Purpose::Relays));
    until("something lands", || {
        sends.step("send");
        relays.step("relay");
        sends.lands_since(0) && relays.lands_since(0)
    });
    sends.finish();
    broker.signal("-STOP");
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
    broker.signal("-CONT");
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
    let Some(broker) = Broker::start() else { return };
    is_killed(&broker);
    stands_still(&broker);
}
