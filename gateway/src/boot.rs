//! The composition root: the only place that names a storage engine, and the life of the process.
//!
//! Start: secrets, storage, recovery by replay, listeners, workers, shards, "ready". End: drain, then
//! the workers in the order in which they depend on each other.

#[cfg(feature = "cluster")]
mod adopt;
mod blueprint;
#[cfg(feature = "cluster")]
mod cluster;
#[cfg(feature = "cluster")]
mod components;
mod events;
mod fencing;
#[cfg(feature = "cluster")]
mod fronts;
mod links;
mod managers;
mod push;
mod roles;
mod server;
mod standby;
#[cfg(feature = "cluster")]
mod transfer;
mod unwanted;
mod workers;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};
use openim_auth::Signer;
use openim_bus::{Doorbell, Shared};
use openim_config::{Config, Engine, Loaded, Secret};
use openim_record::Placement;
use openim_shard::Shard;
use openim_storage::embedded::copy::Origin;
use openim_storage::embedded::{self, ArchiveBounds, Durability, Embedded, Fence, Options};
use openim_storage::port::{Consume, Directory, History, Produce};
use openim_workers::changes::to_log;
use openim_workers::commit::{self, BatchLimits, Lane, LogStatus};
use openim_workers::store::Retention;
use openim_workers::{Clock, Outlet};
use tokio::sync::mpsc;

#[cfg(feature = "cluster")]
pub use self::adopt::adopt;
use self::blueprint::{Blueprint, above};
#[cfg(feature = "cluster")]
pub use self::components::check;
use self::fencing::Fenced;
use self::managers::register_managers;
pub use self::roles::run;
use self::server::{Server, Told};
pub use self::standby::{become_server, follow};
use self::workers::{Own, Ports, start_store, start_workers, thread};
use crate::acme;
use crate::admin::Admin;
use crate::advice;
use crate::banner::{self, Chat};
use crate::bus::Inquiry;
use crate::certificate;
use crate::clock;
use crate::copying::Copies;
use crate::descriptors;
use crate::disk::{DiskFigures, Looking};
use crate::doors::Permits;
use crate::driver::{self, ASKED_MAX, Beside, Plan};
use crate::fault;
use crate::ingress::listen_all;
use crate::logging::Logging;
use crate::metrics::Sources;
use crate::operators::{self, Console, Keys};
use crate::page::Page;
use crate::phase::Stage;
use crate::promote;
use crate::rebuild::Mending;
use crate::recovery::{Renumber, recover};
use crate::secrets;
use crate::settings::Settings;
use crate::signals;
use crate::socket::Offer;
#[cfg(feature = "testing")]
use crate::testing::{StallLog, bound_unstored};

/// Bounds of one group commit.
const BATCH: BatchLimits = BatchLimits { records_max: 8192, bytes_max: 8 << 20 };
/// Questions of operators that wait.
const INQUIRIES_MAX: usize = 16;
/// How often retention looks at the whole store.
const RETENTION_EVERY: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Places in a shard's queue of answers for what it did not ask: a batch stored, news of retention.
const UNASKED: usize = 64;

