//! `openim check-config FILE --connect`: a look at each component, once.
//!
//! In: settings. Out: a line for each: what is where, by which key, whether it will do, and what is not there yet. Never:
//! makes anything, or makes it this cluster's; a start does that.

use std::time::Duration;

use openim_cluster::etcd::Register;
use openim_cluster::kafka::Kafka;
use openim_cluster::mongo::MongoHistory;
use openim_cluster::{Runtime, mysql};
use openim_config::Config;

use super::reach::{Place, Trouble};
use super::{of_mongo, of_mysql, of_prefix, of_topics, open_redis, runtime, settings, waiting};
use crate::console;

/// What there is to say of a component that will do.
#[derive(Default)]
struct Looked {
    warnings: Vec<String>,
    /// What a start makes.
    missing: Vec<String>,
}

/// Looks at each once and prints a line of it; whether all will do.
///
/// # Errors
/// Where the settings alone stand in the way.
pub fn check(config: &Config) -> anyhow::Result<bool> {
    let runtime = runtime(config)?;
    let mut good = true;
    for (place, outcome) in waiting()?.block_on(look_at_all(config, &runtime))? {
        match outcome {
            Ok(looked) => console::print(&line(&place, &looked))?,
            Err(why) => {
                good = false;
                console::complain(&why.to_string());
            }
        }
    }
    Ok(good)
}

/// Of one that will do.
fn line(Place { name, key, address, .. }: &Place, Looked { warnings, missing }: &Looked) -> String {
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
    let missing = looked.map_err(|error| of_mysql(at, &error))?;
    Ok(Looked { missing, ..Looked::default() })
}

async fn look_at_mongo(at: &Place, runtime: &Runtime, config: &Config) -> Result<Looked, Trouble> {
    let options = settings::mongo(config);
    let database = format!("database {}", options.database);
    let looked = MongoHistory::look(runtime, options).await;
    let looked = looked.map_err(|error| of_mongo(at, &error))?;
    let missing = if looked.is_begun { Vec::new() } else { vec![database] };
    Ok(Looked { warnings: said(&looked.warnings), missing })
}

async fn look_at_kafka(at: &Place, runtime: &Runtime, config: &Config) -> Result<Looked, Trouble> {
    let kafka = Kafka::open(runtime, settings::kafka(config)).map_err(|error| at.failed(&error))?;
    let topics = kafka.look_at_topics().await.map_err(|error| of_topics(at, &error))?;
    let missing = topics.missing.into_iter().map(|name| format!("topic {name}")).collect();
    Ok(Looked { warnings: said(&topics.warnings), missing })
}

fn said(warnings: &[impl ToString]) -> Vec<String> {
    warnings.iter().map(ToString::to_string).collect()
}
