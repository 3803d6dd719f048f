//! The roles `api` and `gateway`: shards that have only fronts, on the components of a cluster.
//!
//! In: components, ports. Out: the threads of a server whose messages are in Kafka and MongoDB, everything else in MySQL
//! and Redis, and which other processes find in etcd.

mod topics;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use openim_bus::Doorbell;
use openim_cluster::etcd::{Member, Registered};
use openim_cluster::redis::TokenStates;
use openim_config::{Config, Secret};
use openim_delivery::{ServeOptions, Strangers, Streams, serve};
use openim_record::{Placement, Process, UserId};
use openim_shard::Shard;
use openim_storage::port::wait;
use openim_workers::commit::Lane;
use openim_workers::topics::run;
use tokio::sync::oneshot;

use self::topics::OnKafka;
use super::blueprint::{self, Blueprint, OF_STORES};
use super::cluster::new_process;
use super::components::{self, Components};
use super::managers::register_managers_on;
use super::server::Server;
use super::workers::{Ports, start_workers, thread};
use super::{Certificates, bells, permits};
use crate::admin::Admin;
use crate::advice;
use crate::cluster::{Here, Joined, Pace, Reached, Shards, Status, Ways, Whole, join};
use crate::driver::{self, FromBacks, GroupChanges};
use crate::ingress::{bind_alone, listen_all};
use crate::logging::Logging;
use crate::metrics::Sources;
use crate::page::Page;
use crate::role::Role;
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::watched::{Figure, Watched};

/// Descriptors of the components' clients besides their pools: brokers, Redis, etcd, streams of transfers.
const CLIENT_FILES: u64 = 256;

/// How long it may take until a transfer comes that is there.
const REACHED_WITHIN: Duration = Duration::from_secs(10);

/// Whom other processes find here, and where they reach it; dropped, it leaves.
pub(super) struct Reachable {
    registered: Registered,
    stop: oneshot::Sender<()>,
    /// End the looks whether the store has all that it had, and whether transfers come here.
    _looks: [oneshot::Sender<()>; 2],
}

impl Reachable {
    /// Leaves the register; whoever drops what this gives ends the deliveries.
    pub(super) fn leave(self) -> oneshot::Sender<()> {
        drop(self.registered);
        self.stop
    }
}

/// What these roles are started with.
pub(super) struct With<'a> {
    pub(super) config: &'a Config,
    /// Which of both.
    pub(super) roles: &'a [Role],
    pub(super) on: &'a Components,
    pub(super) ports: Ports,
    /// What is remembered of tokens.
    pub(super) tokens: TokenStates,
    pub(super) sources: Sources,
    pub(super) logging: &'a Logging,
    pub(super) certificates: Certificates,
}

/// Starts their threads.
///
/// # Errors
/// One line of what stands in the way.
pub(super) fn start(with: With<'_>, admin: Admin) -> anyhow::Result<(Server, Reachable)> {
    let With { config, roles, on, ports, tokens, sources, logging, certificates } = with;
    let has_links = roles.contains(&Role::Gateway);
    let config = &only(config, has_links, roles.contains(&Role::Api));
    let shards = u16::try_from(sources.shards.len()).unwrap_or(u16::MAX);
    let pools = u64::from(config.mysql.open_conns_max) + 2 * u64::from(config.mongo.pool_size_max);
    let permits = permits(config, CLIENT_FILES + pools, shards)?;
    let [(websocket, links), (rest, calls)] = listen_all(config, shards)?;
    register_managers_on(on, config, &*ports.directory, sources.clock.read().unix_ms())?;

    let (bells, outlet) = bells(shards)?;
    let log_bell = Arc::new(Doorbell::new()?);
    let (asking, workers) = start_workers(config, &ports, &outlet, &sources)?;
    let base = new_process()?;
    let backs = FromBacks::new(&bells);
    let page = Page::of(config, chat_key(config), &websocket, &rest);
    let settings = Settings::new(config, config.secret.expose().to_owned(), shards).with(page);
    let blueprint = Blueprint {
        permits,
        settings,
        offers: certificates.offers,
        placement: Placement::new(components::partitions(config)),
        shards,
        above: OF_STORES,
        metrics: Arc::clone(&sources.shards),
        phase: Arc::clone(&sources.phase),
        audit: logging.audit().clone(),
        bells: bells.clone(),
        log_bell: Arc::clone(&log_bell),
        outlet,
        log: Arc::clone(&sources.log),
        clock: Arc::clone(&sources.clock),
        // A shard without inboxes hands in no batch.
        workers: asking.storing(crossbeam_channel::bounded(1).0),
        journal: None,
        fronts: Some(named(base, shards, &backs)),
    };
    let mut laid = blueprint.plans(config, &secrets(config), fronts(&blueprint), (links, calls))?;
    let here = (base, &blueprint, &backs, laid.group_changes);
    let joined = join_others((config, on), here, has_links, tokens)?;
    drop(blueprint);
    for (plan, beside) in laid.plans.iter_mut().zip(joined.beside) {
        plan.beside = beside;
    }
    let log = hand_on(on, laid.lanes, &log_bell, &sources)?;
    // Before a shard has anything that it could be told of.
    let beside = (backs, &sources, joined.status);
    let reachable = be_reachable(config, on, has_links, (base, shards), beside)?;
    let shards = laid.plans.into_iter().map(driver::spawn).collect::<Result<Vec<_>, _>>()?;
    let server = Server {
        shards,
        log: Some(log),
        log_bell,
        phase: Arc::clone(&sources.phase),
        metrics: Arc::clone(&sources.shards),
        sources,
        workers,
        bells,
        reloads: laid.reloads,
        admin,
        certificates: certificates.ask,
        websocket,
        rest,
        own: None,
        behind: Box::new(|| true),
    };
    Ok((server, reachable))
}

