//! Gateways: links, sends on their way into the log, reads that wait, passes over presence.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use openim_auth::{Class, LoginPolicy, TokenId};
use openim_front::{Credentials, FrameToken, Given, Landing, LinkId, Links, Settling, Target};
use openim_record::{Process, Seq, UserId};
use openim_transfer::{Delivery, LogPartition, ReturnTo, Sent, Topic, message};

use crate::announcing::Announcing;
use crate::rules::Without;
use crate::world::World;

/// How long a send may take, a read may wait, and an unsettled send is remembered.
const SEND_MS: u64 = 3500;
const READ_MS: u64 = 3000;
const KEEP_MS: u64 = 60_000;
const KEPT_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Frame {
    Send(usize),
    /// 1001, and a pull up to what it says.
    Query,
}

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) uid: UserId,
    pub(crate) platform: u8,
    pub(crate) terminal: usize,
    pub(crate) epoch: u64,
    /// Which of all links that were written down for the first time it is.
    pub(crate) written: u64,
    /// It has had its 101.
    pub(crate) admitted: bool,
    pub(crate) frames: VecDeque<Frame>,
    in_flight: usize,
    waits: bool,
    /// A later link receives instead of it, and nobody has told it yet.
    pub(crate) replaced: bool,
    /// The newest seq it was told of first: all above must be pushed.
    pub(crate) from: Option<Seq>,
    last: Seq,
    got: BTreeSet<Seq>,
    /// Lost on the way for a reason that the rules allow; a gap, which the client pulls.
    excused: BTreeSet<Seq>,
    /// Sends that were answered with success on it, and in which life of the store.
    acknowledged: Vec<(usize, u64)>,
}

/// A send that the log has not reported on.
#[derive(Debug)]
pub(crate) struct Producing {
    ticket: u64,
    link: Option<LinkId>,
    message: usize,
    at: LogPartition,
    until_ms: u64,
    /// Its caller has been told already.
    answered: bool,
}

#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) links: Links,
    pub(crate) sockets: BTreeMap<LinkId, Socket>,
    settling: Settling,
    given: Given,
    pub(crate) announcing: Announcing,
    pub(crate) producing: VecDeque<Producing>,
    pub(crate) stalled_until_ms: u64,
}

impl Gateway {
    pub(crate) fn new(process: Process) -> Self {
        Self {
            process,
            links: Links::new(LoginPolicy::AllTerminals, 100),
            sockets: BTreeMap::new(),
            settling: Settling::new(READ_MS, KEEP_MS, KEPT_MAX),
            given: Given::default(),
            announcing: Announcing::default(),
            producing: VecDeque::new(),
            stalled_until_ms: 0,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.producing.is_empty()
            && self.announcing.is_idle()
            && self.sockets.values().all(|socket| socket.frames.is_empty())
    }
}

impl World {
    pub(crate) fn gateway_of(&self, process: Process) -> Option<usize> {
        self.gateways.iter().position(|gateway| gateway.process == process)
    }

    pub(crate) fn processes(&self) -> Vec<Process> {
        self.gateways.iter().map(|gateway| gateway.process).collect()
    }

    // --- links ---------------------------------------------------------------------------------

    /// A terminal connects to a gateway.
    pub(crate) fn connect(&mut self, g: usize, terminal: usize) {
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
        let gateway = &mut self.gateways[g];
        let opened = gateway.links.open(uid.as_str(), platform, token, 0, 0);
        let admitted = self.without == Some(Without::WrittenFirst);
        let socket = Socket {
            uid: uid.clone(),
            platform,
            terminal,
            epoch: 0,
            written: 0,
            admitted,
            frames: VecDeque::from([Frame::Query]),
            in_flight: 0,
            waits: false,
            replaced: false,
            from: None,
            last: Seq(0),
            got: BTreeSet::new(),
            excused: BTreeSet::new(),
            acknowledged: Vec::new(),
        };
        gateway.given.opened(opened.id);
        gateway.sockets.insert(opened.id, socket);
        gateway.announcing.opened(opened.id);
        let process = gateway.process;
        self.terminals[terminal].link = Some((process, opened.id));
        self.note(|| format!("{uid} connects: {:?} at {process:?}", opened.id));
        if let Some(old) = opened.replaced {
            self.close(g, old);
        }
    }

