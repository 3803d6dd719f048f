//! The threads between the shards and the engine's ports: readers, the writer, the store.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use crossbeam_channel::Sender;
use openim_config::{Config, Limits};
use openim_record::{Placement, StoreBatch};
use openim_storage::embedded::{Changes, Cursors, Embedded, EmbeddedLog, EngineFigures, Mend};
use openim_storage::guard::{Before, Guard, Guarded, Telling};
use openim_storage::port::{
    Consume, Directory, GroupLimits, Groups, History, Preferences, Records, Relations, TokenCache,
    Tokens,
};
use openim_workers::store::{self, Retention};
use openim_workers::{Outlet, reads, writes};

use super::events;
use super::unwanted::Held;
use crate::driver::Workers;
use crate::metrics::Sources;

/// Questions that may wait for the readers and writers, over all shards.
const QUESTIONS_MAX: usize = 4 * 1024;

/// The engine's ports that workers use, each with a guard.
pub(super) struct Ports {
    pub(super) history: Arc<dyn History>,
    /// None where the history has all that anybody is told of.
    records: Option<Arc<dyn Records>>,
    tokens: Arc<dyn Tokens>,
    /// None where the tokens are in this process.
    token_cache: Option<Arc<dyn TokenCache>>,
    pub(super) directory: Arc<dyn Directory>,
    relations: Arc<dyn Relations>,
    groups: Arc<dyn Groups>,
    pub(super) preferences: Arc<dyn Preferences>,
    /// What somebody does not receive, as it is at the start.
    pub(super) unwanted: Held,
    /// Readers of a log on this machine.
    pub(super) cursors: Option<Cursors>,
}

/// What an embedded engine has beside its ports.
pub(super) struct Own {
    pub(super) log: EmbeddedLog,
    /// The way of changes into that.
    pub(super) changes: Arc<Changes>,
    /// Knows of damage in the index.
    pub(super) mend: Arc<Mend>,
    /// What the log holds of the partitions of this process, and where it is told how far they are stored.
    pub(super) tail: Box<dyn Consume>,
    pub(super) history: Arc<dyn History>,
    pub(super) placement: Placement,
    pub(super) guards: Arc<[Arc<Guard>]>,
    /// What the engine counts.
    pub(super) figures: Arc<EngineFigures>,
}

/// What stands around ports, one for each.
pub(super) struct Guarding {
    late_after: Duration,
    telling: Option<Telling>,
    guards: Vec<Arc<Guard>>,
}

impl Guarding {
    pub(super) fn new(limits: &Limits) -> Self {
        let late_after = Duration::from_millis(limits.store_timeout_ms);
        Self { late_after, telling: None, guards: Vec::new() }
    }

    /// Of the ports of components, before these are there.
    #[cfg(feature = "cluster")]
    pub(super) fn ahead(limits: &Limits) -> Self {
        let mut around = Self::new(limits);
        for name in ["history", "tokens", "directory", "relations", "groups", "preferences"] {
            around.one(name);
        }
        around
    }

    /// Those that are there.
    #[cfg(feature = "cluster")]
    pub(super) fn guards(&self) -> Arc<[Arc<Guard>]> {
        self.guards.clone().into()
    }

    fn one(&mut self, name: &'static str) -> Arc<Guard> {
        if let Some(guard) = self.guards.iter().find(|guard| guard.name() == name) {
            return Arc::clone(guard);
        }
        let guard = Guard::new(name, self.late_after, before()).telling(self.telling.clone());
        let guard = Arc::new(guard);
        self.guards.push(Arc::clone(&guard));
        guard
    }

    fn guard<P: ?Sized>(&mut self, name: &'static str, port: Arc<P>) -> Arc<Guarded<P>> {
        Arc::new(Guarded::new(port, self.one(name)))
    }
}

impl Ports {
    /// Takes the engine apart: its ports, and what else it has.
    ///
    /// # Errors
    /// What is held of options cannot be read.
    pub(super) fn of(storage: Embedded, limits: &Limits) -> anyhow::Result<(Own, Self)> {
        let Embedded { log, tail, history, directory, tokens, placement, .. } = storage;
        let Embedded { relations, groups, preferences, changes, mend, figures, cursors, .. } =
            storage;
        let unwanted = Held::read(&preferences, limits.unwanted_max)?;
        let mut around = Guarding::new(limits);
        let told = Arc::clone(&mend);
        around.telling = Some(Arc::new(move |error| told.met(error)));
        // One object reads the log and what refers to it.
        let records: Arc<dyn Records> = Arc::clone(&history) as _;
        let records = around.guard("records", records);
        let history: Arc<dyn History> = around.guard("history", history as Arc<dyn History>);
        let ports = Self {
            history: Arc::clone(&history),
            records: Some(records),
            tokens: around.guard("tokens", tokens as Arc<dyn Tokens>),
            token_cache: None,
            directory: around.guard("directory", directory as Arc<dyn Directory>),
            relations: around.guard("relations", relations as Arc<dyn Relations>),
            groups: around.guard("groups", groups as Arc<dyn Groups>),
            preferences: around.guard("preferences", preferences as Arc<dyn Preferences>),
            unwanted,
            cursors: Some(cursors),
        };
        let guards = around.guards.into();
        let tail = Box::new(tail);
        Ok((Own { log, changes, mend, tail, history, placement, guards, figures }, ports))
    }

