//! What an operator should know before the server runs: settings that can never work, which stop the
//! start, and such that are seldom meant, which are told once each.
//!
//! In: the settings, and what the system says about where they are used. Out: lines. One table: a new
//! piece of advice is one more row. Never: changes anything, or shows a secret.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use openim_config::{Config, Endpoint, Engine, SaslMechanism};
use openim_protocol::request::{UID_CHARS_MAX, valid_uid};

/// Secrets that stand in published files: everybody knows them.
const PUBLISHED: [&str; 6] =
    ["openIM123", "openIM", "OpenIM123", "openim123", "123456", "your_secret"];
/// The same of the original's files, of which the loader warns.
const ORIGINALS: [&str; 2] = ["tuoyun", "open_im_server"];
/// A secret with fewer characters can be guessed by trying.
const SECRET_CHARS_MIN: usize = 12;
/// Names in one certificate, as authorities have it.
const ACME_DOMAINS_MAX: usize = 100;
/// Shards on one core are seldom meant; more than so many only cost.
const SHARDS_PER_CORE_MAX: usize = 4;

/// What the advice is about.
struct Facts<'a> {
    config: &'a Config,
    /// Key and text of each secret that the settings give.
    secrets: [(&'static str, &'a str); 7],
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
                ("admin.secret", config.admin.secret.expose()),
                ("web.key", config.web.key.expose()),
                ("console.password", config.console.password.expose()),
                ("console.viewerPassword", config.console.viewer_password.expose()),
            ],
            data_dir,
            data_mode: std::fs::metadata(data_dir).ok().map(|meta| meta.mode() & 0o777),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            has_cluster: cfg!(feature = "cluster"),
            has_kafka_tls: cfg!(feature = "kafka-tls"),
        }
    }

    /// Those that the settings give and the engine uses.
    fn given_secrets(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let unused = match self.config.engine {
            Engine::Cluster => "admin.secret",
            Engine::Embedded => "cluster.secret",
        };
        let used = move |key: &str| key != unused;
        self.secrets.into_iter().filter(move |(key, text)| !text.is_empty() && used(key))
    }

    /// How to have a better one.
    fn better_secret(&self) -> &'static str {
        match self.config.engine {
            Engine::Embedded => {
                "leave it empty to have one generated, or take random text (openssl rand -hex 16)"
            }
            Engine::Cluster => "take random text (openssl rand -hex 16), the same in all processes",
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
    half_of_tls,
    operators_without_certificate,
    acme_that_cannot_be,
    questions_to_nobody,
    archive_of_a_cluster,
];
const WARNINGS: &[Row] = &[
    weak_secrets,
    secrets_that_are_one,
    published_passwords,
    open_data,
    open_operators,
    too_many_shards,
    archive_shorter_than_history,
];

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
    let may_lack = |key: &str| key == "web.key" || key.starts_with("console.");
    let optional =
        |key: &str, text: &str| key == "admin.secret" || (may_lack(key) && text.is_empty());
    let needed = facts.secrets.into_iter().filter(|(key, text)| !optional(key, text));
    needed.filter_map(wrong).collect()
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

fn half_of_tls(facts: &Facts<'_>) -> Vec<String> {
    let tls = &facts.config.tls;
    let has = |path: &Path| !path.as_os_str().is_empty();
    let missing = match (has(&tls.cert_file), has(&tls.key_file)) {
        (true, false) => "tls.keyFile",
        (false, true) => "tls.certFile",
        _ => return Vec::new(),
    };
    vec![format!(
        "{missing} is missing: with tls.certFile and tls.keyFile the ports speak TLS, with neither they are plain"
    )]
}

fn operators_without_certificate(facts: &Facts<'_>) -> Vec<String> {
    let Config { tls, admin, .. } = facts.config;
    match tls.is_for_operators(admin.listen) && !tls.is_on() {
        true => vec![
            "tls.operators is on, and there is no certificate: give tls.certFile and tls.keyFile"
                .to_owned(),
        ],
        false => Vec::new(),
    }
}

