//! The world around the shards: everything that exists between two steps, and who does the next one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use openim_auth::{Newest, NewestTokens, Platform};
use openim_record::{GroupId, InboxBounds, Placement, StoreBatch, UserId};
use openim_shard::{Credentials, LinkId, Now, Origin, Shard};

use crate::groups::Directory;
use crate::io::{Effect, Io, Taking};
use crate::log::LogThread;
use crate::oracle::Oracle;
use crate::plan::Plan;
use crate::random::Random;
use crate::stores::{History, Records};
use crate::why::Why;
use crate::wishes::Wishes;

/// Unix milliseconds at the start.
const EPOCH_MS: i64 = 1_600_000_000_000;

/// One shard with its driver.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) shard: Shard,
    pub(crate) io: Io,
    /// With the history store, and how many strokes of it are durable.
    pub(crate) batch: Option<(StoreBatch, usize)>,
    /// Most entries that kept users in memory at one time.
    pub(crate) pinned_max: usize,
    /// Most members of groups that waited for their turn.
    pub(crate) fanning_max: usize,
}

/// A user's state on its way into memory.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) node: usize,
    pub(crate) what: openim_shard::Load,
    pub(crate) read: Option<Read>,
    /// The answer does not come before (mono milliseconds).
    pub(crate) not_before_ms: u64,
}

/// What the stores gave.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Read {
    Inbox(InboxBounds),
    Tokens(NewestTokens),
}

/// A token on its way to be durable.
#[derive(Debug)]
pub(crate) struct Issue {
    pub(crate) device: usize,
    pub(crate) uid: UserId,
    pub(crate) platform: Platform,
    pub(crate) newest: Newest,
    pub(crate) token: Credentials,
    pub(crate) durable: bool,
}

/// A terminal of a user.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) user: usize,
    pub(crate) platform: u8,
    pub(crate) token: Option<Credentials>,
    pub(crate) link: Option<(usize, LinkId)>,
    /// A handshake or a login is under way.
    pub(crate) busy: bool,
}

/// Everything.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) placement: Placement,
    /// How often the process was started.
    pub(crate) life: u64,
    pub(crate) mono_ms: u64,
    pub(crate) started_ms: u64,
    pub(crate) skew_ms: i64,
    pub(crate) users: Vec<UserId>,
    pub(crate) devices: Vec<Device>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) log: LogThread,
    pub(crate) records: Records,
    pub(crate) history: History,
    pub(crate) loads: Vec<Load>,
    pub(crate) issues: VecDeque<Issue>,
    pub(crate) groups: Directory,
    pub(crate) wishes: Wishes,
    /// The next record to replay; nobody is served until all were.
    pub(crate) replay: Option<usize>,
    /// The link that must receive.
    pub(crate) current: BTreeMap<(usize, u8), (usize, LinkId)>,
    pub(crate) oracle: Oracle,
    pub(crate) why: Why,
    /// Faults are over.
    pub(crate) calm: bool,
    pub(crate) trace: bool,
    pub(crate) counter: u64,
}

