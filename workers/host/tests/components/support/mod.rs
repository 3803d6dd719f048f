//! What a transfer stands on, for one test alone: topics, databases and keys of names that nobody else has.

mod gateway;

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use openim_cluster::Runtime;
use openim_cluster::etcd::{Member, Members};
use openim_cluster::kafka::{self, Kafka, Landed, Producer, Purpose, Target};
use openim_cluster::mongo::{self, MongoHistory};
use openim_cluster::mysql::{self, Mysql};
use openim_cluster::redis::{self, Presence, Redis};
pub(crate) use openim_cluster::testing::{Own, component};
use openim_host::{Options, Parts, Running};
use openim_record::{
    GroupId, LogPartition, Message, MessageKey, PartitionId, Placement, Process, Role,
    SESSION_GROUP, Seq, Topic, UserId,
};
use openim_storage::conformance;
use openim_storage::port::{
    By, Group, GroupChange, GroupLimits, Groups as _, History as _, Member as GroupMember, wait,
};
use openim_transfer::{Sent, Settings};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection};
use tokio::sync::watch;

pub(crate) use gateway::Gateway;

/// Partitions of each topic.
pub(crate) const PARTITIONS: u16 = 4;
/// What a gateway with so many shards has.
pub(crate) const FRONTS: u16 = 2;

/// Waits until something holds, however slow the machine is.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(180), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Where the components are.
pub(crate) struct Addresses {
    pub(crate) kafka: String,
    pub(crate) mongodb: String,
    pub(crate) mysql: String,
    pub(crate) redis: String,
}

impl Addresses {
    /// Those that the tests are given; `None` where one is missing.
    pub(crate) fn given() -> Option<Self> {
        Some(Self {
            kafka: component("OPENIM_TEST_KAFKA")?,
            mongodb: component("OPENIM_TEST_MONGODB")?,
            mysql: component("OPENIM_TEST_MYSQL")?,
            redis: component("OPENIM_TEST_REDIS")?,
        })
    }
}

/// See the module.
pub(crate) struct Place {
    pub(crate) runtime: Runtime,
    pub(crate) kafka: Kafka,
    pub(crate) mysql: Mysql,
    pub(crate) presence: Presence,
    pub(crate) name: String,
    pub(crate) gateway: Gateway,
    pub(crate) addresses: Addresses,
    producer: RefCell<Producer>,
}

impl Place {
    /// `None` where a component is missing.
    pub(crate) fn new() -> Option<Self> {
        Some(Self::on(Addresses::given()?))
    }

