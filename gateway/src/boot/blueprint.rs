//! What the shards are built from, and how: each gets its plan, its rings to the log, and the way of new settings to it.
//!
//! Of a role of a cluster whose shards have only fronts (`Fronts`) nothing else is different here.

use std::sync::Arc;
#[cfg(feature = "cluster")]
use std::sync::Weak;
use std::sync::atomic::AtomicUsize;

use openim_auth::Signer;
use openim_bus::{Capacity, Doorbell, Receiver, ring};
use openim_config::Config;
use openim_record::{Placement, Submission};
use openim_shard::Shard;
use openim_why::Note;
use openim_workers::commit::{self, Lane, LogStatus};
use openim_workers::links::LinksStatus;
use openim_workers::{Clock, Outlet};

use super::{random_key, signer};
use crate::audit::Audit;
use crate::bus;
use crate::doors::{Addresses, Doors, Permits};
#[cfg(any(feature = "cluster", feature = "testing"))]
use crate::driver::GroupChanges;
use crate::driver::{
    self, Above, AskLinks, Asks, Changing, Core, Fanout, Given, Here, Input, Io, Journal, Keys,
    Plan, Unwanted, Wheel, Workers,
};
use crate::ingress::{self, Listeners};
use crate::metrics::ShardMetrics;
use crate::newest::Newest;
use crate::ops;
use crate::phase::Phase;
use crate::reload::Reloads;
use crate::secrets;
use crate::settings::{Live, Settings};
use crate::socket::{Offer, Terms};
#[cfg(feature = "testing")]
use crate::testing;

/// What the shards are built from.
pub(super) struct Blueprint {
    pub(super) permits: Permits,
    pub(super) settings: Settings,
    /// Of a certificate, by shard; none where all is plain.
    pub(super) offers: Vec<Offer>,
    pub(super) placement: Placement,
    pub(super) shards: u16,
    /// Who answers questions about users and groups is chosen here.
    pub(super) above: Above,
    pub(super) metrics: Arc<[Arc<ShardMetrics>]>,
    pub(super) phase: Arc<Phase>,
    pub(super) audit: Audit,
    pub(super) bells: Vec<Arc<Doorbell>>,
    pub(super) log_bell: Arc<Doorbell>,
    pub(super) outlet: Outlet,
    pub(super) log: Arc<LogStatus>,
    pub(super) clock: Arc<Clock>,
    pub(super) workers: Workers,
    /// Of the journal of links, if one is kept.
    pub(super) journal: Option<ToJournal>,
    /// Shards have only fronts.
    #[cfg(feature = "cluster")]
    pub(super) fronts: Option<Fronts>,
}

/// The way to the journal of links.
pub(super) struct ToJournal {
    /// When this run began, unix seconds.
    pub(super) run_s: u32,
    pub(super) ask: AskLinks,
    pub(super) status: Arc<LinksStatus>,
}

impl ToJournal {
    /// Notes that wait for the journal's thread, of each shard.
    const NOTES: usize = 8192;

    /// The end of a shard, and that of the journal's thread.
    fn lane(&self, shard: usize, bell: &Arc<Doorbell>) -> (Journal, Receiver<Note>) {
        let bytes = Self::NOTES * size_of::<Note>();
        let capacity = Capacity { values: Self::NOTES, bytes, weigh: |_| size_of::<Note>() };
        let (notes, taken) = ring(capacity, Arc::clone(bell), Arc::clone(&self.ask.bell));
        let shard = u16::try_from(shard).unwrap_or(u16::MAX);
        (Journal::new(notes, (self.run_s, shard), Arc::clone(&self.status)), taken)
    }
}

/// Shards that have only fronts, by index.
#[cfg(feature = "cluster")]
pub(super) struct Fronts {
    /// Who each of them is, for all the cluster.
    pub(super) processes: Vec<openim_record::Process>,
    /// What other processes tell them.
    pub(super) from_backs: driver::FromBacks,
}

/// The layers above the driver, as tests may choose them.
pub(super) fn above() -> Above {
    #[cfg(feature = "testing")]
    if testing::homes_are_stores() {
        return OF_STORES;
    }
    ABOVE
}

