//! What came of some records: stored, then told, then covered by the checkpoint (R3, R4, R5, R7, R8).
//!
//! Invariants: nothing is told before it is stored; presence is read after the store and kept for nothing;
//! the checkpoint covers a stage when its relays and notices are in the log and its gateways have answered,
//! or had their time. It is written every now and then, for all that is covered since: what lies behind it is
//! stored as well, and a replay finds that it is. Guarded by the tests of the owner and `tests/cluster.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openim_record::{LogPartition, Position, Process, Seq, Settled, Source, UserId, broken};

use super::{Owner, State};
use crate::effects::{Effects, Life};
use crate::presence::Route;
use crate::record::Notice;
use crate::values::{Batch, Checkpoint, Delivery, Document, NotStored, PageEntry, Raise, Sight};

/// The platforms whose users a push vendor reaches, a bit each.
const MOBILE: u8 = 1 << 1 | 1 << 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Storing,
    /// Stored; what it tells comes behind what the stages before it tell.
    Stored,
    Looking,
    Delivering,
    Noticing,
    Done,
}

/// What no checkpoint says yet.
#[derive(Debug, Default)]
pub(super) struct Covered {
    /// The next one.
    pub(super) by: Option<Checkpoint>,
    /// The keys that it covers and the one before did not.
    page: Vec<PageEntry>,
}

/// A delivery and what has become of it.
#[derive(Debug)]
struct Told {
    deliver: Delivery,
    /// Who is not reached is to be notified.
    offline_push: bool,
    /// The platforms reached, a bit each.
    platforms: u8,
}

#[derive(Debug)]
pub(super) struct Stage {
    number: u64,
    phase: Phase,
    bodies: Vec<(Source, Arc<[u8]>)>,
    pub(super) documents: Vec<Document>,
    pub(super) page: Vec<PageEntry>,
    pub(super) settles: Vec<(Process, Settled)>,
    /// The processes that were told of settled sends and have not answered.
    settling: BTreeSet<Process>,
    /// Until when gateways are waited for.
    until_ms: u64,
    told: Vec<Told>,
    /// The gateways that were asked, each with the places in `told` of what it was handed.
    asked: BTreeMap<Process, Vec<usize>>,
    notices: usize,
    pub(super) held_bytes: usize,
    /// The next record, and what the checkpoint says behind the last one.
    pub(super) end: Position,
    time_ms: i64,
    high_waters: Vec<(LogPartition, Position)>,
    /// Relays that were handed out up to its end.
    relays: u64,
}

impl Stage {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            phase: Phase::Open,
            bodies: Vec::new(),
            documents: Vec::new(),
            page: Vec::new(),
            settles: Vec::new(),
            settling: BTreeSet::new(),
            until_ms: 0,
            told: Vec::new(),
            asked: BTreeMap::new(),
            notices: 0,
            held_bytes: 0,
            end: Position(0),
            time_ms: 0,
            high_waters: Vec::new(),
            relays: 0,
        }
    }

    /// What it writes and tells, about.
    pub(super) fn entries(&self) -> usize {
        self.documents.len().max(self.told.len()).max(self.page.len())
    }

    /// A message that many have: it is written once.
    pub(super) fn body(&mut self, source: Source, message: &Arc<[u8]>) {
        if self.bodies.last().is_none_or(|(last, _)| *last != source) {
            self.bodies.push((source, message.clone()));
        }
    }

    pub(super) fn deliver(&mut self, deliver: Delivery, offline_push: bool) {
        let offline_push = offline_push && !deliver.sync;
        self.told.push(Told { deliver, offline_push, platforms: 0 });
    }
}

impl Owner {
    /// Hands the next stage to the store, if there is something in it and the one before is stored.
    pub(super) fn hand_in(&mut self, fx: &mut impl Effects) {
        let storing = self.stages.back().is_some_and(|stage| stage.phase == Phase::Storing);
        if self.state != State::Running
            || self.deciding.is_some()
            || self.open.end <= self.handed
            || storing
            || self.stages.len() >= self.settings.stages_max
        {
            return;
        }
        let mut next = Stage::new(self.open.number + 1);
        next.end = self.open.end;
        self.handed = self.open.end;
        let mut stage = std::mem::replace(&mut self.open, next);
        stage.phase = Phase::Storing;
        stage.time_ms = self.time_ms;
        stage.high_waters = self.high_waters.iter().map(|(of, at)| (*of, *at)).collect();
        stage.relays = self.relays;
        let Some(taken) = self.inboxes.take_batch(|_| Position(0)) else {
            broken("the batch before is stored")
        };
        let raises: Vec<Raise> = taken
            .runs
            .into_iter()
            .map(|run| {
                let Some((last, before)) = run.positions.split_last() else {
                    broken("a run of an inbox has entries")
                };
                let newest = Seq(run.first.0 + before.len() as u64);
                let through = Position(last.0 + 1);
                Raise { user: run.user, first: run.first, newest, through }
            })
            .collect();
        let batch = Batch {
            bodies: std::mem::take(&mut stage.bodies),
            documents: std::mem::take(&mut stage.documents),
            raises,
        };
        self.stages.push_back(stage);
        if batch.documents.is_empty() {
            self.was_stored(fx);
        } else {
            fx.store(self.life, batch);
        }
    }

