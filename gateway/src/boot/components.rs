//! The components that a role of a cluster stands on: etcd, MySQL, MongoDB, Redis, Kafka.
//!
//! In: settings. Out: each opened, claimed and found fit, and the same as those of the cluster's other processes; or one
//! line of which is not, where, and by which key. All are tried at the same time, for `cluster.startSeconds`.

mod check;
mod claim;
mod look;
mod pulse;
mod reach;
mod roll;
mod settings;

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use openim_cluster::etcd::Register;
use openim_cluster::kafka::{self, Kafka};
use openim_cluster::mongo::{self, MongoHistory};
use openim_cluster::mysql::{self, Mysql};
use openim_cluster::redis::{self, Redis};
use openim_cluster::{Runtime, etcd};
use openim_config::Config;
use openim_record::Process;
use openim_storage::port::{StoreError, wait};

pub use self::check::check;
use self::claim::{Claim, Claiming, Found as FoundClaim, Meant, Own, Unsettled};
pub(super) use self::pulse::listen;
use self::reach::{Place, Trouble};
use self::roll::{Rolls, Standing};

/// Before a way to a component that was there is tried once more.
const AGAIN: Duration = Duration::from_millis(200);

/// What a role stands on.
pub(super) struct Components {
    pub(super) runtime: Runtime,
    pub(super) register: Register,
    pub(super) mysql: Mysql,
    pub(super) history: MongoHistory,
    pub(super) redis: Redis,
    pub(super) kafka: Kafka,
    /// Of further ways to Redis: none waits behind the calls of another.
    redis_options: redis::Options,
    /// How long they are tried for.
    within: Duration,
    /// That this process runs, as the others see it; `None` where it is none of the cluster's.
    standing: Option<Standing>,
}

impl Components {
    /// The others see that this process does not run any more.
    pub(super) fn leave(&mut self) {
        if let Some(standing) = self.standing.take() {
            standing.leave();
        }
    }

    /// What of the cluster's claim names another log than the settings; with `confirmed`, the claim names theirs from then
    /// on.
    ///
    /// # Errors
    /// One line of why it does not.
    pub(super) fn move_log(&self, config: &Config, confirmed: bool) -> anyhow::Result<Vec<String>> {
        let own = Own::of(config).with_log(waiting()?.block_on(self.kafka.id()));
        let (at_mongo, at_mysql) = (&Place::mongo(config), &Place::mysql(config));
        let claiming = Claiming {
            own: &own,
            meant: Meant::Adopt,
            mongo: (at_mongo, &self.history),
            mysql: (at_mysql, &self.mysql.claim),
        };
        waiting()?
            .block_on(async {
                let moves = claiming.moves().await?;
                if confirmed && !moves.is_empty() {
                    claiming.move_log().await?;
                }
                Ok::<_, Unsettled>(moves)
            })
            .map_err(Unsettled::into_line)
    }

    /// One more way to Redis, for another purpose.
    ///
    /// # Errors
    /// One line of why there is none.
    pub(super) fn way_to_redis(&self) -> anyhow::Result<Redis> {
        let opened =
            self.patiently(|| wait(Redis::open(&self.runtime, self.redis_options.clone())));
        opened.context("redis.dbAddress: it was there a moment ago")
    }