    pub(crate) fn close(&mut self, g: usize, link: LinkId) {
        let gateway = &mut self.gateways[g];
        let Some(socket) = gateway.sockets.remove(&link) else { return };
        gateway.links.close(link);
        gateway.settling.closed(link);
        let process = gateway.process;
        gateway.announcing.closed(socket.uid, socket.platform, link);
        let of = &mut self.terminals[socket.terminal];
        if of.link == Some((process, link)) {
            of.link = None;
        }
        self.note(|| format!("{link:?} at {process:?} is closed"));
    }

    // --- frames --------------------------------------------------------------------------------

    /// Reads frames of a link as far as they may be read.
    pub(crate) fn frame(&mut self, g: usize, link: LinkId) {
        let now_ms = self.now_ms;
        let gateway = &mut self.gateways[g];
        let Some(socket) = gateway.sockets.get_mut(&link).filter(|socket| socket.admitted) else {
            return;
        };
        match socket.frames.front().copied() {
            None => {}
            Some(Frame::Send(message)) => {
                socket.frames.pop_front();
                socket.in_flight += 1;
                self.produce(g, Some(link), message);
            }
            // Answered behind the sends before it, when all that were good are settled.
            Some(Frame::Query) if socket.in_flight > 0 || socket.waits => {}
            Some(Frame::Query) => {
                let settled = gateway.settling.read(link, now_ms);
                if settled || self.without == Some(Without::Settled) {
                    self.answer_read(g, link);
                } else {
                    socket.waits = true;
                    self.counts.note("read waited");
                }
            }
        }
    }

    fn answer_read(&mut self, g: usize, link: LinkId) {
        let Some(socket) = self.gateways[g].sockets.get_mut(&link) else { return };
        let frame = socket.frames.pop_front();
        assert!(matches!(frame, Some(Frame::Query)), "a read is answered in its turn");
        socket.waits = false;
        let uid = &socket.uid;
        let newest = self.store.newest(uid);
        let books = &self.ledger.books;
        for &(number, generation) in &socket.acknowledged {
            let sent = &self.messages[number];
            if generation == self.store.generation && sent.history {
                let inbox = books.inbox(uid).iter().take(newest.0 as usize);
                let there = inbox.clone().any(|entry| entry.key == sent.key);
                assert!(there, "R5: {uid} was told {newest} without {}", sent.name);
            }
        }
        let pulled = self.store.pull(uid, newest);
        assert_eq!(pulled.len() as u64, newest.0, "L2: a pull of {uid} has holes");
        for (at, (document, bytes)) in pulled.into_iter().enumerate() {
            let seq = Seq(at as u64 + 1);
            assert_eq!(document.seq, seq, "L2: a pull of {uid} has holes");
            let expected = books.at(uid, seq).expect("L2: the log gives this seq");
            let bytes = bytes.expect("a stored entry has its message");
            let message = message(bytes, document.sent_ms).expect("a message");
            assert_eq!(message.key, expected.key, "L2: {uid} {seq} is another message");
            assert_eq!(document.position, expected.position, "L2: {uid} {seq}");
            let first = books.firsts(message.key).contains(&message.send_time_ns);
            assert!(first, "L4: {uid} {seq} has the time of a first send");
        }
        socket.from = socket.from.or((!socket.replaced).then_some(newest));
        let of = socket.uid.clone();
        self.note(|| format!("{link:?} of {of} was told {newest}"));
        self.counts.note("read");
    }

    /// What waits for too long is answered with an error.
    pub(crate) fn gateway_tick(&mut self, g: usize) {
        let now_ms = self.now_ms;
        while let Some(link) = self.gateways[g].settling.late(now_ms) {
            self.counts.note("read refused");
            if let Some(socket) = self.gateways[g].sockets.get_mut(&link) {
                socket.frames.pop_front();
                socket.waits = false;
            }
        }
        while let Some(link) = self.gateways[g].settling.give_up(now_ms) {
            self.counts.note("settling given up");
            if let Some(link) = link {
                self.answer_read(g, link);
            }
        }
        let late: Vec<usize> = (0..self.gateways[g].producing.len())
            .filter(|&nth| {
                let producing = &self.gateways[g].producing[nth];
                producing.until_ms <= now_ms && !producing.answered
            })
            .collect();
        for nth in late {
            self.gateways[g].producing[nth].answered = true;
            let (ticket, link) = {
                let producing = &self.gateways[g].producing[nth];
                (producing.ticket, producing.link)
            };
            self.refuse(g, ticket, link);
        }
    }

