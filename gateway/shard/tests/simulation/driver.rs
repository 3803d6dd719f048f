//! What a shard's driver does: feeds it events, frames, calls and time, and carries out its effects.

use openim_record::{Draft, Message, Seq, UserId};
use openim_shard::{Admission, LinkId, Origin};

use crate::groups::GroupCall;
use crate::io::{Ask, Call, Effect, LogEvent, Socket, Taking};
use crate::world::{Node, World};

impl World {
    /// Hands the next event of the log in.
    pub(crate) fn take_event(&mut self, at: usize) {
        let now = self.now();
        let Node { shard, io, .. } = &mut self.nodes[at];
        if !shard.back().takes_committed() {
            return;
        }
        match io.events.pop_front() {
            Some(LogEvent::Committed(committed, landed)) => {
                shard.committed(committed, landed, now, io);
            }
            Some(LogEvent::Milestone(milestone)) => shard.milestone(milestone),
            Some(LogEvent::Refused(key)) => shard.refused(key, now, io),
            None => return,
        }
        if shard.back().waiting_len() > 0 {
            self.oracle.counts.note("waited for a load");
            let receipts =
                io.effects.iter().filter(|e| matches!(e, Effect::Receipt { .. })).count();
            if receipts > 0 && shard.front().pending_len() > io.appends.len() {
                self.oracle.counts.note("answered before it was settled");
            }
        }
        self.absorb(at);
    }

    /// Takes an ephemeral message from another shard.
    pub(crate) fn take_forwarded(&mut self, at: usize) {
        let now = self.now();
        let from = self.random.below(self.nodes.len());
        let Some((record, list)) = self.nodes[from].io.mesh[at].pop_front() else { return };
        assert!(Message::decode(&record).is_ok());
        let Node { shard, io, .. } = &mut self.nodes[at];
        match list {
            Some(list) => shard.forwarded_group(record, list, now, io),
            None => shard.forwarded(&record, now, io),
        }
        self.absorb(at);
    }

    pub(crate) fn room(&mut self, at: usize) {
        let Node { shard, io, .. } = &mut self.nodes[at];
        let places = io.places();
        if places > 0 {
            shard.room(places, io);
            let resumed = |effect: &&Effect| matches!(effect, Effect::Resume(_));
            let resumed = io.effects.iter().filter(resumed).count();
            assert!(resumed <= places, "no more go on than there are places");
            // Whoever is left is told of the next ones.
            let calls = io.held_calls.len() + io.held_group_calls.len();
            let left = shard.front().blocked_len() + calls > 0;
            io.append_failed &= left;
            io.mesh_failed &= left;
            self.absorb(at);
        }
    }

    pub(crate) fn tick(&mut self, at: usize) {
        let now = self.now();
        let Node { shard, io, .. } = &mut self.nodes[at];
        for (&link, socket) in &mut io.sockets {
            // A pong; of a link that is held nothing is read.
            let read = socket.pinged && !socket.held && socket.taking != Taking::Nothing;
            if read && (self.calm || self.random.percent(50)) {
                socket.pinged = false;
                shard.heard(link, now);
            }
        }
        shard.tick(now, io);
        self.absorb(at);
        self.compare_books(at);
    }

    // --- frames --------------------------------------------------------------------------------

    fn any_link(&mut self, at: usize) -> Option<LinkId> {
        let sockets = &self.nodes[at].io.sockets;
        let nth = self.random.below(sockets.len());
        sockets.keys().nth(nth).copied()
    }

    pub(crate) fn any_frame(&mut self, at: usize) {
        if let Some(link) = self.any_link(at) {
            for _ in 0..self.random.range(1, 3) {
                self.frame(at, link);
            }
        }
    }