    /// Does something with a component that was there a moment ago, and again for so long while it is away.
    ///
    /// # Errors
    /// Why it could not be done.
    pub(super) fn patiently<T>(
        &self,
        mut act: impl FnMut() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let ends = Instant::now() + self.within;
        loop {
            match act() {
                Err(StoreError::Unavailable { .. }) if Instant::now() < ends => sleep(AGAIN),
                done => return done,
            }
        }
    }
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

/// Bytes of a message between a transfer and a gateway: the longest send fits into one.
pub(super) fn delivery_bytes_max(config: &Config) -> usize {
    (4 << 20).max(config.kafka.record_bytes_max + (4 << 10))
}

/// Opens all of them, and puts this process among those that run.
///
/// # Errors
/// One line: the first that stands in the way, and how many more do.
pub(super) fn open(config: &Config, process: Process) -> anyhow::Result<Components> {
    let mut on = open_as(config, Meant::Start)?;
    let rolls = Rolls { config, register: &on.register, redis: &on.redis };
    let standing = waiting()?.block_on(rolls.join(&on.runtime, process));
    on.standing = Some(standing.map_err(|why| anyhow!(why))?);
    Ok(on)
}

/// Opens all of them, on another log perhaps than the cluster's.
///
/// # Errors
/// As [`open`].
pub(super) fn open_to_adopt(config: &Config) -> anyhow::Result<Components> {
    open_as(config, Meant::Adopt)
}

fn open_as(config: &Config, meant: Meant) -> anyhow::Result<Components> {
    let within = Duration::from_secs(config.cluster.start_seconds);
    let runtime = runtime(config)?;
    let authorities = settings::authorities(config)?;
    let redis_options = settings::redis(config, authorities.as_deref());
    // Before anything is made by a wrong name.
    waiting()?.block_on(look_ahead(config, &runtime, meant))?;
    let found = waiting()?.block_on(all(config, &runtime, within))?;
    let Found { register, mysql, history, redis, kafka } = found;
    let mut troubles = Vec::new();
    let opened = (
        kept(register, &mut troubles),
        kept(mysql, &mut troubles),
        kept(history, &mut troubles),
        kept(redis, &mut troubles),
        kept(kafka, &mut troubles),
    );
    let (
        Some(register),
        Some(mysql),
        Some((history, of_history)),
        Some((redis, of_redis)),
        Some((kafka, of_kafka)),
    ) = opened
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
    waiting()?.block_on(settle(config, meant, (&history, &mysql, &kafka), within))?;
    for warning in of_history {
        tracing::warn!("mongo.dbAddress: {warning}");
    }
    for warning in of_redis {
        tracing::warn!("redis.dbAddress: {warning}");
    }
    for warning in of_kafka {
        tracing::warn!("kafka: {warning}");
    }
    let standing = None;
    Ok(Components {
        runtime,
        register,
        mysql,
        history,
        redis,
        kafka,
        redis_options,
        within,
        standing,
    })
}

/// Compares with what the cluster is made of, as far as that can be read at once.
///
/// # Errors
/// One line of what differs.
async fn look_ahead(config: &Config, runtime: &Runtime, meant: Meant) -> anyhow::Result<()> {
    let (at_mongo, at_mysql) = (Place::mongo(config), Place::mysql(config));
    let (mongo, mysql) = tokio::join!(
        MongoHistory::look(runtime, settings::mongo(config)),
        mysql::claim(settings::mysql(config), runtime),
    );
    // What is away, or will not do for another reason, is told by those that open it.
    let mongo = mongo.ok().map(|looked| (&at_mongo, looked.claim));
    let mysql = mysql.ok().map(|claim| (&at_mysql, claim));
    // Each for itself: another process may write both between the two looks.
    let own = Own::of(config);
    let judged = judge(&own, meant, mongo, None).and_then(|()| judge(&own, meant, None, mysql));
    judged.map_err(|why| anyhow!(why))
}

/// Compares the settings with what those of MongoDB and MySQL have that could be asked.
///
/// # Errors
/// The line of what differs.
fn judge(
    own: &Own,
    meant: Meant,
    mongo: Option<(&Place, Option<String>)>,
    mysql: Option<(&Place, Option<String>)>,
) -> Result<(), String> {
    let read = |(place, text): (_, Option<String>)| {
        let claim = text.map(|text| Claim::read(place, &text)).transpose()?;
        Ok::<_, String>((place, claim))
    };
    let (mongo, mysql) = (mongo.map(read).transpose()?, mysql.map(read).transpose()?);
    let mongo = mongo.as_ref().map(|(at, claim)| FoundClaim::in_mongo(at, claim.as_ref()));
    let mysql = mysql.as_ref().map(|(at, claim)| FoundClaim::in_mysql(at, claim.as_ref()));
    let found: Vec<_> = mongo.into_iter().chain(mysql).collect();
    claim::judge(own, meant, &found).map(drop)
}

/// Finds that the cluster is made of what the settings say, or writes down that it is.
///
/// # Errors
/// One line of what differs.
async fn settle(
    config: &Config,
    meant: Meant,
    (history, mysql, kafka): (&MongoHistory, &Mysql, &Kafka),
    within: Duration,
) -> anyhow::Result<()> {
    let own = Own::of(config).with_log(kafka.id().await);
    let (at_mongo, at_mysql) = (&Place::mongo(config), &Place::mysql(config));
    let (mongo, mysql) = ((at_mongo, history), (at_mysql, &mysql.claim));
    let claiming = Claiming { own: &own, meant, mongo, mysql };
    let ends = Instant::now() + within;
    loop {
        match claiming.settle().await {
            Ok(false) => return Ok(()),
            Ok(true) => {
                tracing::info!(
                    "what the cluster {} is made of is kept in MongoDB and MySQL from now on, and other settings are \
                     refused: {own}",
                    config.cluster.name
                );
                return Ok(());
            }
            Err(Unsettled::Away(_)) if Instant::now() < ends => tokio::time::sleep(AGAIN).await,
            Err(why) => return Err(why.into_line()),
        }
    }
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
    kafka: anyhow::Result<(Kafka, Vec<kafka::Warning>)>,
}

async fn all(config: &Config, runtime: &Runtime, within: Duration) -> anyhow::Result<Found> {
    let authorities = settings::authorities(config)?;
    let authorities = authorities.as_deref();
    let (at_etcd, at_mysql) = (&Place::etcd(config), &Place::mysql(config));
    let (at_mongo, at_redis) = (&Place::mongo(config), &Place::redis(config));
    let (at_kafka, of_kafka) = (&Place::kafka(config), settings::kafka(config));
    let (of_etcd, of_mysql) = (settings::etcd(config, authorities), settings::mysql(config));
    let (of_mongo, of_redis) = (settings::mongo(config), settings::redis(config, authorities));
    let name = &config.cluster.name;
    let (register, mysql, history, redis, kafka) = tokio::join!(
        at_etcd.reach(within, || open_etcd(at_etcd, runtime, of_etcd.clone(), name)),
        at_mysql.reach(within, || open_mysql(at_mysql, runtime, of_mysql.clone())),
        at_mongo.reach(within, || open_mongo(at_mongo, runtime, of_mongo.clone())),
        at_redis.reach(within, || open_redis(at_redis, runtime, of_redis.clone())),
        at_kafka.reach(within, || open_kafka(at_kafka, runtime, of_kafka.clone())),
    );
    Ok(Found { register, mysql, history, redis, kafka })
}

async fn open_etcd(
    at: &Place,
    runtime: &Runtime,
    options: etcd::Options,
    cluster: &str,
) -> Result<Register, Trouble> {
    let register = Register::open(runtime, options).map_err(|error| at.failed(&error))?;
    register.claim(cluster).await.map_err(|error| of_prefix(at, &error))?;
    Ok(register)
}

fn of_prefix(at: &Place, error: &StoreError) -> Trouble {
    match at.failed(error) {
        Trouble::Wrong { why, .. } => Trouble::Wrong { key: "etcd.etcdSchema", why },
        away => away,
    }
}

async fn open_mysql(
    at: &Place,
    runtime: &Runtime,
    options: mysql::Options,
) -> Result<Mysql, Trouble> {
    mysql::open(options, runtime).await.map_err(|error| of_mysql(at, &error))
}

fn of_mysql(at: &Place, error: &mysql::OpenError) -> Trouble {
    use mysql::OpenError as Why;
    match error {
        Why::Store(error) => at.failed(error),
        Why::Locked(_) => Trouble::Away(error.to_string()),
        Why::Newer { .. } | Why::Misfit { .. } => {
            Trouble::Wrong { key: "mysql.dbDatabaseName", why: error.to_string() }
        }
        Why::Url(_) | Why::Packets { .. } => Trouble::Wrong { key: at.key, why: error.to_string() },
    }
}

async fn open_mongo(
    at: &Place,
    runtime: &Runtime,
    options: mongo::Options,
) -> Result<(MongoHistory, Vec<mongo::Warning>), Trouble> {
    MongoHistory::open(runtime, options).await.map_err(|error| of_mongo(at, &error))
}

fn of_mongo(at: &Place, error: &mongo::OpenError) -> Trouble {
    use mongo::OpenError as Why;
    let key = match error {
        Why::Store(error) => return at.failed(error),
        Why::Address(_) | Why::TooOld { .. } => at.key,
        Why::OtherCluster { .. } => "cluster.name, mongo.dbDatabase",
        Why::OtherPartitions { .. } => "cluster.partitions",
    };
    Trouble::Wrong { key, why: error.to_string() }
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

async fn open_kafka(
    at: &Place,
    runtime: &Runtime,
    options: kafka::Options,
) -> Result<(Kafka, Vec<kafka::Warning>), Trouble> {
    let kafka = Kafka::open(runtime, options).map_err(|error| at.failed(&error))?;
    let warnings = kafka.ensure_topics().await.map_err(|error| of_topics(at, &error))?;
    Ok((kafka, warnings))
}

/// The text names the topic and what of it.
fn of_topics(at: &Place, error: &StoreError) -> Trouble {
    match at.failed(error) {
        Trouble::Wrong { why, .. } => Trouble::Wrong { key: "kafka", why },
        away => away,
    }
}
