//! Real owners of partitions on the real store, killed between any two writes; others go on where they stopped.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use openim_cluster::mongo::{Generation, MongoHistory, contradiction};
use openim_record::{
    Batch, Checkpoint, GroupId, LogPartition, Message, MessageKey, PageEntry, PartitionId,
    Placement, Position, Process, Role, Seq, Settled, Topic, UserId,
};
use openim_storage::port::{History as _, StoreError, wait};
use openim_transfer::{
    Alarm, Delivery, Effects, Life, LoadedGroup, LoadedPartition, LogNow, NotStored, Owner, Sent,
    Settings, Sight, TopicRecord,
};

use super::Database;
use super::proxy::{Cut, Proxy};

const CHAT: LogPartition = LogPartition { topic: Topic::Chat, partition: PartitionId(0) };
const GROUP: LogPartition = LogPartition { topic: Topic::Group, partition: PartitionId(0) };
const ORIGIN: Process = Process([9; 16]);
const MEMBERS: [&str; 3] = ["alice", "bob", "carol"];

/// What an owner has asked for.
enum Ask {
    Partition(Life),
    Users(Life, Vec<UserId>),
    Group(Life),
    Relay(Life, Box<[u8]>),
    Store(Life, Batch),
    Settle(Life, u64, Process),
    Look(Life, u64),
    Notice(Life, u64),
    Checkpoint(Life, Option<Position>, Checkpoint, Vec<PageEntry>),
}

#[derive(Default)]
struct Asks(VecDeque<Ask>);

impl Effects for Asks {
    fn load_partition(&mut self, life: Life) {
        self.0.push_back(Ask::Partition(life));
    }

    fn load_users(&mut self, life: Life, users: Vec<UserId>) {
        self.0.push_back(Ask::Users(life, users));
    }

    fn load_group(&mut self, life: Life, _: &GroupId) {
        self.0.push_back(Ask::Group(life));
    }

    fn relay(&mut self, life: Life, _: PartitionId, record: Box<[u8]>) {
        self.0.push_back(Ask::Relay(life, record));
    }

    fn store(&mut self, life: Life, batch: Batch) {
        self.0.push_back(Ask::Store(life, batch));
    }

    fn settle(&mut self, life: Life, stage: u64, process: Process, _: Vec<Settled>) {
        self.0.push_back(Ask::Settle(life, stage, process));
    }

    fn look(&mut self, life: Life, stage: u64, _: Vec<UserId>) {
        self.0.push_back(Ask::Look(life, stage));
    }

    fn deliver(&mut self, _: Life, _: u64, gateway: Process, _: Vec<Delivery>) {
        panic!("there is no gateway {gateway:?}");
    }

    fn notice(&mut self, life: Life, stage: u64, _: Box<[u8]>) {
        self.0.push_back(Ask::Notice(life, stage));
    }

    fn checkpoint(
        &mut self,
        life: Life,
        was: Option<Position>,
        checkpoint: Checkpoint,
        page: Vec<PageEntry>,
    ) {
        self.0.push_back(Ask::Checkpoint(life, was, checkpoint, page));
    }

    fn dead_letter(&mut self, at: Position, _: &[u8]) {
        panic!("a dead letter at {at}");
    }

    fn alarm(&mut self, alarm: Alarm) {
        panic!("it stands still: {alarm}");
    }
}

/// The log of each partition.
#[derive(Default)]
struct Logs(BTreeMap<LogPartition, Vec<Logged>>);

/// Append time, and a record.
type Logged = (i64, Arc<[u8]>);

impl Logs {
    fn append(&mut self, at: LogPartition, record: Box<[u8]>) {
        let log = self.0.entry(at).or_default();
        log.push((1_000 + log.len() as i64, record.into()));
    }

    fn of(&self, at: LogPartition) -> &[Logged] {
        self.0.get(&at).map_or(&[], Vec::as_slice)
    }

    /// Sends to users and to a group, some of them twice.
    fn fill(&mut self, from: u32) {
        for n in from..from + 4 {
            let of = if n % 4 == 3 { n - 1 } else { n };
            let (from, to) = (MEMBERS[of as usize % 3], MEMBERS[(of as usize + 1) % 3]);
            self.append(CHAT, Sent::encode(ORIGIN, &message(from, 1, to, of)));
        }
        for n in from..from + 2 {
            let message = message("bob", 2, "group", n);
            self.append(GROUP, Sent::encode_to_group(ORIGIN, &["carol"], &[], false, &message));
        }
    }