/// Who the shards are, and what others tell them.
fn named(base: Process, shards: u16, from_backs: &FromBacks) -> blueprint::Fronts {
    blueprint::Fronts {
        processes: (0..shards).map(|shard| base.front(shard)).collect(),
        from_backs: from_backs.clone(),
    }
}

/// The state of each shard: empty, as all that is known of users is in the components.
fn fronts(blueprint: &Blueprint) -> Vec<Shard> {
    let Settings { policy, limits, managers, .. } = &blueprint.settings;
    let front = |_| {
        let mut shard = Shard::front_alone(blueprint.placement, *policy, limits.front.clone());
        shard.exempt(managers.iter().map(|uid| UserId::new(uid)));
        shard
    };
    (0..blueprint.shards).map(front).collect()
}

/// What tells others of the links here, of what is decided about tokens and of groups that change, and hears the same.
fn join_others(
    (config, on): (&Config, &Components),
    (base, of, backs, group_changes): (Process, &Blueprint, &FromBacks, Weak<GroupChanges>),
    has_links: bool,
    tokens: TokenStates,
) -> anyhow::Result<Joined> {
    let way = || on.way_to_redis();
    let ways = Ways { presence: way()?, events: way()?, tells: way()?, tokens };
    let &Blueprint { placement, shards: count, .. } = of;
    let shards = Shards { count, placement, base, backs: backs.clone(), group_changes };
    let pace = has_links.then(|| Pace::new(config, count));
    Ok(join(&on.runtime, ways, shards, pace))
}

/// Has inboxes read only where the store has all that it had: from the start, as it may have been put back before.
fn watch_store(on: &Components, status: &Arc<Status>) -> oneshot::Sender<()> {
    let mut whole = Whole::new(on.history.clone(), on.kafka.clone(), Arc::clone(status));
    let (stop, stopped) = oneshot::channel();
    let first = on.runtime.begin(async move {
        whole.begin().await;
        whole
    });
    if let Some(whole) = wait(first.answer()) {
        // It ends with `stop`.
        drop(on.runtime.begin(whole.watch(stopped)));
    }
    stop
}

/// Starts the thread that hands what the shards send to the topics.
fn hand_on(
    on: &Components,
    lanes: Vec<Lane>,
    bell: &Arc<Doorbell>,
    sources: &Sources,
) -> anyhow::Result<JoinHandle<()>> {
    let topics = OnKafka::new(&on.kafka, &on.runtime)?;
    let (bell, status) = (Arc::clone(bell), Arc::clone(&sources.log));
    thread("topics", move || run(topics, lanes, &bell, &status))
}

/// Listeners of the roles that this process has.
fn only(config: &Config, links: bool, rest: bool) -> Config {
    let mut config = config.clone();
    if !links {
        config.longconnsvr.websocket_port.clear();
    }
    if !rest {
        config.api.port.clear();
    }
    config
}

