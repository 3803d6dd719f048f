//! The thread of a transfer: it owns the log's consumer, the relay producer and all owners of this process.
//!
//! Each turn: records to owners, what became of relays, answers of calls, time. What an owner asks meanwhile is begun when
//! it is done. Invariant: an answer goes to the stay and life that asked, or nowhere.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use openim_record::{Checkpoint, GroupId, LogPartition, Topic};
use openim_storage::port::StoreError;
use openim_transfer::{Life, Settings};
use tokio::sync::mpsc;

use crate::answers::answered;
use crate::asking::{ask, stand_still};
use crate::calls::{Answer, Calls, Came};
use crate::gateways::Gateways;
use crate::held::{Fed, Held, Key};
use crate::options::Options;
use crate::relays::{Outcome, Relays, What};
use crate::running::{Order, Orders};
use crate::status::{Board, Counts, Status};
use crate::troubles::{Component, Troubles};
use openim_cluster::kafka::{Consumer, Event, Kafka, Pace};

/// How long the log is waited for while answers may come: what comes of one waits so long at most.
const BUSY_WAIT: Duration = Duration::from_millis(1);
/// How long it is waited for while nothing else can happen.
const IDLE_WAIT: Duration = Duration::from_millis(50);
/// Answers that one turn takes before it looks at the log again.
const ANSWERS_A_TURN: usize = 256;

/// What all owners have in common.
pub(crate) struct Shared {
    pub(crate) calls: Calls,
    pub(crate) gateways: Gateways,
    pub(crate) relays: Relays,
    pub(crate) troubles: Troubles,
    pub(crate) counts: Counts,
    /// Until when nobody is looked for in presence, which has just failed.
    pub(crate) blind_until: Instant,
    /// Looks that have not answered.
    pub(crate) looks: usize,
    /// Calls and deliveries that have not answered.
    pub(crate) open: usize,
}

pub(crate) struct Transfer {
    kafka: Kafka,
    group: String,
    settings: Settings,
    options: Options,
    orders: Orders,
    board: Board,
    answers: mpsc::Receiver<Came>,
    shared: Shared,
    held: BTreeMap<LogPartition, Held>,
    stays: u64,
    /// How many partitions there were when somebody was told last, and how many had come by then.
    told: (usize, u64),
    joined: bool,
    has_share: bool,
    began: Instant,
    ticked: Instant,
    compared: Instant,
    comparing: bool,
    /// When checkpoints were looked at on which partitions wait that stand still.
    looked: Instant,
    looking: bool,
}

/// What a transfer is made of.
pub(crate) struct Made {
    pub(crate) kafka: Kafka,
    pub(crate) group: String,
    pub(crate) settings: Settings,
    pub(crate) options: Options,
    pub(crate) orders: Orders,
    pub(crate) board: Board,
    pub(crate) answers: mpsc::Receiver<Came>,
    pub(crate) calls: Calls,
    pub(crate) gateways: Gateways,
}

impl Transfer {
    pub(crate) fn new(made: Made) -> Self {
        let Made { kafka, group, settings, options, orders, board, answers, calls, gateways } =
            made;
        let now = Instant::now();
        let shared = Shared {
            calls,
            gateways,
            relays: Relays::new(kafka.clone()),
            troubles: Troubles::default(),
            counts: Counts::default(),
            blind_until: now,
            looks: 0,
            open: 0,
        };
        Self {
            kafka,
            group,
            settings,
            options,
            orders,
            board,
            answers,
            shared,
            held: BTreeMap::new(),
            stays: 0,
            told: (0, 0),
            joined: false,
            has_share: false,
            began: now,
            ticked: now,
            compared: now,
            comparing: false,
            looked: now,
            looking: false,
        }
    }

    /// Runs until it is told to end.
    pub(crate) fn run(mut self) {
        let Some(mut consumer) = self.join() else { return };
        self.joined = true;
        let mut end: Option<Instant> = None;
        loop {
            match self.orders.now() {
                Order::Go => {}
                Order::Stop => {
                    let end = *end.get_or_insert_with(|| Instant::now() + self.options.stop_wait);
                    if self.held.values().all(Held::is_done) || Instant::now() >= end {
                        break;
                    }
                }
                Order::Drop => break,
            }
            self.turn(&mut consumer, end.is_some());
        }
        self.post();
        // The group hears of it before the runtime ends.
        drop(consumer);
    }

    /// Joins the group, as soon as the gateways are known: what is read earlier could be delivered to nobody.
    fn join(&mut self) -> Option<Consumer> {
        while !self.shared.gateways.are_known() {
            self.rest(IDLE_WAIT)?;
        }
        loop {
            match self.kafka.consumer(&self.group, Pace::Soon) {
                Ok(consumer) => return Some(consumer),
                Err(error) => {
                    let rest = self.shared.troubles.pause(Component::Log);
                    self.shared.troubles.met(Component::Log, &error);
                    self.rest(rest)?;
                }
            }
        }
    }

