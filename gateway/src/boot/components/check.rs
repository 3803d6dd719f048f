//! `openim check-config FILE --connect`: a look at each component, once.
//!
//! In: settings. Out: a line for each: what is where, by which key, whether it will do, and what is not there yet. Never:
//! makes anything, or makes it this cluster's; a start does that.

use std::time::Duration;

use openim_cluster::etcd::Register;
use openim_cluster::kafka::Kafka;
use openim_cluster::mongo::MongoHistory;
use openim_cluster::redis::Redis;
use openim_cluster::{Runtime, mysql};
use openim_config::Config;

use super::claim::{Meant, Own};
use super::reach::{Place, Trouble};
use super::roll::Rolls;
use super::{
    judge, of_mongo, of_mysql, of_prefix, of_topics, open_redis, runtime, settings, waiting,
};
use crate::console;

/// What there is to say of a component that will do.
#[derive(Default)]
struct Looked {
    warnings: Vec<String>,
    /// What a start makes.
    missing: Vec<String>,
    /// Of one that keeps what the cluster is made of: that.
    claim: Option<String>,
    /// Of the log: how it calls itself.
    id: Option<String>,
}

/// Looks at each once and prints a line of it, and one where they are not those of the cluster; whether all will do.
///
/// # Errors
/// Where the settings alone stand in the way.
pub fn check(config: &Config) -> anyhow::Result<bool> {
    let runtime = runtime(config)?;
    let all = waiting()?.block_on(look_at_all(config, &runtime))?;
    let mut good = true;
    for (place, outcome) in &all {
        match outcome {
            Ok(looked) => console::print(&line(place, looked))?,
            Err(why) => {
                good = false;
                console::complain(&why.to_string());
            }
        }
    }
    if let Err(why) = waiting()?.block_on(compare(config, &runtime, all)) {
        good = false;
        console::complain(&why);
    }
    Ok(good)
}

/// Whether the components that will do are those of the cluster.
///
/// # Errors
/// The line of what differs.
async fn compare(
    config: &Config,
    runtime: &Runtime,
    all: [(Place, anyhow::Result<Looked>); 5],
) -> Result<(), String> {
    let [etcd, mysql, mongo, redis, kafka] = all.map(|(place, outcome)| (place, outcome.ok()));
    let own = Own::of(config).with_log(kafka.1.and_then(|looked| looked.id));
    let mongo = mongo.1.map(|looked| (&mongo.0, looked.claim));
    let mysql = mysql.1.map(|looked| (&mysql.0, looked.claim));
    judge(&own, Meant::Start, mongo, mysql)?;
    if etcd.1.is_none() || redis.1.is_none() {
        return Ok(());
    }
    let authorities = settings::authorities(config).map_err(|why| why.to_string())?;
    let authorities = authorities.as_deref();
    let register = Register::open(runtime, settings::etcd(config, authorities));
    let register = register.map_err(|error| etcd.0.told(&etcd.0.failed(&error)))?;
    let opened = Redis::open(runtime, settings::redis(config, authorities)).await;
    let opened = opened.map_err(|error| redis.0.told(&redis.0.failed(&error)))?;
    Rolls { config, register: &register, redis: &opened }.check().await
}

/// Of one that will do.
fn line(Place { name, key, address, .. }: &Place, looked: &Looked) -> String {
    let Looked { warnings, missing, .. } = looked;
    let mut line = format!("{name}: good, at {address} ({key})");
    if !missing.is_empty() {
        line.push_str(&format!("; not there yet, a start makes it: {}", missing.join(", ")));
    }
    if !warnings.is_empty() {
        line.push_str(&format!("; warning: {}", warnings.join("; ")));
    }
    line.push('\n');
    line
}

async fn look_at_all(
    config: &Config,
    runtime: &Runtime,
) -> anyhow::Result<[(Place, anyhow::Result<Looked>); 5]> {
    const ONCE: Duration = Duration::ZERO;
    let authorities = settings::authorities(config)?;
    let authorities = authorities.as_deref();
    let (at_etcd, at_mysql) = (Place::etcd(config), Place::mysql(config));
    let (at_mongo, at_redis) = (Place::mongo(config), Place::redis(config));
    let at_kafka = Place::kafka(config);
    let of_redis = settings::redis(config, authorities);
    let (etcd, mysql, mongo, redis, kafka) = tokio::join!(
        at_etcd.reach(ONCE, || look_at_etcd(&at_etcd, runtime, config, authorities)),
        at_mysql.reach(ONCE, || look_at_mysql(&at_mysql, runtime, config)),
        at_mongo.reach(ONCE, || look_at_mongo(&at_mongo, runtime, config)),
        at_redis.reach(ONCE, || open_redis(&at_redis, runtime, of_redis.clone())),
        at_kafka.reach(ONCE, || look_at_kafka(&at_kafka, runtime, config)),
    );
    // Nothing is made in Redis before it is written to.
    let redis =
        redis.map(|(_, warnings)| Looked { warnings: said(&warnings), ..Looked::default() });
    Ok([
        (at_etcd, etcd),
        (at_mysql, mysql),
        (at_mongo, mongo),
        (at_redis, redis),
        (at_kafka, kafka),
    ])
}

async fn look_at_etcd(
    at: &Place,
    runtime: &Runtime,
    config: &Config,
    authorities: Option<&[u8]>,
) -> Result<Looked, Trouble> {
    let options = settings::etcd(config, authorities);
    let key = format!("key {}/cluster", options.prefix);
    let register = Register::open(runtime, options).map_err(|error| at.failed(&error))?;
    let claimed = register.is_claimed(&config.cluster.name).await;
    let claimed = claimed.map_err(|error| of_prefix(at, &error))?;
    let missing = if claimed { Vec::new() } else { vec![key] };
    Ok(Looked { missing, ..Looked::default() })
}

async fn look_at_mysql(at: &Place, runtime: &Runtime, config: &Config) -> Result<Looked, Trouble> {
    let looked = mysql::look(settings::mysql(config), runtime).await;
    let mysql::Looked { missing, claim } = looked.map_err(|error| of_mysql(at, &error))?;
    Ok(Looked { missing, claim, ..Looked::default() })
}

async fn look_at_mongo(at: &Place, runtime: &Runtime, config: &Config) -> Result<Looked, Trouble> {
    let options = settings::mongo(config);
    let database = format!("database {}", options.database);
    let looked = MongoHistory::look(runtime, options).await;
    let looked = looked.map_err(|error| of_mongo(at, &error))?;
    let missing = if looked.is_begun { Vec::new() } else { vec![database] };
    let warnings = said(&looked.warnings);
    Ok(Looked { warnings, missing, claim: looked.claim, ..Looked::default() })
}

async fn look_at_kafka(at: &Place, runtime: &Runtime, config: &Config) -> Result<Looked, Trouble> {
    let kafka = Kafka::open(runtime, settings::kafka(config)).map_err(|error| at.failed(&error))?;
    let topics = kafka.look_at_topics().await.map_err(|error| of_topics(at, &error))?;
    let missing = topics.missing.into_iter().map(|name| format!("topic {name}")).collect();
    let warnings = said(&topics.warnings);
    Ok(Looked { warnings, missing, id: kafka.id().await, ..Looked::default() })
}

fn said(warnings: &[impl ToString]) -> Vec<String> {
    warnings.iter().map(ToString::to_string).collect()
}