/// Runs the server until it is told to stop. `file` is where the settings came from, to be read again.
///
/// # Errors
/// One line of what stands in the way of the start, where, and what to do.
pub fn serve(
    loaded: &Loaded,
    file: Option<&Path>,
    data_dir: &Path,
    logging: &Logging,
) -> anyhow::Result<ExitCode> {
    signals::ignore_strays();
    let config = &loaded.config;
    if config.engine == Engine::Cluster {
        return roles::run_all(config, file, logging);
    }
    banner::begin(logging, Some(data_dir));
    if let Some(stop) = advice::stop(config).or_else(|| certificate::fault(config)) {
        bail!("{stop}");
    }
    let config = &placed(config, data_dir);
    let storage = {
        let dir = data_dir.to_owned();
        let given_up = move |why: &str| embedded::given_up(&dir, why);
        let _reading = fault::Reading::begin(Box::new(given_up));
        embedded::open(data_dir, &options(config))?
    };
    for warning in advice::warnings(config, data_dir) {
        tracing::warn!("{warning}");
    }
    let mut secrets = secrets::resolve(config, data_dir, storage.report.in_use)?;
    let to_copy = secrets::of_operators(config, data_dir, &mut secrets)?;
    if Page::is_wanted(config) {
        secrets::of_guests(config, data_dir, &mut secrets)?;
    }
    let to_look = match operators::is_wanted(config) {
        true => {
            let told =
                operators::Told { settings: loaded.standing(), kept: logging.kept().clone() };
            Some((secrets::of_console(config, data_dir, &mut secrets)?, told))
        }
        false => None,
    };
    let has_console = to_look.is_some();
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
    let shown = (to_copy, to_look);
    let server = start(config, data_dir, (&secrets, shown), storage, logging, &disk.figures)?;
    server.phase.advance(Stage::Serving);
    promote::done(data_dir);
    let kept = config.web.key.is_empty().then(|| data_dir.join(secrets::GUESTS));
    let password = config.console.password.is_empty().then(|| data_dir.join(secrets::CONSOLE));
    let told = Told {
        roles: &[],
        data_dir: Some(data_dir),
        console: has_console.then_some(password.as_deref()),
        generated: &secrets.generated,
        secret_is_kept: config.secret.is_empty(),
        chat: secrets.chat_key.as_ref().map(|key| Chat { key: Some(key), kept: kept.as_deref() }),
    };
    server.serve(config, file, logging, &told)
}

/// The settings of a server whose data is there.
fn placed(config: &Config, data_dir: &Path) -> Config {
    let mut config = config.clone();
    config.tls.place(data_dir);
    config
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
        base_every_bytes: config.embedded.base_every_bytes,
        archive: archive_bounds(config),
        ..Options::default()
    }
}

/// How long the archive keeps what history has let go: days are counted from when a message was sent.
fn archive_bounds(config: &Config) -> ArchiveBounds {
    let history = config.mongo.retain_chat_records_days;
    let behind_ms = |days: u32| {
        let behind = DAY * days.saturating_sub(history);
        (days > 0).then(|| i64::try_from(behind.as_millis()).unwrap_or(i64::MAX))
    };
    let bytes = |max: u64| (max > 0).then_some(max);
    ArchiveBounds {
        single_ms: behind_ms(config.archive.retain_days),
        group_ms: behind_ms(config.archive.group_days()),
        bytes_max: bytes(config.archive.bytes_max),
        group_bytes_max: bytes(config.archive.group_bytes_max),
    }
}

/// What answers the console on each shard, and what operators ask of the first one.
type Asked = (Vec<Beside>, mpsc::Receiver<Inquiry>);

/// What opens the console, and what it tells, if there is one.
type ToLook = Option<(Secret, operators::Told)>;

