//! The topics: made when they are not there, and held against what the cluster is built on when they are.

use std::collections::BTreeMap;
use std::time::Duration;

use openim_storage::port::StoreError;
use rdkafka::admin::{AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::time::{Instant, sleep};

use super::{Kafka, Options, Shared, fault, options};

/// What an operator should hear of topics that can be used, by their names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// One broker has all there is.
    #[error("a topic has one replica ({0}): a broker that dies takes what was acknowledged along")]
    OneReplica(String),
    /// One broker of several is enough to acknowledge.
    #[error(
        "a topic has min.insync.replicas 1 ({0}): a broker that dies may take what was acknowledged along"
    )]
    OneAcknowledges(String),
    /// A broker that lacks records may become the leader.
    #[error(
        "a topic has unclean.leader.election.enable on ({0}): what was acknowledged may be thrown away"
    )]
    UncleanElection(String),
    /// It keeps so many bytes and not for so long.
    #[error("a topic has a retention.bytes ({0}): a reader who is late finds its records gone")]
    KeptBySize(String),
}

impl Warning {
    /// Joins one of the same kind: an operator hears it once, with all names.
    fn add_to(mut self, all: &mut Vec<Self>) {
        let kind = std::mem::discriminant(&self);
        match all.iter_mut().find(|other| std::mem::discriminant(*other) == kind) {
            Some(same) => {
                let names = same.names();
                names.push_str(", ");
                names.push_str(self.names());
            }
            None => all.push(self),
        }
    }

    const fn names(&mut self) -> &mut String {
        match self {
            Self::OneReplica(names)
            | Self::OneAcknowledges(names)
            | Self::UncleanElection(names)
            | Self::KeptBySize(names) => names,
        }
    }
}

/// One of the three.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    name: &'a str,
    partitions: u16,
}

/// One as it is.
#[derive(Debug, Default)]
struct Found {
    partitions: usize,
    /// The least that one of its partitions has.
    replicas: usize,
    /// Whether each partition has a leader.
    led: bool,
    settings: BTreeMap<String, String>,
}

/// How long a topic is kept beyond what the window needs.
const SPARE: Duration = Duration::from_secs(24 * 60 * 60);
/// How soon brokers are asked again whether they know a topic by now.
const PAUSE: Duration = Duration::from_millis(100);
/// Why no topic will ever be made as it is asked for.
const NEVER: [RDKafkaErrorCode; 4] = [
    RDKafkaErrorCode::InvalidTopic,
    RDKafkaErrorCode::InvalidPartitions,
    RDKafkaErrorCode::InvalidConfig,
    RDKafkaErrorCode::PolicyViolation,
];
/// From so many copies on, one of them may be away.
const COPIES_TO_SPARE: usize = 3;

/// What there is to say of the topics, where they will do.
#[derive(Debug, Default)]
pub struct Topics {
    /// What an operator should hear of those that are there.
    pub warnings: Vec<Warning>,
    /// Those that are not there.
    pub missing: Vec<String>,
}

/// Where `make`, none is missing behind this.
pub(super) async fn ensure(kafka: &Kafka, make: bool) -> Result<Topics, StoreError> {
    let shared = &kafka.shared;
    let limit = Instant::now() + shared.options.call_timeout;
    let (brokers, mut found) = list(kafka).await?;
    let mut wanted = wanted(&shared.options).to_vec();
    let is_there = |wanted: &Wanted<'_>| found.contains_key(wanted.name);
    let absent: Vec<Wanted<'_>> = wanted.iter().filter(|one| !is_there(one)).copied().collect();
    let mut topics = Topics::default();
    if !make {
        topics.missing = absent.iter().map(|wanted| wanted.name.to_owned()).collect();
        wanted.retain(is_there);
    } else if !absent.is_empty() {
        create(shared, &absent, brokers).await?;
    }
    // Brokers learn of a new topic one after the other, and its partitions get leaders.
    while !wanted.iter().all(|wanted| found.get(wanted.name).is_some_and(|found| found.led)) {
        if Instant::now() > limit {
            let cause = "not all of them have partitions with leaders";
            return Err(fault::unavailable(&shared.what("looking at the topics of"), cause));
        }
        sleep(PAUSE).await;
        found = list(kafka).await?.1;
    }
    // They take records, or tell of any, some moments after they say that they lead.
    while make
        && !absent.is_empty()
        && let Err(error) = kafka.all_ends(shared.all_partitions()).await
    {
        if Instant::now() > limit {
            return Err(error);
        }
        sleep(PAUSE).await;
    }
    if !wanted.is_empty() {
        describe(shared, &wanted, &mut found).await?;
    }
    for wanted in &wanted {
        let found = found.remove(wanted.name).unwrap_or_default();
        let what = shared.what(&format!("topic {} of", wanted.name));
        let judged = judge(&shared.options, wanted, &found);
        for warning in judged.map_err(|cause| fault::conflict(&what, cause))? {
            warning.add_to(&mut topics.warnings);
        }
    }
    Ok(topics)
}