    fn refuse(&mut self, g: usize, ticket: u64, link: Option<LinkId>) {
        let gateway = &mut self.gateways[g];
        assert!(gateway.settling.refused(ticket), "a send is answered once");
        if let Some(socket) = link.and_then(|link| gateway.sockets.get_mut(&link)) {
            socket.in_flight -= 1;
        }
        self.counts.note("send refused");
    }

    // --- sends ---------------------------------------------------------------------------------

    /// Hands a send to the producer.
    pub(crate) fn produce(&mut self, g: usize, link: Option<LinkId>, message: usize) {
        let sent = &self.messages[message];
        let home = if sent.group { &sent.receiver } else { &self.users[sent.sender] };
        let topic = if sent.group { Topic::Group } else { Topic::Chat };
        let at = LogPartition { topic, partition: self.placement.partition(home.as_str()) };
        let gateway = &mut self.gateways[g];
        let ticket = gateway.settling.send(link, self.now_ms);
        let until_ms = self.now_ms + SEND_MS;
        let producing = Producing { ticket, link, message, at, until_ms, answered: false };
        gateway.producing.push_back(producing);
    }

    /// One send lands, or is refused; those into one partition in their order.
    pub(crate) fn produce_step(&mut self, g: usize) {
        let nth = self.random.below(self.gateways[g].producing.len());
        let Some(at) = self.gateways[g].producing.get(nth).map(|of| of.at) else { return };
        if self.logs.is_stalled(at, self.now_ms) {
            return;
        }
        let first = self.gateways[g].producing.iter().position(|of| of.at == at);
        let Some(Producing { ticket, link, message, answered, .. }) =
            self.gateways[g].producing.remove(first.expect("it is there"))
        else {
            return;
        };
        if !self.calm && self.random.percent(self.plan.refused) {
            if !answered && self.without == Some(Without::Durable) {
                self.acknowledge(g, ticket, link, message);
            } else if !answered {
                self.refuse(g, ticket, link);
            }
            return;
        }
        let to = ReturnTo { process: self.gateways[g].process, ticket };
        let sent = &self.messages[message];
        let extra: Vec<&str> = sent.extra.iter().map(UserId::as_str).collect();
        let record = match sent.group {
            true => Sent::encode_to_group(to, &["user0"], &extra, false, &sent.bytes),
            false => Sent::encode(to, &sent.bytes),
        };
        let position = self.append(at, record.into());
        self.note(|| format!("send {message} landed at {at:?} {position}"));
        if answered {
            return;
        }
        if !self.calm && self.random.percent(self.plan.answer_lost) {
            self.counts.note("answer lost");
            self.refuse(g, ticket, link);
            return;
        }
        self.acknowledge(g, ticket, link, message);
    }

    /// The caller is told that the send is durable.
    fn acknowledge(&mut self, g: usize, ticket: u64, link: Option<LinkId>, message: usize) {
        let generation = self.store.generation;
        let gateway = &mut self.gateways[g];
        assert_eq!(gateway.settling.landed(ticket), Landing::Answer, "a send is answered once");
        self.messages[message].acknowledged += 1;
        if let Some(socket) = link.and_then(|link| gateway.sockets.get_mut(&link)) {
            socket.in_flight -= 1;
            socket.acknowledged.push((message, generation));
            let chain = (gateway.process, link.expect("of a link"));
            self.chains.entry(chain).or_default().push(message);
        }
        self.counts.note("send answered");
    }

    /// The senders of these sends have them.
    pub(crate) fn settle(&mut self, g: usize, tickets: &[u64]) {
        for &ticket in tickets {
            if let Some(link) = self.gateways[g].settling.settled(ticket) {
                self.answer_read(g, link);
            }
        }
    }

