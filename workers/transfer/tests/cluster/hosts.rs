//! Transfers: owners with what they have asked for and not yet been answered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use openim_record::{GroupId, PartitionId, Position, Process, Settled, UserId};
use openim_transfer::{
    Alarm, Batch, Checkpoint, Delivery, Effects, GroupChanged, Life, LoadedPartition, LoadedUser,
    LogNow, LogPartition, NotStored, Owner, PageEntry, Sight, Topic, TopicRecord,
};

use crate::rules::Without;
use crate::store::{Write, writes};
use crate::world::World;

#[derive(Debug)]
enum Ask {
    /// With the checkpoint, when that is read.
    Partition(Life, Option<Option<Checkpoint>>),
    /// With their bounds, when these are read.
    Users(Life, Vec<UserId>, Vec<LoadedUser>),
    Group(Life, GroupId),
    /// With what has been read, in three steps.
    Look(Life, u64, Vec<UserId>, Sight, u8),
    Checkpoint(Life, Option<Position>, Checkpoint, Vec<PageEntry>),
    Notice(Life, u64, Box<[u8]>),
    Settle(Life, u64, Process, Vec<Settled>),
}

#[derive(Debug)]
struct Delivering {
    life: Life,
    stage: u64,
    deliveries: Vec<Delivery>,
    at_ms: u64,
    excused: bool,
}

/// What an owner waits for.
#[derive(Debug, Default)]
pub(crate) struct Io {
    asks: Vec<Ask>,
    handed: Option<(Life, Batch)>,
    writing: Option<(Life, VecDeque<Write>)>,
    relays: Vec<(Life, PartitionId, Arc<[u8]>)>,
    /// How many of `relays` the log has, and the next one to be produced, perhaps again.
    relayed: usize,
    next_relay: usize,
    streams: BTreeMap<Process, VecDeque<Delivering>>,
    alarms: Vec<Alarm>,
    dead_letters: usize,
    now_ms: u64,
}

impl Effects for Io {
    fn load_partition(&mut self, life: Life) {
        self.asks.push(Ask::Partition(life, None));
    }

    fn load_users(&mut self, life: Life, users: Vec<UserId>) {
        self.asks.push(Ask::Users(life, users, Vec::new()));
    }

    fn load_group(&mut self, life: Life, group: &GroupId) {
        self.asks.push(Ask::Group(life, group.clone()));
    }

    fn relay(&mut self, life: Life, to: PartitionId, record: Box<[u8]>) {
        self.relays.push((life, to, record.into()));
    }

    fn store(&mut self, life: Life, batch: Batch) {
        self.handed = Some((life, batch));
    }

    fn settle(&mut self, life: Life, stage: u64, process: Process, settled: Vec<Settled>) {
        self.asks.push(Ask::Settle(life, stage, process, settled));
    }

    fn look(&mut self, life: Life, stage: u64, users: Vec<UserId>) {
        self.asks.push(Ask::Look(life, stage, users, Sight::default(), 0));
    }

    fn deliver(&mut self, life: Life, stage: u64, gateway: Process, deliveries: Vec<Delivery>) {
        let at_ms = self.now_ms;
        let delivering = Delivering { life, stage, deliveries, at_ms, excused: false };
        self.streams.entry(gateway).or_default().push_back(delivering);
    }

    fn notice(&mut self, life: Life, stage: u64, record: Box<[u8]>) {
        self.asks.push(Ask::Notice(life, stage, record));
    }

    fn checkpoint(
        &mut self,
        life: Life,
        was: Option<Position>,
        checkpoint: Checkpoint,
        page: Vec<PageEntry>,
    ) {
        self.asks.push(Ask::Checkpoint(life, was, checkpoint, page));
    }

    fn dead_letter(&mut self, _at: Position, _record: &[u8]) {
        self.dead_letters += 1;
    }

    fn alarm(&mut self, alarm: Alarm) {
        self.alarms.push(alarm);
    }
}

#[derive(Debug)]
pub(crate) struct Host {
    number: u64,
    pub(crate) owner: Owner,
    pub(crate) io: Io,
    pub(crate) paused_until_ms: u64,
    /// Which process of the store it speaks to.
    generation: u64,
    /// Without R7: what was read of users.
    kept: BTreeMap<UserId, Vec<Process>>,
}

