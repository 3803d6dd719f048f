//! The settings of each component as its client takes them.
//!
//! In: checked settings, and the authorities of `cluster.tlsCaFile`. Out: options with addresses in the form of URLs,
//! users and passwords in them. Never: shown, as passwords are in them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use openim_cluster::{etcd, kafka, mongo, mysql, redis};
use openim_config::{Config, SaslMechanism, Secret};

use super::look;

/// The authorities that certificates are checked against, where a component is to be spoken to through TLS.
///
/// # Errors
/// The file cannot be read, or has none; the line names its key.
pub(super) fn authorities(config: &Config) -> anyhow::Result<Option<Vec<u8>>> {
    let file = &config.cluster.tls_ca_file;
    let asked = config.etcd.tls
        || config.mysql.tls
        || config.mongo.tls
        || config.redis.tls
        || config.kafka.tls;
    if !asked {
        return Ok(None);
    }
    let read = look::roots(file).and_then(|_| std::fs::read(file).context("cannot be read"));
    match read {
        Ok(pem) => Ok(Some(pem)),
        Err(why) => bail!("cluster.tlsCaFile: {}: {why}", file.display()),
    }
}

pub(super) fn etcd(config: &Config, authorities: Option<&[u8]>) -> etcd::Options {
    let from = &config.etcd;
    let scheme = if from.tls { "https" } else { "http" };
    etcd::Options {
        endpoints: from.address.iter().map(|at| format!("{scheme}://{at}")).collect(),
        authorities: authorities.filter(|_| from.tls).map(<[u8]>::to_vec),
        prefix: format!("/{}", from.schema.trim_matches('/')),
        user: (!from.user_name.is_empty())
            .then(|| (from.user_name.clone(), from.password.expose().to_owned())),
        lease: Duration::from_secs(config.cluster.lease_seconds),
        call_timeout: Duration::from_millis(from.call_ms),
    }
}

pub(super) fn mysql(config: &Config) -> mysql::Options {
    let from = &config.mysql;
    let host = from.address.first().map_or("", String::as_str);
    let mut url = format!("mysql://{}{host}", account(&from.user_name, &from.password));
    if from.tls {
        let authorities = escaped(&shown(&config.cluster.tls_ca_file));
        url.push_str(&format!("?ssl-mode=VERIFY_IDENTITY&ssl-ca={authorities}"));
    }
    mysql::Options {
        url,
        database: from.database.clone(),
        connections_max: from.open_conns_max,
        connect_timeout: Duration::from_millis(from.connect_ms),
        call_timeout: Duration::from_millis(from.call_ms),
        tries_max: from.tries_max,
    }
}

pub(super) fn mongo(config: &Config) -> mongo::Options {
    let from = &config.mongo;
    let mut url = format!(
        "mongodb://{}{}/?",
        account(&from.user_name, &from.password),
        from.address.join(",")
    );
    let mut add = |name: &str, value: &str| {
        let between = if url.ends_with('?') { "" } else { "&" };
        url.push_str(&format!("{between}{name}={}", escaped(value)));
    };
    if from.direct {
        add("directConnection", "true");
    }
    if !from.user_name.is_empty() && !from.source.is_empty() {
        add("authSource", &from.source);
    }
    if from.tls {
        add("tls", "true");
        add("tlsCAFile", &shown(&config.cluster.tls_ca_file));
    }
    mongo::Options {
        url,
        database: from.database.first().cloned().unwrap_or_default(),
        cluster: config.cluster.name.clone(),
        partitions: super::partitions(config),
        window: Duration::from_secs(config.duplicates.window_seconds),
        keys_max: super::keys_max(config),
        // Of what nobody has read for so long the log has nothing either.
        bodies_kept: Duration::from_secs(config.kafka.retention_hours * 60 * 60),
        connections_max: from.pool_size_max,
        connect_timeout: Duration::from_secs(from.timeout_seconds),
        select_timeout: Duration::from_millis(from.select_ms),
        call_timeout: Duration::from_millis(from.call_ms),
        entries_max: from.entries_max,
    }
}

pub(super) fn redis(config: &Config, authorities: Option<&[u8]>) -> redis::Options {
    let from = &config.redis;
    let scheme = if from.tls { "rediss" } else { "redis" };
    let account = account(&from.user_name, &from.password);
    redis::Options {
        urls: from.address.iter().map(|at| format!("{scheme}://{account}{at}")).collect(),
        authorities: authorities.filter(|_| from.tls).map(<[u8]>::to_vec),
        prefix: format!("{}:", config.cluster.name),
        call_timeout: Duration::from_millis(from.call_ms),
        entries_kept: Duration::from_secs(from.entries_kept_seconds),
        events_max: from.events_max,
        tokens_kept: Duration::from_secs(from.tokens_kept_seconds),
    }
}

