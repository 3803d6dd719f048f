//! What an operator should know before the server runs: settings that can never work, which stop the
//! start, and such that are seldom meant, which are told once each.
//!
//! In: the settings, and what the system says about where they are used. Out: lines. One table: a new
//! piece of advice is one more row. Never: changes anything, or shows a secret.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use openim_config::{Config, Engine, SaslMechanism};
use openim_protocol::request::{UID_CHARS_MAX, valid_uid};

/// Secrets that stand in published files: everybody knows them.
const PUBLISHED: [&str; 6] =
    ["openIM123", "openIM", "OpenIM123", "openim123", "123456", "your_secret"];
/// The same of the original's files, of which the loader warns.
const ORIGINALS: [&str; 2] = ["tuoyun", "open_im_server"];
/// A secret with fewer characters can be guessed by trying.
const SECRET_CHARS_MIN: usize = 12;
/// Shards on one core are seldom meant; more than so many only cost.
const SHARDS_PER_CORE_MAX: usize = 4;

/// What the advice is about.
struct Facts<'a> {
    config: &'a Config,
    /// Key and text of each secret that the settings give.
    secrets: [(&'static str, &'a str); 3],
    data_dir: &'a Path,
    /// Permission bits of the data directory, where there is one.
    data_mode: Option<u32>,
    cores: usize,
    /// Whether this program is built with the cluster engine.
    has_cluster: bool,
    /// Whether it can speak TLS and SCRAM to Kafka.
    has_kafka_tls: bool,
}

impl<'a> Facts<'a> {
    /// As they are on this machine.
    fn gather(config: &'a Config, data_dir: &'a Path) -> Self {
        Self {
            config,
            secrets: [
                ("secret", config.secret.expose()),
                ("tokenpolicy.accessSecret", config.tokenpolicy.access_secret.expose()),
                ("cluster.secret", config.cluster.secret.expose()),
            ],
            data_dir,
            data_mode: std::fs::metadata(data_dir).ok().map(|meta| meta.mode() & 0o777),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            has_cluster: cfg!(feature = "cluster"),
            has_kafka_tls: cfg!(feature = "kafka-tls"),
        }
    }
}