impl World {
    pub(crate) fn new(seed: u64, trace: bool) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random);
        if trace {
            eprintln!("{plan:#?}");
        }
        let placement = Placement::new(plan.partitions);
        let users: Vec<UserId> =
            (0..plan.users).map(|n| UserId::new(&format!("user{n}"))).collect();
        let mut devices = Vec::new();
        for user in 0..users.len() {
            for &platform in &plan.platforms {
                for _ in 0..if random.percent(30) { 2 } else { 1 } {
                    devices.push(Device { user, platform, token: None, link: None, busy: false });
                }
            }
        }
        let mut world = Self {
            oracle: Oracle::new(placement, &plan),
            why: Why::new(seed),
            plan,
            random,
            placement,
            life: 0,
            mono_ms: 0,
            started_ms: 0,
            skew_ms: 0,
            users,
            devices,
            nodes: Vec::new(),
            log: LogThread::default(),
            records: Records::default(),
            history: History::default(),
            loads: Vec::new(),
            issues: VecDeque::new(),
            groups: Directory::default(),
            wishes: Wishes::default(),
            replay: None,
            current: BTreeMap::new(),
            calm: false,
            trace,
            counter: 0,
        };
        for number in 0..world.plan.groups {
            let members: BTreeSet<UserId> =
                world.users.iter().filter(|_| world.random.percent(70)).cloned().collect();
            world.groups.members.insert(GroupId::new(&format!("group{number}")), members);
        }
        world.groups.answered = world.groups.members.clone();
        world.start();
        world
    }

    pub(crate) fn run(&mut self) {
        for _ in 0..self.plan.steps {
            self.step();
            self.check();
        }
        self.finish();
    }

    /// One step of whoever is next, and a little time.
    fn step(&mut self) {
        self.mono_ms += self.random.pick(&[0, 0, 0, 0, 1, 2, 10]);
        self.fault();
        let node = self.random.below(self.nodes.len());
        match self.random.below(252) {
            0..40 => self.client(),
            40..80 => self.take_event(node),
            80..90 => self.take_forwarded(node),
            90..120 => self.any_frame(node),
            120..126 => self.handshakes(node),
            126..130 => self.calls(node),
            130..138 => self.any_flush(node),
            138..144 => self.room(node),
            144..152 => self.store(node),
            152..168 => self.log_step(),
            168..180 => self.load_step(),
            180..191 => self.issue_step(),
            191..194 => self.tick(node),
            194..197 => self.end_links(node),
            197..199 => self.pull(node),
            199..201 => self.retain(),
            201..205 => self.change_members(),
            205..206 => self.wish(),
            206..212 => self.change_step(),
            212..222 => self.group_load_step(),
            222..232 => self.group_calls(node),
            _ => self.fan_out(node),
        }
        if self.replay.is_some() {
            self.replay_step();
        }
        self.ask_why();
    }

    pub(crate) fn now(&self) -> Now {
        let unix_ms = EPOCH_MS + self.mono_ms as i64 + self.skew_ms;
        Now {
            mono_ms: self.mono_ms - self.started_ms,
            unix_ns: unix_ms * 1_000_000,
            trusted_ms: unix_ms,
        }
    }

    pub(crate) fn unix_ms(&self) -> i64 {
        self.now().unix_ns / 1_000_000
    }

    pub(crate) fn home(&self, uid: &UserId) -> usize {
        usize::from(self.placement.home(uid.as_str(), self.nodes.len() as u16))
    }

    pub(crate) fn note(&self, text: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>7} {}", self.mono_ms, text());
        }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Does what the shard asked for in its last call.
    pub(crate) fn absorb(&mut self, at: usize) {
        self.take_notes(at);
        loop {
            let effects = std::mem::take(&mut self.nodes[at].io.effects);
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.note(|| format!("shard {at}: {effect:?}"));
                self.carry_out(at, effect);
            }
        }
    }

    fn carry_out(&mut self, at: usize, effect: Effect) {
        match effect {
            Effect::Receipt { origin, key, send_time_ns } => {
                self.oracle.receipt(self.life, at, origin, key, send_time_ns);
                self.reply(at, origin);
            }
            Effect::Refuse(origin, why) => {
                self.oracle.debts.answered(at, origin);
                self.oracle.counts.note(&format!("refused {why:?}"));
                self.reply(at, origin);
            }
            Effect::Push { link, key, seq, sync, bytes } => {
                let now_s = self.now().unix_s();
                let Node { shard, io, .. } = &mut self.nodes[at];
                let socket = io.sockets.get_mut(&link).expect("a push goes to a socket");
                let uid = &self.users[socket.user];
                assert_eq!(socket.closing, None, "a push to a link that is being closed");
                let current = self.current.get(&(socket.user, socket.platform));
                assert_eq!(current, Some(&(at, link)), "L5: only the newest link receives");
                // The token the shard knows may come from a later frame than the handshake's.
                let token = shard.front().credentials(link).expect("live");
                assert!(self.oracle.admits(uid, token, now_s), "L8: {token:?}");
                let author = self.oracle.messages.iter().rev().find(|sent| sent.key == key);
                let author = &self.users[author.expect("a push is of a send").sender];
                assert_eq!(sync, author == uid, "a copy of the author's own");
                socket.outbox_bytes += bytes;
                self.why.was_pushed(uid, seq, socket.platform);
                self.oracle.pushed(uid, socket, key, seq);
            }
            Effect::Ping(link) => {
                if let Some(socket) = self.nodes[at].io.sockets.get_mut(&link) {
                    assert_eq!(socket.closing, None, "a ping to a link that is being closed");
                    socket.pinged = true;
                }
            }
            Effect::Close(link, reason) => {
                let name = format!("{reason:?}");
                // Not by which platform.
                let name = name.split(' ').next().unwrap_or_default();
                self.oracle.counts.note(&format!("close {name}"));
                let io = &mut self.nodes[at].io;
                let socket = io.sockets.get_mut(&link).expect("a close is of a socket");
                assert_eq!(socket.closing, None, "a link is told to close once");
                socket.closing = Some(reason);
                self.assert_reason(at, link);
                self.forget_current(at, link);
            }
            Effect::Resume(link) => {
                let io = &mut self.nodes[at].io;
                if let Some(socket) = io.sockets.get_mut(&link) {
                    assert!(socket.held, "a link is resumed that was not held");
                    socket.held = false;
                }
            }
            Effect::ResumeCalls(calls_max) => {
                let io = &mut self.nodes[at].io;
                let calls = io.held_calls.len().min(calls_max);
                io.calls.extend(io.held_calls.drain(..calls));
                let calls = io.held_group_calls.len().min(calls_max - calls);
                io.group_calls.extend(io.held_group_calls.drain(..calls));
            }
        }
    }

    /// Answers the client: replies on one link come in the order of the requests (spec 1.7).
    pub(crate) fn reply(&mut self, at: usize, origin: Origin) {
        let Origin::Link { id, msg_incr } = origin else { return };
        let now = self.now();
        let Node { shard, io, .. } = &mut self.nodes[at];
        let Some(socket) = io.sockets.get_mut(&id) else { return };
        assert_eq!(msg_incr, socket.replied + 1, "replies come in request order");
        socket.replied = msg_incr;
        socket.outbox_bytes += 60;
        if !self.plan.outbox_by_flush {
            shard.queued(id, 60, now, io);
        }
    }

    /// Peers that behave are not closed for what they did not do.
    fn assert_reason(&mut self, at: usize, link: LinkId) {
        use openim_shard::CloseReason as Why;
        let socket = &self.nodes[at].io.sockets[&link];
        let now_s = self.now().unix_s();
        let uid = &self.users[socket.user];
        let token = self.nodes[at].shard.front().credentials(link).expect("still there");
        match socket.closing {
            Some(Why::Superseded { .. }) => {
                assert!(
                    self.oracle.supersedes(uid, token, now_s),
                    "a good token is not superseded"
                );
            }
            Some(Why::TokenExpired) => assert!(token.expires_at <= now_s),
            Some(Why::OutboxFull) => {
                let max = self.plan.limits.front.outbox_bytes_max as usize;
                assert!(socket.outbox_bytes + 400 > max, "closed with {}", socket.outbox_bytes);
            }
            Some(Why::Dead | Why::WriteStalled) if self.calm => {
                assert_eq!(socket.taking, Taking::Nothing, "a living peer is not dead");
            }
            Some(Why::LoggedOut | Why::Banned) => panic!("nobody decided so"),
            Some(Why::Replaced | Why::Dead | Why::WriteStalled) | None => {}
            Some(why) => panic!("{why:?} is not for a shard to say"),
        }
    }

    pub(crate) fn forget_current(&mut self, at: usize, link: LinkId) {
        self.current.retain(|_, current| *current != (at, link));
    }

    /// L6 and the machines' own invariants.
    pub(crate) fn check(&mut self) {
        let limits = &self.plan.limits;
        let log = self.log.batch.len();
        for node in &mut self.nodes {
            let Node { shard, io, .. } = node;
            shard.check_invariants();
            let rings = io.appends.len() + log + io.events.len() + shard.back().waiting_len();
            assert!(shard.front().pending_len() <= rings, "L6: sends nobody will answer");
            assert!(io.events.len() <= self.plan.events_max, "events: room was reserved");
            assert!(shard.back().waiting_len() <= limits.back.waiting_max + 1, "L6: waiting");
            assert!(
                shard.front().blocked_len() <= 65 + 2 * shard.front().links_len(),
                "L6: blocked"
            );
            let groups = 2 * (node.fanning_max + shard.back().fanning());
            let unstored_max = self.plan.unstored_max + 2 * limits.back.waiting_max + 4 + groups;
            assert!(shard.back().unstored_len() <= unstored_max, "L6: unstored");
            let taken = node.batch.iter().flat_map(|(batch, _)| &batch.runs).count();
            node.pinned_max = node.pinned_max.max(shard.back().unstored_len() + taken);
            let users_max = limits.back.users_max + node.pinned_max + 1;
            assert!(shard.back().users_len().0 <= users_max, "L6: users");
            assert_eq!(shard.front().links_len(), io.sockets.len(), "a socket a link");
        }
    }
}