impl Host {
    fn is_idle(&self, end: Position) -> bool {
        let io = &self.io;
        self.owner.is_idle()
            && self.owner.wants() == Some(end)
            && io.asks.is_empty()
            && io.handed.is_none()
            && io.writing.is_none()
            && io.next_relay == io.relays.len()
            && io.streams.values().all(VecDeque::is_empty)
    }
}

impl World {
    pub(crate) fn host(&mut self, at: LogPartition) {
        let mut io = Io { now_ms: self.now_ms, ..Io::default() };
        let owner = Owner::new(at, self.plan.settings, &mut io);
        let generation = self.store.generation;
        self.processes += 1;
        let number = self.processes;
        let host =
            Host { number, owner, io, paused_until_ms: 0, generation, kept: BTreeMap::new() };
        self.hosts.push(host);
    }

    /// A transfer is killed: what it had under way goes no further, but what gateways were waited for in
    /// vain may be lost with it.
    pub(crate) fn kill_host(&mut self, h: usize) {
        let host = self.hosts.swap_remove(h);
        self.note(|| format!("{:?} is killed", host.owner.at()));
        for ask in &host.io.asks {
            if let Ask::Settle(_, _, process, _) = ask
                && let Some(g) = self.gateway_of(*process)
            {
                self.gateways[g].settles_lost = true;
            }
        }
        for (process, stream) in host.io.streams {
            for delivering in stream.into_iter().filter(|of| of.excused) {
                self.excuse(process, &delivering.deliveries);
            }
        }
    }

    pub(crate) fn hosts_are_idle(&self) -> bool {
        self.hosts.iter().all(|host| host.is_idle(self.logs.end(host.owner.at())))
    }

    /// One step of a transfer.
    pub(crate) fn host_step(&mut self, h: usize) {
        if self.now_ms < self.hosts[h].paused_until_ms {
            return;
        }
        let now_ms = self.now_ms;
        self.hosts[h].io.now_ms = now_ms;
        self.notice_store(h);
        match self.random.below(12) {
            0..3 => self.feed(h),
            3..6 => self.ask_step(h),
            6..8 => self.write_step(h),
            8..10 => self.relay_step(h),
            10 => self.stream_step(h),
            _ => self.host_tick(h),
        }
        self.after(h);
    }

    /// The store is another process of it since the owner asked last: calls that were with the former one
    /// fail.
    fn notice_store(&mut self, h: usize) {
        let generation = self.store.generation;
        let host = &mut self.hosts[h];
        let unnoticed = [Without::Generation, Without::GenerationAndDensity];
        let notices = self.without.is_none_or(|without| !unnoticed.contains(&without));
        if host.generation == generation || !notices {
            return;
        }
        host.generation = generation;
        host.io.handed = None;
        host.io.writing = None;
        host.io.asks.retain(|ask| !matches!(ask, Ask::Checkpoint(..)));
        host.owner.store_changed(&mut host.io);
        self.counts.note("store changed");
    }

    /// Everything that the owner does until it waits for something else.
    pub(crate) fn host_round(&mut self, h: usize) {
        self.hosts[h].io.now_ms = self.now_ms;
        self.notice_store(h);
        for _ in 0..4 {
            self.feed(h);
            for _ in 0..4 {
                self.ask_step(h);
                self.write_step(h);
                self.relay_step(h);
                self.stream_step(h);
            }
        }
        self.host_tick(h);
        self.after(h);
    }

    fn after(&mut self, h: usize) {
        let host = &mut self.hosts[h];
        if let Some((life, batch)) = host.io.handed.take() {
            let writes = writes(batch, &mut self.random);
            host.io.writing = Some((life, writes.into()));
        }
        assert!(host.io.alarms.is_empty(), "it stands still: {:?}", host.io.alarms);
        assert_eq!(host.io.dead_letters, 0, "all are records");
        self.assert_relays_bounded(h);
    }