pub(super) fn kafka(config: &Config) -> kafka::Options {
    let from = &config.kafka;
    let login = (!from.user_name.is_empty()).then(|| kafka::Login {
        mechanism: match from.sasl_mechanism {
            SaslMechanism::Plain => kafka::Mechanism::Plain,
            SaslMechanism::ScramSha256 => kafka::Mechanism::ScramSha256,
            SaslMechanism::ScramSha512 => kafka::Mechanism::ScramSha512,
        },
        user: from.user_name.clone(),
        password: from.password.expose().to_owned(),
    });
    kafka::Options {
        brokers: from.ws2mschat.address.clone(),
        chat: from.ws2mschat.topic.clone(),
        group: from.group_topic(),
        notices: from.ms2pschat.topic.clone(),
        partitions: super::partitions(config),
        notice_partitions: from.notice_partitions,
        security: kafka::Security {
            login,
            authorities: from.tls.then(|| config.cluster.tls_ca_file.clone()),
        },
        window: Duration::from_secs(config.duplicates.window_seconds),
        retention: Duration::from_secs(from.retention_hours * 60 * 60),
        replicas: from.replicas,
        call_timeout: Duration::from_millis(from.call_ms),
        request_timeout: Duration::from_millis(from.request_ms),
        send_timeout: Duration::from_millis(from.send_ms),
        stuck_after: Duration::from_secs(from.stuck_seconds),
        records_max: from.records_max,
        bytes_max: from.bytes_max,
        record_bytes_max: from.record_bytes_max,
        relayed_bytes_max: from.record_bytes_max
            + openim_transfer::longer_by(config.limits.group_members_max),
        session_timeout: Duration::from_millis(from.session_ms),
        fetched_bytes_max: from.fetched_bytes_max,
        ..kafka::Options::default()
    }
}

/// `user:password@`, or nothing where there is neither.
fn account(user: &str, password: &Secret) -> String {
    match (user, password.expose()) {
        ("", "") => String::new(),
        (user, "") => format!("{}@", escaped(user)),
        (user, password) => format!("{}:{}@", escaped(user), escaped(password)),
    }
}

/// With `%` and two digits for whatever could mean something in a URL.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(change: fn(&mut Config)) -> Config {
        let mut config = Config::default();
        change(&mut config);
        config
    }

    #[test]
    fn the_defaults_are_addresses_of_this_machine() {
        let config = Config::default();
        assert_eq!(etcd(&config, None).endpoints, ["http://127.0.0.1:2379"]);
        assert_eq!(etcd(&config, None).prefix, "/openIM");
        assert_eq!(mysql(&config).url, "mysql://root@127.0.0.1:3306");
        assert_eq!(mongo(&config).url, "mongodb://127.0.0.1:27017/?");
        assert_eq!(redis(&config, None).urls, ["redis://127.0.0.1:6379"]);
    }

    /// What is not set keeps the default of its client, which is the one of the settings.
    #[test]
    fn defaults_of_settings_are_those_of_clients() {
        let config = Config::default();
        let shown = |options: kafka::Options| format!("{options:?}");
        assert_eq!(shown(kafka(&config)), shown(kafka::Options::default()));
        let keys_max = mongo::Options::default().keys_max;
        let mongo = mongo::Options {
            keys_max,
            url: mongo::Options::default().url,
            connections_max: mongo::Options::default().connections_max,
            connect_timeout: mongo::Options::default().connect_timeout,
            ..mongo(&config)
        };
        assert_eq!(format!("{mongo:?}"), format!("{:?}", mongo::Options::default()));
        let redis = redis(&config, None);
        assert_eq!(format!("{redis:?}"), format!("{:?}", redis::Options::default()));
    }

    #[test]
    fn accounts_and_passwords_are_escaped() {
        let config = config(|c| {
            c.etcd.user_name = "e".into();
            c.etcd.password = Secret::new("p@ss");
            c.mysql.password = Secret::new("a/b:c@d");
            c.mongo.user_name = "m".into();
            c.mongo.password = Secret::new("100%");
            c.redis.password = Secret::new("x y");
        });
        assert_eq!(etcd(&config, None).user, Some(("e".to_owned(), "p@ss".to_owned())));
        assert_eq!(mysql(&config).url, "mysql://root:a%2Fb%3Ac%40d@127.0.0.1:3306");
        assert_eq!(mongo(&config).url, "mongodb://m:100%25@127.0.0.1:27017/?authSource=admin");
        assert_eq!(redis(&config, None).urls, ["redis://:x%20y@127.0.0.1:6379"]);
    }

    #[test]
    fn tls_is_asked_for_with_its_authorities() {
        let config = config(|c| {
            c.cluster.tls_ca_file = "/etc/ca.pem".into();
            (c.etcd.tls, c.mysql.tls, c.mongo.tls, c.redis.tls) = (true, true, true, true);
            c.kafka.tls = true;
            c.mongo.direct = true;
            c.redis.address.push("redis-2:6379".into());
        });
        let pem = Some(&b"pem"[..]);
        assert_eq!(etcd(&config, pem).endpoints, ["https://127.0.0.1:2379"]);
        assert_eq!(etcd(&config, pem).authorities.as_deref(), pem);
        assert!(mysql(&config).url.ends_with("?ssl-mode=VERIFY_IDENTITY&ssl-ca=%2Fetc%2Fca.pem"));
        let url =
            "mongodb://127.0.0.1:27017/?directConnection=true&tls=true&tlsCAFile=%2Fetc%2Fca.pem";
        assert_eq!(mongo(&config).url, url);
        assert_eq!(redis(&config, pem).urls, ["rediss://127.0.0.1:6379", "rediss://redis-2:6379"]);
        let authorities = kafka(&config).security.authorities;
        assert_eq!(authorities.as_deref(), Some(Path::new("/etc/ca.pem")));
    }
}
