//! The composition root: the only place that names a storage engine, and the life of the process.
//!
//! Start: secrets, storage, recovery by replay, listeners, workers, shards, "ready". End: drain, then
//! the workers in the order in which they depend on each other.

mod blueprint;
#[cfg(feature = "cluster")]
mod components;
mod managers;
mod roles;
mod workers;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use openim_auth::Signer;
use openim_bus::{Doorbell, Shared};
use openim_config::{Config, Engine, Gateway};
use openim_record::Placement;
use openim_storage::embedded::{self, Durability, Embedded, Options};
use openim_storage::port::Produce;
use openim_workers::commit::{self, BatchLimits, Lane, LogStatus};
use openim_workers::store::Retention;
use openim_workers::{Clock, Outlet};

use self::blueprint::{Blueprint, Laid, above};
#[cfg(feature = "cluster")]
pub use self::components::check;
use self::managers::register_managers;
pub use self::roles::run;
use self::workers::{Ports, start_workers, thread};
use crate::admin::Admin;
use crate::advice;
use crate::banner::{self, Banner};
use crate::clock;
use crate::descriptors;
use crate::disk::{DiskFigures, Looking};
use crate::doors::Permits;
use crate::driver::{self, ASKED_MAX};
use crate::fault;
use crate::health;
use crate::ingress::listen_all;
use crate::logging::Logging;
use crate::metrics::{ShardMetrics, Sources};
use crate::phase::{Phase, Stage};
use crate::recovery::recover;
use crate::reload::{self, Reload};
use crate::secrets;
use crate::settings::Settings;
use crate::signals::{self, Heard, Signals};
#[cfg(feature = "testing")]
use crate::testing::StallLog;

/// Bounds of one group commit.
const BATCH: BatchLimits = BatchLimits { records_max: 8192, bytes_max: 8 << 20 };
/// How often retention looks at the whole store.
const RETENTION_EVERY: Duration = Duration::from_secs(600);
/// What the shards get to close their listeners; one that is stuck is not waited for.
const CLOSING_TIME: Duration = Duration::from_secs(5);
/// How long a thread may take to end once it is told to.
const END_WITHIN: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Places in a shard's queue of answers for what it did not ask: a batch stored, news of retention.
const UNASKED: usize = 64;

/// Runs the server until it is told to stop. `file` is where the settings came from, to be read again.
///
/// # Errors
/// One line of what stands in the way of the start, where, and what to do.
pub fn serve(
    config: &Config,
    file: Option<&Path>,
    data_dir: &Path,
    logging: &Logging,
) -> anyhow::Result<ExitCode> {
    signals::ignore_strays();
    banner::begin(logging, data_dir);
    if let Some(stop) = advice::stop(config) {
        bail!("{stop}");
    }
    if config.engine == Engine::Cluster {
        return roles::run_all(config, file, logging);
    }
    let storage = {
        let _reading = fault::Reading::begin(embedded::damaged(data_dir));
        embedded::open(data_dir, &options(config))?
    };
    for warning in advice::warnings(config, data_dir) {
        tracing::warn!("{warning}");
    }
    let secrets = secrets::resolve(config, data_dir, storage.report.in_use)?;
    for warning in &secrets.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(torn) = &storage.report.torn {
        tracing::info!(
            file = %torn.file.display(),
            offset = torn.offset,
            bytes = torn.bytes,
            "cut what the last run had not finished writing; none of it was acknowledged"
        );
    }
    let disk = Looking::at(data_dir).context("cannot start the thread disk")?;
    let server = Server::start(config, data_dir, &secrets, storage, logging, &disk.figures)?;
    // Heard from before anybody is told that the server is ready.
    let signals = Signals::new()?;
    let reload = Reload {
        file: file.map(Path::to_owned),
        running: config.clone(),
        shards: server.reloads.clone(),
        logging,
    };
    Banner {
        shards: server.shards.len(),
        data_dir,
        websocket: &server.websocket,
        rest: &server.rest,
        operator: server.admin.address(),
        generated: &secrets.generated,
        secret_is_kept: config.secret.is_empty(),
    }
    .tell(logging);
    server.wait(config, signals, reload)
}

fn options(config: &Config) -> Options {
    Options {
        partitions: u16::try_from(config.embedded.partitions).unwrap_or(u16::MAX),
        durability: match config.embedded.durability {
            openim_config::Durability::Always => Durability::Always,
            openim_config::Durability::Interval => {
                Durability::Interval { ms: config.embedded.flush_interval_ms }
            }
        },
        segment_bytes: config.embedded.segment_bytes,
        ..Options::default()
    }
}