/// None yet, of groups whose members tests may have remembered without an end.
#[cfg(any(feature = "cluster", feature = "testing"))]
fn group_changes() -> Arc<GroupChanges> {
    #[cfg(feature = "testing")]
    if testing::memberships_stay() {
        return Arc::new(GroupChanges::without_end());
    }
    Arc::default()
}

/// The same, for an engine that has everybody's state in its stores.
#[cfg(any(feature = "cluster", feature = "testing"))]
pub(super) const OF_STORES: Above = Above { homes: &ops::from_stores::FromStores, ..ABOVE };

/// The layers above the driver.
const ABOVE: Above = Above {
    homes: &ops::OverMesh,
    admit: |core, handoff| Box::pin(async move { ingress::admit(&core, handoff).await }),
    accept_websockets: |core, listener| Box::pin(ingress::accept_websockets(core, listener)),
    accept_rest: |core, listener| Box::pin(ingress::rest::accept(core, listener)),
    inquire: |core, inquiries| Box::pin(ops::why::inquire(core, inquiries)),
};

/// What all shards share.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) signer: Signer,
    pub(super) addresses: Addresses,
    pub(super) rest_addresses: Addresses,
    /// Random: keys the digests of tokens.
    pub(super) token_key: (u64, u64),
    /// Members of groups that wait for their turn.
    pub(super) fanout: Arc<AtomicUsize>,
    /// Conversations that somebody does not receive.
    pub(super) unwanted: Arc<AtomicUsize>,
    /// Of groups whose members are remembered.
    #[cfg(any(feature = "cluster", feature = "testing"))]
    pub(super) group_changes: Arc<GroupChanges>,
}

impl Common {
    pub(super) fn new(limits: &openim_config::Limits, signer: Signer) -> anyhow::Result<Self> {
        let of_address = |per_second| Addresses::new(limits.connections_per_address, per_second);
        Ok(Self {
            signer,
            addresses: of_address(limits.handshakes_per_second_per_address),
            rest_addresses: of_address(limits.requests_per_second_per_address),
            token_key: random_key()?,
            fanout: Arc::default(),
            unwanted: Arc::default(),
            #[cfg(any(feature = "cluster", feature = "testing"))]
            group_changes: group_changes(),
        })
    }
}

/// A plan for each shard's thread, its lane into the log, and the way of new settings to it.
pub(super) struct Laid {
    pub(super) plans: Vec<Plan>,
    pub(super) lanes: Vec<Lane>,
    /// What the shards note for the journal of links.
    pub(super) notes: Vec<Receiver<Note>>,
    pub(super) reloads: Newest<Live>,
    /// What the shards know of changes of groups, as long as there are any.
    #[cfg(feature = "cluster")]
    pub(super) group_changes: Weak<GroupChanges>,
}

impl Blueprint {
    /// What each shard's thread is started with.
    pub(super) fn plans(
        &self,
        config: &Config,
        secrets: &secrets::Secrets,
        states: Vec<Shard>,
        (websocket, rest): (Listeners, Listeners),
    ) -> anyhow::Result<Laid> {
        let limits = &config.limits;
        let shares = self.settings.shares;
        let meshes = bus::connect(self.placement, &self.bells, limits.ring_bytes_max, shares.mesh);
        let common = Common::new(limits, signer(config, secrets))?;
        let slots = log_ring_slots(limits.ring_bytes_max, self.shards);
        let cpus = std::thread::available_parallelism()?.get();
        let reloads = Newest::to(self.shards);
        let newer = reloads.ends();
        let mut plans = Vec::new();
        let mut lanes = Vec::new();
        let mut notes = Vec::new();
        let ends = states.into_iter().zip(meshes).zip(websocket.into_iter().zip(rest));
        for (index, ((state, mesh), (websocket, rest))) in ends.enumerate() {
            let bell = &self.bells[index];
            let (bytes, weigh) = (shares.to_log, Submission::bytes);
            let to_log = Capacity { values: slots, bytes, weigh };
            let (bytes, weigh) = (shares.from_log, commit::LogEvent::bytes);
            let from_log = Capacity { values: 2 * slots, bytes, weigh };
            let (appends, in_appends) = ring(to_log, Arc::clone(bell), Arc::clone(&self.log_bell));
            let (out_events, events) = ring(from_log, Arc::clone(&self.log_bell), Arc::clone(bell));
            lanes.push(Lane { appends: in_appends, events: out_events });
            let given = self.given(config, index, newer[index].clone(), &common, random_key()?.0);
            let (wire, input) = (self.settings.wire, Input::of(&self.settings));
            let metrics = Arc::clone(&self.metrics[index]);
            #[cfg(feature = "cluster")]
            let process = self.fronts.as_ref().map(|fronts| fronts.processes[index]);
            let journal = self.journal.as_ref().map(|journal| journal.lane(index, bell));
            let journal = journal.map(|(journal, taken)| {
                notes.push(taken);
                journal
            });
            let reach = self.settings.pushes.then_some(self.settings.limits.back.users_max);
            let io = move || {
                let io = Io::new(wire, appends, events, mesh, metrics, input)
                    .noting(journal)
                    .reaching(reach);
                #[cfg(feature = "cluster")]
                let io = io.alone(process);
                io
            };
            plans.push(Plan {
                name: format!("shard-{index}"),
                cpu: config.gateway.pin.then_some(index % cpus),
                websocket,
                rest,
                beside: Vec::new(),
                inquiries: None,
                build: Box::new(move || Core::new(given(), state, io())),
            });
        }
        Ok(Laid {
            plans,
            lanes,
            notes,
            reloads,
            #[cfg(feature = "cluster")]
            group_changes: Arc::downgrade(&common.group_changes),
        })
    }

