//! Gateways: a front each, with the sockets of its links, which come, take what they are sent, and go.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use openim_auth::{Class, LoginPolicy, TokenId};
use openim_front::{CloseReason, Credentials, FrameToken, Front, LinkId};
use openim_record::{Process, Seq, Settled, UserId};

use crate::announcing::Announcing;
use crate::front_io::{Effect, FrontIo};
use crate::plan::Plan;
use crate::rules::Without;
use crate::world::World;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Frame {
    Send(usize),
    /// 1001, and a pull up to what it says.
    Query,
}

/// How the peer of a link reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    All,
    Trickle,
    /// Takes nothing and answers no ping.
    Nothing,
}

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) uid: UserId,
    pub(crate) platform: u8,
    terminal: usize,
    pub(crate) epoch: u64,
    /// Which of all links that were written down for the first time it is.
    pub(crate) written: u64,
    /// It has had its 101.
    pub(crate) admitted: bool,
    /// Requests, each with its number.
    pub(crate) frames: VecDeque<(Frame, i32)>,
    next_incr: i32,
    pub(crate) replied: i32,
    pub(crate) held: bool,
    /// The request that nothing is read behind until it is answered.
    pub(crate) carrying: Option<i32>,
    pub(crate) closing: bool,
    pub(crate) taking: Taking,
    pub(crate) outbox_bytes: usize,
    pinged: bool,
    /// A later link receives instead of it, and nobody has told it yet.
    pub(crate) replaced: bool,
    /// The newest seq it was told of first: all above must be pushed.
    pub(crate) from: Option<Seq>,
    pub(crate) last: Seq,
    pub(crate) got: BTreeSet<Seq>,
    /// Lost on the way for a reason that the rules allow; a gap, which the client pulls.
    pub(crate) excused: BTreeSet<Seq>,
    /// Sends that were answered with success on it, and in which life of the store they came into the log.
    pub(crate) acknowledged: Vec<(usize, u64)>,
}

impl Socket {
    fn new(uid: UserId, platform: u8, terminal: usize, admitted: bool, taking: Taking) -> Self {
        let mut socket = Self {
            uid,
            platform,
            terminal,
            epoch: 0,
            written: 0,
            admitted,
            frames: VecDeque::new(),
            next_incr: 1,
            replied: 0,
            held: false,
            carrying: None,
            closing: false,
            taking,
            outbox_bytes: 0,
            pinged: false,
            replaced: false,
            from: None,
            last: Seq(0),
            got: BTreeSet::new(),
            excused: BTreeSet::new(),
            acknowledged: Vec::new(),
        };
        socket.ask(Frame::Query);
        socket
    }

    /// The client asks for something.
    pub(crate) fn ask(&mut self, frame: Frame) {
        self.frames.push_back((frame, self.next_incr));
        self.next_incr += 1;
    }
}

#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) front: Front,
    pub(crate) io: FrontIo,
    pub(crate) sockets: BTreeMap<LinkId, Socket>,
    pub(crate) announcing: Announcing,
    /// Sends that no link brings, each with its number, and those that are held.
    pub(crate) calls: VecDeque<(u64, usize)>,
    pub(crate) held_calls: VecDeque<(u64, usize)>,
    pub(crate) stalled_until_ms: u64,
    /// A transfer that was to tell it of settled sends was killed, or nothing tells it.
    pub(crate) settles_lost: bool,
}

impl Gateway {
    pub(crate) fn new(process: Process, plan: &Plan, without: Option<Without>) -> Self {
        let (placement, limits) = (plan.settings.placement, plan.front.clone());
        Self {
            process,
            front: Front::new(placement, LoginPolicy::AllTerminals, limits),
            io: FrontIo::new(process, plan.producing_max, without == Some(Without::Guard)),
            sockets: BTreeMap::new(),
            announcing: Announcing::default(),
            calls: VecDeque::new(),
            held_calls: VecDeque::new(),
            stalled_until_ms: 0,
            settles_lost: without == Some(Without::Durable),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        let quiet = |socket: &Socket| socket.frames.is_empty() && !socket.closing;
        self.io.producer.is_idle()
            && self.calls.is_empty()
            && self.held_calls.is_empty()
            && self.announcing.is_idle()
            && self.sockets.values().all(quiet)
    }

    /// At rest nobody is held, and what is in the log is in the inboxes.
    pub(crate) fn assert_at_rest(&self) {
        for (link, socket) in &self.sockets {
            assert!(!socket.held, "{link:?} is held for ever: {socket:?}");
        }
        let pending = self.front.pending_len();
        assert!(pending == 0 || self.settles_lost, "{pending} sends are never settled");
    }
}

impl World {
    pub(crate) fn gateway_of(&self, process: Process) -> Option<usize> {
        self.gateways.iter().position(|gateway| gateway.process == process)
    }

    pub(crate) fn processes(&self) -> Vec<Process> {
        self.gateways.iter().map(|gateway| gateway.process).collect()
    }

    /// A terminal connects to a gateway.
    pub(crate) fn connect(&mut self, g: usize, terminal: usize) {
        let now = self.now();
        let (uid, platform) = {
            let of = &self.terminals[terminal];
            (self.users[of.user].clone(), of.platform)
        };
        let token = Credentials {
            class: Class::Mobile,
            platform,
            id: TokenId([0; 16]),
            issued_at: 0,
            expires_at: i64::MAX,
            frame: FrameToken::new(0),
        };
        let taking = match self.random.percent(self.plan.slow) {
            false => Taking::All,
            true if self.random.percent(50) => Taking::Trickle,
            true => Taking::Nothing,
        };
        let admitted = self.without == Some(Without::WrittenFirst);
        let Gateway { process, front, io, sockets, .. } = &mut self.gateways[g];
        let link = front.open(uid.as_str(), platform, token, now, io);
        io.given.opened(link);
        sockets.insert(link, Socket::new(uid.clone(), platform, terminal, admitted, taking));
        let process = *process;
        self.terminals[terminal].link = Some((process, link));
        self.note(|| format!("{uid} connects: {link:?} at {process:?}"));
        self.absorb(g);
    }

