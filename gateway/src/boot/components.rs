//! The components that a role of a cluster stands on: etcd, MySQL, MongoDB, Redis, Kafka.
//!
//! In: settings. Out: each opened, claimed and found fit, or one line of which is not, where, and by which key. All are
//! tried at the same time, for `cluster.startSeconds`.

mod reach;
mod settings;

use std::time::Duration;

use anyhow::{Context as _, bail};
use openim_cluster::etcd::Register;
use openim_cluster::mongo::{self, MongoHistory};
use openim_cluster::mysql::{self, Mysql};
use openim_cluster::redis::{self, Redis};
use openim_cluster::{Runtime, etcd};
use openim_config::Config;

use self::reach::{Place, Trouble};
use crate::console;

/// What a role stands on.
#[expect(dead_code, reason = "the roles use them once they are put together")]
pub(super) struct Components {
    pub(super) runtime: Runtime,
    pub(super) register: Register,
    pub(super) mysql: Mysql,
    pub(super) history: MongoHistory,
    pub(super) redis: Redis,
}

/// Partitions of each topic of messages.
pub(super) fn partitions(config: &Config) -> u16 {
    u16::try_from(config.cluster.partitions).unwrap_or(u16::MAX)
}

/// Keys of sends that one partition remembers: its share, as partitions are filled evenly.
pub(super) fn keys_max(config: &Config) -> usize {
    let topics = 2 * usize::from(partitions(config)).max(1);
    config.duplicates.entries_max.div_ceil(topics)
}

/// Opens all of them.
///
/// # Errors
/// One line: the first that stands in the way, and how many more do.
pub(super) fn open(config: &Config) -> anyhow::Result<Components> {
    let within = Duration::from_secs(config.cluster.start_seconds);
    let runtime = runtime(config)?;
    let found = waiting()?.block_on(all(config, &runtime, within))?;
    let Found { register, mysql, history, redis } = found;
    let mut troubles = Vec::new();
    let opened = (
        kept(register, &mut troubles),
        kept(mysql, &mut troubles),
        kept(history, &mut troubles),
        kept(redis, &mut troubles),
    );
    let (Some(register), Some(mysql), Some((history, of_history)), Some((redis, of_redis))) =
        opened
    else {
        let first = troubles.first().map_or("", String::as_str);
        match troubles.len() {
            0 | 1 => bail!("{first}"),
            more => bail!(
                "{first} (and {} more: openim check-config FILE --connect lists them all)",
                more - 1
            ),
        }
    };
    for warning in of_history {
        tracing::warn!("mongo.dbAddress: {warning}");
    }
    for warning in of_redis {
        tracing::warn!("redis.dbAddress: {warning}");
    }
    Ok(Components { runtime, register, mysql, history, redis })
}

/// Looks at each once and prints a line of it; whether all will do.
///
/// # Errors
/// Where the settings alone stand in the way.
pub fn check(config: &Config) -> anyhow::Result<bool> {
    let runtime = runtime(config)?;
    let found = waiting()?.block_on(all(config, &runtime, Duration::ZERO))?;
    let Found { register, mysql, history, redis } = found;
    let lines = [
        (Place::etcd(config), register.map(|_| Vec::new())),
        (Place::mysql(config), mysql.map(|_| Vec::new())),
        (Place::mongo(config), history.map(|(_, warnings)| said(&warnings))),
        (Place::redis(config), redis.map(|(_, warnings)| said(&warnings))),
    ];
    let mut good = true;
    for (place, outcome) in lines {
        let Place { name, key, address, .. } = place;
        match outcome {
            Ok(warnings) if warnings.is_empty() => {
                console::print(&format!("{name}: good, at {address} ({key})\n"))?;
            }
            Ok(warnings) => {
                let warnings = warnings.join("; ");
                console::print(&format!(
                    "{name}: good, at {address} ({key}); warning: {warnings}\n"
                ))?;
            }
            Err(why) => {
                good = false;
                console::complain(&why.to_string());
            }
        }
    }
    Ok(good)
}

fn said(warnings: &[impl ToString]) -> Vec<String> {
    warnings.iter().map(ToString::to_string).collect()
}