    /// What an owner has handed out to a topic that takes nothing is bounded, but for what one record's relays add.
    fn assert_relays_bounded(&mut self, h: usize) {
        let Io { relays, relayed, .. } = &self.hosts[h].io;
        let Some((last, ..)) = relays.last() else { return };
        let own = relays[*relayed..].iter().filter(|(life, ..)| life == last);
        let bytes: Vec<usize> = own.map(|(.., record)| record.len()).collect();
        let before = bytes.len().saturating_sub(self.plan.partitions.into());
        let bytes_max = self.plan.settings.relay_bytes_max;
        assert!(bytes[..before].iter().sum::<usize>() < bytes_max, "relays wait without a bound");
        if bytes.iter().sum::<usize>() >= bytes_max {
            self.counts.note("relays held back");
        }
    }

    fn feed(&mut self, h: usize) {
        let count = self.random.range(1, self.plan.feed_max);
        for _ in 0..count {
            let host = &mut self.hosts[h];
            let at = host.owner.at();
            let Some(position) = host.owner.wants() else { return };
            let Some(entry) = self.logs.at(at, position) else { return };
            let change =
                matches!(TopicRecord::decode(&entry.bytes), Ok(TopicRecord::GroupChanged(_)));
            let bytes = match change && self.without == Some(Without::GroupChanged) {
                true => GroupChanged::encode("of another world", 1, &[], &[]).into(),
                false => entry.bytes.clone(),
            };
            host.owner.record(position, entry.append_ms, bytes, &mut host.io);
        }
    }

    /// Time passes for an owner: what it waits for in vain may be lost.
    fn tick_owner(&mut self, h: usize) {
        let now_ms = self.now_ms;
        let late_ms = self.plan.settings.gateways_ms;
        let host = &mut self.hosts[h];
        let mut excuses = Vec::new();
        for (process, stream) in &mut host.io.streams {
            for of in stream.iter_mut().filter(|of| !of.excused && of.at_ms + late_ms <= now_ms) {
                of.excused = true;
                excuses.push((*process, of.deliveries.clone()));
            }
        }
        host.owner.tick(now_ms, &mut host.io);
        for (process, deliveries) in excuses {
            self.excuse(process, &deliveries);
        }
    }

    fn host_tick(&mut self, h: usize) {
        self.tick_owner(h);
        let host = &mut self.hosts[h];
        if host.owner.at().topic == Topic::Group && self.random.percent(5) {
            let groups: Vec<String> = host.owner.groups().map(str::to_owned).collect();
            let directory = &self.directory;
            let versions: Vec<(&str, u64)> =
                groups.iter().map(|group| (group.as_str(), directory.version(group))).collect();
            if self.without != Some(Without::GroupChanged) {
                host.owner.versions(&versions);
            }
        }
    }

    fn write_step(&mut self, h: usize) {
        let host = &mut self.hosts[h];
        let Some((life, mut writes)) = host.io.writing.take() else { return };
        let at = host.owner.at();
        if !self.calm && self.random.per_10_000(self.plan.store_fails) {
            // Perhaps it did all of it, and nobody heard.
            if self.random.percent(50) {
                for write in writes {
                    if self.store.do_write(at, write).is_err() {
                        break;
                    }
                }
            }
            self.counts.note("store failed");
            host.owner.stored(life, Err(NotStored::Unknown), &mut host.io);
            return;
        }
        if let Some(write) = writes.pop_front()
            && let Err(contradiction) = {
                self.note(|| format!("{at:?}: {write:?}"));
                self.store.do_write(at, write)
            }
        {
            self.note(|| format!("{at:?}: {contradiction:?}"));
            let host = &mut self.hosts[h];
            host.owner.stored(life, Err(NotStored::Contradiction(contradiction)), &mut host.io);
            return;
        }
        let host = &mut self.hosts[h];
        match writes.is_empty() {
            true => host.owner.stored(life, Ok(()), &mut host.io),
            false => host.io.writing = Some((life, writes)),
        }
    }

