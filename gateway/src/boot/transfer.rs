//! The role `transfer`: owners of partitions, the archive, retention, and the lanes to gateways.
//!
//! In: components. Out: threads that run until they are told to stop: what was begun is stored and checkpointed then, and
//! the partitions are left to others.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use crossbeam_channel::{RecvTimeoutError, Sender};
use openim_cluster::etcd::{Member, Registered};
use openim_cluster::redis::Presence;
use openim_config::Config;
use openim_delivery::{LaneOptions, LaneStatus, Lanes};
use openim_host::{ArchiveOptions, ArchiveParts, Missed, Options, Parts, Running, Status};
use openim_record::{LogPartition, PartitionId, Placement, Topic};
use openim_storage::port::{Groups, History, wait};
use openim_transfer::Settings;
use openim_workers::store::paced;
use parking_lot::RwLock;

use super::cluster::new_process;
use super::components::{self, Components};
use super::workers::thread;
use crate::role::Role;
use crate::watched::{Figure, Watched};

/// How often retention looks at the whole store, and how soon again while there is more.
const RETENTION_EVERY: Duration = Duration::from_secs(600);
const RETENTION_STEP: Duration = Duration::from_secs(1);
/// Inbox entries that one step removes, about.
const RETENTION_ENTRIES: usize = 10_000;
/// Processes without a stream that are told one by one.
const UNREACHED_TOLD: usize = 5;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A transfer that runs.
pub(super) struct Transfer {
    part: Arc<Part>,
    /// By which fronts know that somebody should come to them.
    registered: Registered,
    /// Whoever drops it ends retention.
    _retention: Sender<()>,
}

/// What of it is watched while it runs; empty when it has stopped.
struct Part {
    owners: RwLock<Option<Running>>,
    archive: RwLock<Option<Running>>,
    lanes: Lanes,
    /// Whether the process is nothing else.
    alone: bool,
}

impl Transfer {
    /// Starts it. It joins its groups as soon as the gateways are known. `alone`: the process is nothing else.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn start(config: &Config, on: &Components, alone: bool) -> anyhow::Result<Self> {
        // Deliveries run where the components' clients do.
        let lanes = Lanes::new(on.runtime.handle(), lane_options(config));
        let groups = &config.kafka.consumer_groups;
        let owners = openim_host::start(Parts {
            runtime: on.runtime.clone(),
            kafka: on.kafka.clone(),
            history: on.history.clone(),
            groups: Arc::clone(&on.mysql.groups) as Arc<dyn Groups>,
            presence: Presence::new(on.redis.clone()),
            lanes: lanes.clone(),
            gateways: on.register.watch(Role::Gateway.name()),
            others: vec![on.register.watch(Role::Api.name())],
            letters: Arc::clone(&on.mysql.archive),
            settings: settings(config),
            group: groups.history.clone(),
            options: options(config),
        })
        .context("cannot start the thread transfer")?;
        let archive = openim_host::start_archive(ArchiveParts {
            runtime: on.runtime.clone(),
            kafka: on.kafka.clone(),
            archive: Arc::clone(&on.mysql.archive),
            group: groups.archive.clone(),
            options: ArchiveOptions::default(),
        })
        .context("cannot start the thread archive")?;
        let (owners, archive) = (RwLock::new(Some(owners)), RwLock::new(Some(archive)));
        let part = Arc::new(Part { owners, archive, lanes, alone });
        let _retention = retain(config, Arc::new(on.history.clone()), &part)?;
        // It listens nowhere.
        let member = Member { process: new_process()?, address: "-".to_owned(), fronts: 0 };
        let registered = on.register.register(Role::Transfer.name(), &member);
        Ok(Self { part, registered, _retention })
    }

    /// What the operator endpoints ask.
    pub(super) fn watched(&self) -> Arc<dyn Watched> {
        Arc::clone(&self.part) as _
    }

    /// Takes no more records, stores and checkpoints what it has taken, and leaves its groups.
    pub(super) fn stop(self) {
        drop(self.registered);
        // Out of the lock first: whoever asks meanwhile does not wait for the end.
        let owners = self.part.owners.write().take();
        let archive = self.part.archive.write().take();
        // Both at once: each leaves its own group.
        std::thread::scope(|scope| {
            if let Some(archive) = archive {
                scope.spawn(|| archive.stop());
            }
            if let Some(owners) = owners {
                owners.stop();
            }
        });
    }
}

fn lane_options(config: &Config) -> LaneOptions {
    LaneOptions {
        secret: config.cluster.secret.expose().to_owned(),
        waiting_bytes_max: config.cluster.lane_bytes_max,
        answer_timeout: Duration::from_millis(config.cluster.gateways_ms),
        message_bytes_max: components::delivery_bytes_max(config),
        ..LaneOptions::default()
    }
}

