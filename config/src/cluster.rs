//! `cluster`: the processes of a cluster, and how the settings of its components fit together.

use crate::limits::Conflicts;
use crate::section::section;
use crate::setting::{number, text};
use crate::{Config, Secret, names};
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

const BYTES_MAX: usize = 1 << 30;
/// What the record of a change of a group has of each member that comes or goes: an id of 64 code points, its length, a role.
const CHANGED_BYTES: usize = 259;

section! {
    /// The cluster engine.
    pub struct Cluster {
        /// Which cluster: components that hold the data of another one are refused.
        pub name: String = "openim".to_owned(), "name" => text("text");
        /// Partitions of each topic; fixed for ever, as inboxes lie where their partition was.
        pub partitions: u32 = 64, "partitions" => number(1..=1_024);
        /// Seconds a start tries to reach components.
        pub start_seconds: u64 = 30, "startSeconds" => number(0..=3_600);
        /// Where deliveries of other processes come in; port 0 takes a free one.
        pub listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), "listen" => text("an address and a port like 10.0.0.5:10003");
        /// What others are told to reach this at, `host` or `host:port`; empty: what it listens on.
        pub advertise: String = String::new(), "advertise" => text("text");
        /// What the processes of the cluster tell each other.
        pub secret: Secret = Secret::default(), "secret" => text("text");
        /// Authorities that certificates of components are checked against; empty: none are needed.
        pub tls_ca_file: PathBuf = PathBuf::new(), "tlsCaFile" => text("a path");
        /// Seconds a process is there without a sign of life.
        pub lease_seconds: u64 = 10, "leaseSeconds" => number(2..=600);
        /// Threads that turn the connections to components.
        pub client_threads: usize = 2, "clientThreads" => number(1..=64);
        /// Bytes of records of one partition that are read and not yet stored.
        pub record_bytes_max: usize = 4 << 20, "recordBytesMax" => number(1 << 16..=BYTES_MAX);
        /// Bytes of relays of one partition that are handed out and not yet in the log.
        pub relay_bytes_max: usize = 4 << 20, "relayBytesMax" => number(1 << 16..=BYTES_MAX);
        /// Entries of inboxes that are stored together, about.
        pub entries_max: usize = 2_000, "entriesMax" => number(1..=100_000);
        /// Batches of one partition that are stored and wait for gateways, relays or notices.
        pub stages_max: usize = 4, "stagesMax" => number(1..=64);
        /// Milliseconds between two checkpoints of one partition; `entriesMax` sends make it write one earlier.
        pub checkpoint_ms: u64 = 1_000, "checkpointMs" => number(0..=60_000);
        /// Bytes that wait to be sent to one gateway; with more in its way it counts as not reached.
        pub lane_bytes_max: usize = 16 << 20, "laneBytesMax" => number(1 << 20..=BYTES_MAX);
        /// Milliseconds that gateways are waited for before those they are to tell count as not reached.
        pub gateways_ms: u64 = 2_000, "gatewaysMs" => number(100..=60_000);
        /// Seconds after which the links of a process are compared with the newest tokens once more.
        pub token_round_seconds: u64 = 10, "tokenRoundSeconds" => number(1..=86_400);
        /// Links of a process that are compared in a second, at most.
        pub token_round_links: u32 = 1_000, "tokenRoundLinks" => number(1..=1_000_000);
    }
}

/// What holds for a cluster alone, and what one key alone cannot show.
pub(crate) fn check(config: &Config, found: &mut Conflicts) {
    check_processes(config, found);
    check_addresses(config, found);
    check_names(config, found);
    check_tls(config, found);
    check_log(config, found);
}

fn check_processes(config: &Config, found: &mut Conflicts) {
    let cluster = &config.cluster;
    let advertise = cluster.advertise.as_str();
    let said = advertise.is_empty() || is_host(advertise) || is_address(advertise);
    found.require(said, "cluster.advertise", advertise, || {
        "a host, or a host and a port like gateway-1:10003".to_owned()
    });
    let nowhere = cluster.listen.ip().is_unspecified() && advertise.is_empty();
    found.require(!nowhere, "cluster.advertise", "empty", || {
        let listen = cluster.listen;
        format!(
            "the host that others reach this process at, as cluster.listen is {listen}, all interfaces"
        )
    });
}

fn check_addresses(config: &Config, found: &mut Conflicts) {
    for (key, addresses) in [
        ("etcd.etcdAddr", &config.etcd.address),
        ("mysql.dbAddress", &config.mysql.address),
        ("mongo.dbAddress", &config.mongo.address),
        ("redis.dbAddress", &config.redis.address),
        ("kafka.ws2mschat.addr", &config.kafka.ws2mschat.address),
        ("kafka.ms2pschat.addr", &config.kafka.ms2pschat.address),
    ] {
        let expected = || "addresses like 127.0.0.1:2379, one at least".to_owned();
        found.require(!addresses.is_empty(), key, "empty", expected);
        for address in addresses.iter().filter(|address| !is_address(address)) {
            found.require(false, key, crate::load::shown(address), expected);
        }
    }
    let (chat, notices) = (&config.kafka.ws2mschat, &config.kafka.ms2pschat);
    found.require(
        chat.address == notices.address,
        "kafka.ms2pschat.addr",
        notices.address.join(","),
        || "the same as kafka.ws2mschat.addr: all topics are on the same brokers".to_owned(),
    );
}

