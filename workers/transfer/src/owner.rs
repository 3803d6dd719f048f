//! The owner of one partition of a topic: it turns the partition's records into numbered inboxes, relays,
//! deliveries and a checkpoint.
//!
//! In: records in log order, loaded users and groups, answers to its effects, the time. Out: [`Effects`].
//! Never: a clock, a socket, a decision by anything but the log.
//!
//! The path of a record: [`Owner::record`] queues it; `decide` makes of it, once, who gets it and what is
//! relayed (R1, R6); `number` gives each inbox its next seq, or finds that it has the record already (R4);
//! `stage` stores what came of many records, tells, and writes the checkpoint (R3, R5, R7, R8).
//!
//! Invariants: what is decided is a function of the records and of the checkpoint it began at, so any
//! number of owners at once decide the same; whatever contradicts that makes it forget everything and load
//! again. Guarded by `tests/cluster.rs`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use openim_back::{Inboxes, Window};
use openim_record::{DuplicateEntry, LogPartition, Placement, Position, Seq, UserId};

use crate::effects::{Effects, Life};
use crate::values::{
    Alarm, Contradiction, LoadedGroup, LoadedPartition, LoadedUser, NotStored, PageEntry,
};

mod decide;
mod membership;
mod number;
mod stage;
#[cfg(test)]
mod tests;

use decide::Deciding;
use membership::Membership;
use stage::{Covered, Stage};

/// What an owner is bounded by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How uids and groups are placed on partitions.
    pub placement: Placement,
    /// How long a key is remembered, in append time.
    pub window_ms: i64,
    /// How many keys at most.
    pub keys_max: usize,
    /// Users in memory, besides those the store does not have.
    pub users_max: usize,
    /// Members of groups in memory.
    pub group_members_max: usize,
    /// Bytes of records that are read and not yet stored.
    pub bytes_max: usize,
    /// Entries that one store call writes, about.
    pub entries_max: usize,
    /// Bytes of relays that are handed out and not in the log: with so many no further record is taken. One
    /// record more may hand out its own.
    pub relay_bytes_max: usize,
    /// Stages that are stored and wait for gateways, relays or notices.
    pub stages_max: usize,
    /// How long gateways are waited for.
    pub gateways_ms: u64,
    /// How long after a checkpoint the next one is written, as long as there are fewer than `entries_max` keys to be
    /// written with it. Whoever owns the partition next reads so much again.
    pub checkpoint_every_ms: u64,
}

/// A record that is read and not yet decided.
#[derive(Debug)]
struct Queued {
    position: Position,
    append_ms: i64,
    bytes: Arc<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Loading,
    Running,
    Stopped,
}

/// The owner of one partition.
#[derive(Debug)]
pub struct Owner {
    at: LogPartition,
    settings: Settings,
    life: Life,
    state: State,
    /// The refusal that ended the life before, and from which checkpoint that had begun.
    refusal: Option<(Contradiction, Option<Position>)>,
    /// The checkpoint that this life began at.
    began: Option<Position>,
    /// The checkpoint as this owner found or wrote it last.
    checkpoint: Option<Position>,
    checkpointing: Option<Position>,
    covered: Covered,
    checkpoint_due_ms: u64,
    /// It is to come to an end, so checkpoints are not waited with.
    finishes: bool,
    /// The next record to be read.
    next: Position,
    /// Records below were in the log before this life: they may have been applied before.
    replayed: Position,
    time_ms: i64,
    queue: VecDeque<Queued>,
    bytes: usize,
    deciding: Option<Deciding>,
    window: Window,
    inboxes: Inboxes,
    /// Of users to whom the store has more applied than this owner: where that is in their inboxes.
    ahead: HashMap<UserId, Vec<(Position, Seq)>, RandomState>,
    loading: HashSet<UserId, RandomState>,
    membership: Membership,
    high_waters: BTreeMap<LogPartition, Position>,
    /// Relays handed out in this life.
    relays: u64,
    /// The bytes of each of them that is not in the log, and of all together.
    relaying: VecDeque<usize>,
    relaying_bytes: usize,
    stages: VecDeque<Stage>,
    open: Stage,
    /// Where the last stage ends that was handed in.
    handed: Position,
    now_ms: u64,
}