fn options(config: &Config) -> Options {
    Options {
        history_calls_max: config.mongo.pool_size_max as usize,
        stop_wait: Duration::from_secs(config.gateway.drain_seconds),
        ..Options::default()
    }
}

/// Of one partition: what is bounded for the process is shared out, as all may be in one.
fn settings(config: &Config) -> Settings {
    let partitions = components::partitions(config);
    let share = |whole: usize| whole.div_ceil(2 * usize::from(partitions).max(1));
    let (cluster, limits) = (&config.cluster, &config.limits);
    Settings {
        placement: Placement::new(partitions),
        window_ms: i64::try_from(config.duplicates.window_seconds * 1_000).unwrap_or(i64::MAX),
        keys_max: components::keys_max(config),
        users_max: share(limits.cached_users_max),
        group_members_max: share(limits.cached_group_members_max),
        bytes_max: cluster.record_bytes_max,
        entries_max: cluster.entries_max,
        relay_bytes_max: cluster.relay_bytes_max,
        stages_max: cluster.stages_max,
        gateways_ms: cluster.gateways_ms,
        checkpoint_every_ms: cluster.checkpoint_ms,
    }
}

// --- retention --------------------------------------------------------------------------------------

/// Removes what has expired, every few minutes, while this process owns the first partition: so one of many does. A clock
/// that is wrong takes no more than `limits.expiryHoursPerHour` with it.
fn retain(
    config: &Config,
    history: Arc<dyn History>,
    part: &Arc<Part>,
) -> anyhow::Result<Sender<()>> {
    let keep_ms = DAY_MS * i64::from(config.mongo.retain_chat_records_days);
    let pace = config.limits.expiry_hours_per_hour;
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    let part = Arc::clone(part);
    // Not joined: a call to a store that hangs has an end, and nobody needs to wait for it.
    drop(thread("retention", move || {
        let mut pause = RETENTION_EVERY;
        while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let passed_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
            pause = RETENTION_EVERY;
            if part.owns_the_first() {
                match expire(history.as_ref(), now_ms() - keep_ms, passed_ms, pace) {
                    Ok(true) => pause = RETENTION_STEP,
                    Ok(false) => {}
                    Err(cause) => tracing::warn!(%cause, "retention failed, trying again later"),
                }
            }
        }
    })?);
    Ok(stop)
}