fn kept<T>(outcome: anyhow::Result<T>, troubles: &mut Vec<String>) -> Option<T> {
    outcome.map_err(|why| troubles.push(why.to_string())).ok()
}

fn runtime(config: &Config) -> anyhow::Result<Runtime> {
    Runtime::start(config.cluster.client_threads).context("cannot start the threads cluster")
}

/// Only waits; the work is done on the clients' own threads.
fn waiting() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the system gives no descriptors")
}

/// What came of each.
struct Found {
    register: anyhow::Result<Register>,
    mysql: anyhow::Result<Mysql>,
    history: anyhow::Result<(MongoHistory, Vec<mongo::Warning>)>,
    redis: anyhow::Result<(Redis, Vec<redis::Warning>)>,
}

async fn all(config: &Config, runtime: &Runtime, within: Duration) -> anyhow::Result<Found> {
    let authorities = settings::authorities(config)?;
    let authorities = authorities.as_deref();
    let at =
        [Place::etcd(config), Place::mysql(config), Place::mongo(config), Place::redis(config)];
    let [at_etcd, at_mysql, at_mongo, at_redis] = &at;
    let (of_etcd, of_mysql) = (settings::etcd(config, authorities), settings::mysql(config));
    let (of_mongo, of_redis) = (settings::mongo(config), settings::redis(config, authorities));
    let name = &config.cluster.name;
    let (register, mysql, history, redis) = tokio::join!(
        at_etcd.reach(within, || open_etcd(at_etcd, runtime, of_etcd.clone(), name)),
        at_mysql.reach(within, || open_mysql(at_mysql, runtime, of_mysql.clone())),
        at_mongo.reach(within, || open_mongo(at_mongo, runtime, of_mongo.clone())),
        at_redis.reach(within, || open_redis(at_redis, runtime, of_redis.clone())),
    );
    Ok(Found { register, mysql, history, redis })
}

async fn open_etcd(
    at: &Place,
    runtime: &Runtime,
    options: etcd::Options,
    cluster: &str,
) -> Result<Register, Trouble> {
    let register = Register::open(runtime, options).map_err(|error| at.failed(&error))?;
    register.claim(cluster).await.map_err(|error| match at.failed(&error) {
        Trouble::Wrong { why, .. } => Trouble::Wrong { key: "etcd.etcdSchema", why },
        away => away,
    })?;
    Ok(register)
}

async fn open_mysql(
    at: &Place,
    runtime: &Runtime,
    options: mysql::Options,
) -> Result<Mysql, Trouble> {
    use mysql::OpenError as Why;
    mysql::open(options, runtime).await.map_err(|error| match &error {
        Why::Store(error) => at.failed(error),
        Why::Locked(_) => Trouble::Away(error.to_string()),
        Why::Newer { .. } | Why::Misfit { .. } => {
            Trouble::Wrong { key: "mysql.dbDatabaseName", why: error.to_string() }
        }
        Why::Url(_) | Why::Packets { .. } => Trouble::Wrong { key: at.key, why: error.to_string() },
    })
}

async fn open_mongo(
    at: &Place,
    runtime: &Runtime,
    options: mongo::Options,
) -> Result<(MongoHistory, Vec<mongo::Warning>), Trouble> {
    use mongo::OpenError as Why;
    MongoHistory::open(runtime, options).await.map_err(|error| {
        let key = match &error {
            Why::Store(error) => return at.failed(error),
            Why::Address(_) | Why::TooOld { .. } => at.key,
            Why::OtherCluster { .. } => "cluster.name, mongo.dbDatabase",
            Why::OtherPartitions { .. } => "cluster.partitions",
        };
        Trouble::Wrong { key, why: error.to_string() }
    })
}

async fn open_redis(
    at: &Place,
    runtime: &Runtime,
    options: redis::Options,
) -> Result<(Redis, Vec<redis::Warning>), Trouble> {
    let redis = Redis::open(runtime, options).await.map_err(|error| at.failed(&error))?;
    let warnings = redis.warnings().await.map_err(|error| at.failed(&error))?;
    Ok((redis, warnings))
}