    pub(crate) fn on(addresses: Addresses) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self::named(addresses, format!("openim_host_{}_{number}", std::process::id()))
    }

    /// One that there may be already.
    pub(crate) fn named(addresses: Addresses, name: String) -> Self {
        let runtime = Runtime::start(2).expect("a runtime");
        let kafka = open_kafka(&runtime, &addresses.kafka, &name);
        let producer = RefCell::new(kafka.producer(Purpose::Sends).expect("a producer"));
        let options = mysql::Options {
            url: addresses.mysql.clone(),
            database: name.clone(),
            ..mysql::Options::default()
        };
        let mysql = wait(mysql::open(options, &runtime)).expect("MySQL opens");
        let options = redis::Options {
            urls: vec![addresses.redis.clone()],
            prefix: format!("{name}:"),
            ..redis::Options::default()
        };
        let presence = Presence::new(wait(Redis::open(&runtime, options)).expect("Redis opens"));
        let gateway = Gateway::start(&runtime, 1);
        Self { runtime, kafka, mysql, presence, name, gateway, addresses, producer }
    }

    pub(crate) fn history(&self) -> MongoHistory {
        let options = mongo::Options {
            url: self.addresses.mongodb.clone(),
            database: self.name.clone(),
            partitions: PARTITIONS,
            ..mongo::Options::default()
        };
        wait(MongoHistory::open(&self.runtime, options)).expect("MongoDB opens").0
    }

    /// A transfer of its own process, as far as anybody can see.
    pub(crate) fn transfer(&self) -> Running {
        self.transfer_with(Options::default())
    }

    /// In another group, so that it owns the same partitions as others do.
    pub(crate) fn transfer_of(&self, group: &str) -> Running {
        self.transfer_in(Options::default(), group)
    }

    pub(crate) fn transfer_with(&self, options: Options) -> Running {
        self.transfer_in(options, "mongo")
    }

    /// With gateways that somebody else tells of.
    pub(crate) fn transfer_to(&self, gateways: watch::Receiver<Members>) -> Running {
        self.begin(Options::default(), "mongo", gateways)
    }

    fn transfer_in(&self, options: Options, group: &str) -> Running {
        let members: Members = [self.gateway.member()].into();
        self.begin(options, group, watch::channel(members).1)
    }

    fn begin(&self, options: Options, group: &str, gateways: watch::Receiver<Members>) -> Running {
        let settings = Settings {
            placement: Placement::new(PARTITIONS),
            window_ms: 600_000,
            keys_max: 100_000,
            users_max: 1_000,
            group_members_max: 10_000,
            bytes_max: 64 << 10,
            entries_max: 50,
            relay_bytes_max: 16 << 10,
            stages_max: 4,
            gateways_ms: 2_000,
            checkpoint_every_ms: 1_000,
        };
        openim_host::start(Parts {
            runtime: self.runtime.clone(),
            kafka: self.kafka.clone(),
            history: self.history(),
            groups: self.mysql.groups.clone(),
            presence: self.presence.clone(),
            lanes: Gateway::lanes(&self.runtime),
            gateways,
            others: Vec::new(),
            letters: self.mysql.archive.clone(),
            settings,
            // Groups are the brokers', whatever their topics.
            group: format!("{}-{group}", self.name),
            options,
        })
        .expect("a thread")
    }

    // --- sends -----------------------------------------------------------------------------------

    /// Puts a record into a partition; it has landed.
    pub(crate) fn produce(&self, topic: Topic, home: &str, record: &[u8]) -> Landed {
        let mut landed = self.produce_all([(topic, home, record.into())]);
        landed.pop().expect("one")
    }

    pub(crate) fn produce_all<'a>(
        &self,
        records: impl IntoIterator<Item = (Topic, &'a str, Box<[u8]>)>,
    ) -> Vec<Landed> {
        let mut producer = self.producer.borrow_mut();
        let (mut under_way, mut landed) = (HashSet::new(), Vec::new());
        for (topic, home, record) in records {
            let partition = Placement::new(PARTITIONS).partition(home);
            let at = LogPartition { topic, partition };
            under_way.insert(producer.submit(Target::Log(at), &record).expect("there is room"));
        }
        until("all has landed", || {
            producer.poll(Duration::from_millis(10), &mut |ticket, result| {
                assert!(under_way.remove(&ticket));
                landed.push(result.expect("it has landed"));
            });
            under_way.is_empty()
        });
        landed
    }

    /// A send of this client's.
    pub(crate) fn sent(&self, from: &str, to: &str, id: &str) -> (Topic, Box<[u8]>) {
        (Topic::Chat, Sent::encode(self.gateway.front(0), &message(from, 1, to, id)))
    }

    pub(crate) fn send(&self, from: &str, to: &str, id: &str) -> Landed {
        let (topic, record) = self.sent(from, to, id);
        self.produce(topic, from, &record)
    }

    pub(crate) fn send_to_group(&self, from: &str, group: &str, id: &str) -> Landed {
        let message = message(from, SESSION_GROUP, group, id);
        let origin = self.gateway.front(0);
        let record = Sent::encode_to_group(origin, &[], &[], false, &message);
        self.produce(Topic::Group, group, &record)
    }

    /// Where a user lives.
    pub(crate) fn home(&self, uid: &str) -> PartitionId {
        Placement::new(PARTITIONS).partition(uid)
    }

    pub(crate) fn make_group(&self, id: &str, members: &[&str]) {
        let role = |n| if n == 0 { Role::Owner } else { Role::Ordinary };
        let member = |(n, uid): (usize, &&str)| group_member(uid, role(n));
        let group = Group { name: id.to_owned(), ..conformance::group(id) };
        let members = members.iter().enumerate().map(member).collect();
        self.change_group(GroupChange::Create { group, members });
    }

    /// Nobody tells of it.
    pub(crate) fn add_to_group(&self, group: &str, uid: &str) {
        let by = By { uid: UserId::new("manager"), trusted: true };
        let (group, members) = (GroupId::new(group), vec![group_member(uid, Role::Ordinary)]);
        self.change_group(GroupChange::Add { group, by, members });
    }

    fn change_group(&self, change: GroupChange) {
        let limits = GroupLimits { members_max: 1_000, joined_max: 1_000, requests_max: 10 };
        let made = wait(self.mysql.groups.apply(&[change], limits)).expect("MySQL answers");
        assert!(!made[0].members.is_empty(), "{:?}", made[0].outcome);
    }

    // --- books -----------------------------------------------------------------------------------

    /// Where an inbox ends; 0 while the store is away.
    pub(crate) fn newest(&self, history: &MongoHistory, uid: &str) -> Seq {
        let bounds = wait(history.bounds(&[UserId::new(uid)]));
        bounds.map_or(Seq(0), |bounds| bounds[0].newest)
    }

    /// What is in an inbox: numbers without a hole, and the contents.
    pub(crate) fn inbox(&self, history: &MongoHistory, uid: &str) -> Vec<String> {
        let newest = self.newest(history, uid);
        let range = wait(history.range(&UserId::new(uid), Seq(1), newest, usize::MAX));
        let entries = range.expect("MongoDB answers").entries;
        let content = |(number, entry): (u64, openim_storage::port::Entry)| {
            assert_eq!(entry.seq, Seq(number), "{uid} has a hole");
            let record = entry.record.expect("it is whole");
            Message::decode(&record).expect("a message").content.to_owned()
        };
        let inbox: Vec<String> = (1..).zip(entries).map(content).collect();
        assert_eq!(inbox.len() as u64, newest.0, "{uid} has as many as the newest says");
        inbox
    }

    /// Waits until an inbox has so many.
    pub(crate) fn inbox_of(&self, history: &MongoHistory, uid: &str, count: usize) -> Vec<String> {
        let what = format!("{uid} has {count}");
        until(&what, || self.newest(history, uid) >= Seq(count as u64));
        self.inbox(history, uid)
    }
}