type Row = fn(&Facts<'_>) -> Vec<String>;

const STOPS: &[Row] = &[
    engine_that_is_not_built,
    kafka_that_is_not_built,
    secrets_of_a_cluster,
    managers_that_cannot_be,
    half_a_credential,
];
const WARNINGS: &[Row] =
    &[weak_secrets, published_passwords, open_data, open_operators, too_many_shards];

/// What can never work, one line each.
pub fn stops(config: &Config) -> Vec<String> {
    let facts = Facts::gather(config, Path::new(""));
    STOPS.iter().flat_map(|row| row(&facts)).collect()
}

/// What can never work in one line: the first, and how many follow.
pub fn stop(config: &Config) -> Option<String> {
    let stops = stops(config);
    let (first, rest) = stops.split_first()?;
    Some(match rest.len() {
        0 => first.clone(),
        more => format!("{first} (and {more} more: openim check-config FILE lists them all)"),
    })
}

/// What is seldom meant, one line each; the data is in `data_dir`.
pub fn warnings(config: &Config, data_dir: &Path) -> Vec<String> {
    told(&Facts::gather(config, data_dir))
}

fn told(facts: &Facts<'_>) -> Vec<String> {
    WARNINGS.iter().flat_map(|row| row(facts)).collect()
}

/// Why nobody can listen at `address`, which the setting `key` asks for, and what to do.
pub(crate) fn cannot_listen(key: &str, address: SocketAddr, cause: &io::Error) -> String {
    let port = address.port();
    match cause.kind() {
        io::ErrorKind::PermissionDenied if (1..1024).contains(&port) => format!(
            "{key}: ports below 1024 need a right, and this user may not listen on {address}: give the program \
             the right (setcap cap_net_bind_service=+ep PROGRAM; CAP_NET_BIND_SERVICE in a systemd unit), or \
             choose another port"
        ),
        io::ErrorKind::AddrInUse => format!(
            "{key}: {address} is taken by another program; end that one (ss -ltnp shows it), or choose \
             another port"
        ),
        io::ErrorKind::AddrNotAvailable => {
            let place = if key == "admin.listen" { key } else { "serverip" };
            format!(
                "{place}: {} is no address of this machine, so nobody can listen on {address} ({key}); \
                 take one that it has",
                address.ip()
            )
        }
        _ => format!("{key}: cannot listen on {address} ({cause}); choose another port"),
    }
}

fn engine_that_is_not_built(facts: &Facts<'_>) -> Vec<String> {
    if facts.config.engine != Engine::Cluster || facts.has_cluster {
        return Vec::new();
    }
    vec![
        "engine: cluster needs a program that is built with it: cargo build --release --features cluster; \
         engine: embedded needs nothing else"
            .to_owned(),
    ]
}

/// What librdkafka has from OpenSSL alone.
fn kafka_that_is_not_built(facts: &Facts<'_>) -> Vec<String> {
    let Config { engine, kafka, .. } = facts.config;
    let scram = !kafka.user_name.is_empty() && kafka.sasl_mechanism != SaslMechanism::Plain;
    let key = match (kafka.tls, scram) {
        (true, _) => "kafka.tls",
        (false, true) => "kafka.saslMechanism",
        (false, false) => return Vec::new(),
    };
    if *engine != Engine::Cluster || !facts.has_cluster || facts.has_kafka_tls {
        return Vec::new();
    }
    vec![format!(
        "{key} needs a program that is built with it: cargo build --release --features kafka-tls \
         (OpenSSL's headers and pkg-config are needed); or put a tunnel as stunnel between, and neither here"
    )]
}

/// All processes of a cluster need the same secrets, so none is made here.
fn secrets_of_a_cluster(facts: &Facts<'_>) -> Vec<String> {
    if facts.config.engine != Engine::Cluster {
        return Vec::new();
    }
    let wrong = |(key, text): (&str, &str)| {
        let why = match text {
            "" => "is empty, and all processes of a cluster need the same",
            text if PUBLISHED.contains(&text) || ORIGINALS.contains(&text) => {
                "stands in published files, so everybody knows it"
            }
            _ => return None,
        };
        Some(format!("{key} {why}: take random text (openssl rand -hex 16)"))
    };
    facts.secrets.into_iter().filter_map(wrong).collect()
}

fn published_passwords(facts: &Facts<'_>) -> Vec<String> {
    let config = facts.config;
    if config.engine != Engine::Cluster {
        return Vec::new();
    }
    let passwords = [
        ("etcd.password", &config.etcd.password),
        ("mysql.dbPassword", &config.mysql.password),
        ("mongo.dbPassword", &config.mongo.password),
        ("redis.dbPassWord", &config.redis.password),
        ("kafka.password", &config.kafka.password),
    ];
    let published: Vec<&str> = passwords
        .into_iter()
        .filter(|(_, password)| PUBLISHED.contains(&password.expose()))
        .map(|(key, _)| key)
        .collect();
    match published.is_empty() {
        true => Vec::new(),
        false => vec![format!(
            "{}: the password stands in published files, so whoever reaches the component reads everything; \
             change it there and here",
            published.join(", ")
        )],
    }
}

fn managers_that_cannot_be(facts: &Facts<'_>) -> Vec<String> {
    let wrong =
        |uid: &&String| !(1..=UID_CHARS_MAX).contains(&uid.chars().count()) || !valid_uid(uid);
    let uids = facts.config.manager.app_manager_uid.iter();
    uids.filter(wrong)
        .map(|uid| {
            format!(
                "manager.appManagerUid: {uid:?} can be nobody's uid: 1 to {UID_CHARS_MAX} characters without \
                 white space; correct it or take it out"
            )
        })
        .collect()
}

fn half_a_credential(facts: &Facts<'_>) -> Vec<String> {
    let tencent = &facts.config.credential.tencent;
    if tencent.secret_id.is_empty() && tencent.secret_key.expose().is_empty() {
        return Vec::new();
    }
    let parts = [
        ("appID", tencent.app_id.as_str()),
        ("region", &tencent.region),
        ("bucket", &tencent.bucket),
        ("secretID", &tencent.secret_id),
        ("secretKey", tencent.secret_key.expose()),
    ];
    let missing: Vec<&str> =
        parts.into_iter().filter(|(_, text)| text.is_empty()).map(|(key, _)| key).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "credential.tencent: {} is missing, so no client could ever upload; give all five keys, or leave \
         secretID and secretKey empty for no account",
        missing.join(", ")
    )]
}