    /// What became of the batch.
    pub fn stored(&mut self, life: Life, result: Result<(), NotStored>, fx: &mut impl Effects) {
        if life != self.life {
            return;
        }
        match result {
            Ok(()) => self.was_stored(fx),
            Err(why) => self.not_stored(why, fx),
        }
    }

    fn was_stored(&mut self, fx: &mut impl Effects) {
        self.inboxes.stored();
        let Some(stage) = self.stages.back_mut().filter(|stage| stage.phase == Phase::Storing)
        else {
            broken("what is stored was handed in")
        };
        self.bytes -= std::mem::take(&mut stage.held_bytes);
        stage.until_ms = self.now_ms.saturating_add(self.settings.gateways_ms);
        let mut settled: BTreeMap<Process, Vec<Settled>> = BTreeMap::new();
        for (process, of) in stage.settles.drain(..) {
            settled.entry(process).or_default().push(of);
        }
        for (process, settled) in settled {
            stage.settling.insert(process);
            fx.settle(self.life, stage.number, process, settled);
        }
        stage.phase = Phase::Stored;
        self.look_next(fx);
        self.work(fx);
    }

    /// Reads presence for the next stage that is stored, one at a time: a link takes no seq behind a higher
    /// one, so deliveries go out in the order of stages.
    fn look_next(&mut self, fx: &mut impl Effects) {
        while !self.stages.iter().any(|stage| stage.phase == Phase::Looking)
            && let Some(stage) = self.stages.iter_mut().find(|stage| stage.phase == Phase::Stored)
        {
            let mut users: Vec<UserId> = Vec::new();
            for told in &stage.told {
                if users.last() != Some(&told.deliver.uid) {
                    users.push(told.deliver.uid.clone());
                }
            }
            users.sort_unstable();
            users.dedup();
            if users.is_empty() {
                stage.phase = Phase::Done;
            } else {
                stage.phase = Phase::Looking;
                fx.look(self.life, stage.number, users);
            }
        }
        self.cover(fx);
    }

    fn stage(&mut self, life: Life, number: u64) -> Option<&mut Stage> {
        let own = life == self.life;
        self.stages.iter_mut().find(|stage| own && stage.number == number)
    }

    /// Where the users of a stage are; `None` when presence is away. `gateways`: those that are alive,
    /// known no earlier than what was seen.
    pub fn saw(
        &mut self,
        life: Life,
        number: u64,
        sight: Option<&Sight>,
        gateways: &[Process],
        fx: &mut impl Effects,
    ) {
        let until_ms = self.now_ms.saturating_add(self.settings.gateways_ms);
        let Some(stage) = self.stage(life, number).filter(|stage| stage.phase == Phase::Looking)
        else {
            return;
        };
        let route = Route::new(sight, gateways);
        for (at, told) in stage.told.iter().enumerate() {
            for process in route.of(&told.deliver.uid) {
                stage.asked.entry(process).or_default().push(at);
            }
        }
        stage.phase = Phase::Delivering;
        stage.until_ms = until_ms;
        for (&process, places) in &stage.asked {
            let told = places.iter().filter_map(|&at| stage.told.get(at));
            let deliveries = told.map(|told| told.deliver.clone()).collect();
            fx.deliver(life, number, process, deliveries);
        }
        if stage.asked.is_empty() {
            self.notify(number, fx);
        }
        self.look_next(fx);
    }

    /// A gateway has answered: of each delivery it was handed, in their order, the platforms reached, a
    /// bit each. Or it is gone, and has reached nobody.
    pub fn reached(
        &mut self,
        life: Life,
        number: u64,
        gateway: Process,
        platforms: &[u8],
        fx: &mut impl Effects,
    ) {
        let Some(stage) = self.stage(life, number) else { return };
        let Some(places) = stage.asked.remove(&gateway) else { return };
        for (at, platforms) in places.into_iter().zip(platforms) {
            let Some(told) = stage.told.get_mut(at) else { broken("a gateway was asked for it") };
            told.platforms |= platforms;
        }
        if stage.asked.is_empty() && stage.phase == Phase::Delivering {
            self.notify(number, fx);
        }
    }

