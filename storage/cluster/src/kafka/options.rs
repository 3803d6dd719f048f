//! Where the brokers are, which topics, and how long and how much of everything.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use openim_storage::port::StoreError;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::{Pace, Purpose, fault};

/// Settings of a log on Kafka.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port` of brokers; one that answers tells of all others.
    pub brokers: Vec<String>,
    /// The topic of sends and relays.
    pub chat: String,
    /// The topic of groups.
    pub group: String,
    /// The topic of those who push to mobile terminals.
    pub notices: String,
    /// Partitions of `chat`, and of `group`; fixed for ever.
    pub partitions: u16,
    /// Partitions of `notices`.
    pub notice_partitions: u16,
    /// How clients prove who they are.
    pub security: Security,
    /// How long the key of a send is remembered. Topics keep records for a day longer at least.
    pub window: Duration,
    /// How long topics that are made here keep records.
    pub retention: Duration,
    /// Copies of a topic that is made here, if there are so many brokers.
    pub replicas: u16,
    /// How long a question takes at most, and a connection to be opened; at least a second.
    pub call_timeout: Duration,
    /// How long a request is waited for before its connection is given up; what it carried is sent again.
    pub request_timeout: Duration,
    /// How long a send is tried: less than whoever sends waits for the answer.
    pub send_timeout: Duration,
    /// A producer that has something to do, and nothing of it done for so long while brokers answer others, is replaced.
    pub stuck_after: Duration,
    /// How long a record waits for others to go with it.
    pub linger: Duration,
    /// Records that a producer has under way at most, some 80 bytes of bookkeeping each.
    pub records_max: usize,
    /// Bytes of records that a producer has under way at most, and one record more.
    pub bytes_max: usize,
    /// Bytes of one send at most: a longer one is refused before anybody is answered.
    pub record_bytes_max: usize,
    /// Bytes at most of what owners make of one: a relay names members besides. A topic must take somewhat more, as
    /// what was answered must get through.
    pub relayed_bytes_max: usize,
    /// A consumer without a sign of life for so long loses its partitions; brokers take 6 s or more by default.
    pub session_timeout: Duration,
    /// So does one that does not poll for so long.
    pub poll_interval_max: Duration,
    /// How long a broker waits for a new record before it says that there is none. A partition that is begun waits for
    /// that answer.
    pub fetch_wait: Duration,
    /// Bytes of records that a consumer has fetched and not shown, about.
    pub fetched_bytes_max: usize,
    /// Records that one poll of a consumer shows at most, so that whoever polls sees to other things too.
    pub shown_max: usize,
    /// How often a consumer tells the brokers how far it has come, for tools that show its lag.
    pub commit_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            brokers: vec!["127.0.0.1:9092".to_owned()],
            chat: "ws2ms_chat".to_owned(),
            group: "ws2ms_chat_group".to_owned(),
            notices: "ms2ps_chat".to_owned(),
            partitions: 64,
            notice_partitions: 16,
            security: Security::default(),
            window: Duration::from_secs(600),
            retention: Duration::from_secs(72 * 60 * 60),
            replicas: 3,
            call_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(6),
            send_timeout: Duration::from_millis(3_500),
            stuck_after: Duration::from_secs(5),
            linger: Duration::from_millis(1),
            records_max: 50_000,
            bytes_max: 64 * 1024 * 1024,
            record_bytes_max: 1_000_000,
            relayed_bytes_max: 6_160_322,
            session_timeout: Duration::from_secs(6),
            poll_interval_max: Duration::from_secs(30),
            fetch_wait: Duration::from_millis(100),
            fetched_bytes_max: 16 * 1024 * 1024,
            shown_max: 4_096,
            commit_every: Duration::from_secs(5),
        }
    }
}

/// How clients prove who they are. Without the feature `kafka-tls` there is neither TLS nor SCRAM, which librdkafka has
/// from OpenSSL alone: both are refused. A tunnel beside the process (stunnel, a mesh) has TLS for it.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// With a name and a password.
    pub login: Option<Login>,
    /// Over TLS: a PEM file of the authorities that certificates are checked against, with the names of the brokers.
    pub authorities: Option<PathBuf>,
}

/// A name and its password.
#[derive(Clone)]
pub struct Login {
    /// How the password is shown to the broker.
    pub mechanism: Mechanism,
    /// Who.
    pub user: String,
    /// The secret.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mechanism, user, password: _ } = self;
        f.debug_struct("Login").field("mechanism", mechanism).field("user", user).finish()
    }
}