fn wanted(options: &Options) -> [Wanted<'_>; 3] {
    let Options { chat, group, notices, partitions, notice_partitions, .. } = options;
    [(chat, partitions), (group, partitions), (notices, notice_partitions)]
        .map(|(name, partitions)| Wanted { name, partitions: *partitions })
}

/// How many brokers there are, and those of the topics that they know.
async fn list(kafka: &Kafka) -> Result<(usize, BTreeMap<String, Found>), StoreError> {
    let listed = kafka.blocking(|shared| {
        let client = shared.admin.inner();
        // Of all: whoever asks for one by name may make it.
        let metadata = client.fetch_metadata(None, shared.options.call_timeout)?;
        let wanted = wanted(&shared.options);
        let ours = metadata.topics().iter().filter(|topic| {
            topic.error().is_none() && wanted.iter().any(|wanted| wanted.name == topic.name())
        });
        let found = ours.map(|topic| {
            let partitions = topic.partitions();
            let replicas = partitions.iter().map(|one| one.replicas().len()).min();
            let found = Found {
                partitions: partitions.len(),
                replicas: replicas.unwrap_or_default(),
                led: !partitions.is_empty() && partitions.iter().all(|one| one.leader() >= 0),
                settings: BTreeMap::new(),
            };
            (topic.name().to_owned(), found)
        });
        Ok::<_, KafkaError>((metadata.brokers().len(), found.collect()))
    });
    let doing = "asking for the topics of";
    let listed = listed.answer().await.flatten().ok_or_else(|| kafka.ended(doing))?;
    listed.map_err(|error| fault::told(&kafka.shared.what(doing), error))
}

async fn create(shared: &Shared, absent: &[Wanted<'_>], brokers: usize) -> Result<(), StoreError> {
    let replicas = usize::from(shared.options.replicas).clamp(1, brokers.max(1));
    let in_sync = if replicas >= COPIES_TO_SPARE { "2" } else { "1" };
    let retention = shared.options.retention.max(shared.options.window + SPARE);
    let retention = retention.as_millis().to_string();
    let bytes = (shared.options.longest() + options::FRAME_BYTES).to_string();
    let topics: Vec<NewTopic<'_>> = absent
        .iter()
        .map(|wanted| {
            let copies = TopicReplication::Fixed(i32::try_from(replicas).unwrap_or(1));
            NewTopic::new(wanted.name, wanted.partitions.into(), copies)
                .set("message.timestamp.type", "LogAppendTime")
                .set("cleanup.policy", "delete")
                .set("retention.ms", &retention)
                .set("min.insync.replicas", in_sync)
                .set("unclean.leader.election.enable", "false")
                .set("max.message.bytes", &bytes)
        })
        .collect();
    let asked = shared.admin.create_topics(&topics, &ask(&shared.options)).await;
    let what = |name: &str| shared.what(&format!("making topic {name} of"));
    for made in asked.map_err(|error| fault::told(&what("by topic"), error))? {
        match made {
            // Another process was quicker.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) if NEVER.contains(&code) => {
                return Err(fault::conflict(&what(&name), code.to_string()));
            }
            Err((name, code)) => return Err(fault::by_code(&what(&name), code)),
        }
    }
    Ok(())
}