/// The running threads, in the order in which they end.
struct Server {
    shards: Vec<JoinHandle<io::Result<()>>>,
    log: JoinHandle<()>,
    log_bell: Arc<Doorbell>,
    /// What the operator endpoints judge by, and so does the process itself.
    sources: Sources,
    workers: Vec<JoinHandle<()>>,
    bells: Vec<Arc<Doorbell>>,
    reloads: Vec<reload::Way>,
    phase: Arc<Phase>,
    metrics: Arc<[Arc<ShardMetrics>]>,
    admin: Admin,
    websocket: Vec<SocketAddr>,
    rest: Vec<SocketAddr>,
}

impl Server {
    fn start(
        config: &Config,
        data_dir: &Path,
        secrets: &secrets::Secrets,
        storage: Embedded,
        logging: &Logging,
        disk: &Arc<DiskFigures>,
    ) -> anyhow::Result<Self> {
        let (log, placement, mut ports) = Ports::of(storage, &config.limits);
        let newest_record_ms = log.newest_record_ms();
        let clock = clock::start(config, data_dir, newest_record_ms)?;
        register_managers(config, ports.directory.as_ref(), clock.read().unix_ms())?;
        let shards = shard_count(config, placement)?;
        let permits = permits(config, shards)?;
        // Ports before recovery: a taken one should not cost the wait.
        let [(websocket, links), (rest, calls)] = listen_all(config, shards)?;
        let guards = Arc::clone(&ports.guards);
        let sources = Sources::new(shards, log.head().0, &clock, disk, guards, logging);
        // Before recovery, so that `/readyz` can say what the process is doing.
        let admin = Admin::start(config.admin.listen, sources.clone())?;
        let Sources { log: log_status, shards: metrics, phase, .. } = sources.clone();

        let settings = Settings::new(config, secrets.secret.expose().to_owned(), shards);
        let tail = ports.tail.as_mut();
        let states = recover(&settings, placement, shards, tail, ports.history.as_ref())?;

        let (bells, outlet) = bells(shards)?;
        let log_bell = Arc::new(Doorbell::new()?);
        let retention = retention(config, newest_record_ms, &clock);
        let (questions, workers) =
            start_workers(config, shards, ports, &outlet, &sources, retention)?;
        let blueprint = Blueprint {
            permits,
            settings,
            placement,
            shards,
            above: above(),
            metrics: Arc::clone(&metrics),
            phase: Arc::clone(&phase),
            audit: logging.audit().clone(),
            bells: bells.clone(),
            log_bell: Arc::clone(&log_bell),
            outlet,
            log: Arc::clone(&log_status),
            clock: Arc::clone(&clock),
            workers: questions,
            #[cfg(feature = "cluster")]
            fronts: None,
        };
        let Laid { plans, lanes, reloads } =
            blueprint.plans(config, secrets, states, (links, calls))?;
        drop(blueprint);
        let log_thread = write_log(log, lanes, placement, &log_bell, &log_status, clock)?;
        let shards = plans.into_iter().map(driver::spawn).collect::<Result<Vec<_>, _>>()?;
        phase.advance(Stage::Serving);
        Ok(Self {
            shards,
            log: log_thread,
            log_bell,
            sources,
            workers,
            bells,
            reloads,
            phase,
            metrics,
            admin,
            websocket,
            rest,
        })
    }