    /// A link has ended.
    pub(crate) fn close(&mut self, g: usize, link: LinkId) {
        let Gateway { process, front, io, sockets, .. } = &mut self.gateways[g];
        let Some(socket) = sockets.remove(&link) else { return };
        front.closed(link, io);
        let process = *process;
        let of = &mut self.terminals[socket.terminal];
        if of.link == Some((process, link)) {
            of.link = None;
        }
        self.note(|| format!("{link:?} at {process:?} is closed"));
        self.absorb(g);
    }

    /// A link receives no more: a later one of the user does, elsewhere.
    pub(crate) fn replaced_elsewhere(&mut self, g: usize, link: LinkId) {
        let Gateway { front, io, .. } = &mut self.gateways[g];
        front.replaced(link, io);
        self.absorb(g);
    }

    // --- effects -------------------------------------------------------------------------------

    /// Carries out what a front has asked for.
    pub(crate) fn absorb(&mut self, g: usize) {
        loop {
            let effects = std::mem::take(&mut self.gateways[g].io.effects);
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.effect(g, effect);
            }
        }
    }

    fn effect(&mut self, g: usize, effect: Effect) {
        let Gateway { process, sockets, announcing, calls, held_calls, .. } = &mut self.gateways[g];
        match effect {
            Effect::Receipt { origin, key, send_time_ns } => {
                self.receipt(g, origin, key, send_time_ns);
            }
            Effect::Refuse(origin, why) => {
                self.debts.answered(*process, origin);
                self.counts.note(&format!("send refused {why:?}"));
                self.reply(g, origin);
            }
            Effect::Push(link, push) => self.pushed(g, link, &push),
            Effect::Dropped(_) => self.counts.note("push dropped"),
            Effect::Ping(link) => {
                let socket = sockets.get_mut(&link).expect("a ping goes to a socket");
                assert!(!socket.closing, "a ping to a link that is being closed");
                socket.pinged = true;
            }
            Effect::Close(link, reason) => {
                let socket = sockets.get_mut(&link).expect("a close is of a socket");
                assert!(!socket.closing, "a link is told to close once");
                let dead = matches!(reason, CloseReason::Dead | CloseReason::WriteStalled);
                let right = !self.calm || !dead || socket.taking == Taking::Nothing;
                assert!(right, "a living peer is not dead");
                socket.closing = true;
                self.counts.note(&format!("close {reason:?}"));
            }
            Effect::Resume(link) => {
                if let Some(socket) = sockets.get_mut(&link) {
                    assert!(socket.held, "a link is resumed that was not held");
                    socket.held = false;
                }
            }
            Effect::ResumeCalls(calls_max) => {
                let resumed = held_calls.len().min(calls_max);
                calls.extend(held_calls.drain(..resumed));
            }
            Effect::Presence { link, up: true, .. } => announcing.opened(link),
            Effect::Presence { uid, platform, link, up: false } => {
                announcing.closed(uid, platform, link.generation);
            }
        }
    }

    /// The senders of these sends have them.
    pub(crate) fn settle(&mut self, g: usize, settled: &[Settled]) {
        for &settled in settled {
            let Gateway { front, io, .. } = &mut self.gateways[g];
            if io.producer.is_to_report(settled.place) {
                self.counts.note("settled before it was reported");
            }
            front.settled(settled, io);
            self.absorb(g);
        }
    }

    // --- time and sockets ----------------------------------------------------------------------

    /// Time passes for a gateway.
    pub(crate) fn gateway_tick(&mut self, g: usize) {
        let now = self.now();
        self.producer_tick(g);
        let Gateway { front, io, sockets, .. } = &mut self.gateways[g];
        for (&link, socket) in sockets {
            // A pong; of a link that is held nothing is read.
            let read = socket.pinged && !socket.held && socket.taking != Taking::Nothing;
            if read && (self.calm || self.random.percent(50)) {
                socket.pinged = false;
                front.heard(link, now);
            }
        }
        front.tick(now, io);
        self.absorb(g);
        self.room(g);
        let gateway = &self.gateways[g];
        gateway.front.check_invariants();
        assert_eq!(gateway.front.links_len(), gateway.sockets.len(), "a socket a link");
    }

    /// Sockets take what their peers make room for, and closes are carried out.
    pub(crate) fn sockets_step(&mut self, g: usize) {
        let now = self.now();
        let links: Vec<LinkId> = self.gateways[g].sockets.keys().copied().collect();
        for link in links {
            if !self.calm && self.random.percent(50) {
                continue;
            }
            let Gateway { front, sockets, .. } = &mut self.gateways[g];
            let Some(socket) = sockets.get_mut(&link) else { continue };
            let bytes = match socket.taking {
                Taking::All => socket.outbox_bytes,
                Taking::Trickle => socket.outbox_bytes.min(self.random.range(0, 40)),
                Taking::Nothing => 0,
            };
            socket.outbox_bytes -= bytes;
            if bytes > 0 {
                front.written(link, bytes, now);
            }
            if socket.closing {
                self.close(g, link);
            }
        }
    }
}
