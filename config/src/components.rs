//! `etcd`, `mysql`, `mongo`, `redis`, `kafka`: the components of the cluster engine.
//!
//! Typed and checked, but not used by the embedded engine; except [`Mongo::retain_chat_records_days`], which
//! holds for every engine.

use crate::Secret;
use crate::section::{nested, section};
use crate::setting::{choice, list, number, one_of, switch, text};
use std::ops::RangeInclusive;

const ADDRESSES: &str = "addresses like 127.0.0.1:2379";

/// What a call to a component may take: less would fail on a machine with much to do, more would hide that it is away.
const CALL_MS: RangeInclusive<u64> = 100..=600_000;

section! {
    /// Service registry.
    pub struct Etcd {
        /// Prefix of the keys of services.
        pub schema: String = "openIM".to_owned(), "etcdSchema" => text("text");
        /// Endpoints.
        pub address: Vec<String> = vec!["127.0.0.1:2379".to_owned()], "etcdAddr" => list(0, ADDRESSES);
        /// Account; empty: the servers want none.
        pub user_name: String = String::new(), "userName" => text("text");
        /// Its password.
        pub password: Secret = Secret::default(), "password" => text("text");
        /// Whether they are spoken to through TLS.
        pub tls: bool = false, "tls" => switch;
        /// Milliseconds a call may take.
        pub call_ms: u64 = 3_000, "callMs" => number(CALL_MS);
    }
}

section! {
    /// Users, friends, archive.
    pub struct Mysql {
        /// Servers; the first is used.
        pub address: Vec<String> = vec!["127.0.0.1:3306".to_owned()], "dbAddress" => list(0, ADDRESSES);
        /// Account.
        pub user_name: String = "root".to_owned(), "dbUserName" => text("text");
        /// Its password.
        pub password: Secret = Secret::default(), "dbPassword" => text("text");
        /// Database.
        pub database: String = "openIM".to_owned(), "dbDatabaseName" => text("text");
        /// Connections at most.
        pub open_conns_max: u32 = 20, "dbMaxOpenConns" => number(1..=100_000);
        /// Idle connections kept. Not used: one that nobody has needed for minutes is closed.
        pub idle_conns_max: u32 = 10, "dbMaxIdleConns" => number(0..=100_000);
        /// Seconds a connection lives. Not used: one that fails is opened again.
        pub life_time_seconds: u64 = 120, "dbMaxLifeTime" => number(0..=86_400);
        /// Whether it is spoken to through TLS alone.
        pub tls: bool = false, "tls" => switch;
        /// Milliseconds a call waits for a connection.
        pub connect_ms: u64 = 3_000, "connectMs" => number(CALL_MS);
        /// Milliseconds a call may take, with what is tried again.
        pub call_ms: u64 = 10_000, "callMs" => number(CALL_MS);
        /// How often a change is tried that the server gave up in favour of another.
        pub tries_max: u32 = 8, "triesMax" => number(1..=100);
    }
}

section! {
    /// History.
    pub struct Mongo {
        /// Servers.
        pub address: Vec<String> = vec!["127.0.0.1:27017".to_owned()], "dbAddress" => list(0, ADDRESSES);
        /// Whether to use the named server only.
        pub direct: bool = false, "dbDirect" => switch;
        /// Seconds to wait for a connection.
        pub timeout_seconds: u64 = 10, "dbTimeout" => number(1..=3_600);
        /// Databases; the first is used.
        pub database: Vec<String> = vec!["openIM".to_owned()], "dbDatabase" => list(0, "names");
        /// Database that knows the account.
        pub source: String = "admin".to_owned(), "dbSource" => text("text");
        /// Account.
        pub user_name: String = String::new(), "dbUserName" => text("text");
        /// Its password.
        pub password: Secret = Secret::default(), "dbPassword" => text("text");
        /// Connections at most.
        pub pool_size_max: u32 = 20, "dbMaxPoolSize" => number(1..=100_000);
        /// Whether it is spoken to through TLS.
        pub tls: bool = false, "tls" => switch;
        /// Milliseconds a call waits for a server that can be asked.
        pub select_ms: u64 = 1_000, "selectMs" => number(CALL_MS);
        /// Milliseconds a call may take in all.
        pub call_ms: u64 = 10_000, "callMs" => number(CALL_MS);
        /// Entries that one command writes at most.
        pub entries_max: usize = 1_000, "entriesMax" => number(1..=10_000);
        /// Days that history is kept, on every engine. The archive is kept for ever.
        pub retain_chat_records_days: u32 = 7, "dbRetainChatRecords" => number(1..=36_500);
    }
}