    /// Reads the next frame of a link, unless reading pauses. Whether one was read.
    pub(crate) fn frame(&mut self, at: usize, link: LinkId) -> bool {
        let now = self.now();
        let Node { shard, io, .. } = &mut self.nodes[at];
        let Some(socket) = io.sockets.get_mut(&link) else { return false };
        let paused = now.mono_ms < socket.paused_until_ms;
        if socket.held || socket.closing.is_some() || paused || self.replay.is_some() {
            return false;
        }
        let Some(frame) = socket.frames.front_mut() else { return false };
        if !frame.counted {
            shard.heard(link, now);
            if let Err(ms) = shard.frame_allowed(link, now) {
                assert!(ms > 0, "a pause passes");
                socket.paused_until_ms = now.mono_ms + u64::from(ms);
                return false;
            }
            frame.counted = true;
        }
        let frame = frame.clone();
        let uid = self.users[socket.user].clone();
        let known = shard.front().credentials(link).map(|held| held.id);
        let good = shard.front().admits(uid.as_str(), &frame.token, now.unix_s());
        let good = good.expect("who has a link is in memory");
        assert!(!good || self.oracle.admits(&uid, &frame.token, now.unix_s()), "L8");
        if good && known != Some(frame.token.id) {
            shard.renew(link, frame.token);
        }
        let platform = socket.platform;
        self.note(|| format!("shard {at}: {link:?} {frame:?} good {good}"));
        let origin = Origin::Link { id: link, msg_incr: frame.msg_incr };
        let admission = match frame.ask {
            Ask::Send(message) if good => self.offer(at, origin, message, platform),
            Ask::Query if good => self.question(at, link, &uid, origin),
            Ask::Send(_) | Ask::Query => {
                let admission = self.nodes[at].shard.in_order(link);
                if admission == Admission::Taken {
                    self.reply(at, origin);
                }
                admission
            }
        };
        self.after_offer(at, link, origin, admission);
        true
    }

    /// How far an inbox has come: 1001.
    fn question(&mut self, at: usize, link: LinkId, uid: &UserId, origin: Origin) -> Admission {
        let now = self.now();
        let Node { shard, io, fanning_max, .. } = &mut self.nodes[at];
        *fanning_max = (*fanning_max).max(shard.back().fanning());
        shard.hasten(uid.as_str(), now, io);
        self.absorb(at);
        // What was pushed meanwhile may have closed the link.
        if self.nodes[at].io.sockets[&link].closing.is_some() {
            return Admission::Hold;
        }
        let admission = self.nodes[at].shard.in_view(link);
        match admission {
            Admission::Taken => {
                if let Some(bounds) = self.nodes[at].shard.bounds(uid.as_str()) {
                    let link = (self.life, at, link);
                    self.oracle.answered_question(link, uid, bounds.newest);
                }
                self.reply(at, origin);
            }
            Admission::Refused => self.oracle.counts.note("question refused"),
            Admission::Hold => {}
        }
        admission
    }

    fn after_offer(&mut self, at: usize, link: LinkId, origin: Origin, admission: Admission) {
        let pop = |socket: &mut Socket| socket.frames.pop_front().expect("it was offered");
        let Some(socket) = self.nodes[at].io.sockets.get_mut(&link) else { return };
        match admission {
            Admission::Hold => {
                socket.held = true;
                self.oracle.counts.note("held");
            }
            Admission::Taken => drop(pop(socket)),
            Admission::Refused => {
                pop(socket);
                self.oracle.counts.note("refused at once");
                self.reply(at, origin);
            }
        }
        self.absorb(at);
    }

    /// Offers a send; its effects are absorbed by the caller, who first notes the admission.
    fn offer(&mut self, at: usize, origin: Origin, message: usize, platform: u8) -> Admission {
        let now = self.now();
        let sent = &mut self.oracle.messages[message];
        sent.attempts += 1;
        let (sender, receiver) = (self.users[sent.sender].clone(), sent.receiver.clone());
        let client_msg_id = sent.client_msg_id.clone();
        let content = sent.content.clone();
        let mut draft = Draft::new(&Message {
            send_id: sender.as_str(),
            recv_id: receiver.as_str(),
            client_msg_id: &client_msg_id,
            switches: sent.switches,
            origin_platform: platform,
            msg_from: 100,
            content_type: 101,
            session_type: 1,
            sender_platform_id: platform.into(),
            content: &content,
            ..Message::BLANK
        });
        self.oracle.debts.offered(at, origin);
        let Node { shard, io, .. } = &mut self.nodes[at];
        let before = io.appends.len();
        let admission = shard.send(origin, &mut draft, now, io);
        let appended = io.appends.get(before).map(|append| append.record.clone());
        self.note(|| format!("shard {at}: {client_msg_id} of {sender}: {admission:?}"));
        if admission != Admission::Taken {
            self.oracle.messages[message].attempts -= 1;
            self.oracle.debts.not_taken(at, origin);
        } else {
            self.judge_send(message, appended.as_deref());
        }
        admission
    }