    /// What every inbox must hold, with send times.
    fn inboxes(&self) -> BTreeMap<String, Vec<(String, i64)>> {
        let mut inboxes: BTreeMap<String, Vec<(String, i64)>> = BTreeMap::new();
        let (mut seen, mut highest) = (HashSet::new(), BTreeMap::new());
        for (append_ms, record) in self.of(CHAT) {
            let mut put = |uid: &str, message: &Message<'_>, sent_ms| {
                let inbox = inboxes.entry(uid.to_owned()).or_default();
                inbox.push((message.content.to_owned(), sent_ms));
            };
            match TopicRecord::decode(record).expect("a record") {
                TopicRecord::Send(sent) => {
                    let message = Message::decode(sent.message).expect("a message");
                    if seen.insert(message.key) {
                        put(message.send_id, &message, *append_ms);
                        put(message.recv_id, &message, *append_ms);
                    }
                }
                TopicRecord::Relay(relay) => {
                    let message = Message::decode(relay.message).expect("a message");
                    let before = highest.entry(relay.source.of).or_insert(None);
                    if *before < Some(relay.source.position) {
                        *before = Some(relay.source.position);
                        relay.members.iter().for_each(|(uid, _)| put(uid, &message, relay.sent_ms));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        inboxes
    }
}

fn message(from: &str, session_type: i32, to: &str, n: u32) -> Vec<u8> {
    let client_msg_id = format!("m{n}");
    let mut bytes = Vec::new();
    Message {
        key: MessageKey::new(from, session_type, to, &client_msg_id),
        session_type,
        send_id: from,
        recv_id: to,
        client_msg_id: &client_msg_id,
        content: &format!("{from} {to} {n}"),
        ..Message::BLANK
    }
    .encode(&mut bytes);
    bytes
}

/// An owner in its process.
struct Host<'a> {
    history: &'a MongoHistory,
    owner: Owner,
    asks: Asks,
    /// What it has loaded from.
    generation: Generation,
}

impl<'a> Host<'a> {
    fn new(history: &'a MongoHistory, at: LogPartition) -> Self {
        let settings = Settings {
            placement: Placement::new(1),
            window_ms: 1_000_000,
            keys_max: 100,
            users_max: 100,
            group_members_max: 100,
            bytes_max: 100_000,
            relay_bytes_max: 100_000,
            entries_max: 4,
            stages_max: 3,
            gateways_ms: 2_000,
            checkpoint_every_ms: 0,
        };
        let mut asks = Asks::default();
        let owner = Owner::new(at, settings, &mut asks);
        Self { history, owner, asks, generation: history.generation() }
    }

    /// Everything that can be done now; whether that was something. An error ends the process.
    fn work(&mut self, logs: &mut Logs) -> Result<bool, StoreError> {
        let mut worked = false;
        let at = self.owner.at();
        // One at a time, so that there are many writes to be killed at.
        if let Some(next) = self.owner.wants()
            && let Some((append_ms, record)) = logs.of(at).get(next.0 as usize)
        {
            self.owner.record(next, *append_ms, record.clone(), &mut self.asks);
            worked = true;
        }
        while let Some(ask) = self.asks.0.pop_front() {
            self.answer(ask, logs)?;
            worked = true;
        }
        Ok(worked)
    }

    fn answer(&mut self, ask: Ask, logs: &mut Logs) -> Result<(), StoreError> {
        let (at, owner, fx) = (self.owner.at(), &mut self.owner, &mut self.asks);
        match ask {
            Ask::Partition(life) => {
                let stored = wait(self.history.load_partition(at))?;
                self.generation = stored.generation;
                let partition = LoadedPartition {
                    checkpoint: stored.checkpoint,
                    pages: stored.pages,
                    log: LogNow { end: Position(logs.of(at).len() as u64), ..LogNow::default() },
                };
                owner.loaded(life, partition, fx);
            }
            Ask::Users(life, users) => {
                let from = owner.checkpoint().unwrap_or_default();
                owner.users_loaded(life, wait(self.history.load_users(from, users))?, fx);
            }
            Ask::Group(life) => {
                let members = MEMBERS.map(|uid| (UserId::new(uid), Role::Ordinary)).to_vec();
                let group = LoadedGroup { group: GroupId::new("group"), version: 1, members };
                owner.group_loaded(life, group, fx);
            }
            Ask::Relay(life, record) => {
                logs.append(CHAT, record);
                owner.relayed(life, 1, fx);
            }
            Ask::Store(life, batch) => {
                let stored = wait(self.history.store_batch(self.generation, at, batch));
                owner.stored(life, outcome(stored)?, fx);
            }
            Ask::Settle(life, stage, process) => owner.settled(life, stage, process, fx),
            Ask::Look(life, stage) => owner.saw(life, stage, Some(&Sight::default()), &[], fx),
            Ask::Notice(life, stage) => owner.noticed(life, stage, fx),
            Ask::Checkpoint(life, was, checkpoint, page) => {
                let stored =
                    self.history.store_checkpoint(self.generation, at, was, checkpoint, page);
                owner.checkpointed(life, outcome(wait(stored))?, fx);
            }
        }
        Ok(())
    }
}

/// What the owner is told; nothing, where the process is killed.
fn outcome(stored: Result<(), StoreError>) -> Result<Result<(), NotStored>, StoreError> {
    match stored {
        Ok(()) => Ok(Ok(())),
        Err(refused) => match contradiction(&refused) {
            Some(contradiction) => Ok(Err(NotStored::Contradiction(contradiction.clone()))),
            None => Err(refused),
        },
    }
}

/// Owners of both partitions until nothing is left to do.
fn run(history: &MongoHistory, logs: &mut Logs) -> Result<(), StoreError> {
    let mut hosts = [GROUP, CHAT].map(|at| Host::new(history, at));
    loop {
        let mut worked = false;
        for host in &mut hosts {
            worked |= host.work(logs)?;
        }
        if !worked {
            break;
        }
    }
    assert!(hosts.iter().all(|host| host.owner.is_idle()), "all is covered by checkpoints");
    Ok(())
}

fn check(history: &MongoHistory, logs: &Logs, at: &str) {
    for (uid, expected) in logs.inboxes() {
        let user = UserId::new(&uid);
        let bounds = wait(history.bounds(std::slice::from_ref(&user))).expect("read")[0];
        assert_eq!(bounds.newest, Seq(expected.len() as u64), "{at}, {uid}");
        let range = wait(history.range(&user, Seq(1), bounds.newest, usize::MAX)).expect("read");
        let shown: Vec<_> = range
            .entries
            .iter()
            .map(|entry| {
                let record = entry.record.as_ref().expect("it is whole");
                let message = Message::decode(record).expect("a message");
                (message.content.to_owned(), message.send_time_ns / 1_000_000)
            })
            .collect();
        assert_eq!(shown, expected, "{at}, {uid}");
    }
}

/// Kills the owners in front of, or behind, each write in turn.
fn killed_everywhere(how: Cut) {
    for writes in 0.. {
        let Some(database) = Database::new() else { return };
        let at = format!("{how:?} {writes}");
        let mut logs = Logs::default();
        logs.fill(0);
        let proxy = Proxy::to(&database.url);
        let history = database.open_through(&proxy);
        proxy.cut_behind(writes, how);
        let killed = run(&history, &mut logs);
        assert_eq!(killed.is_err(), proxy.is_cut(), "{at}: {killed:?}");
        let history = database.open();
        // What was repeated is known, also to an owner that begins behind it.
        logs.fill(2);
        run(&history, &mut logs).expect("nobody is killed");
        check(&history, &logs, &at);
        assert_eq!(logs.inboxes().len(), MEMBERS.len());
        if !proxy.is_cut() {
            assert!(writes > 20, "{writes} writes only");
            return;
        }
    }
}

#[test]
fn owners_are_killed_in_front_of_any_write() {
    killed_everywhere(Cut::Before);
}

#[test]
fn owners_are_killed_behind_any_write_before_they_hear_of_it() {
    killed_everywhere(Cut::Unanswered);
}

#[test]
fn a_stale_owner_and_a_new_one_write_the_same() {
    let Some(database) = Database::new() else { return };
    let (first, second) = (database.open(), database.open());
    let mut logs = Logs::default();
    logs.fill(0);
    let mut stale = Host::new(&first, CHAT);
    // It has loaded, and stands still then.
    while let Some(ask) = stale.asks.0.pop_front() {
        stale.answer(ask, &mut logs).expect("loaded");
    }
    run(&second, &mut logs).expect("nobody is killed");
    check(&second, &logs, "before it goes on");
    // Its checkpoint is refused, once; then it is where the other one is.
    while stale.work(&mut logs).expect("nobody is killed") {}
    assert!(stale.owner.is_idle());
    check(&first, &logs, "behind it");
    logs.fill(2);
    run(&second, &mut logs).expect("nobody is killed");
    check(&first, &logs, "at the end");
}