    /// Waits; `None`: it is to end.
    fn rest(&mut self, time: Duration) -> Option<()> {
        self.post();
        let until = Instant::now() + time;
        while Instant::now() < until {
            if self.orders.now() != Order::Go {
                return None;
            }
            std::thread::sleep(BUSY_WAIT.min(time));
        }
        Some(())
    }

    fn turn(&mut self, consumer: &mut Consumer, ending: bool) {
        self.read(consumer);
        self.has_share = consumer.has_share();
        self.relay();
        for _ in 0..ANSWERS_A_TURN {
            let Ok(answer) = self.answers.try_recv() else { break };
            self.answer(answer);
        }
        self.shared.gateways.follow();
        self.notice_store();
        let ticks = self.ticked.elapsed() >= self.options.tick;
        if ticks {
            self.ticked = Instant::now();
            self.tick();
        }
        let shared = &mut self.shared;
        for held in self.held.values_mut() {
            load_when_due(held, shared);
            if ending && !held.is_stopped() {
                held.owner.finish(&mut held.asks);
            }
            ask(held, shared);
            held.steer(consumer, ending, ticks);
        }
    }

    // --- the log -------------------------------------------------------------------------------

    fn read(&mut self, consumer: &mut Consumer) {
        let busy = self.shared.open > 0 || self.shared.relays.len() > 0;
        let wait = if busy { BUSY_WAIT } else { IDLE_WAIT };
        let (mut left, before) = (self.options.records_a_turn, self.shared.counts.records);
        let Self { held, shared, stays, settings, .. } = self;
        let polled = consumer.poll(wait, &mut |event| match event {
            Event::Record { at, position, append_ms, record } => {
                let Some(held) = held.get_mut(&at) else { return ControlFlow::Continue(()) };
                let fed = held.feed(position, append_ms, record);
                if fed != Fed::Dropped {
                    shared.counts.records += 1;
                }
                left = left.saturating_sub(1);
                match fed {
                    Fed::Taken if left > 0 => ControlFlow::Continue(()),
                    Fed::Taken | Fed::Full | Fed::Dropped => ControlFlow::Break(()),
                }
            }
            Event::Assigned(at) => {
                *stays += 1;
                let key = Key { at, stay: *stays };
                if let Some(before) = held.insert(at, Held::new(key, *settings)) {
                    shared.relays.forget(before.key, None);
                }
                ControlFlow::Continue(())
            }
            Event::Revoked(at) => {
                if let Some(held) = held.remove(&at) {
                    shared.relays.forget(held.key, None);
                }
                ControlFlow::Continue(())
            }
            Event::OutOfRange(at) => {
                if let Some(held) = held.get_mut(&at).filter(|held| !held.is_stopped()) {
                    // It finds where the log ends now, and stands still if it must.
                    held.owner.store_changed(&mut held.asks);
                }
                ControlFlow::Continue(())
            }
        });
        match polled {
            // That nothing has come says nothing.
            Ok(()) if self.shared.counts.records == before => {}
            Ok(()) => self.shared.troubles.over(Component::Log),
            Err(error) => {
                let rest = self.shared.troubles.pause(Component::Log);
                self.shared.troubles.met(Component::Log, &error);
                self.shared.counts.failures += 1;
                // Owners go on meanwhile, in the turns behind.
                std::thread::sleep(rest.min(self.options.tick));
            }
        }
    }

    fn relay(&mut self) {
        for outcome in self.shared.relays.turn(&mut self.shared.troubles) {
            match outcome {
                Outcome::InLog(key, life, What::Relay(number)) => {
                    self.shared.counts.relays += 1;
                    self.with(key, life, |held| {
                        let more = held.relayed.is_in_log(number);
                        if more > 0 {
                            held.owner.relayed(life, more, &mut held.asks);
                        }
                    });
                }
                Outcome::InLog(key, life, What::Notice(stage)) => {
                    self.shared.counts.notices += 1;
                    self.with(key, life, |held| {
                        held.owner.noticed(life, stage, &mut held.asks);
                    });
                }
                Outcome::Failed(key, life) => {
                    self.shared.counts.failures += 1;
                    self.with(key, life, |held| {
                        held.owner.produce_failed(life, &mut held.asks);
                    });
                }
                Outcome::Refused(key, life, why) => {
                    self.shared.counts.failures += 1;
                    self.with(key, life, |held| stand_still(held, why));
                }
            }
        }
    }

    // --- answers -------------------------------------------------------------------------------

    /// Does something with the owner that asked, if it is still in that life, and begins what it asks then.
    fn with(&mut self, key: Key, life: Life, then: impl FnOnce(&mut Held)) {
        let Some(held) = self.held.get_mut(&key.at) else { return };
        if held.key == key && held.life == life && !held.is_stopped() {
            then(held);
            ask(held, &mut self.shared);
        }
    }

    fn answer(&mut self, (began, answer): Came) {
        self.shared.open = self.shared.open.saturating_sub(1);
        match answer {
            Answer::Versions(found) => self.compare_with(found, began),
            Answer::Checkpoints(found) => self.begin_anew(found, began),
            Answer::Asked(component, result) => {
                let failed = result.as_ref().err().map(|error| error as &dyn std::fmt::Display);
                self.shared.troubles.asked(component, failed);
            }
            answer => answered(&mut self.held, &mut self.shared, answer, began),
        }
    }