    /// Those of components.
    #[cfg(feature = "cluster")]
    pub(super) fn on(
        components: &super::components::Components,
        token_cache: Arc<dyn TokenCache>,
        around: &mut Guarding,
    ) -> Self {
        let history: Arc<dyn History> = Arc::new(components.history.clone());
        let mysql = &components.mysql;
        Self {
            history: around.guard("history", history),
            records: None,
            tokens: around.guard("tokens", Arc::clone(&mysql.tokens) as Arc<dyn Tokens>),
            // It has an end of its own, and who finds it away asks the tokens themselves.
            token_cache: Some(token_cache),
            directory: around
                .guard("directory", Arc::clone(&mysql.directory) as Arc<dyn Directory>),
            relations: around
                .guard("relations", Arc::clone(&mysql.relations) as Arc<dyn Relations>),
            groups: around.guard("groups", Arc::clone(&mysql.groups) as Arc<dyn Groups>),
            preferences: around
                .guard("preferences", Arc::clone(&mysql.preferences) as Arc<dyn Preferences>),
            unwanted: Held::default(),
            cursors: None,
        }
    }

    /// What all readers share.
    fn sources(&self, seen: &Sources) -> Arc<reads::Sources> {
        Arc::new(reads::Sources {
            history: Arc::clone(&self.history),
            records: self.records.clone(),
            tokens: Arc::clone(&self.tokens),
            token_cache: self.token_cache.clone(),
            directory: Arc::clone(&self.directory),
            relations: Arc::clone(&self.relations),
            groups: Arc::clone(&self.groups),
            preferences: Arc::clone(&self.preferences),
            damage: Arc::clone(&seen.damage),
        })
    }

    fn targets(&self, config: &Config) -> writes::Targets {
        let limits = &config.limits;
        writes::Targets {
            directory: Arc::clone(&self.directory),
            tokens: Arc::clone(&self.tokens),
            relations: Arc::clone(&self.relations),
            groups: Arc::clone(&self.groups),
            preferences: Arc::clone(&self.preferences),
            relations_max: limits.friends_max,
            group_limits: GroupLimits {
                members_max: limits.group_members_max,
                joined_max: limits.groups_per_user_max,
                requests_max: limits.group_requests_max,
            },
            preferences_max: limits.conversations_max,
            devices_max: config.push.devices_per_user_max,
        }
    }
}

/// What a test makes each call of a port wait for.
fn before() -> Option<Before> {
    #[cfg(feature = "testing")]
    return crate::testing::stall_ports();
    #[cfg(not(feature = "testing"))]
    None
}

/// Starts the readers and the writer, and gives the ways to ask them.
pub(super) fn start_workers(
    config: &Config,
    ports: &Ports,
    outlet: &Outlet,
    seen: &Sources,
) -> anyhow::Result<(Asking, Vec<JoinHandle<()>>)> {
    let (ask_read, asked_reads) = crossbeam_channel::bounded(QUESTIONS_MAX);
    let (ask_write, asked_writes) = crossbeam_channel::bounded(QUESTIONS_MAX);
    let mut threads = Vec::new();
    let sources = ports.sources(seen);
    for number in 0..config.gateway.readers.max(1) {
        let (asked, sources) = (asked_reads.clone(), Arc::clone(&sources));
        let outlet = Arc::clone(outlet);
        threads.push(thread(&format!("read-{number}"), move || {
            reads::run(&asked, &sources, &outlet);
        })?);
    }
    let (targets, to) = (ports.targets(config), Arc::clone(outlet));
    let status = Arc::clone(&seen.writes);
    threads.push(thread("write", move || writes::run(&asked_writes, &targets, &to, &status))?);
    threads.extend(events::start(config, ports.cursors.as_ref(), seen)?);
    Ok((Asking { reads: ask_read, writes: ask_write }, threads))
}

/// The ways to ask workers.
pub(super) struct Asking {
    reads: Sender<(u16, reads::Read)>,
    writes: Sender<(u16, writes::Write)>,
}

impl Asking {
    /// And to have batches stored.
    pub(super) fn storing(self, store: Batches) -> Workers {
        Workers { reads: self.reads, writes: self.writes, store }
    }
}

/// Batches to be stored, with the shard that hands them in.
type Batches = Sender<(u16, StoreBatch)>;

/// Starts what stores inboxes, and gives the way to it, with a place for each shard.
pub(super) fn start_store(
    threads: &mut Vec<JoinHandle<()>>,
    shards: u16,
    (history, mut tail): (Arc<dyn History>, Box<dyn Consume>),
    outlet: &Outlet,
    seen: &Sources,
    retention: Retention,
) -> anyhow::Result<Batches> {
    let (hand_batch, batches) = crossbeam_channel::bounded(usize::from(shards));
    let (to, status) = (Arc::clone(outlet), Arc::clone(&seen.store));
    let log = Arc::clone(&seen.log);
    threads.push(thread("store", move || {
        let status = (&*status, &log.backlog);
        store::run(&batches, &history, tail.as_mut(), &to, &retention, status);
    })?);
    Ok(hand_batch)
}

/// Starts a thread by its name.
pub(super) fn thread(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> anyhow::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .with_context(|| format!("cannot start the thread {name}"))
}
