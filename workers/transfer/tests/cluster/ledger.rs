//! The laws as a function of the logs: what every inbox must hold, computed the slow and obvious way.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use openim_record::{MessageKey, PartitionId, Placement, Position, UserId};
use openim_transfer::{LogPartition, Source, Topic, TopicRecord, message};

use crate::books::{Books, Expected};
use crate::logs::Entry;

/// A send that its partition takes for a first one.
#[derive(Clone, Debug)]
pub(crate) struct First {
    pub(crate) source: Source,
    pub(crate) sender: UserId,
    /// A user or a group.
    pub(crate) receiver: UserId,
    pub(crate) history: bool,
    /// Those who get it without being members.
    pub(crate) extra: Vec<UserId>,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    placement: Placement,
    pub(crate) books: Books,
    /// The highest append time of each partition.
    times: BTreeMap<LogPartition, i64>,
    /// When records of each key were appended, also as their windows see it; unix nanoseconds.
    of_keys: HashMap<MessageKey, Vec<i64>>,
    /// The highest source of each partition that an inbox partition has.
    highest: BTreeMap<(PartitionId, LogPartition), Position>,
    pub(crate) firsts: Vec<First>,
    /// Who got a relayed send, and in which partitions it was seen.
    pub(crate) relayed: BTreeMap<Source, (BTreeSet<PartitionId>, BTreeSet<UserId>)>,
    /// Relays that were not taken, because they had been before.
    pub(crate) repeated_relays: u64,
}

impl Ledger {
    pub(crate) fn new(placement: Placement, window_ms: i64, keys_max: usize) -> Self {
        Self {
            placement,
            books: Books::new(window_ms, keys_max),
            times: BTreeMap::new(),
            of_keys: HashMap::new(),
            highest: BTreeMap::new(),
            firsts: Vec::new(),
            relayed: BTreeMap::new(),
            repeated_relays: 0,
        }
    }

    pub(crate) fn record(&mut self, at: LogPartition, position: Position, entry: &Entry) {
        let time = self.times.entry(at).or_insert(i64::MIN);
        *time = entry.append_ms.max(*time);
        match TopicRecord::decode(&entry.bytes).expect("the world and the owners write records") {
            TopicRecord::Send(sent) => self.send(at, position, entry, &sent),
            TopicRecord::Relay(relay) => self.relay(at, position, &relay),
            TopicRecord::GroupChanged(_) => assert_eq!(at.topic, Topic::Group),
            TopicRecord::Notice(_) => panic!("a notice has a topic of its own"),
        }
    }

    fn send(
        &mut self,
        at: LogPartition,
        position: Position,
        entry: &Entry,
        sent: &openim_transfer::Sent<'_>,
    ) {
        let message = message(sent.message, entry.append_ms).expect("a message");
        let window = u32::from(at.partition.0) + if at.topic == Topic::Group { 1 << 16 } else { 0 };
        let append_ms = self.times[&at];
        let times = [message.send_time_ns, append_ms * 1_000_000];
        self.of_keys.entry(message.key).or_default().extend(times);
        if !message.switches.ephemeral() && !self.books.see(window, message.key, append_ms) {
            return;
        }
        self.books.first(message.key, message.send_time_ns);
        let (sender, receiver) = (UserId::new(message.send_id), UserId::new(message.recv_id));
        let history = message.switches.history;
        let extra = sent.group.iter().flat_map(|group| group.extra.iter()).map(UserId::new);
        self.firsts.push(First {
            source: Source { of: at, position },
            sender: sender.clone(),
            receiver: receiver.clone(),
            history,
            extra: extra.collect(),
        });
        if at.topic == Topic::Group || !history {
            return;
        }
        let expected = Expected { position, key: message.key, own_from: None, unsynced: false };
        if receiver != sender && self.placement.partition(receiver.as_str()) == at.partition {
            self.books.put(&receiver, expected);
        }
        let own = Expected {
            own_from: Some(message.origin_platform),
            unsynced: receiver != sender && !message.switches.sender_sync,
            ..expected
        };
        self.books.put(&sender, own);
    }

    fn relay(
        &mut self,
        at: LogPartition,
        position: Position,
        relay: &openim_transfer::Relayed<'_>,
    ) {
        assert_eq!(at.topic, Topic::Chat);
        let Source { of, position: source } = relay.source;
        let highest = self.highest.get(&(at.partition, of));
        if highest.is_some_and(|highest| source <= *highest) {
            self.repeated_relays += 1;
            return;
        }
        self.highest.insert((at.partition, of), source);
        let message = message(relay.message, relay.sent_ms).expect("a message");
        let of_group = of.topic == Topic::Group;
        let named: Vec<UserId> = match of_group {
            true => relay.members.iter().map(|(uid, _)| UserId::new(uid)).collect(),
            false => vec![UserId::new(message.recv_id)],
        };
        let (partitions, users) = self.relayed.entry(relay.source).or_default();
        partitions.insert(at.partition);
        users.extend(named.iter().cloned());
        for uid in named {
            assert_eq!(self.placement.partition(uid.as_str()), at.partition, "{uid} is at home");
            let author = uid.as_str() == message.send_id;
            if message.switches.history {
                let expected = Expected {
                    position,
                    key: message.key,
                    own_from: author.then_some(message.origin_platform),
                    unsynced: author && !message.switches.sender_sync,
                };
                self.books.put(&uid, expected);
            }
        }
    }

    /// The times that a receipt of a send may show.
    pub(crate) fn times(&self, key: MessageKey) -> impl Iterator<Item = i64> {
        self.of_keys.get(&key).into_iter().flatten().copied()
    }

    /// Whether the relays of the first sends are there: to every partition that they concern.
    pub(crate) fn assert_relayed(&self) {
        for first in self.firsts.iter().filter(|first| first.history) {
            let home = |uid: &UserId| self.placement.partition(uid.as_str());
            let group = first.source.of.topic == Topic::Group;
            let needed = match group {
                true => home(&first.sender),
                false if home(&first.receiver) == first.source.of.partition => continue,
                false => home(&first.receiver),
            };
            let relayed = self.relayed.get(&first.source);
            let there = relayed.is_some_and(|(partitions, _)| partitions.contains(&needed));
            assert!(there, "L1: {first:?} was not relayed to {needed:?}");
        }
    }
}
