//! What an operator sees when settings are for the cluster engine.

use openim_config::{Config, Engine, Faults, Loaded, parse};

fn cluster(text: &str) -> Result<Loaded, Faults> {
    let none = std::iter::empty();
    parse(&format!("engine: cluster\n{text}"), none)
}

fn lines(text: &str) -> Vec<String> {
    cluster(text).expect_err(text).iter().map(ToString::to_string).collect()
}

#[test]
fn the_defaults_are_those_of_components_on_this_machine() {
    let config = cluster("").expect("good settings").config;
    assert_eq!(config, Config { engine: Engine::Cluster, ..Config::default() });
    assert_eq!((config.cluster.partitions, config.cluster.start_seconds), (64, 30));
    assert_eq!(config.kafka.group_topic(), "ws2ms_chat_group");
}

#[test]
fn each_wrong_setting_is_told_in_one_line_by_its_key() {
    for (text, key, needle) in [
        ("cluster: { partitions: 0 }", "cluster.partitions", "from 1 to 1024"),
        ("cluster: { startSeconds: 3601 }", "cluster.startSeconds", "to 3600"),
        ("cluster: { leaseSeconds: 1 }", "cluster.leaseSeconds", "from 2"),
        ("cluster: { name: '' }", "cluster.name", "a name"),
        ("cluster: { listen: 10003 }", "cluster.listen", "an address and a port"),
        ("cluster: { listen: '0.0.0.0:1' }", "cluster.advertise", "all interfaces"),
        ("cluster: { advertise: 'http://host' }", "cluster.advertise", "a host and a port"),
        ("cluster: { partitions: 8 }\ngateway: { shards: 9 }", "gateway.shards", "cluster.partit"),
        ("etcd: { etcdAddr: [] }", "etcd.etcdAddr", "one at least"),
        ("mysql: { dbAddress: [localhost] }", "mysql.dbAddress", "127.0.0.1:2379"),
        ("mongo: { dbAddress: ['mongodb://h:1'] }", "mongo.dbAddress", "mongodb://h:1"),
        ("redis: { dbAddress: ['h:0'] }", "redis.dbAddress", "h:0"),
        ("redis: { callMs: 99 }", "redis.callMs", "from 100"),
        ("mongo: { dbDatabase: [] }", "mongo.dbDatabase", "a name"),
        ("kafka: { ms2pschat: { addr: ['h:1'] } }", "kafka.ms2pschat.addr", "the same as kafka.ws"),
        ("kafka: { ms2pschat: { topic: ws2ms_chat_group } }", "kafka.ms2pschat.topic", "another"),
        ("kafka: { consumergroupid: { msgToPush: mongo } }", "kafka.consumergroupid.msgToPu", "no"),
        ("kafka: { tls: true }", "cluster.tlsCaFile", "kafka.tls"),
        ("kafka: { saslMechanism: GSSAPI }", "kafka.saslMechanism", "SCRAM-SHA-512"),
        ("mysql: { tls: true }", "cluster.tlsCaFile", "mysql.tls"),
        ("kafka: { sendMs: 4000 }", "kafka.sendMs", "limits.sendTimeoutMs"),
        ("kafka: { retentionHours: 24 }", "kafka.retentionHours", "from 25"),
        (
            "kafka: { retentionHours: 47 }\nduplicates: { windowSeconds: 86400 }",
            "kafka.retentionHours",
            "at least 48",
        ),
        (
            "longconnsvr: { websocketMaxMsgLen: 1048000 }",
            "kafka.recordBytesMax",
            "websocketMaxMsgLen",
        ),
    ] {
        let lines = lines(text);
        assert_eq!(lines.len(), 1, "{text}: {lines:?}");
        assert!(lines[0].contains(key) && lines[0].contains(needle), "{text}: {lines:?}");
    }
}

