//! `etcd`, `mysql`, `mongo`, `redis`, `kafka`: the components of the cluster engine.
//!
//! Typed and checked, but not used before that engine is built; except
//! [`Mongo::retain_chat_records_days`], which holds for every engine.

use crate::Secret;
use crate::section::{nested, section};
use crate::setting::{list, number, switch, text};

const ADDRESSES: &str = "addresses like 127.0.0.1:2379";

section! {
    /// Service registry.
    pub struct Etcd {
        /// Prefix of the keys of services.
        pub schema: String = "openIM".to_owned(), "etcdSchema" => text("text");
        /// Endpoints.
        pub address: Vec<String> = vec!["127.0.0.1:2379".to_owned()], "etcdAddr" => list(0, ADDRESSES);
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
        /// Idle connections kept.
        pub idle_conns_max: u32 = 10, "dbMaxIdleConns" => number(0..=100_000);
        /// Seconds a connection lives.
        pub life_time_seconds: u64 = 120, "dbMaxLifeTime" => number(0..=86_400);
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
        /// Days that history is kept, on every engine. The archive is kept for ever.
        pub retain_chat_records_days: u32 = 7, "dbRetainChatRecords" => number(1..=36_500);
    }
}

section! {
    /// Sequences and tokens.
    pub struct Redis {
        /// Servers; the first is used.
        pub address: Vec<String> = vec!["127.0.0.1:6379".to_owned()], "dbAddress" => list(0, ADDRESSES);
        /// Idle connections kept.
        pub idle_max: u32 = 128, "dbMaxIdle" => number(0..=100_000);
        /// Connections at most; 0: no limit.
        pub active_max: u32 = 0, "dbMaxActive" => number(0..=100_000);
        /// Seconds an idle connection is kept.
        pub idle_timeout_seconds: u64 = 120, "dbIdleTimeout" => number(0..=86_400);
        /// Password.
        pub password: Secret = Secret::default(), "dbPassWord" => text("text");
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

impl Topic {
    fn named(topic: &str) -> Topic {
        Topic { topic: topic.to_owned(), ..Topic::default() }
    }
}