fn open_kafka(runtime: &Runtime, address: &str, name: &str) -> Kafka {
    let options = kafka::Options {
        brokers: vec![address.to_owned()],
        chat: format!("{name}-chat"),
        group: format!("{name}-group"),
        notices: format!("{name}-notices"),
        partitions: PARTITIONS,
        notice_partitions: 1,
        ..kafka::Options::default()
    };
    let kafka = Kafka::open(runtime, options).expect("the settings are right");
    until("the topics are there", || wait(kafka.ensure_topics()).is_ok());
    kafka
}

impl Drop for Place {
    fn drop(&mut self) {
        let (mongo, mysql) = (self.addresses.mongodb.clone(), self.addresses.mysql.clone());
        let name = self.name.clone();
        let dropped = self.runtime.begin(async move {
            if let Ok(client) = mongodb::Client::with_uri_str(mongo).await {
                drop(client.database(&name).drop().await);
            }
            if let Ok(mut connection) = MySqlConnection::connect(&mysql).await {
                drop(connection.execute(AssertSqlSafe(format!("DROP DATABASE {name}"))).await);
            }
        });
        wait(dropped.answer());
    }
}

/// An encoded message whose content says what it is.
pub(crate) fn message(from: &str, session_type: i32, to: &str, id: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    Message {
        key: MessageKey::new(from, session_type, to, id),
        session_type,
        send_id: from,
        recv_id: to,
        client_msg_id: id,
        content: &content(from, to, id),
        sender_platform_id: 1,
        origin_platform: 1,
        ..Message::BLANK
    }
    .encode(&mut bytes);
    bytes
}

fn group_member(uid: &str, role: Role) -> GroupMember {
    let (nickname, face_url) = (String::new(), String::new());
    GroupMember { uid: UserId::new(uid), role, nickname, face_url, join_ms: 1 }
}

pub(crate) fn content(from: &str, to: &str, id: &str) -> String {
    format!("{from} to {to}: {id}")
}

/// A process whose number this is, by its first front.
pub(crate) fn process(number: u8) -> Process {
    let mut process = [number; 16];
    process[14..].fill(0);
    Process(process)
}

pub(crate) fn member(number: u8, address: String) -> Member {
    Member { process: process(number), address, fronts: FRONTS }
}

/// Uids that live in different partitions.
pub(crate) fn strangers<const N: usize>() -> [String; N] {
    assert!(N <= usize::from(PARTITIONS), "there are so many partitions");
    let mut taken = HashSet::new();
    let mut uids = (0..).map(|n| format!("user{n}"));
    std::array::from_fn(|_| {
        uids.find(|uid| taken.insert(Placement::new(PARTITIONS).partition(uid))).expect("endless")
    })
}