    // --- calls and handshakes ------------------------------------------------------------------

    pub(crate) fn calls(&mut self, at: usize) {
        for _ in 0..self.nodes[at].io.calls.len() {
            if let Some(call) = self.nodes[at].io.calls.pop_front() {
                self.call(at, call);
            }
        }
    }

    fn call(&mut self, at: usize, call: Call) {
        let now = self.now();
        let sender = self.oracle.messages[call.message].sender;
        let uid = self.users[sender].clone();
        let shard = &self.nodes[at].shard;
        let Some(good) = shard.front().admits(uid.as_str(), &call.token, now.unix_s()) else {
            self.nodes[at].shard.want(&uid);
            self.nodes[at].io.calls.push_back(call);
            return;
        };
        if !good {
            return;
        }
        let admitted = self.oracle.admits(&uid, &call.token, now.unix_s());
        assert!(admitted, "L8: {uid} {:?}", call.token);
        let sent = &self.oracle.messages[call.message];
        if sent.group {
            let group = self.group_home(sent.receiver.as_str());
            let after_ns = self.nodes[at].shard.stamp(now);
            let Call { number, message, .. } = call;
            self.nodes[group].io.group_calls.push_back(GroupCall { number, message, after_ns });
            return;
        }
        let origin = Origin::Call(call.number);
        if self.offer(at, origin, call.message, 0) == Admission::Hold {
            self.nodes[at].io.held_calls.push_back(call);
        }
        self.absorb(at);
    }

    pub(crate) fn handshakes(&mut self, at: usize) {
        for _ in 0..self.nodes[at].io.handshakes.len() {
            let Some(handshake) = self.nodes[at].io.handshakes.pop_front() else { return };
            let (device, token) = (handshake.device, handshake.token);
            let user = self.devices[device].user;
            let uid = self.users[user].clone();
            let now = self.now();
            let links = self.nodes[at].shard.front();
            match links.admits(uid.as_str(), &token, now.unix_s()) {
                None => {
                    self.nodes[at].shard.want(&uid);
                    self.nodes[at].io.handshakes.push_back(handshake);
                }
                Some(false) => {
                    // 401: the client logs in anew.
                    self.devices[device].busy = false;
                    self.devices[device].token = None;
                }
                Some(true) => {
                    let admitted = self.oracle.admits(&uid, &token, now.unix_s());
                    assert!(admitted, "L8: {uid} {token:?}");
                    self.open(at, device, token);
                }
            }
        }
    }

    fn open(&mut self, at: usize, device: usize, token: openim_shard::Credentials) {
        let now = self.now();
        let taking = match self.random.percent(self.plan.slow) {
            false => Taking::All,
            true if self.random.percent(50) => Taking::Trickle,
            true => Taking::Nothing,
        };
        let Node { shard, io, .. } = &mut self.nodes[at];
        let (user, platform) = (self.devices[device].user, self.devices[device].platform);
        let uid = &self.users[user];
        let seen = shard.bounds(uid.as_str()).map(|bounds| bounds.newest);
        let link = shard.open(uid.as_str(), platform, token, now, io);
        let before = io.sockets.insert(
            link,
            Socket {
                user,
                device,
                platform,
                credentials: token,
                frames: Default::default(),
                next_incr: 1,
                replied: 0,
                held: false,
                paused_until_ms: 0,
                closing: None,
                taking,
                outbox_bytes: 0,
                pinged: false,
                seen,
                stuck_since_s: None,
            },
        );
        assert!(before.is_none(), "a live link's name is given again");
        self.devices[device].busy = false;
        self.devices[device].link = Some((at, link));
        self.absorb(at);
        self.current.insert((user, platform), (at, link));
        self.note(|| format!("shard {at}: {link:?} of device {device}"));
    }

