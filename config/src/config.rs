//! The root of all settings.

use crate::section::{nested, section};
use crate::setting::{choice, one_of, settings, text};
use crate::{
    Admin, Api, Archive, Cluster, Console, Credential, Duplicates, Embedded, Etcd, Gateway, Kafka,
    Limits, Log, LongConnSvr, Manager, MessageCallback, Mongo, MultiLoginPolicy, Mysql, Policy,
    Push, Redis, Secret, Tls, TokenPolicy, Web, Webhook, Why, Wire,
};
use std::net::{IpAddr, Ipv6Addr};

choice! {
    /// What stands behind the ports of storage.
    pub enum Engine {
        /// Everything in this process and its data directory.
        Embedded = "embedded",
        /// The components of the original; a program can be built without it.
        Cluster = "cluster",
    }
}

section! {
    /// Every setting of the server.
    pub struct Config {
        /// What stands behind the ports of storage.
        pub engine: Engine = Engine::default(), "engine" => one_of;
        /// The address REST and websocket listen on; `::` is all interfaces, of IPv4 and IPv6.
        pub server_ip: ServerIp = ServerIp::default(), "serverip" => text("an IP address, or empty for all interfaces");
        /// REST.
        pub api: Api = Api::default(), "api" => nested;
        /// Websocket. The name is the original's.
        pub longconnsvr: LongConnSvr = LongConnSvr::default(), "longconnsvr" => nested;
        /// TLS on both, and for operators.
        pub tls: Tls = Tls::default(), "tls" => nested;
        /// Operator endpoints.
        pub admin: Admin = Admin::default(), "admin" => nested;
        /// The operators' console.
        pub console: Console = Console::default(), "console" => nested;
        /// What callers of `/auth` must know; empty: generated at the first start.
        pub secret: Secret = Secret::default(), "secret" => text("text");
        /// Tokens.
        pub tokenpolicy: TokenPolicy = TokenPolicy::default(), "tokenpolicy" => nested;
        /// How many terminals of a user may be logged in together.
        pub multiloginpolicy: MultiLoginPolicy = MultiLoginPolicy::default(), "multiloginpolicy" => nested;
        /// What clients of which version see.
        pub wire: Wire = Wire::default(), "wire" => nested;
        /// Who may act for others.
        pub manager: Manager = Manager::default(), "manager" => nested;
        /// Pages for browsers.
        pub web: Web = Web::default(), "web" => nested;
        /// Why somebody did not get a message.
        pub why: Why = Why::default(), "why" => nested;
        /// Rules beyond those of the original.
        pub policy: Policy = Policy::default(), "policy" => nested;
        /// A question to the app's backend before a message is taken.
        pub messagecallback: MessageCallback = MessageCallback::default(), "messagecallback" => nested;
        /// What the app's backend is told.
        pub webhook: Webhook = Webhook::default(), "webhook" => nested;
        /// The embedded engine.
        pub embedded: Embedded = Embedded::default(), "embedded" => nested;
        /// How long messages are kept once history has let them go.
        pub archive: Archive = Archive::default(), "archive" => nested;
        /// The process and its shards.
        pub gateway: Gateway = Gateway::default(), "gateway" => nested;
        /// Bounds of everything that could grow.
        pub limits: Limits = Limits::default(), "limits" => nested;
        /// Recognising a send that was sent before.
        pub duplicates: Duplicates = Duplicates::default(), "duplicates" => nested;
        /// Log.
        pub log: Log = Log::default(), "log" => nested;
        /// Accounts of object stores.
        pub credential: Credential = Credential::default(), "credential" => nested;
        /// Offline push.
        pub push: Push = Push::default(), "push" => nested;
        /// The cluster engine.
        pub cluster: Cluster = Cluster::default(), "cluster" => nested;
        /// Cluster engine: service registry.
        pub etcd: Etcd = Etcd::default(), "etcd" => nested;
        /// Cluster engine: users, friends, archive.
        pub mysql: Mysql = Mysql::default(), "mysql" => nested;
        /// Cluster engine: history. Its retention holds for every engine.
        pub mongo: Mongo = Mongo::default(), "mongo" => nested;
        /// Cluster engine: where links are, and newest tokens.
        pub redis: Redis = Redis::default(), "redis" => nested;
        /// Cluster engine: queue.
        pub kafka: Kafka = Kafka::default(), "kafka" => nested;
    }
}

impl Config {
    /// The dotted keys whose values differ from those of `other`, in the order of the sections.
    pub fn differing(&self, other: &Config) -> Vec<String> {
        let (mut one, mut other) = (self.clone(), other.clone());
        let pairs = settings(&mut one).into_iter().zip(settings(&mut other));
        pairs
            .filter(|((_, here), (_, there))| !here.holds(there.value()))
            .map(|((key, _), _)| key)
            .collect()
    }
}

/// The address to listen on, where nothing given means all interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerIp(pub IpAddr);

impl Default for ServerIp {
    fn default() -> ServerIp {
        ServerIp(IpAddr::from(Ipv6Addr::UNSPECIFIED))
    }
}

impl std::str::FromStr for ServerIp {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<ServerIp, Self::Err> {
        if text.is_empty() { Ok(ServerIp::default()) } else { text.parse().map(ServerIp) }
    }
}