fn check_names(config: &Config, found: &mut Conflicts) {
    let Config { cluster, etcd, mysql, mongo, kafka, .. } = config;
    let database = mongo.database.first().map_or("", String::as_str);
    let source = if mongo.user_name.is_empty() { "" } else { &*mongo.source };
    for (key, name, rule) in [
        ("cluster.name", &*cluster.name, &names::PLAIN),
        ("etcd.etcdSchema", &*etcd.schema, &names::PREFIX),
        ("mysql.dbUserName", &*mysql.user_name, &names::ANY),
        ("mysql.dbDatabaseName", &*mysql.database, &names::MYSQL),
        ("mongo.dbDatabase", database, &names::MONGODB),
        ("mongo.dbSource", source, &names::MONGODB_SOURCE),
        // With room for the ending of the topic of groups.
        ("kafka.ws2mschat.topic", &*kafka.ws2mschat.topic, &names::TOPIC_WITH_ENDING),
        ("kafka.ms2pschat.topic", &*kafka.ms2pschat.topic, &names::TOPIC),
        ("kafka.consumergroupid.msgToMongo", &*kafka.consumer_groups.history, &names::ANY),
        ("kafka.consumergroupid.msgToMySql", &*kafka.consumer_groups.archive, &names::ANY),
        ("kafka.consumergroupid.msgToPush", &*kafka.consumer_groups.push, &names::ANY),
    ] {
        let shown = if name.trim().is_empty() { "" } else { name };
        found.require((rule.holds)(name), key, crate::load::shown(shown), || rule.says.to_owned());
    }
    let groups = &kafka.consumer_groups;
    let mut taken = HashSet::from([groups.history.as_str()]);
    for (key, group) in [
        ("kafka.consumergroupid.msgToMySql", &groups.archive),
        ("kafka.consumergroupid.msgToPush", &groups.push),
    ] {
        found.require(taken.insert(group), key, group, || {
            "a name that no other consumer of this file has".to_owned()
        });
    }
    let (chat, notices) = (&kafka.ws2mschat.topic, &kafka.ms2pschat.topic);
    // Kafka makes no topic whose name differs from another's in these alone.
    let same = |one: &str, other: &str| one.replace('.', "_") == other.replace('.', "_");
    let distinct = !same(notices, chat) && !same(notices, &kafka.group_topic());
    found.require(distinct, "kafka.ms2pschat.topic", notices, || {
        format!("another name than {chat} and {}", kafka.group_topic())
    });
}

fn check_tls(config: &Config, found: &mut Conflicts) {
    let asked = [
        ("etcd.tls", config.etcd.tls),
        ("mysql.tls", config.mysql.tls),
        ("mongo.tls", config.mongo.tls),
        ("redis.tls", config.redis.tls),
        ("kafka.tls", config.kafka.tls),
    ];
    let missing = config.cluster.tls_ca_file.as_os_str().is_empty();
    if let Some((key, _)) = asked.into_iter().find(|(_, tls)| *tls && missing) {
        found.require(false, "cluster.tlsCaFile", "empty", || {
            format!(
                "the PEM file of the authorities that certificates are checked against, for {key}"
            )
        });
    }
}

/// What the log takes and keeps, against what relies on it.
fn check_log(config: &Config, found: &mut Conflicts) {
    let Config { kafka, limits, .. } = config;
    let send_ms = limits.send_timeout_ms;
    found.require(kafka.send_ms < send_ms, "kafka.sendMs", kafka.send_ms, || {
        format!("less than {send_ms} (limits.sendTimeoutMs), so that a sender hears of a refusal")
    });
    let hours = config.duplicates.window_seconds.div_ceil(3_600) + 24;
    found.require(
        kafka.retention_hours >= hours,
        "kafka.retentionHours",
        kafka.retention_hours,
        || format!("at least {hours} (duplicates.windowSeconds and a day)"),
    );
    let frame = config.longconnsvr.websocket_max_msg_len;
    found.require(
        kafka.record_bytes_max >= frame,
        "kafka.recordBytesMax",
        kafka.record_bytes_max,
        || format!("at least {frame} (longconnsvr.websocketMaxMsgLen): a send is one record"),
    );
    let change = 1_024 + limits.ids_per_call_max * CHANGED_BYTES;
    found.require(
        kafka.record_bytes_max >= change,
        "kafka.recordBytesMax",
        kafka.record_bytes_max,
        || format!("at least {change} (limits.idsPerCallMax): a change of a group is one record"),
    );
    found.require(
        kafka.bytes_max >= kafka.record_bytes_max,
        "kafka.bytesMax",
        kafka.bytes_max,
        || format!("at least {} (kafka.recordBytesMax)", kafka.record_bytes_max),
    );
}

/// `host:port`, where a host is a name, an IPv4 address, or one of IPv6 in brackets.
fn is_address(text: &str) -> bool {
    let port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    text.rsplit_once(':').is_some_and(|(host, number)| is_host(host) && port(number))
}

fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port() {
        for good in ["127.0.0.1:2379", "kafka-1.example.com:9092", "[::1]:1", "my_sql:3306"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", ":1", "host", "host:", "host:0", "host:70000", "::1:1", "a b:1", "u@h:1"] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