    /// Waits for the signal to stop, reads settings again meanwhile, drains, and ends the threads.
    fn wait(
        self,
        config: &Config,
        mut signals: Signals,
        mut reload: Reload<'_>,
    ) -> anyhow::Result<ExitCode> {
        loop {
            match signals.next(|| self.has_failed()) {
                Heard::Stop => break,
                Heard::Reload => reload.run(),
                // Nothing more can be acknowledged; a restart recovers what is durable.
                Heard::Failed => {
                    let why = health::beyond_help(&self.sources);
                    let why = why.unwrap_or_else(|| "a thread has ended".to_owned());
                    tracing::error!(why, "cannot go on; the next start recovers what is durable");
                    return Ok(ExitCode::FAILURE);
                }
            }
        }
        signals.stop_at_next()?;
        self.close_doors(config);
        self.phase.advance(Stage::Draining);
        self.bells.iter().for_each(|bell| bell.ring());
        let mut clean = true;
        for shard in self.shards {
            if !matches!(shard.join(), Ok(Ok(()))) {
                tracing::error!("a shard ended badly; restart recovers what is durable");
                clean = false;
            }
        }
        self.sources.log.stop.store(true, Ordering::Release);
        self.sources.store.give_up.store(true, Ordering::Release);
        self.log_bell.ring();
        // A log that is stuck in its device must not keep the process: nobody waits for it any more.
        clean &= join_within(self.log, END_WITHIN);
        if clean {
            for worker in self.workers {
                clean &= join_within(worker, END_WITHIN);
            }
        }
        if let Some(why) = health::beyond_help(&self.sources) {
            tracing::error!(why, "stopped with a fault; the next start recovers what is durable");
            clean = false;
        }
        self.phase.advance(Stage::Stopped);
        drop(self.admin);
        let (moved, cut) = self.phase.links_ended();
        if cut == 0 {
            tracing::info!(links_moved = moved, links_cut = cut, "stopped");
        } else {
            tracing::warn!(
                links_moved = moved,
                links_cut = cut,
                "stopped; links that were cut did not take their close frame in time: raise \
                 gateway.drainSeconds or gateway.closePerSecond"
            );
        }
        Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Tells load balancers first, then closes the listeners of all shards, before any link is closed.
    fn close_doors(&self, config: &Config) {
        let Gateway { lame_duck_seconds, drain_seconds, .. } = config.gateway;
        let links: u64 = self.metrics.iter().map(|shard| shard.links.get()).sum();
        tracing::info!(
            links,
            lame_duck_seconds,
            drain_seconds,
            "stopping: /readyz is 503 now, ports close after gateway.lameDuckSeconds"
        );
        let shards = self.shards.len() as u64;
        // Each shard closes at least one a second.
        let pace = (u64::from(config.gateway.close_per_second) / shards).max(1) * shards;
        if links > pace.saturating_mul(drain_seconds) {
            tracing::warn!(
                links,
                pace,
                "at gateway.closePerSecond not all links can be moved within gateway.drainSeconds: what \
                 is left then is closed all at once"
            );
        }
        self.phase.advance(Stage::Leaving);
        std::thread::sleep(Duration::from_secs(lame_duck_seconds));
        self.phase.advance(Stage::Closing);
        let until = Instant::now() + CLOSING_TIME;
        while self.phase.closed_len() < self.shards.len() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the log, the index or a thread cannot go on.
    fn has_failed(&self) -> bool {
        health::beyond_help(&self.sources).is_some()
            || self.shards.iter().any(JoinHandle::is_finished)
            || self.log.is_finished()
            || self.workers.iter().any(JoinHandle::is_finished)
    }
}

fn retention(config: &Config, newest_record_ms: Option<i64>, clock: &Arc<Clock>) -> Retention {
    Retention {
        keep: Some(DAY * config.mongo.retain_chat_records_days),
        every: RETENTION_EVERY,
        hours_per_hour: config.limits.expiry_hours_per_hour,
        newest_record_ms,
        clock: Arc::clone(clock),
    }
}

fn signer(config: &Config, secrets: &secrets::Secrets) -> Signer {
    Signer::new(secrets.access_secret.expose().as_bytes(), config.tokenpolicy.access_expire)
}

fn shard_count(config: &Config, placement: Placement) -> anyhow::Result<u16> {
    let cores = std::thread::available_parallelism().context("cannot count the processors")?;
    let wanted = match config.gateway.shards {
        0 => u32::try_from(cores.get()).unwrap_or(1).min(u32::from(placement.partitions())),
        given => given,
    };
    if wanted > u32::from(placement.partitions()) {
        bail!(
            "gateway.shards is {wanted}, but the data directory has {} partitions: use no more shards than that",
            placement.partitions()
        );
    }
    Ok(u16::try_from(wanted).unwrap_or(1).max(1))
}

/// What clients may have of the open files, and how many of their sockets may be links.
fn permits(config: &Config, shards: u16) -> anyhow::Result<Permits> {
    let limit = descriptors::raise();
    let listeners = config.longconnsvr.websocket_port.len() + config.api.port.len();
    let links_max = config.longconnsvr.websocket_max_conn_num;
    let engine = embedded::FILES_MAX;
    let shares = descriptors::share(limit, engine, shards, listeners, links_max)?;
    Ok(Permits::new(shares.sockets, shares.links))
}

/// Starts the log's one writer.
fn write_log(
    log: embedded::EmbeddedLog,
    lanes: Vec<Lane>,
    placement: Placement,
    bell: &Arc<Doorbell>,
    status: &Arc<LogStatus>,
    clock: Arc<Clock>,
) -> anyhow::Result<JoinHandle<()>> {
    let (bell, status) = (Arc::clone(bell), Arc::clone(status));
    let log: Box<dyn Produce> = Box::new(log);
    #[cfg(feature = "testing")]
    let log = StallLog::wrap(log);
    thread("log", move || commit::run(log, lanes, placement, &bell, &status, &clock, BATCH))
}

/// A bell and a queue of answers for each shard.
fn bells(shards: u16) -> io::Result<(Vec<Arc<Doorbell>>, Outlet)> {
    let bells =
        (0..shards).map(|_| Doorbell::new().map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    let outlet =
        bells.iter().map(|bell| Shared::new(ASKED_MAX + UNASKED, Arc::clone(bell))).collect();
    Ok((bells, outlet))
}

fn random_key() -> anyhow::Result<(u64, u64)> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    let number = u128::from_ne_bytes(bytes);
    Ok(((number >> 64) as u64, number as u64))
}

fn join_within(thread: JoinHandle<()>, time: Duration) -> bool {
    let until = Instant::now() + time;
    while !thread.is_finished() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    thread.join().is_ok()
}

#[cfg(test)]
mod tests;