impl Owner {
    /// An owner that loads its partition first.
    pub fn new(at: LogPartition, settings: Settings, fx: &mut impl Effects) -> Self {
        let mut owner = Self {
            at,
            settings,
            life: Life(0),
            state: State::Loading,
            refusal: None,
            began: None,
            checkpoint: None,
            checkpointing: None,
            covered: Covered::default(),
            checkpoint_due_ms: 0,
            finishes: false,
            next: Position(0),
            replayed: Position(0),
            time_ms: 0,
            queue: VecDeque::new(),
            bytes: 0,
            deciding: None,
            window: Window::new(settings.window_ms, settings.keys_max),
            inboxes: inboxes(at, &settings),
            ahead: HashMap::default(),
            loading: HashSet::default(),
            membership: Membership::new(&settings),
            high_waters: BTreeMap::new(),
            relays: 0,
            relaying: VecDeque::new(),
            relaying_bytes: 0,
            stages: VecDeque::new(),
            open: Stage::new(0),
            handed: Position(0),
            now_ms: 0,
        };
        owner.load_again(fx);
        owner
    }

    /// Which partition.
    #[must_use]
    pub const fn at(&self) -> LogPartition {
        self.at
    }

    /// Whether it stands still until somebody has looked.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state == State::Stopped
    }

    /// The checkpoint that it wrote or found last.
    #[must_use]
    pub const fn checkpoint(&self) -> Option<Position> {
        self.checkpoint
    }

    /// The next record to hand in; `None` while it takes none.
    #[must_use]
    pub fn wants(&self) -> Option<Position> {
        let takes = self.state == State::Running
            && self.bytes < self.settings.bytes_max
            && self.has_room_for_relays();
        takes.then_some(self.next)
    }

    /// Whether the topic has taken enough of the relays that were handed out.
    fn has_room_for_relays(&self) -> bool {
        self.relaying_bytes < self.settings.relay_bytes_max
    }

    /// Whether all that was handed in is stored, told and covered by the checkpoint.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state == State::Running
            && self.queue.is_empty()
            && self.deciding.is_none()
            && self.stages.is_empty()
            && self.checkpointing.is_none()
            && self.covered.by.is_none()
            && self.open.end <= self.handed
    }

    // --- loading -------------------------------------------------------------------------------

    /// Forgets everything and loads the partition. What is under way may finish: it does no harm.
    fn load_again(&mut self, fx: &mut impl Effects) {
        if self.state == State::Stopped {
            return;
        }
        let settings = self.settings;
        self.life = Life(self.life.0.wrapping_add(1));
        self.state = State::Loading;
        self.checkpointing = None;
        self.covered = Covered::default();
        self.queue.clear();
        self.bytes = 0;
        self.deciding = None;
        self.window = Window::new(settings.window_ms, settings.keys_max);
        self.inboxes = inboxes(self.at, &settings);
        self.ahead.clear();
        self.loading.clear();
        self.membership = Membership::new(&settings);
        self.high_waters.clear();
        self.time_ms = 0;
        (self.relays, self.relaying_bytes) = (0, 0);
        self.relaying.clear();
        self.stages.clear();
        self.open = Stage::new(0);
        fx.load_partition(self.life);
    }

    /// The partition as it is stored. Who could not load it says [`Self::store_changed`] after a while.
    pub fn loaded(&mut self, life: Life, partition: LoadedPartition, fx: &mut impl Effects) {
        if life != self.life || self.state != State::Loading {
            return;
        }
        let LoadedPartition { checkpoint, mut pages, log } = partition;
        let next = checkpoint.as_ref().map_or(Position(0), |checkpoint| checkpoint.next);
        if let Err(misfit) = log.fits(next) {
            self.stop(Alarm::NotInLog(misfit), fx);
            return;
        }
        self.state = State::Running;
        self.began = checkpoint.as_ref().map(|checkpoint| checkpoint.next);
        self.checkpoint = self.began;
        (self.next, self.replayed) = (next, log.end);
        (self.open.end, self.handed) = (next, next);
        if let Some(checkpoint) = checkpoint {
            self.time_ms = checkpoint.time_ms;
            self.high_waters = checkpoint.high_waters.into_iter().collect();
        }
        // Pages of other owners may say more, and the same again.
        pages.retain(|entry| entry.position < next);
        pages.sort_unstable_by_key(|entry| entry.position);
        pages.dedup_by_key(|entry| entry.position);
        for PageEntry { append_ms, key, .. } in pages {
            let send_time_ns = append_ms.saturating_mul(1_000_000);
            self.window.restore(DuplicateEntry { key, send_time_ns, append_ms });
        }
    }

    /// Users as they are stored.
    pub fn users_loaded(&mut self, life: Life, users: Vec<LoadedUser>, fx: &mut impl Effects) {
        if life != self.life {
            return;
        }
        for LoadedUser { uid, bounds, above } in users {
            self.loading.remove(&uid);
            if self.inboxes.knows(uid.as_str()) {
                continue;
            }
            let ahead = &mut self.ahead;
            self.inboxes.load(&uid, bounds, |left| drop(ahead.remove(left)));
            if self.open.end < bounds.through {
                self.ahead.insert(uid.clone(), above);
            }
            // At once: who comes next may push this one out again.
            if self.waits_for(&uid) {
                self.work(fx);
            }
        }
    }

    /// These users could not be loaded; they are asked for again at the next tick.
    pub fn users_failed(&mut self, life: Life, users: &[UserId]) {
        if life == self.life {
            self.loading.retain(|uid| !users.contains(uid));
        }
    }

    /// A group as the directory has it.
    pub fn group_loaded(&mut self, life: Life, group: LoadedGroup, fx: &mut impl Effects) {
        if life == self.life {
            self.membership.loaded(group);
            self.work(fx);
        }
    }

    /// The directory could not say; it is asked again at the next tick.
    pub fn group_failed(&mut self, life: Life) {
        if life == self.life {
            self.membership.failed();
        }
    }

    /// The versions of groups as the directory has them now: those that have changed are read again.
    pub fn versions(&mut self, groups: &[(&str, u64)]) {
        for &(group, version) in groups {
            self.membership.is_at(group, version);
        }
    }

    /// The groups in memory, to be compared with the directory.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.membership.groups()
    }

    // --- the log -------------------------------------------------------------------------------

    /// The record at `position`, which [`Self::wants`] has named, or the next one that the log has behind
    /// it.
    pub fn record(
        &mut self,
        position: Position,
        append_ms: i64,
        bytes: Arc<[u8]>,
        fx: &mut impl Effects,
    ) {
        if self.state != State::Running || position < self.next {
            return;
        }
        self.next = Position(position.0 + 1);
        self.bytes += bytes.len();
        self.queue.push_back(Queued { position, append_ms, bytes });
        self.work(fx);
    }

    /// Goes on as far as it can.
    fn work(&mut self, fx: &mut impl Effects) {
        while self.state == State::Running {
            // A record that is begun is finished: a stage holds whole ones.
            let full =
                self.open.entries() >= self.settings.entries_max || !self.has_room_for_relays();
            if self.deciding.is_none() && (full || !self.decide(fx)) {
                break;
            }
            if !self.number(fx) {
                break;
            }
        }
        self.hand_in(fx);
    }

    // --- what goes wrong -----------------------------------------------------------------------

    /// A relay or a notice was not taken by the log, or nobody knows.
    pub fn produce_failed(&mut self, life: Life, fx: &mut impl Effects) {
        if life == self.life {
            self.load_again(fx);
        }
    }

    /// The store may have lost what it had: another process of it answers, or it could not be asked for a
    /// while. What it refused before is explained by that.
    pub fn store_changed(&mut self, fx: &mut impl Effects) {
        self.refusal = None;
        self.load_again(fx);
    }

    fn not_stored(&mut self, why: NotStored, fx: &mut impl Effects) {
        if let NotStored::Contradiction(contradiction) = why {
            let refusal = (contradiction, self.began);
            if self.refusal.as_ref() == Some(&refusal) {
                self.stop(Alarm::Contradicted(refusal.0), fx);
                return;
            }
            self.refusal = Some(refusal);
        }
        self.load_again(fx);
    }

    fn stop(&mut self, alarm: Alarm, fx: &mut impl Effects) {
        self.life = Life(self.life.0.wrapping_add(1));
        self.state = State::Stopped;
        fx.alarm(alarm);
    }

    /// Nothing more is handed in: what is done is covered by the checkpoint at once from now on.
    pub fn finish(&mut self, fx: &mut impl Effects) {
        self.finishes = true;
        if self.state == State::Running {
            self.cover(fx);
        }
    }

    /// Lets time pass: gateways are waited for no longer, what could not be loaded is asked for again.
    pub fn tick(&mut self, now_ms: u64, fx: &mut impl Effects) {
        self.now_ms = now_ms;
        if self.state != State::Running {
            return;
        }
        self.give_up_gateways(fx);
        self.work(fx);
    }
}

/// Inboxes of one partition alone; the window is the owner's own.
fn inboxes(at: LogPartition, settings: &Settings) -> Inboxes {
    let own = |partition| partition == at.partition;
    Inboxes::new(settings.placement, own, 0, 1, settings.users_max)
}