    // --- deliveries ----------------------------------------------------------------------------

    /// A gateway takes deliveries; the platforms reached, a bit each.
    pub(crate) fn take_deliveries(&mut self, g: usize, host: u64, all: &[Delivery]) -> Vec<u8> {
        all.iter().map(|deliver| self.take_delivery(g, host, deliver)).collect()
    }

    fn take_delivery(&mut self, g: usize, host: u64, deliver: &Delivery) -> u8 {
        let Delivery { uid, seq, .. } = deliver;
        let gateway = &mut self.gateways[g];
        let targets: Vec<Target> =
            gateway.links.targets(uid.as_str(), deliver.except_platform, 0).collect();
        let process = gateway.process;
        self.note(|| format!("{process:?}: {uid} {seq} to {targets:?}"));
        let gateway = &mut self.gateways[g];
        let mut reached = 0;
        for target in targets {
            let Target::Live(link) = target else { panic!("tokens never expire here") };
            let socket = gateway.sockets.get_mut(&link).expect("a socket a link");
            reached |= 1 << socket.platform;
            if matches!(socket.platform, 1 | 2) {
                self.reached.insert((uid.clone(), *seq));
            }
            let takes = gateway.given.takes(link, *seq);
            if !takes && self.without != Some(Without::Guard) {
                self.counts.note("push dropped");
                continue;
            }
            let message = message(&deliver.message, deliver.sent_ms).expect("a message");
            let times = self.ledger.books.firsts(message.key);
            let first = times.contains(&message.send_time_ns);
            assert!(first, "L4: a push has the time of a first send");
            assert_eq!(deliver.sync, uid.as_str() == message.send_id, "a copy of the own");
            self.counts.note("push");
            if *seq == Seq(0) {
                assert!(!message.switches.history, "a stored message is pushed with its seq");
                self.counts.note("push without seq");
                let told = (host, process, link, message.key, deliver.sent_ms);
                let told = self.untraced.entry(told).or_default();
                *told += 1;
                let sends = times.iter().filter(|time| **time == message.send_time_ns).count();
                assert!(*told <= sends, "R10: an owner has told it twice");
                continue;
            }
            assert!(socket.last < *seq, "R8: {uid} was given {seq} after {}", socket.last);
            self.ledger.books.assert_pushed(uid, socket.platform, *seq, message.key);
            if self.store.newest(uid) < *seq {
                // The store had it, and has lost it: what the client pulls now, it will not find.
                assert!(self.store.generation > 0, "told before it is stored");
                let lost = (socket.last.0 + 1..seq.0).map(Seq);
                socket.excused.extend(lost);
            }
            if let Some(from) = socket.from {
                let range = (from.max(socket.last), *seq);
                let had = |seq| socket.excused.contains(&seq);
                self.ledger.books.assert_nothing_missed(uid, socket.platform, range, had);
            }
            socket.last = *seq;
            socket.got.insert(*seq);
        }
        reached
    }

    /// These deliveries may have been lost on their way: who misses them sees a gap.
    pub(crate) fn excuse(&mut self, process: Process, deliveries: &[Delivery]) {
        let Some(g) = self.gateway_of(process) else { return };
        for deliver in deliveries {
            for socket in self.gateways[g].sockets.values_mut() {
                if socket.uid == deliver.uid {
                    socket.excused.insert(deliver.seq);
                }
            }
        }
        self.counts.note("delivery excused");
    }

    /// At rest: nothing is missing on a link that is still open, and there is one a terminal.
    pub(crate) fn assert_links(&self) {
        let mut seen = BTreeSet::new();
        for gateway in &self.gateways {
            for socket in gateway.sockets.values() {
                let once = seen.insert((socket.uid.clone(), socket.platform));
                assert!(once, "L5: {} has two links on {}", socket.uid, socket.platform);
                let Some(from) = socket.from else { continue };
                let books = &self.ledger.books;
                let had = |seq| socket.got.contains(&seq) || socket.excused.contains(&seq);
                let range = (from, books.end(&socket.uid));
                books.assert_nothing_missed(&socket.uid, socket.platform, range, had);
            }
        }
    }
}