    // --- time ----------------------------------------------------------------------------------

    /// The store may have lost what owners have stored.
    fn notice_store(&mut self) {
        let now = self.shared.calls.history.generation();
        for held in self.held.values_mut() {
            if held.generation.is_some_and(|generation| generation != now) && !held.is_stopped() {
                held.owner.store_changed(&mut held.asks);
                ask(held, &mut self.shared);
            }
        }
    }

    fn tick(&mut self) {
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        for held in self.held.values_mut().filter(|held| !held.is_stopped()) {
            held.owner.tick(now_ms, &mut held.asks);
            if held.owner.is_idle() {
                held.loads = 0;
            }
            ask(held, &mut self.shared);
        }
        let owned = (self.held.len(), self.stays);
        if owned != std::mem::replace(&mut self.told, owned) {
            tracing::info!(owned = owned.0, "partitions are shared out anew");
        }
        if self.shared.relays.len() == 0 && self.held.values().all(Held::has_written) {
            self.shared.troubles.nothing_to_write();
        }
        for component in self.shared.troubles.whom_to_ask() {
            self.shared.open += 1;
            self.shared.calls.ask(component);
        }
        if self.compared.elapsed() >= self.options.versions_every && !self.comparing {
            self.compare();
        }
        let waits = self.held.values().any(|held| held.refused.is_some());
        if waits && self.looked.elapsed() >= self.options.adopted_every && !self.looking {
            (self.looked, self.looking) = (Instant::now(), true);
            self.shared.open += 1;
            self.shared.calls.checkpoints();
        }
        self.post();
    }

    /// Of the partitions that stand still before a log that is not theirs, those whose log was adopted go on.
    fn begin_anew(
        &mut self,
        found: Result<Vec<(LogPartition, Checkpoint)>, StoreError>,
        began: Instant,
    ) {
        self.looking = false;
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.shared.counts.failures += 1;
                self.shared.troubles.failed(Component::History, &error, began);
                return;
            }
        };
        self.shared.troubles.answered(Component::History, began);
        for (at, checkpoint) in found {
            let Some(held) = self.held.get_mut(&at) else { continue };
            if held.refused.is_some_and(|refused| refused != checkpoint.next) {
                tracing::info!(%at, from = %checkpoint.next, "its log was adopted: the partition goes on");
                self.stays += 1;
                self.shared.relays.forget(held.key, None);
                *held = Held::new(Key { at, stay: self.stays }, self.settings);
            }
        }
    }

    /// Asks what versions the groups in memory have.
    fn compare(&mut self) {
        self.compared = Instant::now();
        let owners = self.held.values().filter(|held| held.key.at.topic == Topic::Group);
        let groups: Vec<GroupId> =
            owners.flat_map(|held| held.owner.groups().map(GroupId::new)).collect();
        if !groups.is_empty() {
            self.comparing = true;
            self.shared.open += 1;
            self.shared.calls.versions(groups);
        }
    }

    fn compare_with(&mut self, found: Result<Vec<(GroupId, u64)>, StoreError>, began: Instant) {
        self.comparing = false;
        match found {
            Ok(versions) => {
                let placement = self.settings.placement;
                for held in self.held.values_mut() {
                    let at = held.key.at;
                    let own = |group: &GroupId| {
                        at.topic == Topic::Group
                            && placement.partition(group.as_str()) == at.partition
                    };
                    let versions = versions.iter().filter(|(group, _)| own(group));
                    let versions: Vec<(&str, u64)> =
                        versions.map(|(group, version)| (group.as_str(), *version)).collect();
                    held.owner.versions(&versions);
                }
                self.shared.troubles.answered(Component::Directory, began);
            }
            Err(error) => {
                self.shared.counts.failures += 1;
                self.shared.troubles.failed(Component::Directory, &error, began);
            }
        }
    }

    /// Tells how it stands.
    fn post(&self) {
        let held = self.held.values();
        let stopped = held.clone().filter_map(|held| Some((held.key.at, held.alarm.clone()?)));
        let loading = held.clone().filter(|held| held.to_load.is_some() || held.loading).count();
        self.board.write(Status {
            joined: self.joined,
            has_share: self.has_share,
            owned: self.held.keys().copied().collect(),
            loading,
            stopped: stopped.collect(),
            troubles: self.shared.troubles.told(),
            oldest_ms: held.filter_map(Held::oldest_ms).min(),
            relays_waiting: self.shared.relays.len(),
            counts: self.shared.counts,
        });
    }
}

/// Begins to load the partition when its owner may, one load of a stay at a time.
fn load_when_due(held: &mut Held, shared: &mut Shared) {
    let Some((life, due)) = held.to_load else { return };
    if held.loading || held.is_stopped() || Instant::now() < due {
        return;
    }
    held.to_load = None;
    held.loading = true;
    shared.open += 1;
    let rest = shared.troubles.pause(Component::History);
    shared.calls.load_partition(held.key, life, rest);
}