section! {
    /// Where links are, and newest tokens.
    pub struct Redis {
        /// Servers; several are a Redis Cluster.
        pub address: Vec<String> = vec!["127.0.0.1:6379".to_owned()], "dbAddress" => list(0, ADDRESSES);
        /// Idle connections kept. Not used: there is one a purpose.
        pub idle_max: u32 = 128, "dbMaxIdle" => number(0..=100_000);
        /// Connections at most; 0: no limit. Not used: there is one a purpose.
        pub active_max: u32 = 0, "dbMaxActive" => number(0..=100_000);
        /// Seconds an idle connection is kept. Not used.
        pub idle_timeout_seconds: u64 = 120, "dbIdleTimeout" => number(0..=86_400);
        /// Password.
        pub password: Secret = Secret::default(), "dbPassWord" => text("text");
        /// Account; empty: the one that is there by itself.
        pub user_name: String = String::new(), "userName" => text("text");
        /// Whether it is spoken to through TLS.
        pub tls: bool = false, "tls" => switch;
        /// Milliseconds a call may take.
        pub call_ms: u64 = 2_000, "callMs" => number(CALL_MS);
        /// Seconds after which entries of a user are forgotten that nobody has written again.
        pub entries_kept_seconds: u64 = 1_800, "entriesKeptSeconds" => number(1_200..=86_400);
        /// Events that are kept, about.
        pub events_max: usize = 100_000, "eventsMax" => number(1_000..=100_000_000);
        /// Seconds that what holds of a user's tokens is remembered.
        pub tokens_kept_seconds: u64 = 600, "tokensKeptSeconds" => number(1..=86_400);
    }
}

choice! {
    /// How a password is shown to a broker.
    pub enum SaslMechanism {
        /// As it is.
        Plain = "PLAIN",
        /// By a proof that the password is known.
        ScramSha256 = "SCRAM-SHA-256",
        /// The same with longer sums.
        ScramSha512 = "SCRAM-SHA-512",
    }
}

section! {
    /// Queue.
    pub struct Kafka {
        /// Accepted messages, towards transfer.
        pub ws2mschat: Topic = Topic::named("ws2ms_chat"), "ws2mschat" => nested;
        /// Stored messages, towards push.
        pub ms2pschat: Topic = Topic::named("ms2ps_chat"), "ms2pschat" => nested;
        /// Names of the consumers.
        pub consumer_groups: ConsumerGroups = ConsumerGroups::default(), "consumergroupid" => nested;
        /// Account; empty: the brokers want none.
        pub user_name: String = String::new(), "userName" => text("text");
        /// Its password.
        pub password: Secret = Secret::default(), "password" => text("text");
        /// How the password is shown; all but `PLAIN` need a program with the feature `kafka-tls`.
        pub sasl_mechanism: SaslMechanism = SaslMechanism::default(), "saslMechanism" => one_of;
        /// Whether they are spoken to through TLS; needs a program with the feature `kafka-tls`.
        pub tls: bool = false, "tls" => switch;
        /// Partitions of the topic towards push.
        pub notice_partitions: u16 = 16, "noticePartitions" => number(1..=1_024);
        /// Hours that topics keep what was sent, of topics that are made here.
        pub retention_hours: u64 = 72, "retentionHours" => number(25..=87_600);
        /// Copies of topics that are made here, if there are so many brokers.
        pub replicas: u16 = 3, "replicas" => number(1..=7);
        /// Milliseconds a question may take, and a connection to be opened.
        pub call_ms: u64 = 3_000, "callMs" => number(1_000..=600_000);
        /// Milliseconds an answer is waited for before its connection is given up.
        pub request_ms: u64 = 6_000, "requestMs" => number(1_000..=600_000);
        /// Milliseconds a send is tried.
        pub send_ms: u64 = 3_500, "sendMs" => number(CALL_MS);
        /// Seconds after which a producer is replaced that gets nothing done while brokers answer others.
        pub stuck_seconds: u64 = 5, "stuckSeconds" => number(1..=600);
        /// Records that a producer has under way at most.
        pub records_max: usize = 50_000, "recordsMax" => number(1_000..=10_000_000);
        /// Bytes of them at most.
        pub bytes_max: usize = 64 << 20, "bytesMax" => number(1 << 20..=1 << 30);
        /// Bytes of one record at most.
        pub record_bytes_max: usize = 1_000_000, "recordBytesMax" => number(65_536..=100_000_000);
        /// Bytes that a consumer has fetched and not yet handed on, about.
        pub fetched_bytes_max: usize = 16 << 20, "fetchedBytesMax" => number(1 << 20..=1 << 30);
        /// Milliseconds without a sign of life after which a transfer loses its partitions.
        pub session_ms: u64 = 6_000, "sessionMs" => number(1_000..=600_000);
    }
}

section! {
    /// One topic.
    pub struct Topic {
        /// Servers.
        pub address: Vec<String> = vec!["127.0.0.1:9092".to_owned()], "addr" => list(0, ADDRESSES);
        /// Its name.
        pub topic: String = String::new(), "topic" => text("text");
    }
}

section! {
    /// Names of the consumers.
    pub struct ConsumerGroups {
        /// The one that writes history.
        pub history: String = "mongo".to_owned(), "msgToMongo" => text("text");
        /// The one that writes the archive.
        pub archive: String = "mysql".to_owned(), "msgToMySql" => text("text");
        /// The one that pushes.
        pub push: String = "push".to_owned(), "msgToPush" => text("text");
    }
}

impl Kafka {
    /// The topic of messages to groups: that of single chats with an ending.
    pub fn group_topic(&self) -> String {
        format!("{}_group", self.ws2mschat.topic)
    }
}

impl Topic {
    fn named(topic: &str) -> Topic {
        Topic { topic: topic.to_owned(), ..Topic::default() }
    }
}