    /// The next relay, or from an earlier one on again: in order in any case.
    fn relay_step(&mut self, h: usize) {
        let host = &mut self.hosts[h];
        let io = &mut host.io;
        if io.next_relay == io.relays.len() {
            return;
        }
        if !self.calm && io.next_relay > 0 && self.random.percent(self.plan.relay_again) {
            io.next_relay -= self.random.range(1, io.next_relay.min(2));
        }
        if !self.calm && self.random.per_10_000(self.plan.produce_fails) {
            // What was handed in with it and behind it does not go out any more.
            let left: Vec<_> = io.relays.drain(io.next_relay..).collect();
            io.relayed = io.relayed.min(io.relays.len());
            if let Some((life, ..)) = left.last() {
                host.owner.produce_failed(*life, io);
            }
            self.counts.note("produce failed");
            return;
        }
        let (life, partition, record) = io.relays[io.next_relay].clone();
        let at = LogPartition { topic: Topic::Chat, partition };
        if self.logs.is_stalled(at, self.now_ms) {
            return;
        }
        io.next_relay += 1;
        let first = io.relayed < io.next_relay;
        io.relayed = io.relayed.max(io.next_relay);
        self.append(at, record);
        if first {
            let host = &mut self.hosts[h];
            host.owner.relayed(life, 1, &mut host.io);
        }
    }

    fn stream_step(&mut self, h: usize) {
        let host = &mut self.hosts[h];
        let nth = self.random.below(host.io.streams.len());
        let Some(process) = host.io.streams.keys().nth(nth).copied() else { return };
        let Some(g) = self.gateway_of(process) else {
            let host = &mut self.hosts[h];
            for of in host.io.streams.remove(&process).into_iter().flatten() {
                host.owner.reached(of.life, of.stage, process, &[], &mut host.io);
            }
            return;
        };
        if self.now_ms < self.gateways[g].stalled_until_ms {
            return;
        }
        let number = self.hosts[h].number;
        let stream = self.hosts[h].io.streams.get_mut(&process);
        let Some(of) = stream.and_then(VecDeque::pop_front) else { return };
        let reached = self.take_deliveries(g, number, &of.deliveries);
        let lost = !self.calm && self.random.percent(2);
        if !lost {
            let host = &mut self.hosts[h];
            host.owner.reached(of.life, of.stage, process, &reached, &mut host.io);
        }
    }

    fn ask_step(&mut self, h: usize) {
        let host = &mut self.hosts[h];
        let nth = self.random.below(host.io.asks.len());
        if nth >= host.io.asks.len() {
            return;
        }
        let ask = host.io.asks.swap_remove(nth);
        if matches!(ask, Ask::Look(..)) && !self.calm && self.random.percent(self.plan.slow_looks) {
            host.io.asks.push(ask);
            return;
        }
        let at = host.owner.at();
        let fails = !self.calm && self.random.percent(self.plan.load_fails);
        match ask {
            Ask::Partition(life, None) => {
                host.generation = self.store.generation;
                let checkpoint = self.store.checkpoint_of(at).cloned();
                host.io.asks.push(Ask::Partition(life, Some(checkpoint)));
            }
            Ask::Partition(life, Some(checkpoint)) => {
                self.note(|| format!("{at:?} loads {checkpoint:?}"));
                let pages = self.store.pages(at);
                let start = Position(0);
                let end = match self.without == Some(Without::Replayed) {
                    true => checkpoint.as_ref().map_or(start, |checkpoint| checkpoint.next),
                    false => self.logs.end(at),
                };
                let log = LogNow { start, end, younger: None };
                let partition = LoadedPartition { checkpoint, pages, log };
                let host = &mut self.hosts[h];
                host.owner.loaded(life, partition, &mut host.io);
            }
            Ask::Users(life, users, _) if fails => host.owner.users_failed(life, &users),
            Ask::Users(life, users, loaded) if loaded.is_empty() => {
                let loaded = users.iter().map(|uid| self.store.load_bounds(uid)).collect();
                host.io.asks.push(Ask::Users(life, users, loaded));
            }
            Ask::Users(life, _, mut loaded) => {
                let from = host.owner.checkpoint().unwrap_or_default();
                for user in &mut loaded {
                    user.above = self.store.above(&user.uid, from, user.bounds.newest);
                }
                host.owner.users_loaded(life, loaded, &mut host.io);
            }
            Ask::Group(life, _) if fails => host.owner.group_failed(life),
            Ask::Group(life, group) => {
                let loaded = self.directory.load(&group);
                host.owner.group_loaded(life, loaded, &mut host.io);
            }
            Ask::Look(life, stage, users, sight, step) => {
                self.look(h, life, stage, users, sight, step);
            }
            Ask::Checkpoint(life, was, checkpoint, page) => {
                self.checkpoint_step(h, life, (was, checkpoint), page);
            }
            told @ (Ask::Notice(..) | Ask::Settle(..)) => self.told(h, told),
        }
    }