    /// What one shard is given, to be put together on its own thread.
    pub(super) fn given(
        &self,
        config: &Config,
        index: usize,
        reloads: Reloads,
        common: &Common,
        first_id: u64,
    ) -> impl FnOnce() -> Given + Send + use<> {
        let index_here = u16::try_from(index).unwrap_or(u16::MAX);
        let here = Here { index: index_here, shards: self.shards, placement: self.placement };
        let (settings, live) = (self.settings.clone(), Live::new(config));
        let (audit, phase) = (self.audit.clone(), Arc::clone(&self.phase));
        let (metrics, clock) = (Arc::clone(&self.metrics[index]), Arc::clone(&self.clock));
        let (bell, log) = (Arc::clone(&self.bells[index]), Arc::clone(&self.log));
        let (workers, outlet) = (self.workers.clone(), Arc::clone(&self.outlet));
        let (permits, above) = (self.permits.clone(), self.above);
        let offer = self.offers.get(index).cloned();
        let links = self.journal.as_ref().map(|journal| journal.ask.clone());
        let Common { signer, addresses, rest_addresses, token_key, fanout, .. } = common.clone();
        let held = Arc::clone(&common.unwanted);
        let unwanted = Unwanted::new(held, config.limits.unwanted_max);
        #[cfg(any(feature = "cluster", feature = "testing"))]
        let group_changes = Arc::clone(&common.group_changes);
        #[cfg(feature = "cluster")]
        let from_backs = self.fronts.as_ref().map(|fronts| fronts.from_backs.clone());
        move || Given {
            here,
            changing: Changing::new(
                live,
                reloads,
                Arc::clone(&clock),
                Arc::clone(&metrics),
                here.shards,
            ),
            audit,
            keys: Keys::new(signer, token_key, first_id),
            metrics,
            phase,
            clock: driver::Clock::new(clock),
            doors: Doors::new(permits, addresses, rest_addresses),
            terms: Terms::new(offer),
            wheel: Wheel::new(bell),
            asks: Asks::new(index_here, workers, outlet),
            log,
            fanout: Fanout::new(fanout, settings.group_fanout_max),
            unwanted,
            #[cfg(feature = "cluster")]
            from_backs,
            #[cfg(any(feature = "cluster", feature = "testing"))]
            group_changes,
            links,
            above,
            settings,
        }
    }
}

/// Slots of a shard's ring into the log; the ring back has twice as many. All shards' rings together
/// take the half of the bound that the mesh leaves.
fn log_ring_slots(ring_bytes_max: usize, shards: u16) -> usize {
    let slot_bytes = size_of::<Submission>() + 2 * size_of::<commit::LogEvent>();
    (ring_bytes_max / 2 / usize::from(shards.max(1)) / slot_bytes).clamp(1, 4096)
}