async fn describe(
    shared: &Shared,
    wanted: &[Wanted<'_>],
    found: &mut BTreeMap<String, Found>,
) -> Result<(), StoreError> {
    let what = shared.what("reading the settings of the topics of");
    let topics: Vec<_> = wanted.iter().map(|one| ResourceSpecifier::Topic(one.name)).collect();
    let asked = shared.admin.describe_configs(&topics, &ask(&shared.options)).await;
    let described = asked.map_err(|error| fault::told(&what, error))?;
    // They come in the order in which they were asked for.
    for (wanted, described) in wanted.iter().zip(described) {
        let entries = described.map_err(|code| fault::by_code(&what, code))?.entries;
        if let Some(found) = found.get_mut(wanted.name) {
            found.settings =
                entries.into_iter().filter_map(|one| Some((one.name, one.value?))).collect();
        }
    }
    Ok(())
}

fn ask(options: &Options) -> AdminOptions {
    let limit = Some(options.call_timeout);
    AdminOptions::new().request_timeout(limit).operation_timeout(limit)
}

/// What contradicts the settings is an error; the text names the key.
fn judge(options: &Options, wanted: &Wanted<'_>, found: &Found) -> Result<Vec<Warning>, String> {
    let setting = |key: &str| found.settings.get(key).map(String::as_str).unwrap_or_default();
    let number = |key: &str| setting(key).parse::<i64>().ok();
    if found.partitions != usize::from(wanted.partitions) {
        let (found, wanted) = (found.partitions, wanted.partitions);
        return Err(format!("partitions: it has {found}, and they are {wanted} for ever"));
    }
    let time = setting("message.timestamp.type");
    if time != "LogAppendTime" {
        return Err(format!("message.timestamp.type is {time}; it must be LogAppendTime"));
    }
    let policy = setting("cleanup.policy");
    if policy != "delete" {
        return Err(format!("cleanup.policy is {policy}; it must be delete, or records go"));
    }
    let codec = setting("compression.type");
    if !["producer", "uncompressed", "lz4", "snappy"].contains(&codec) {
        return Err(format!("compression.type is {codec}, which this build cannot read"));
    }
    let kept = i64::try_from((options.window + SPARE).as_millis()).unwrap_or(i64::MAX);
    if let Some(retention) = number("retention.ms").filter(|ms| *ms >= 0 && *ms < kept) {
        return Err(format!("retention.ms is {retention}; it must be {kept} at least"));
    }
    let bytes = number("max.message.bytes").and_then(|bytes| usize::try_from(bytes).ok());
    if let Some(bytes) = bytes.filter(|bytes| *bytes < options.longest()) {
        let least = options.longest() + options::FRAME_BYTES;
        return Err(format!("max.message.bytes is {bytes}; it must be {least} at least"));
    }
    let name = || wanted.name.to_owned();
    let mut warnings = Vec::new();
    if found.replicas < 2 {
        warnings.push(Warning::OneReplica(name()));
    } else if number("min.insync.replicas").unwrap_or(1) < 2 {
        warnings.push(Warning::OneAcknowledges(name()));
    }
    if setting("unclean.leader.election.enable") == "true" {
        warnings.push(Warning::UncleanElection(name()));
    }
    if number("retention.bytes").is_some_and(|bytes| bytes >= 0) {
        warnings.push(Warning::KeptBySize(name()));
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 8] = [
        ("message.timestamp.type", "LogAppendTime"),
        ("cleanup.policy", "delete"),
        ("compression.type", "producer"),
        ("retention.ms", "259200000"),
        ("retention.bytes", "-1"),
        ("max.message.bytes", "6161346"),
        ("min.insync.replicas", "2"),
        ("unclean.leader.election.enable", "false"),
    ];

    fn judged(
        partitions: usize,
        replicas: usize,
        key: &str,
        value: &str,
    ) -> Result<Vec<Warning>, String> {
        let mut settings: BTreeMap<String, String> =
            GOOD.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        settings.insert(key.to_owned(), value.to_owned());
        let found = Found { partitions, replicas, led: true, settings };
        judge(&Options::default(), &Wanted { name: "t", partitions: 64 }, &found)
    }

    #[test]
    fn what_contradicts_is_refused_by_its_key_and_what_is_weak_is_said() {
        assert_eq!(judged(64, 3, "", ""), Ok(vec![]));
        assert_eq!(judged(64, 3, "retention.ms", "-1"), Ok(vec![]), "kept for ever");
        for (key, value) in [
            ("message.timestamp.type", "CreateTime"),
            ("cleanup.policy", "compact,delete"),
            ("compression.type", "zstd"),
            ("retention.ms", "86400000"),
            ("max.message.bytes", "1048588"),
        ] {
            let refused = judged(64, 3, key, value).expect_err(key);
            assert!(refused.contains(key) && refused.contains(value), "{refused}");
        }
        assert!(judged(63, 3, "", "").expect_err("refused").contains("partitions"));
        let t = || "t".to_owned();
        assert_eq!(judged(64, 1, "", ""), Ok(vec![Warning::OneReplica(t())]));
        for (key, value, warning) in [
            ("min.insync.replicas", "1", Warning::OneAcknowledges(t())),
            ("unclean.leader.election.enable", "true", Warning::UncleanElection(t())),
            ("retention.bytes", "1000", Warning::KeptBySize(t())),
        ] {
            assert_eq!(judged(64, 3, key, value), Ok(vec![warning]));
        }
        let mut told = Vec::new();
        for name in ["a", "b", "c"] {
            Warning::OneReplica(name.to_owned()).add_to(&mut told);
        }
        Warning::KeptBySize(t()).add_to(&mut told);
        assert_eq!(told, [Warning::OneReplica("a, b, c".to_owned()), Warning::KeptBySize(t())]);
    }
}