/// How a password is shown to a broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mechanism {
    /// As it is.
    #[default]
    Plain,
    /// SCRAM with SHA-256.
    ScramSha256,
    /// SCRAM with SHA-512.
    ScramSha512,
}

impl Mechanism {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Whether this build has what librdkafka has from OpenSSL.
const TLS: bool = cfg!(feature = "kafka-tls");
/// What idle brokers are asked at most a second.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How soon more of a partition is fetched when what was fetched of it has been shown: librdkafka's second stalls.
const FETCH_AGAIN: Duration = Duration::from_millis(10);
/// How soon a topic that was deleted and is there again is shared out: librdkafka's five minutes leave it to nobody.
const TOPICS_AGAIN: Duration = Duration::from_secs(10);
/// How long a client that gets no list of brokers goes on without asking those of `kafka.addr` again.
const BOOTSTRAP_AGAIN: Duration = Duration::from_secs(5);
/// How long a broker gathers for who reads much together, at most.
const BULK_WAIT: Duration = Duration::from_millis(250);
/// Bytes that are worth an answer to such a reader.
const BULK_BYTES: usize = 256 * 1024;
/// Records of one partition that are fetched ahead.
const AHEAD_MIN: usize = 2_000;
/// What librdkafka counts longer than we do, as it forgets a record some time after it has told of it.
const RECORDS_SLACK: usize = 1_000;
/// Fields that a batch has around its record.
pub(super) const FRAME_BYTES: usize = 1_024;

impl Options {
    /// The brokers, as they are named in errors.
    pub(super) fn address(&self) -> String {
        self.brokers.join(",")
    }

    /// # Errors
    /// [`StoreError::Rejected`]: with these nothing can be done.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let names = [&self.chat, &self.group, &self.notices];
        let cause = if self.brokers.is_empty() {
            "no address is given"
        } else if names.iter().any(|name| name.is_empty()) || !are_distinct(names) {
            "chat, group and notices must be three topics"
        } else if self.partitions == 0 || self.notice_partitions == 0 {
            "a topic has one partition at least"
        } else if !TLS && self.security.authorities.is_some() {
            "this build speaks no TLS to Kafka, which needs the feature kafka-tls: use a tunnel, as stunnel, and no TLS here"
        } else if !TLS
            && self.security.login.as_ref().is_some_and(|login| login.mechanism != Mechanism::Plain)
        {
            "this build speaks no SCRAM to Kafka, which needs the feature kafka-tls: use PLAIN, in a tunnel"
        } else {
            return Ok(());
        };
        Err(fault::rejected(&format!("the settings of Kafka at {}", self.address()), cause))
    }

    /// Bytes of the longest record that is written.
    pub(super) fn longest(&self) -> usize {
        self.relayed_bytes_max.max(self.record_bytes_max)
    }

    /// Of any client.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Warning);
        config.set("bootstrap.servers", self.brokers.join(","));
        config.set("client.id", "openim");
        config.set("socket.timeout.ms", ms(self.request_timeout));
        config.set("socket.connection.setup.timeout.ms", ms(self.call_timeout));
        config.set("reconnect.backoff.max.ms", ms(RECONNECT_PAUSE_MAX));
        config.set("socket.keepalive.enable", "true");
        config.set("log.connection.close", "false");
        config.set("enable.metrics.push", "false");
        // Behind a stall clients were seen that had no broker to ask for five minutes: it seems that they forget those that a
        // stall has fenced, as these are in no answer for a moment.
        config.set("metadata.recovery.rebootstrap.trigger.ms", ms(BOOTSTRAP_AGAIN));
        let Security { login, authorities } = &self.security;
        let protocol = match (login, authorities) {
            (None, None) => "plaintext",
            (None, Some(_)) => "ssl",
            (Some(_), None) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(authorities) = authorities {
            config.set("ssl.ca.location", authorities.to_string_lossy());
        }
        if let Some(login) = login {
            config.set("sasl.mechanism", login.mechanism.name());
            config.set("sasl.username", &login.user);
            config.set("sasl.password", &login.password);
        }
        config
    }