/// A component refuses it in words from which nobody learns the key, or takes it for something else.
#[test]
fn a_name_that_its_component_does_not_take_is_told_by_its_key() {
    let long = |before: &str, chars, after: &str| format!("{before}{}{after}", "x".repeat(chars));
    let topic = long("kafka: { ws2mschat: { topic: ", 244, " } }");
    let mysql = long("mysql: { dbDatabaseName: ", 65, " }");
    let mongodb = long("mongo: { dbDatabase: [", 64, "] }");
    let cluster = long("cluster: { name: ", 65, " }");
    for (text, key) in [
        ("kafka: { ws2mschat: { topic: 'my topic' } }", "kafka.ws2mschat.topic"),
        ("kafka: { ws2mschat: { topic: '..' } }", "kafka.ws2mschat.topic"),
        ("kafka: { ms2pschat: { topic: 'push/1' } }", "kafka.ms2pschat.topic"),
        ("kafka: { ms2pschat: { topic: ws2ms.chat } }", "kafka.ms2pschat.topic"),
        (
            "kafka: { consumergroupid: { msgToMongo: \"a\\tb\" } }",
            "kafka.consumergroupid.msgToMongo",
        ),
        ("mysql: { dbDatabaseName: 'ends with a space ' }", "mysql.dbDatabaseName"),
        ("mysql: { dbDatabaseName: mysql }", "mysql.dbDatabaseName"),
        ("mongo: { dbDatabase: [open.im] }", "mongo.dbDatabase"),
        ("mongo: { dbDatabase: ['open im'] }", "mongo.dbDatabase"),
        ("mongo: { dbDatabase: [admin] }", "mongo.dbDatabase"),
        ("mongo: { dbUserName: me, dbSource: a.b }", "mongo.dbSource"),
        ("etcd: { etcdSchema: / }", "etcd.etcdSchema"),
        ("cluster: { name: 'my {cluster}' }", "cluster.name"),
        (&topic, "kafka.ws2mschat.topic"),
        (&mysql, "mysql.dbDatabaseName"),
        (&mongodb, "mongo.dbDatabase"),
        (&cluster, "cluster.name"),
    ] {
        let lines = lines(text);
        assert_eq!(lines.len(), 1, "{text}: {lines:?}");
        assert!(lines[0].contains(&format!("{key} is ")), "{text}: {lines:?}");
        assert!(lines[0].contains("it must be a"), "what is allowed: {lines:?}");
    }
}

#[test]
fn what_is_meant_is_taken() {
    for text in [
        "kafka: { ws2mschat: { topic: Chat-1.of_us }, ms2pschat: { topic: push } }",
        "mysql: { dbDatabaseName: 'open-im 2' }\nmongo: { dbDatabase: [open-im_2] }",
        "mongo: { dbUserName: me, dbSource: $external }\netcd: { etcdSchema: /im/prod/ }",
        "mongo: { dbSource: a.b }",
        "cluster: { listen: '0.0.0.0:10003', advertise: gateway-1 }",
        "cluster: { listen: '0.0.0.0:10003', advertise: 'gateway-1:10004' }",
        "cluster: { tlsCaFile: ca.pem }\nredis: { tls: true }\netcd: { tls: true }",
        "redis: { dbAddress: ['redis-1:6379', 'redis-2:6379'] }",
        "etcd: { etcdAddr: ['[::1]:2379'] }",
    ] {
        assert!(cluster(text).is_ok(), "{text}: {:?}", cluster(text));
    }
}

/// Files of the original have such keys, and start the embedded engine all the same.
#[test]
fn the_embedded_engine_does_not_look_at_addresses() {
    for text in ["etcd: { etcdAddr: [] }", "mysql: { dbAddress: [here] }", "kafka: { tls: true }"] {
        assert!(parse(text, std::iter::empty()).is_ok(), "{text}");
    }
}

#[test]
fn no_password_is_shown() {
    let text = "cluster: { secret: hush1 }\netcd: { password: hush2 }\nkafka: { password: hush3 }\n\
                mysql: { dbPassword: hush4 }\nmongo: { dbPassword: hush5 }";
    assert!(!format!("{:?}", cluster(text).expect("good settings")).contains("hush"));
}