fn acme_that_cannot_be(facts: &Facts<'_>) -> Vec<String> {
    let Config { engine, tls, .. } = facts.config;
    let acme = &tls.acme;
    if !acme.is_on() {
        return Vec::new();
    }
    let is_name = |name: &String| {
        format!("https://{name}")
            .parse::<Endpoint>()
            .is_ok_and(|parsed| parsed.authority() == *name)
    };
    let mut told = Vec::new();
    if tls.is_twofold() {
        told.push(
            "tls.acme and tls.certFile: both give a certificate; take one of them out".to_owned(),
        );
    }
    if *engine == Engine::Cluster {
        told.push(
            "tls.acme: of engine: embedded only; a process of a cluster has tls.certFile and tls.keyFile, which one of the machines \
             may get for all"
                .to_owned(),
        );
    }
    if acme.domains.len() > ACME_DOMAINS_MAX {
        told.push(format!(
            "tls.acme.domains: {ACME_DOMAINS_MAX} names at most are in one certificate"
        ));
    }
    told.extend(acme.domains.iter().filter(|name| !is_name(name)).map(|name| {
        format!("tls.acme.domains: {name:?} is no name that can be looked at; take one like im.example.com, and no *")
    }));
    if !acme.directory_url.starts_with("https://") {
        told.push("tls.acme.directoryUrl: an authority is asked by https:// alone".to_owned());
    }
    told
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

fn questions_to_nobody(facts: &Facts<'_>) -> Vec<String> {
    let callback = &facts.config.messagecallback;
    if !callback.is_on() || !callback.url.is_empty() {
        return Vec::new();
    }
    vec![
        "messagecallback.callbackUrl is missing, so nobody could be asked about messages; give an address like \
         https://HOST/PATH, or turn the switches of messagecallback off"
            .to_owned(),
    ]
}

fn weak_secrets(facts: &Facts<'_>) -> Vec<String> {
    let better = facts.better_secret();
    let weak = |(key, text): (&str, &str)| {
        let why = weakness(text)?;
        Some(format!("{key} {why}: who knows it acts as anybody; {better}"))
    };
    facts.given_secrets().filter_map(weak).collect()
}

/// Each is told to others than the others are.
fn secrets_that_are_one(facts: &Facts<'_>) -> Vec<String> {
    let given: Vec<_> = facts.given_secrets().collect();
    let mut told: Vec<String> = Vec::new();
    for (at, (key, text)) in given.iter().enumerate() {
        if let Some((earlier, _)) = given[..at].iter().find(|(_, other)| other == text) {
            let better = facts.better_secret();
            told.push(format!(
                "{key} is the same as {earlier}, so who is told the one has the other; {better}"
            ));
        }
    }
    told
}

/// Why a secret is none, if it is not: what follows after its name in a line. It does not show it.
pub(crate) fn weakness(text: &str) -> Option<String> {
    let mut letters: Vec<char> = text.chars().collect();
    let (length, repeats) = (letters.len(), repeated(&letters));
    letters.sort_unstable();
    letters.dedup();
    if PUBLISHED.contains(&text) {
        Some("stands in published files, so everybody knows it".to_owned())
    } else if length < SECRET_CHARS_MIN {
        Some(format!("has {length} characters and can be guessed"))
    } else if repeats < SECRET_CHARS_MIN {
        let shown =
            if repeats == 1 { "one character".to_owned() } else { format!("{repeats} characters") };
        Some(format!("is {shown} again and again and can be guessed"))
    } else if letters.len() < 4 {
        Some(format!("has {} different characters and can be guessed", letters.len()))
    } else {
        None
    }
}

/// How many letters a text begins with that are all there is to it, repeated.
fn repeated(letters: &[char]) -> usize {
    let is_all =
        |many: &usize| letters.iter().zip(&letters[*many..]).all(|(one, next)| one == next);
    (1..=letters.len() / 2).find(is_all).unwrap_or(letters.len())
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

/// MySQL has that archive, and its operator the means.
fn archive_of_a_cluster(facts: &Facts<'_>) -> Vec<String> {
    let Config { engine, archive, mysql, .. } = facts.config;
    let given = archive.given();
    if *engine == Engine::Embedded || given.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "{}: of engine: embedded only; on a cluster the archive is the table chat_log of {} in MySQL, and rows by their          send_time are deleted there",
        given.join(", "),
        mysql.database
    )]
}

fn archive_shorter_than_history(facts: &Facts<'_>) -> Vec<String> {
    let Config { engine, archive, mongo, .. } = facts.config;
    let history = mongo.retain_chat_records_days;
    let days = [
        ("archive.retainDays", archive.retain_days),
        ("archive.groupRetainDays", archive.group_retain_days),
    ];
    let shorter = days.into_iter().filter(|(_, days)| (1..history).contains(days));
    let line = |(key, days)| {
        format!(
            "{key} is {days} and mongo.dbRetainChatRecords {history}: messages that can be pulled are not removed, so all              are kept for {history} days"
        )
    };
    shorter.filter(|_| *engine == Engine::Embedded).map(line).collect()
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
mod tests;