fn weak_secrets(facts: &Facts<'_>) -> Vec<String> {
    let weak = |(key, text): (&str, &str)| {
        let why = weakness(text)?;
        Some(format!(
            "{key} {why}: who knows it acts as anybody; leave it empty to have one generated, or take \
             random text (openssl rand -hex 16)"
        ))
    };
    facts.secrets.into_iter().filter(|(_, text)| !text.is_empty()).filter_map(weak).collect()
}

/// Why a secret is none, if it is not: what follows after its name in a line. It does not show it.
pub(crate) fn weakness(text: &str) -> Option<String> {
    let mut letters: Vec<char> = text.chars().collect();
    let length = letters.len();
    letters.sort_unstable();
    letters.dedup();
    if PUBLISHED.contains(&text) {
        Some("stands in published files, so everybody knows it".to_owned())
    } else if length < SECRET_CHARS_MIN {
        Some(format!("has {length} characters and can be guessed"))
    } else if letters.len() < 4 {
        Some(format!("has {} different characters and can be guessed", letters.len()))
    } else {
        None
    }
}

fn open_data(facts: &Facts<'_>) -> Vec<String> {
    if facts.config.engine != Engine::Embedded {
        return Vec::new();
    }
    let Some(mode) = facts.data_mode.filter(|mode| mode & 0o077 != 0) else { return Vec::new() };
    let dir = facts.data_dir.display();
    vec![format!(
        "embedded.dataDir: others than its owner can enter {dir} (mode {mode:o}), where every message and \
         the keys of all tokens are; chmod 700 {dir}"
    )]
}

fn open_operators(facts: &Facts<'_>) -> Vec<String> {
    let listen = facts.config.admin.listen;
    if !listen.ip().is_unspecified() {
        return Vec::new();
    }
    vec![format!(
        "admin.listen is {listen}: /metrics, /healthz and /readyz have no password and listen on all \
         interfaces; take 127.0.0.1 or a private address"
    )]
}