fn chat_key(config: &Config) -> Option<Secret> {
    Some(config.web.key.clone()).filter(|key| !key.is_empty())
}

/// Of a cluster they are in the settings of all its processes.
fn secrets(config: &Config) -> Secrets {
    Secrets {
        secret: config.secret.clone(),
        access_secret: config.tokenpolicy.access_secret.clone(),
        chat_key: chat_key(config),
        generated: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Takes deliveries, and lets others know where.
fn be_reachable(
    config: &Config,
    on: &Components,
    has_links: bool,
    (base, shards): (Process, u16),
    (backs, sources, status): (FromBacks, &Sources, Arc<Status>),
) -> anyhow::Result<Reachable> {
    let listen = config.cluster.listen;
    let named = |cause| anyhow::anyhow!(advice::cannot_listen("cluster.listen", listen, &cause));
    let listener = bind_alone(listen).map_err(named)?;
    let address = advertised(config, listener.local_addr()?);
    let (stop, stopped) = oneshot::channel();
    let options = ServeOptions {
        secret: config.cluster.secret.expose().to_owned(),
        message_bytes_max: components::delivery_bytes_max(config),
        ..ServeOptions::default()
    };
    let whole = watch_store(on, &status);
    let (stop_looking, stopped_looking) = oneshot::channel();
    let reached = Reached {
        transfers: on.register.watch(Role::Transfer.name()),
        streams: options.streams.clone(),
        strangers: options.strangers.clone(),
        address: address.clone(),
        patience: Duration::from_secs(config.cluster.lease_seconds) + REACHED_WITHIN,
        status: Arc::clone(&status),
    };
    // It ends with `stop_looking`.
    drop(on.runtime.begin(reached.watch(stopped_looking)));
    sources.parts.add(status);
    sources.parts.add(Arc::new(Came(options.streams.clone(), options.strangers.clone())));
    // It ends with `stop`.
    drop(on.runtime.begin(async move {
        let served = take_deliveries(listener, Here::new(base, backs), options, stopped).await;
        if let Err(cause) = served {
            tracing::error!(%cause, "cluster.listen: no deliveries are taken any more");
        }
    }));
    let role = if has_links { Role::Gateway } else { Role::Api };
    let member = Member { process: base, address, fronts: shards };
    let registered = on.register.register(role.name(), &member);
    Ok(Reachable { registered, stop, _looks: [whole, stop_looking] })
}

/// What came to `cluster.listen`: transfers, and what is none.
#[derive(Debug)]
struct Came(Streams, Strangers);

impl Watched for Came {
    fn missing(&self) -> Vec<String> {
        Vec::new()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        show(Figure::Streams, self.0.count() as f64);
        show(Figure::Strangers, self.1.count() as f64);
    }
}

async fn take_deliveries(
    listener: TcpListener,
    here: Here,
    options: ServeOptions,
    stopped: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    serve(listener, Arc::new(here), options, async { drop(stopped.await) }).await
}

/// Where others reach what listens at `own`.
fn advertised(config: &Config, own: SocketAddr) -> String {
    let advertise = &config.cluster.advertise;
    let has_port = advertise.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match advertise.as_str() {
        "" => own.to_string(),
        // The colons of an address of IPv6 stand in brackets.
        given if has_port && !given.ends_with(']') => given.to_owned(),
        host => format!("{host}:{}", own.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_where_this_is_reached() {
        let mut config = Config::default();
        let own: SocketAddr = "10.0.0.5:10003".parse().expect("an address");
        for (advertise, told) in [
            ("", "10.0.0.5:10003"),
            ("gateway-1", "gateway-1:10003"),
            ("gateway-1:7", "gateway-1:7"),
            ("[::1]", "[::1]:10003"),
            ("[::1]:7", "[::1]:7"),
        ] {
            config.cluster.advertise = advertise.to_owned();
            assert_eq!(advertised(&config, own), told, "{advertise}");
        }
    }

    #[test]
    fn a_role_listens_on_its_own_ports_only() {
        let config = only(&Config::default(), true, false);
        assert_eq!((config.longconnsvr.websocket_port.len(), config.api.port.len()), (1, 0));
    }
}
