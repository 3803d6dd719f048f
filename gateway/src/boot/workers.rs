//! The threads between the shards and the engine's ports: readers, the writer, the store.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use openim_config::{Config, Limits};
use openim_record::Placement;
use openim_storage::embedded::{Embedded, EmbeddedLog};
use openim_storage::guard::{Before, Guard, Guarded};
use openim_storage::port::{
    Consume, Directory, GroupLimits, Groups, History, Preferences, Records, Relations, Tokens,
};
use openim_workers::store::{self, Retention};
use openim_workers::{Outlet, reads, writes};

use crate::driver::Workers;
use crate::metrics::Sources;

/// Questions that may wait for the readers and writers, over all shards.
const QUESTIONS_MAX: usize = 4 * 1024;

/// The engine's ports that workers use, each with a guard.
pub(super) struct Ports {
    pub(super) guards: Arc<[Arc<Guard>]>,
    /// What the log holds of the partitions of this process, and where it is told how far they are stored.
    pub(super) tail: Box<dyn Consume>,
    pub(super) history: Arc<dyn History>,
    pub(super) records: Arc<dyn Records>,
    pub(super) tokens: Arc<dyn Tokens>,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) relations: Arc<dyn Relations>,
    pub(super) groups: Arc<dyn Groups>,
    pub(super) preferences: Arc<dyn Preferences>,
}

impl Ports {
    /// Takes the engine apart: its log, its placement, its ports.
    pub(super) fn of(storage: Embedded, limits: &Limits) -> (EmbeddedLog, Placement, Self) {
        let Embedded { log, tail, history, directory, tokens, placement, .. } = storage;
        let Embedded { relations, groups, preferences, .. } = storage;
        let late_after = Duration::from_millis(limits.store_timeout_ms);
        let mut guards = Vec::new();
        let mut guard = |name| {
            let guard = Arc::new(Guard::new(name, late_after, before()));
            guards.push(Arc::clone(&guard));
            guard
        };
        // One object reads the log and what refers to it.
        let records: Arc<dyn Records> = Arc::clone(&history) as _;
        let records = Arc::new(Guarded::new(records, guard("records")));
        let history = Arc::new(Guarded::new(history as Arc<dyn History>, guard("history")));
        let tokens = Arc::new(Guarded::new(tokens as Arc<dyn Tokens>, guard("tokens")));
        let directory = Arc::new(Guarded::new(directory as Arc<dyn Directory>, guard("directory")));
        let relations = Arc::new(Guarded::new(relations as Arc<dyn Relations>, guard("relations")));
        let groups = Arc::new(Guarded::new(groups as Arc<dyn Groups>, guard("groups")));
        let preferences = preferences as Arc<dyn Preferences>;
        let preferences = Arc::new(Guarded::new(preferences, guard("preferences")));
        let guards = guards.into();
        let ports = Self {
            guards,
            tail: Box::new(tail),
            history,
            records,
            tokens,
            directory,
            relations,
            groups,
            preferences,
        };
        (log, placement, ports)
    }

    /// What all readers share.
    fn sources(&self, seen: &Sources) -> Arc<reads::Sources> {
        Arc::new(reads::Sources {
            history: Arc::clone(&self.history),
            records: Some(Arc::clone(&self.records)),
            tokens: Arc::clone(&self.tokens),
            directory: Arc::clone(&self.directory),
            relations: Arc::clone(&self.relations),
            groups: Arc::clone(&self.groups),
            preferences: Arc::clone(&self.preferences),
            damage: Arc::clone(&seen.damage),
            troubles: reads::Troubles::default(),
        })
    }

    fn targets(&self, limits: &Limits) -> writes::Targets {
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

/// Starts them, and gives the ways to ask them.
pub(super) fn start_workers(
    config: &Config,
    shards: u16,
    ports: Ports,
    outlet: &Outlet,
    seen: &Sources,
    retention: Retention,
) -> anyhow::Result<(Workers, Vec<JoinHandle<()>>)> {
    let (ask_read, asked_reads) = crossbeam_channel::bounded(QUESTIONS_MAX);
    let (ask_write, asked_writes) = crossbeam_channel::bounded(QUESTIONS_MAX);
    let (hand_batch, batches) = crossbeam_channel::bounded(usize::from(shards));
    let mut threads = Vec::new();
    let sources = ports.sources(seen);
    for number in 0..config.gateway.readers.max(1) {
        let (asked, sources) = (asked_reads.clone(), Arc::clone(&sources));
        let outlet = Arc::clone(outlet);
        threads.push(thread(&format!("read-{number}"), move || {
            reads::run(&asked, &sources, &outlet);
        })?);
    }
    let (targets, to) = (ports.targets(&config.limits), Arc::clone(outlet));
    let status = Arc::clone(&seen.writes);
    threads.push(thread("write", move || writes::run(&asked_writes, &targets, &to, &status))?);
    let (to, status) = (Arc::clone(outlet), Arc::clone(&seen.store));
    let Ports { history, mut tail, .. } = ports;
    threads.push(thread("store", move || {
        store::run(&batches, &history, tail.as_mut(), &to, &retention, &status);
    })?);
    Ok((Workers { reads: ask_read, writes: ask_write, store: hand_batch }, threads))
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