    pub(super) fn producer(&self, purpose: Purpose) -> ClientConfig {
        let mut config = self.client();
        let (timeout, gapless, longest) = match purpose {
            Purpose::Sends => (self.send_timeout, "false", self.record_bytes_max),
            // Tried for ever; and where one could be missing before another, nothing goes on.
            Purpose::Relays => (Duration::ZERO, "true", self.longest()),
        };
        let kilobytes = (self.bytes_max + longest).div_ceil(1_024);
        config.set("enable.idempotence", "true");
        config.set("enable.gapless.guarantee", gapless);
        config.set("acks", "all");
        config.set("linger.ms", ms(self.linger));
        config.set("compression.type", "lz4");
        config.set("message.timeout.ms", ms(timeout));
        config.set("message.max.bytes", longest.to_string());
        // How long a leader waits for its followers.
        config.set("request.timeout.ms", ms(self.send_timeout));
        config.set("queue.buffering.max.messages", (self.records_max + RECORDS_SLACK).to_string());
        config.set("queue.buffering.max.kbytes", kilobytes.to_string());
        config
    }

    pub(super) fn consumer(&self, group: &str, pace: Pace) -> ClientConfig {
        let mut config = self.client();
        let fetched = self.fetched_bytes_max.max(self.longest() + FRAME_BYTES);
        config.set("group.id", group);
        config.set("session.timeout.ms", ms(self.session_timeout));
        // Others hear soon that one of them is gone.
        config.set("heartbeat.interval.ms", ms(self.session_timeout / 12));
        config.set("max.poll.interval.ms", ms(self.poll_interval_max.max(self.session_timeout)));
        config.set("partition.assignment.strategy", "cooperative-sticky");
        config.set("allow.auto.create.topics", "false");
        config.set("topic.metadata.refresh.interval.ms", ms(TOPICS_AGAIN));
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error");
        config.set("check.crcs", "true");
        let (wait, bytes) = match pace {
            Pace::Soon => (self.fetch_wait, 1),
            Pace::InBulk => (self.fetch_wait.max(BULK_WAIT), BULK_BYTES),
        };
        config.set("fetch.wait.max.ms", ms(wait));
        config.set("fetch.min.bytes", bytes.to_string());
        config.set("fetch.queue.backoff.ms", ms(FETCH_AGAIN));
        config.set("fetch.error.backoff.ms", "100");
        config.set("fetch.max.bytes", fetched.to_string());
        config.set("queued.min.messages", AHEAD_MIN.to_string());
        config.set("queued.max.messages.kbytes", fetched.div_ceil(1_024).to_string());
        config
    }
}

fn ms(time: Duration) -> String {
    time.as_millis().to_string()
}

fn are_distinct([a, b, c]: [&String; 3]) -> bool {
    a != b && b != c && a != c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_build_cannot_do_is_refused_in_one_line() {
        let with = |security| Options { security, ..Options::default() };
        let login =
            |mechanism| Login { mechanism, user: "u".to_owned(), password: "hidden".to_owned() };
        let scram = Security { login: Some(login(Mechanism::ScramSha256)), authorities: None };
        let tls = Security { login: None, authorities: Some("ca.pem".into()) };
        let with_openssl = [(with(tls), "TLS"), (with(scram), "SCRAM")];
        let others = [
            (Options { brokers: Vec::new(), ..Options::default() }, "address"),
            (Options { group: "ws2ms_chat".to_owned(), ..Options::default() }, "three topics"),
            (Options { partitions: 0, ..Options::default() }, "one partition"),
        ];
        for (options, _) in with_openssl.iter().filter(|_| TLS) {
            options.check().expect("this build can");
        }
        let refused = with_openssl.into_iter().filter(|_| !TLS).chain(others);
        for (options, word) in refused {
            let refused = options.check().expect_err("refused").to_string();
            assert!(refused.contains(word) && !refused.contains('\n'), "{refused}");
            assert!(!format!("{options:?}").contains("hidden"));
        }
        let plain = Security { login: Some(login(Mechanism::Plain)), authorities: None };
        with(plain.clone()).check().expect("PLAIN can be had");
        let config = with(plain).client();
        assert_eq!(config.get("security.protocol"), Some("sasl_plaintext"));
    }

    #[test]
    fn sends_are_tried_for_some_time_and_relays_for_ever_without_a_gap() {
        let options = Options::default();
        let sends = options.producer(Purpose::Sends);
        assert_eq!(sends.get("message.timeout.ms"), Some("3500"));
        let relays = options.producer(Purpose::Relays);
        assert_eq!(relays.get("message.timeout.ms"), Some("0"));
        assert_eq!(relays.get("enable.gapless.guarantee"), Some("true"));
        // What is made of the longest send is taken.
        assert_eq!(sends.get("message.max.bytes"), Some("1000000"));
        assert_eq!(relays.get("message.max.bytes"), Some("6160322"));
    }
}