/// Whether more has expired than was removed.
fn expire(
    history: &dyn History,
    target_ms: i64,
    passed_ms: i64,
    hours_per_hour: u32,
) -> Result<bool, openim_storage::port::StoreError> {
    let last_ms = wait(history.retained_ms())?.unwrap_or(target_ms);
    let cutoff_ms = paced(last_ms, target_ms, passed_ms, hours_per_hour);
    if cutoff_ms < last_ms {
        return Ok(false);
    }
    Ok(wait(history.retain(cutoff_ms, RETENTION_ENTRIES))?.more)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

// --- what operators see -----------------------------------------------------------------------------

impl Part {
    fn owners(&self) -> Option<Status> {
        self.owners.read().as_ref().map(Running::status)
    }

    fn archive(&self) -> Option<Status> {
        self.archive.read().as_ref().map(Running::status)
    }

    fn owns_the_first(&self) -> bool {
        let first = LogPartition { topic: Topic::Chat, partition: PartitionId(0) };
        self.owners().is_some_and(|status| status.owned.contains(&first))
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("transfer")
    }
}

impl Watched for Part {
    fn missing(&self) -> Vec<String> {
        self.owners().map(|owners| missing(&owners, self.alone)).unwrap_or_default()
    }

    /// Nobody waits for the archive: the log holds what it has not.
    fn troubles(&self) -> Vec<String> {
        let owners = self.owners().map(|owners| troubles(&owners, self.alone));
        let mut troubles = owners.unwrap_or_default();
        troubles.extend(unreached(&self.lanes.status()));
        if let Some(archive) = self.archive() {
            let stopped = archive.stopped.iter();
            troubles.extend(
                stopped.map(|(at, alarm)| format!("archive: {at} is not archived: {alarm}")),
            );
            troubles.extend(told("archive", archive.troubles.iter()));
        }
        troubles
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        let now_ms = now_ms();
        let behind = |oldest_ms: Option<i64>| {
            oldest_ms.map_or(0.0, |oldest_ms| (now_ms - oldest_ms).max(0) as f64 / 1_000.0)
        };
        if let Some(status) = self.owners() {
            let counts = status.counts;
            show(Figure::Partitions, status.owned.len() as f64);
            show(Figure::Loading, status.loading as f64);
            show(Figure::Stopped, status.stopped.len() as f64);
            show(Figure::Behind, behind(status.oldest_ms));
            show(Figure::RelaysWaiting, status.relays_waiting as f64);
            for (figure, count) in [
                (Figure::Records, counts.records),
                (Figure::Relays, counts.relays),
                (Figure::Notices, counts.notices),
                (Figure::Stores, counts.stores),
                (Figure::Checkpoints, counts.checkpoints),
                (Figure::Deliveries, counts.deliveries),
                (Figure::Settled, counts.settled),
                (Figure::LoadsAgain, counts.loads_again),
                (Figure::Failures, counts.failures),
                (Figure::DeadLetters, counts.dead_letters),
            ] {
                show(figure, count as f64);
            }
        }
        if let Some(status) = self.archive() {
            show(Figure::Archived, status.counts.records as f64);
            show(Figure::ArchiveStopped, status.stopped.len() as f64);
            show(Figure::ArchiveFailures, status.counts.failures as f64);
            show(Figure::ArchiveBehind, behind(status.oldest_ms));
        }
        let lanes = self.lanes.status();
        show(Figure::Lanes, lanes.len() as f64);
        show(Figure::LanesConnected, lanes.iter().filter(|lane| lane.connected).count() as f64);
        let totals = self.lanes.totals();
        show(Figure::LanesBroken, totals.broken as f64);
        show(Figure::LanesRefused, totals.refused as f64);
        show(Figure::LanesLate, totals.late as f64);
        show(Figure::LaneBytes, lanes.iter().map(|lane| lane.waiting_bytes as f64).sum());
    }
}

fn missing(owners: &Status, alone: bool) -> Vec<String> {
    let mut missing = Vec::new();
    if !owners.joined {
        missing.push("transfer: the gateways are not known yet".to_owned());
    } else if !owners.has_share {
        missing.push("transfer: Kafka has given it no share of the partitions yet".to_owned());
    }
    if alone {
        missing.extend(stops(owners));
    }
    missing
}

/// Whoever comes to a process that has links or REST as well is served there as anywhere: what is not stored now is in the
/// log.
fn troubles(owners: &Status, alone: bool) -> Vec<String> {
    let mut troubles = if alone { Vec::new() } else { stops(owners) };
    troubles.extend(told("transfer", owners.troubles.iter().filter(|of| !of.stops_all)));
    troubles
}

/// What keeps it from storing: something at all, or what is of a partition.
fn stops(owners: &Status) -> Vec<String> {
    let stopped = owners.stopped.iter();
    let stopped = stopped.map(|(at, alarm)| {
        format!("transfer: {at} stands still until somebody has looked: {alarm}")
    });
    stopped.chain(told("transfer", owners.troubles.iter().filter(|of| of.stops_all))).collect()
}

fn told<'a>(
    what: &'a str,
    missed: impl Iterator<Item = &'a Missed> + 'a,
) -> impl Iterator<Item = String> + 'a {
    missed.map(move |Missed { component, why, .. }| format!("{what}: {component}: {why}"))
}

/// Processes that deliveries do not get to, the first of them each with why.
fn unreached(lanes: &[LaneStatus]) -> Vec<String> {
    let unreached = || lanes.iter().filter_map(|lane| Some((lane, lane.why.as_ref()?)));
    let line = |(lane, why): (&LaneStatus, &String)| {
        format!("transfer: deliveries have no stream to {}: {why}", lane.address)
    };
    let mut lines: Vec<String> = unreached().take(UNREACHED_TOLD).map(line).collect();
    let more = unreached().count().saturating_sub(UNREACHED_TOLD);
    if more > 0 {
        lines.push(format!("transfer: nor to {more} more"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_the_process_are_shared_out_over_its_partitions() {
        let mut config = Config::default();
        config.cluster.partitions = 4;
        config.limits.cached_users_max = 800;
        config.duplicates.entries_max = 1_601;
        let settings = settings(&config);
        assert_eq!((settings.users_max, settings.keys_max), (100, 201));
        assert_eq!(settings.placement.partitions(), 4);
        assert_eq!(settings.window_ms, 600_000);
    }

    #[test]
    fn what_is_not_stored_keeps_nobody_out_where_clients_come() {
        let at = LogPartition { topic: Topic::Group, partition: PartitionId(3) };
        let missed = |component, stops_all| {
            let why = "away".to_owned();
            Missed { component, why, stops_all }
        };
        let owners = Status {
            joined: true,
            has_share: true,
            stopped: vec![(at, "the log begins at 7".to_owned())],
            troubles: vec![missed("stores", true), missed("presence", false)],
            ..Status::default()
        };
        let lines = |of: [Vec<String>; 2]| of.map(|lines| lines.len());
        assert_eq!(lines([missing(&owners, true), troubles(&owners, true)]), [2, 1]);
        assert_eq!(lines([missing(&owners, false), troubles(&owners, false)]), [0, 3]);
        let starts = Status { has_share: false, ..owners };
        assert_eq!(lines([missing(&starts, true), missing(&starts, false)]), [3, 1]);
    }
}