/// Starts the threads of a server that has its data in its own directory.
fn start(
    config: &Config,
    data_dir: &Path,
    (secrets, shown): (&secrets::Secrets, (Secret, ToLook)),
    storage: Embedded,
    logging: &Logging,
    disk: &Arc<DiskFigures>,
) -> anyhow::Result<Server> {
    let of = (Arc::clone(&storage.origin), Arc::clone(&storage.fence));
    let (Own { log, changes, mend, mut tail, history, placement, guards, figures }, ports) =
        Ports::of(storage, &config.limits)?;
    let (newest_ms, shards) = (log.newest_record_ms(), shard_count(config, placement)?);
    let clock = start_clock(config, data_dir, &log, ports.directory.as_ref())?;
    let permits = permits(config, embedded::FILES_MAX, shards)?;
    let [(websocket, links), (rest, calls)] = listen_all(config, shards)?;
    let sources = Sources::new(shards, log.head().0, &clock, disk, (guards, &figures), logging);
    let watched = watch_certificate((config, Some(data_dir)), shards, &sources)?;
    let own = (watched.operators, of.clone(), Mending(Arc::clone(&mend), figures));
    let (admin, asked) = operators(config, data_dir, own, shown, (&sources, placement, &permits))?;
    let Sources { log: log_status, shards: metrics, phase, .. } = sources.clone();
    let settings = settings(config, secrets, shards, (&websocket, &rest));
    let states =
        states(config, &settings, (&ports, placement, shards), (&mut *tail, &*history), &changes)?;
    let ((bells, outlet), log_bell) = (bells(shards)?, Arc::new(Doorbell::new()?));
    let (asking, mut workers) = start_workers(config, &ports, &outlet, &sources)?;
    let (noted, journal) = links::open(config, (data_dir, newest_ms), &clock, &sources)?.unzip();
    let keep = retention(config, newest_ms, &clock);
    let store = start_store(&mut workers, shards, (history, tail), &outlet, &sources, keep)?;
    let mut laid = Blueprint {
        permits,
        settings,
        offers: watched.offers,
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
        workers: asking.storing(store),
        journal,
        #[cfg(feature = "cluster")]
        fronts: None,
    }
    .plans(config, secrets, states, (links, calls))?;
    let log = write_log((log, &changes), laid.lanes, placement, &log_bell, &log_status, clock)?;
    let pushing = push::start(config, &ports, placement, &mut laid.plans, &sources)?;
    let (shards, noted) = spawn(laid.plans, asked, (noted, laid.notes), &sources.clock)?;
    Ok(Server {
        shards,
        log: Some(log),
        log_bell,
        sources,
        workers,
        bells,
        reloads: laid.reloads,
        phase,
        metrics,
        admin,
        certificates: watched.ask,
        websocket,
        rest,
        behind: Box::new(move || pushing.end() & noted.is_none_or(links::Running::end)),
        own: Some((of.1, mend)),
    })
}

/// Starts the clock, which tells the log what it may believe of its own times, and when managers are registered.
fn start_clock(
    config: &Config,
    data_dir: &Path,
    log: &embedded::EmbeddedLog,
    directory: &dyn Directory,
) -> anyhow::Result<Arc<Clock>> {
    let clock = clock::start(config, data_dir, log.newest_record_ms())?;
    log.dated(clock.read().trusted_ms);
    register_managers(config, directory, clock.read().unix_ms())?;
    Ok(clock)
}

/// The shards' states as the log and the history have them, and what somebody does not receive. From now on inboxes that the
/// index lacks are numbered again.
fn states(
    config: &Config,
    settings: &Settings,
    (ports, placement, shards): (&Ports, Placement, u16),
    (tail, history): (&mut dyn Consume, &dyn History),
    changes: &embedded::Changes,
) -> anyhow::Result<Vec<Shard>> {
    let mut states = recover(settings, placement, shards, tail, history)?;
    ports.unwanted.tell(&mut states, placement);
    changes.number_by(Box::new(Renumber::new(config, placement)));
    #[cfg(feature = "testing")]
    let states = bound_unstored(states);
    Ok(states)
}

type Threads = Vec<JoinHandle<io::Result<()>>>;

/// Starts the shards, each with what answers operators there, and the journal of links.
fn spawn(
    mut plans: Vec<Plan>,
    (asked, inquiries): Asked,
    (links, notes): links::Unheard,
    clock: &Arc<Clock>,
) -> anyhow::Result<(Threads, Option<links::Running>)> {
    let noted = links::start(links, notes, (inquiries, &mut plans), clock)?;
    let with = |(mut plan, asked): (Plan, Beside)| {
        plan.beside.push(asked);
        driver::spawn(plan)
    };
    let shards = plans.into_iter().zip(asked).map(with).collect::<io::Result<_>>()?;
    Ok((shards, noted))
}

/// What looks at the certificate's files, and what it offers to each shard and the operators' port.
#[derive(Default)]
struct Certificates {
    ask: Option<certificate::Ask>,
    offers: Vec<Offer>,
    operators: Option<Offer>,
}

/// Has the certificate's files looked at, and got by ACME into the data directory where the settings say so, and the operator
/// endpoints ask how that goes.
fn watch_certificate(
    (config, data_dir): (&Config, Option<&Path>),
    shards: u16,
    sources: &Sources,
) -> anyhow::Result<Certificates> {
    let got = data_dir.map(|dir| acme::prepare(config, dir)).transpose()?.flatten();
    let Some(looking) = certificate::look(config, shards)? else {
        return Ok(Certificates::default());
    };
    let certificate::Looking { state, ask, offers, operators } = looking;
    sources.parts.add(state);
    if let Some(got) = got {
        sources.parts.add(got.start(config, ask.clone())?);
    }
    Ok(Certificates { ask: Some(ask), offers, operators })
}

