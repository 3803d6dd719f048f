//! A running server: its threads, and how they end.
//!
//! In: what a root of `boot` has started. Out: the exit code, when a signal or a fault has ended it. Drained in the order
//! in which the threads depend on each other.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use openim_bus::Doorbell;
use openim_config::{Config, Gateway};
use openim_storage::embedded::{Fence, Mend};

use crate::admin::Admin;
use crate::banner::{Banner, Chat};
use crate::certificate;
use crate::health;
use crate::logging::Logging;
use crate::metrics::{ShardMetrics, Sources};
use crate::newest::Newest;
use crate::phase::{Phase, Stage};
use crate::reload::Reload;
use crate::role::Role;
use crate::settings::Live;
use crate::signals::{Heard, Signals};

/// What the shards get to close their listeners; one that is stuck is not waited for.
const CLOSING_TIME: Duration = Duration::from_secs(5);
/// How long a thread may take to end once it is told to.
const END_WITHIN: Duration = Duration::from_secs(5);

/// The running threads, in the order in which they end.
pub(super) struct Server {
    pub(super) shards: Vec<JoinHandle<io::Result<()>>>,
    pub(super) log: Option<JoinHandle<()>>,
    pub(super) log_bell: Arc<Doorbell>,
    /// What the operator endpoints judge by, and so does the process itself.
    pub(super) sources: Sources,
    pub(super) workers: Vec<JoinHandle<()>>,
    pub(super) bells: Vec<Arc<Doorbell>>,
    pub(super) reloads: Newest<Live>,
    pub(super) phase: Arc<Phase>,
    pub(super) metrics: Arc<[Arc<ShardMetrics>]>,
    pub(super) admin: Admin,
    /// Has the certificate's files looked at, if there are such.
    pub(super) certificates: Option<certificate::Ask>,
    pub(super) websocket: Vec<SocketAddr>,
    pub(super) rest: Vec<SocketAddr>,
    /// Of a server with data of its own: whether another one was promoted in its place, and what opens its index again.
    pub(super) own: Option<(Arc<Fence>, Arc<Mend>)>,
    /// What ends when all of these have; whether it ended well.
    pub(super) behind: Box<dyn FnOnce() -> bool>,
}

/// What is told when a server is ready, besides what it knows of itself.
pub(super) struct Told<'a> {
    /// Of a cluster, which this process has.
    pub(super) roles: &'a [Role],
    pub(super) data_dir: Option<&'a Path>,
    /// The console, if there is one, and the file of its password if the settings have none.
    pub(super) console: Option<Option<&'a Path>>,
    /// Files of secrets that this start has made.
    pub(super) generated: &'a [PathBuf],
    /// Whether callers are to take the secret from the data directory.
    pub(super) secret_is_kept: bool,
    /// The chat page, if there is one.
    pub(super) chat: Option<Chat<'a>>,
}