    // --- sockets -------------------------------------------------------------------------------

    pub(crate) fn any_flush(&mut self, at: usize) {
        if let Some(link) = self.any_link(at) {
            self.flush(at, link);
        }
    }

    /// The socket takes what its peer makes room for.
    pub(crate) fn flush(&mut self, at: usize, link: LinkId) {
        let now = self.now();
        let Node { shard, io, .. } = &mut self.nodes[at];
        let Some(socket) = io.sockets.get_mut(&link) else { return };
        let waiting = socket.outbox_bytes;
        let bytes = match socket.taking {
            Taking::All => waiting,
            Taking::Trickle => waiting.min(self.random.range(0, 40)),
            Taking::Nothing => 0,
        };
        socket.outbox_bytes -= bytes;
        socket.stuck_since_s = match (socket.outbox_bytes, bytes) {
            (0, _) => None,
            (_, 0) => socket.stuck_since_s.or(Some(now.mono_s())),
            _ => Some(now.mono_s()),
        };
        let (held_bytes, closing) = (socket.outbox_bytes, socket.closing.is_some());
        if self.plan.outbox_by_flush {
            shard.outbox(link, held_bytes, bytes > 0, now, io);
        } else if bytes > 0 {
            shard.written(link, bytes, now);
        }
        self.absorb(at);
        let max = self.plan.limits.front.outbox_bytes_max as usize;
        let open = self.nodes[at].io.sockets[&link].closing.is_none();
        assert!(!open || closing || held_bytes <= max, "L6: outbox of {held_bytes} bytes");
    }

    /// Closes are carried out, and peers that are gone leave.
    pub(crate) fn end_links(&mut self, at: usize) {
        let all = self.calm;
        let sockets = &self.nodes[at].io.sockets;
        let closing: Vec<LinkId> =
            sockets.iter().filter(|(_, s)| s.closing.is_some()).map(|(&id, _)| id).collect();
        for link in closing {
            if all || self.random.percent(50) {
                self.end(at, link);
            }
        }
    }

    pub(crate) fn end(&mut self, at: usize, link: LinkId) {
        self.note(|| format!("shard {at}: {link:?} is closed"));
        let Node { shard, io, .. } = &mut self.nodes[at];
        let Some(socket) = io.sockets.remove(&link) else { return };
        shard.closed(link, io);
        shard.closed(link, io);
        let device = &mut self.devices[socket.device];
        if device.link == Some((at, link)) {
            device.link = None;
        }
        self.forget_current(at, link);
        self.absorb(at);
    }

    /// What a pull would see: stored and unstored entries together are the inbox up to its newest.
    pub(crate) fn pull(&mut self, at: usize) {
        let nth = self.random.below(self.users.len());
        let uid = self.users[nth].clone();
        let shard = &mut self.nodes[at].shard;
        let Some(bounds) = shard.bounds(uid.as_str()) else { return };
        let newest = bounds.newest;
        let from = Seq(self.random.range(0, newest.0 as usize + 1) as u64);
        let to = Seq(self.random.range(0, newest.0 as usize + 1) as u64);
        let stored = self.history.positions(&uid).len() as u64;
        let unstored = shard.back().unstored(uid.as_str(), from, to);
        for &(seq, position) in &unstored {
            assert!(from <= seq && seq <= to && seq <= newest);
            let expected =
                self.oracle.ledger.books.at(&uid, seq).expect("L2: the log gives this seq");
            assert_eq!(position, expected.position, "L2: {uid} {seq}");
        }
        for seq in from.0.max(stored + 1)..=to.0.min(newest.0) {
            assert!(unstored.iter().any(|&(s, _)| s == Seq(seq)), "{uid}: {seq} is nowhere");
        }
    }
}