    /// A process has taken what it was told of its sends, or is gone.
    pub fn settled(&mut self, life: Life, number: u64, process: Process, fx: &mut impl Effects) {
        if let Some(stage) = self.stage(life, number) {
            stage.settling.remove(&process);
            self.cover(fx);
        }
    }

    /// Gateways that have had their time are waited for no longer.
    pub(super) fn give_up_gateways(&mut self, fx: &mut impl Effects) {
        let now_ms = self.now_ms;
        let mut late = Vec::new();
        for stage in self.stages.iter_mut().filter(|stage| stage.until_ms <= now_ms) {
            stage.settling.clear();
            if stage.phase == Phase::Delivering {
                late.push(stage.number);
            }
        }
        for number in late {
            self.notify(number, fx);
        }
        self.cover(fx);
    }

    /// Those of a stage who were not reached where a push vendor reaches them are notified.
    fn notify(&mut self, number: u64, fx: &mut impl Effects) {
        let life = self.life;
        let Some(stage) = self.stage(life, number) else {
            broken("a stage is there until it is done")
        };
        stage.phase = Phase::Noticing;
        stage.asked.clear();
        for Told { deliver, offline_push, platforms } in stage.told.drain(..) {
            if offline_push && platforms & MOBILE == 0 {
                stage.notices += 1;
                let (uid, seq, message) = (deliver.uid.as_str(), deliver.seq, &*deliver.message);
                let notice = Notice { uid, seq, message, platforms };
                fx.notice(life, number, notice.encode());
            }
        }
        if stage.notices == 0 {
            stage.phase = Phase::Done;
            self.cover(fx);
        }
    }

    /// A notice is in the log.
    pub fn noticed(&mut self, life: Life, number: u64, fx: &mut impl Effects) {
        let Some(stage) = self.stage(life, number) else { return };
        let Some(left) = stage.notices.checked_sub(1) else {
            broken("more notices than there were")
        };
        stage.notices = left;
        if left == 0 {
            stage.phase = Phase::Done;
            self.cover(fx);
        }
    }

    /// So many more relays, in the order in which they were handed out, are in the log.
    pub fn relayed(&mut self, life: Life, relays: u64, fx: &mut impl Effects) {
        if life == self.life {
            for _ in 0..relays {
                let Some(bytes) = self.relaying.pop_front() else {
                    broken("more relays than there were")
                };
                self.relaying_bytes -= bytes;
            }
            self.cover(fx);
            self.work(fx);
        }
    }

    /// Covers the stages that are done.
    pub(super) fn cover(&mut self, fx: &mut impl Effects) {
        let relayed = self.relays - self.relaying.len() as u64;
        let mut covered = None;
        // What is kept for the next checkpoint is bounded by those who wait for it then.
        while self.covered.page.len() < self.settings.entries_max
            && let Some(stage) = self.stages.front()
            && stage.phase == Phase::Done
            && stage.settling.is_empty()
            && stage.relays <= relayed
        {
            let Some(stage) = self.stages.pop_front() else { break };
            self.covered.page.extend(stage.page);
            let Stage { end: next, time_ms, high_waters, .. } = stage;
            covered = Some(Checkpoint { next, time_ms, high_waters });
        }
        let frees = covered.is_some();
        self.covered.by = covered.or(self.covered.by.take());
        self.write_checkpoint(fx);
        if frees {
            self.hand_in(fx);
        }
    }

    /// Writes the checkpoint of what is covered, when it is time.
    fn write_checkpoint(&mut self, fx: &mut impl Effects) {
        let is_due = self.finishes
            || self.now_ms >= self.checkpoint_due_ms
            || self.covered.page.len() >= self.settings.entries_max;
        if self.checkpointing.is_some() || !is_due {
            return;
        }
        let Covered { by: Some(checkpoint), page } = std::mem::take(&mut self.covered) else {
            return;
        };
        self.checkpointing = Some(checkpoint.next);
        self.checkpoint_due_ms = self.now_ms.saturating_add(self.settings.checkpoint_every_ms);
        fx.checkpoint(self.life, self.checkpoint, checkpoint, page);
    }

    /// What became of the checkpoint.
    pub fn checkpointed(
        &mut self,
        life: Life,
        result: Result<(), NotStored>,
        fx: &mut impl Effects,
    ) {
        if life != self.life {
            return;
        }
        match result {
            Ok(()) => {
                let Some(written) = self.checkpointing.take() else {
                    broken("no checkpoint was written")
                };
                self.checkpoint = Some(written);
                self.cover(fx);
            }
            Err(why) => self.not_stored(why, fx),
        }
    }
}