impl Server {
    /// Tells that it is ready, and runs it until it is told to stop. `file` is where the settings came from, to be read
    /// again.
    pub(super) fn serve(
        self,
        config: &Config,
        file: Option<&Path>,
        logging: &Logging,
        told: &Told<'_>,
    ) -> anyhow::Result<ExitCode> {
        // Heard from before anybody is told that the server is ready.
        let signals = Signals::new()?;
        let reload = Reload {
            file: file.map(Path::to_owned),
            running: config.clone(),
            shards: self.reloads.clone(),
            certificates: self.certificates.clone(),
            logging,
        };
        let &Told { roles, data_dir, console, generated, secret_is_kept, chat } = told;
        Banner {
            roles: &roles.iter().map(|role| role.name()).collect::<Vec<_>>(),
            shards: self.shards.len(),
            data_dir,
            websocket: &self.websocket,
            rest: &self.rest,
            tls: config.tls.is_on(),
            operator: self.admin.address(),
            operator_tls: config.tls.is_for_operators(config.admin.listen),
            console,
            generated,
            secret_is_kept,
            chat,
        }
        .tell(logging);
        self.wait(config, signals, reload)
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
                Heard::Failed if self.is_fenced() => return self.stay_fenced(signals),
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
        give_up(&self.sources, self.own.as_ref());
        if clean {
            // Before the log: what they change goes there.
            for worker in self.workers {
                clean &= join_within(worker, END_WITHIN);
            }
        }
        self.sources.log.stop.store(true, Ordering::Release);
        self.log_bell.ring();
        // A log that is stuck in its device must not keep the process: nobody waits for it any more.
        if let Some(log) = self.log {
            clean &= join_within(log, END_WITHIN);
        }
        clean &= (self.behind)();
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

    /// Whether another server goes on in the place of this one.
    fn is_fenced(&self) -> bool {
        self.own.as_ref().is_some_and(|(fence, _)| fence.closed().is_some())
    }

    /// Lets the clients go, who find the other server, and says at the operators' port what became of this one, until it is
    /// told to stop.
    fn stay_fenced(self, mut signals: Signals) -> anyhow::Result<ExitCode> {
        tracing::error!(
            "fenced: closes all links and ports but the operators', and waits to be stopped"
        );
        self.phase.advance(Stage::Closing);
        self.until_closed();
        self.phase.advance(Stage::Draining);
        self.bells.iter().for_each(|bell| bell.ring());
        while signals.next(|| false) != Heard::Stop {}
        signals.stop_at_next()?;
        let shards = self.shards.into_iter().map(|shard| shard.join());
        let mut clean = shards.fold(true, |clean, shard| clean & matches!(shard, Ok(Ok(()))));
        give_up(&self.sources, self.own.as_ref());
        for worker in self.workers {
            clean &= join_within(worker, END_WITHIN);
        }
        self.sources.log.stop.store(true, Ordering::Release);
        self.log_bell.ring();
        if let Some(log) = self.log {
            clean &= join_within(log, END_WITHIN);
        }
        self.phase.advance(Stage::Stopped);
        drop(self.admin);
        tracing::info!("stopped, fenced");
        Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Tells load balancers first, then closes the listeners of all shards, before any link is closed.
    fn close_doors(&self, config: &Config) {
        if self.shards.is_empty() {
            tracing::info!(
                "stopping: /readyz is 503 now; what was begun is stored and checkpointed, then the partitions are others'"
            );
            // Nobody is sent here who could come to closed ports.
            self.phase.advance(Stage::Closing);
            return;
        }
        let Gateway { lame_duck_seconds, drain_seconds, .. } = config.gateway;
        let links: u64 = self.metrics.iter().map(|shard| shard.links.get()).sum();
        tracing::info!(
            links,
            lame_duck_seconds,
            drain_seconds,
            "stopping: /readyz is 503 now, ports close after gateway.lameDuckSeconds"
        );
        let shards = self.shards.len().max(1) as u64;
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
        self.until_closed();
    }

    /// Waits until the shards have closed their listeners.
    fn until_closed(&self) {
        let until = Instant::now() + CLOSING_TIME;
        while self.phase.closed_len() < self.shards.len() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the log, the index or a thread cannot go on.
    fn has_failed(&self) -> bool {
        self.is_fenced()
            || health::beyond_help(&self.sources).is_some()
            || self.shards.iter().any(JoinHandle::is_finished)
            || self.log.as_ref().is_some_and(JoinHandle::is_finished)
            || self.workers.iter().any(JoinHandle::is_finished)
    }
}

/// What is not stored yet is not waited for any more: the log has it.
fn give_up(sources: &Sources, own: Option<&(Arc<Fence>, Arc<Mend>)>) {
    sources.store.give_up.store(true, Ordering::Release);
    if let Some((_, mend)) = own {
        mend.end();
    }
}

pub(super) fn join_within(thread: JoinHandle<()>, time: Duration) -> bool {
    let until = Instant::now() + time;
    while !thread.is_finished() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    thread.join().is_ok()
}