    /// The page, and another time the checkpoint.
    fn checkpoint_step(
        &mut self,
        h: usize,
        life: Life,
        (was, checkpoint): (Option<Position>, Checkpoint),
        page: Vec<PageEntry>,
    ) {
        let at = self.hosts[h].owner.at();
        if !page.is_empty() {
            let written = self.store.do_write(at, Write::Page(page));
            assert_eq!(written, Ok(()), "a page contradicts nothing");
            self.hosts[h].io.asks.push(Ask::Checkpoint(life, was, checkpoint, Vec::new()));
            return;
        }
        let result = self.store.checkpoint(at, was, checkpoint);
        self.note(|| format!("{at:?}: checkpoint {result:?}"));
        if result.is_err() {
            self.counts.note("checkpoint refused");
        }
        let host = &mut self.hosts[h];
        host.owner.checkpointed(life, result.map_err(NotStored::Contradiction), &mut host.io);
    }

    /// Somebody is told: the push stage, or a process of its sends.
    fn told(&mut self, h: usize, ask: Ask) {
        match ask {
            Ask::Notice(life, stage, record) => {
                let Ok(TopicRecord::Notice(notice)) = TopicRecord::decode(&record) else {
                    panic!("a notice")
                };
                self.reached.insert((UserId::new(notice.uid), notice.seq));
                self.counts.note("notice");
                let host = &mut self.hosts[h];
                host.owner.noticed(life, stage, &mut host.io);
            }
            Ask::Settle(life, stage, process, settled) => {
                if let Some(g) = self.gateway_of(process) {
                    if self.now_ms < self.gateways[g].stalled_until_ms {
                        let ask = Ask::Settle(life, stage, process, settled);
                        self.hosts[h].io.asks.push(ask);
                        return;
                    }
                    self.settle(g, &settled);
                }
                let host = &mut self.hosts[h];
                host.owner.settled(life, stage, process, &mut host.io);
            }
            other => panic!("{other:?} tells nobody"),
        }
    }

    /// Marks, entries, and the marks once more.
    fn look(
        &mut self,
        h: usize,
        life: Life,
        stage: u64,
        users: Vec<UserId>,
        mut sight: Sight,
        step: u8,
    ) {
        let away = self.presence.is_away(self.now_ms);
        let gateways = self.processes();
        let all = || gateways.iter().map(|process| (*process, 1)).collect::<Vec<_>>();
        self.tick_owner(h);
        let host = &mut self.hosts[h];
        match step {
            _ if away => {
                host.owner.saw(life, stage, None, &gateways, &mut host.io);
                return;
            }
            0 => sight.before = self.presence.marks(),
            1 => {
                let keeps = self.without == Some(Without::FreshPresence);
                for uid in &users {
                    let now = self.presence.of(uid);
                    let of = match keeps {
                        true => host.kept.entry(uid.clone()).or_insert(now).clone(),
                        false => now,
                    };
                    sight.users.push((uid.clone(), of));
                }
            }
            _ => {
                sight.after = self.presence.marks();
                match self.without {
                    Some(Without::Marks) => (sight.before, sight.after) = (all(), all()),
                    Some(Without::MarksTwice) => sight.before = sight.after.clone(),
                    _ => {}
                }
                host.owner.saw(life, stage, Some(&sight), &gateways, &mut host.io);
                let at = host.owner.at();
                self.note(|| format!("{at:?} {stage} sees {sight:?}"));
                return;
            }
        }
        host.io.asks.push(Ask::Look(life, stage, users, sight, step + 1));
    }
}