/// What shards need to know, of a server that listens on these addresses.
fn settings(
    config: &Config,
    secrets: &secrets::Secrets,
    shards: u16,
    (websocket, rest): (&[SocketAddr], &[SocketAddr]),
) -> Settings {
    let page = Page::of(config, secrets.chat_key.clone(), websocket, rest);
    Settings::new(config, secrets.secret.expose().to_owned(), shards).with(page)
}

/// Starts the operators' port, which gives copies of the data, too, and tells a server that this one was promoted over: before
/// recovery, so that `/readyz` can say what the process is doing. Gives what answers the console on the shards.
fn operators(
    config: &Config,
    data_dir: &Path,
    (terms, (origin, fence), mending): (Option<Offer>, (Arc<Origin>, Arc<Fence>), Mending),
    (to_copy, to_look): (Secret, ToLook),
    (sources, placement, permits): (&Sources, Placement, &Permits),
) -> anyhow::Result<(Admin, Asked)> {
    sources.parts.add(Arc::new(mending));
    sources.parts.add(Arc::new(Fenced(Arc::clone(&fence))));
    if let Some(note) = standby::promoted(data_dir)? {
        let telling = fencing::tell((config, data_dir), note, to_copy.clone(), fence.epochs())?;
        sources.parts.add(telling);
    }
    let clock = Arc::clone(&sources.clock);
    let shards = u16::try_from(sources.shards.len()).unwrap_or(u16::MAX);
    let sources = &sources.clone().bounded(config, shards, permits.links_max());
    let (asking, asked) = operators::ways(shards, placement);
    let console = to_look.map(|(password, told)| {
        let keys = Keys { password, bearer: to_copy.clone() };
        Console::new(keys, config, sources.clone(), (asking, told))
    });
    if let Some(console) = &console {
        sources.parts.add(Arc::clone(console) as Arc<_>);
    }
    let (inquire, inquiries) = mpsc::channel(INQUIRIES_MAX);
    let copies = Copies::new((origin, fence), clock, to_copy, &config.admin);
    let copies = Arc::new(copies.inquiring(inquire));
    sources.parts.add(Arc::clone(&copies) as Arc<_>);
    let listen = (config.admin.listen, terms);
    let admin = Admin::start(listen, sources.clone(), (Some(copies), console))?;
    Ok((admin, (asked, inquiries)))
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
            "gateway.shards is {wanted}, but there are {} partitions: use no more shards than that",
            placement.partitions()
        );
    }
    Ok(u16::try_from(wanted).unwrap_or(1).max(1))
}

/// What clients may have of the open files, and how many of their sockets may be links.
fn permits(config: &Config, engine: u64, shards: u16) -> anyhow::Result<Permits> {
    let limit = descriptors::raise();
    let listeners = config.longconnsvr.websocket_port.len() + config.api.port.len();
    let links_max = config.longconnsvr.websocket_max_conn_num;
    let shares = descriptors::share(limit, engine, shards, listeners, links_max)?;
    Ok(Permits::new(shares.sockets, shares.links))
}

/// Starts the log's one writer, which changes are handed to from then on.
fn write_log(
    (log, changes): (embedded::EmbeddedLog, &embedded::Changes),
    lanes: Vec<Lane>,
    placement: Placement,
    bell: &Arc<Doorbell>,
    status: &Arc<LogStatus>,
    clock: Arc<Clock>,
) -> anyhow::Result<JoinHandle<()>> {
    let (to_log, taken) = to_log(bell);
    changes.hand_to(Box::new(to_log));
    let (bell, status) = (Arc::clone(bell), Arc::clone(status));
    let log: Box<dyn Produce> = Box::new(log);
    #[cfg(feature = "testing")]
    let log = StallLog::wrap(log);
    thread("log", move || {
        commit::run(log, (lanes, &taken), placement, &bell, &status, &clock, BATCH)
    })
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

#[cfg(test)]
mod tests;