fn too_many_shards(facts: &Facts<'_>) -> Vec<String> {
    let (shards, cores) = (facts.config.gateway.shards as usize, facts.cores);
    if shards <= SHARDS_PER_CORE_MAX * cores {
        return Vec::new();
    }
    vec![format!(
        "gateway.shards is {shards} on {cores} cores: more than one a core costs memory and time and gains \
         nothing; 0 takes one a core"
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use openim_config::Secret;

    /// What is changed, and what the one line must then name; nothing: no line.
    type Case = (&'static str, fn(&mut Config), Option<&'static [&'static str]>);

    fn config(change: fn(&mut Config)) -> Config {
        let mut config = Config::default();
        change(&mut config);
        config
    }

    fn assert_lines(what: &str, lines: &[String], wanted: Option<&[&str]>) {
        assert_eq!(lines.len(), usize::from(wanted.is_some()), "{what}: {lines:?}");
        for needle in wanted.into_iter().flatten() {
            assert!(lines[0].contains(needle), "{what}: {needle:?} in {lines:?}");
        }
        assert!(lines.iter().all(|line| line.lines().count() == 1), "{lines:?}");
    }

    #[test]
    fn what_can_never_work_stops() {
        let cases: &[Case] = &[
            ("the default", |_| {}, None),
            ("no managers", |c| c.manager.app_manager_uid = Vec::new(), None),
            (
                "a manager with white space",
                |c| c.manager.app_manager_uid = vec!["a b".into()],
                Some(&["manager.appManagerUid", "\"a b\""]),
            ),
            (
                "a manager without a name",
                |c| c.manager.app_manager_uid = vec![String::new()],
                Some(&["manager.appManagerUid", "\"\""]),
            ),
            (
                "a manager with a long name",
                |c| c.manager.app_manager_uid = vec!["x".repeat(65)],
                Some(&["manager.appManagerUid"]),
            ),
            ("a place without an account", |c| c.credential.tencent.bucket = "b".into(), None),
            (
                "half a key",
                |c| c.credential.tencent.secret_id = "id".into(),
                Some(&["credential.tencent", "appID, region, bucket, secretKey"]),
            ),
            (
                "the other half",
                |c| {
                    let tencent = &mut c.credential.tencent;
                    tencent.secret_key = Secret::new("hidden");
                    for place in [&mut tencent.app_id, &mut tencent.region, &mut tencent.bucket] {
                        *place = "x".into();
                    }
                },
                Some(&["credential.tencent: secretID is missing"]),
            ),
        ];
        for (what, change, wanted) in cases {
            let lines = stops(&config(*change));
            assert_lines(what, &lines, *wanted);
            assert!(!lines.concat().contains("hidden"), "no secret is shown");
        }
    }

    fn clustered(change: fn(&mut Config)) -> Config {
        let mut config = Config { engine: Engine::Cluster, ..Config::default() };
        for (place, text) in [
            (&mut config.secret, "one that nobody guesses"),
            (&mut config.tokenpolicy.access_secret, "another that nobody guesses"),
            (&mut config.cluster.secret, "a third that nobody guesses"),
        ] {
            *place = Secret::new(text);
        }
        change(&mut config);
        config
    }

    #[test]
    fn a_program_without_the_cluster_engine_names_the_command() {
        let config = clustered(|_| {});
        let mut facts = Facts::gather(&config, Path::new(""));
        for (has_cluster, wanted) in
            [(true, None), (false, Some(&["cargo build --release --features cluster"][..]))]
        {
            facts.has_cluster = has_cluster;
            assert_lines("engine", &engine_that_is_not_built(&facts), wanted);
        }
    }

    #[test]
    fn a_program_without_tls_to_kafka_names_the_command_and_the_key() {
        type Change = fn(&mut Config);
        let scram: Change = |c| c.kafka.sasl_mechanism = SaslMechanism::ScramSha512;
        let command = "cargo build --release --features kafka-tls";
        let cases: [(Change, Option<&[&str]>); 4] = [
            (|_| {}, None),
            (|c| c.kafka.tls = true, Some(&["kafka.tls needs", command])),
            (scram, None),
            (
                |c| {
                    c.kafka.sasl_mechanism = SaslMechanism::ScramSha512;
                    c.kafka.user_name = "openim".into();
                },
                Some(&["kafka.saslMechanism needs", command]),
            ),
        ];
        for (change, wanted) in cases {
            let config = clustered(change);
            let mut facts = Facts::gather(&config, Path::new(""));
            (facts.has_cluster, facts.has_kafka_tls) = (true, false);
            assert_lines("kafka", &kafka_that_is_not_built(&facts), wanted);
            facts.has_kafka_tls = true;
            assert_lines("kafka", &kafka_that_is_not_built(&facts), None);
        }
    }

    #[test]
    fn a_cluster_needs_secrets_of_its_own() {
        let cases: &[Case] = &[
            ("its own", |_| {}, None),
            ("none", |c| c.secret = Secret::default(), Some(&["secret is empty", "the same"])),
            (
                "the original's",
                |c| c.tokenpolicy.access_secret = Secret::new("open_im_server"),
                Some(&["tokenpolicy.accessSecret stands in published files"]),
            ),
            (
                "a published one",
                |c| c.cluster.secret = Secret::new("openIM123"),
                Some(&["cluster.secret stands in published files"]),
            ),
        ];
        for (what, change, wanted) in cases {
            let config = clustered(*change);
            let lines = secrets_of_a_cluster(&Facts::gather(&config, Path::new("")));
            assert_lines(what, &lines, *wanted);
        }
        assert_eq!(
            secrets_of_a_cluster(&Facts::gather(&Config::default(), Path::new(""))).len(),
            0
        );
    }

    #[test]
    fn published_passwords_of_components_are_told() {
        let config = clustered(|c| c.mysql.password = Secret::new("openIM"));
        let lines = published_passwords(&Facts::gather(&config, Path::new("")));
        assert_lines("mysql", &lines, Some(&["mysql.dbPassword: "]));
    }

    #[test]
    fn one_line_says_how_many_more_stop() {
        let one = config(|c| c.manager.app_manager_uid = vec!["a b".into()]);
        assert!(!stop(&one).unwrap().contains("more"));
        let two = config(|c| c.manager.app_manager_uid = vec!["a b".into(), "c d".into()]);
        assert!(
            stop(&two).unwrap().contains("\"a b\"") && stop(&two).unwrap().contains("and 1 more")
        );
        assert_eq!(stop(&Config::default()), None);
    }

    #[test]
    fn what_is_seldom_meant_is_told() {
        let cases: &[Case] = &[
            ("the default", |_| {}, None),
            ("a short secret", |c| c.secret = Secret::new("x"), Some(&["secret has 1 char"])),
            (
                "a secret of files everybody has",
                |c| c.tokenpolicy.access_secret = Secret::new("openIM123"),
                Some(&["tokenpolicy.accessSecret", "published"]),
            ),
            (
                "a long secret of one letter",
                |c| c.secret = Secret::new("aaaaaaaaaaaaaaaaaaaaaaaa"),
                Some(&["secret has 1 different"]),
            ),
            ("a good secret", |c| c.secret = Secret::new("5f1d7c0b9a3e8d24"), None),
            (
                "operators on all interfaces",
                |c| c.admin.listen = "0.0.0.0:10002".parse().unwrap(),
                Some(&["admin.listen", "0.0.0.0:10002"]),
            ),
            ("the same of IPv6", |c| c.admin.listen = "[::]:1".parse().unwrap(), Some(&["[::]:1"])),
            ("as many shards as sense", |c| c.gateway.shards = 8, None),
            ("more", |c| c.gateway.shards = 64, Some(&["gateway.shards is 64 on 2 cores"])),
        ];
        for (what, change, wanted) in cases {
            let config = config(*change);
            let mut facts = Facts::gather(&config, Path::new("/nowhere/at/all"));
            facts.cores = 2;
            assert_lines(what, &told(&facts), *wanted);
        }
    }

    #[test]
    fn why_nobody_can_listen_is_told_with_what_to_do() {
        use io::ErrorKind as Kind;
        for (key, address, kind, needles) in [
            (
                "api.openImApiPort",
                "0.0.0.0:80",
                Kind::PermissionDenied,
                &["0.0.0.0:80", "setcap"][..],
            ),
            ("api.openImApiPort", "0.0.0.0:8080", Kind::PermissionDenied, &["0.0.0.0:8080"]),
            ("admin.listen", "127.0.0.1:1", Kind::AddrInUse, &["127.0.0.1:1", "taken"]),
            ("api.openImApiPort", "10.9.9.9:1", Kind::AddrNotAvailable, &["serverip: 10.9.9.9"]),
            ("admin.listen", "10.9.9.9:1", Kind::AddrNotAvailable, &["admin.listen: 10.9.9.9"]),
        ] {
            let line = cannot_listen(key, address.parse().unwrap(), &kind.into());
            assert!(line.contains(key), "{line}");
            for needle in needles {
                assert!(line.contains(needle), "{needle:?} in {line}");
            }
            assert_eq!(line.contains("below 1024"), needles.contains(&"setcap"), "{line}");
        }
    }

    #[test]
    fn an_open_data_directory_is_told() {
        let config = Config::default();
        for (mode, wanted) in [(0o700, None), (0o777, Some(&["embedded.dataDir", "777", "/d"][..]))]
        {
            let mut facts = Facts::gather(&config, Path::new("/d"));
            facts.data_mode = Some(mode);
            assert_lines("mode", &told(&facts), wanted);
        }
    }
}
