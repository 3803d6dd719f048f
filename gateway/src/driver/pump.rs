//! One turn of the shard's wheel.
//!
//! Order: log events, answers of the workers, the mesh, then links to close, then one write per link
//! that has something to say. Each input is drained in a bounded batch; what is left makes the pump
//! run again. It runs on every wake of the shard's bell and at least every few polls of any task, so
//! that busy links cannot starve the rings.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openim_protocol::{frame, push};
use openim_record::{MessageKey, Position, Seq, UserId};
use openim_shard::{CloseReason, LinkId, Load, Now, Shard};
use openim_workers::commit::{LogEvent, ToldHere};
use openim_workers::reads::Read;
use openim_workers::{Done, Failed, Wrote};

use crate::audit::Event;
use crate::bus::{Call, Handoff, Request, ToMembers};
use crate::driver::Core;
use crate::driver::books::as_taken;
use crate::driver::io::Io;
use crate::driver::link_io::LinkIo;
use crate::egress::linger;
use crate::phase::Stage;
use crate::socket::Taken;

/// Bytes put into outboxes after which a turn flushes before it takes more: a burst for one link must
/// be offered to its socket before it is called too much.
pub(super) const TURN_BYTES: usize = 256 * 1024;
/// Inputs of one kind taken in one turn.
pub(super) const BATCH: usize = 1024;
/// Members of groups who have their turn in one turn of the shard: what others wait at most.
const MEMBERS: usize = 128;
/// Steps of members of groups before a user whose inbox is asked for. They are of one partition: few.
const HASTENED: usize = 64;
/// Inbox entries, log bytes and milliseconds after which a batch goes to the history store.
const STORE_ENTRIES: usize = 32 * 1024;
const STORE_LOG_BYTES: u64 = 64 << 20;
const STORE_MS: u64 = 10_000;
/// Entries waiting for the store at which committed records are left in the ring.
const UNSTORED_MAX: usize = 8 * STORE_ENTRIES;

/// Work for tasks of their own, found while the state was borrowed.
enum Spawn {
    Admit(Box<Handoff>),
    Call { from: u16, ticket: u32, call: Box<Call> },
}

impl Core {
    /// Called by every task that does the bulk of the work, so that the rings get their turn.
    pub(crate) fn poll_counted(self: &Rc<Self>) {
        if self.wheel.polled() {
            self.pump();
        }
    }

    /// One turn. Returns whether more is waiting.
    pub(crate) fn pump(self: &Rc<Self>) -> bool {
        self.wheel.turns();
        let now = self.now();
        self.io.borrow_mut().turn_ns = now.unix_ns;
        // Read before the ring is drained: everything below this head is in the ring by now.
        let head = self.log.head.load(Ordering::Acquire);
        let mut more = self.take_events(now);
        more |= self.take_answers(now);
        #[cfg(feature = "cluster")]
        {
            more |= self.take_from_backs(now);
        }
        let mut spawns = Vec::new();
        more |= self.take_mesh(now, &mut spawns);
        more |= self.fan_out(now);
        for spawn in spawns {
            self.spawn(spawn);
        }
        self.ask_for_loads();
        // With events left in the ring, only what was handed in counts as applied.
        let events_left = !self.io.borrow().events.is_empty();
        if !events_left {
            self.wheel.drain();
        }
        self.store_if_due(now, head, events_left);
        self.tell_backlog();
        self.end_turn(now);
        more
    }

    /// Closes, flushes and notifies what the turn caused. Link tasks end their polls with it too.
    pub(crate) fn end_turn(self: &Rc<Self>, now: Now) {
        self.close_links(now);
        self.flush(now);
        self.relieve_outboxes();
        // A flush may find a link over its bound.
        self.close_links(now);
        self.forget_lost();
        let mut io = self.io.borrow_mut();
        io.call_waiting();
        io.turn_bytes = 0;
        if std::mem::take(&mut io.appended) {
            io.appends.notify();
        }
        if let Some(journal) = &mut io.journal {
            journal.ring();
        }
    }

    /// Takes what the log has handed in, as far as the shard takes it now, and gives members of groups who stand
    /// before a user their turn: whoever asks how far the user's inbox has come is told of that as well.
    pub(crate) fn catch_up(self: &Rc<Self>, uid: &str) {
        let now = self.now();
        self.io.borrow_mut().turn_ns = now.unix_ns;
        self.take_events(now);
        self.with(|shard, io| {
            let mut left = HASTENED;
            while left > 0 && io.turn_bytes < TURN_BYTES && shard.hasten(uid, now, io) {
                left -= 1;
            }
        });
        self.end_turn(now);
    }

    fn take_events(&self, now: Now) -> bool {
        #[cfg(feature = "cluster")]
        if self.is_alone() {
            return self.take_landed(now);
        }
        let mut shard = self.shard.borrow_mut();
        let mut io = self.io.borrow_mut();
        let mut taken = 0;
        while taken < BATCH
            && io.turn_bytes < TURN_BYTES
            && shard.back().takes_committed()
            && self.may_apply(&shard)
        {
            match io.events.try_recv() {
                Some(LogEvent::Committed(record)) => {
                    shard.committed(as_taken(record), false, now, &mut *io);
                }
                Some(LogEvent::Landed(record)) => {
                    shard.committed(as_taken(record), true, now, &mut *io);
                }
                Some(LogEvent::Told(told)) => {
                    told.into_iter().for_each(|ToldHere { change, records }| {
                        if let Some(step) = change {
                            shard.groups_mut().follow_told(&step, now.mono_ms);
                        }
                        for record in records {
                            shard.committed(record, false, now, &mut *io);
                        }
                    })
                }
                Some(LogEvent::Milestone(milestone)) => shard.milestone(milestone),
                Some(LogEvent::Refused(key)) => shard.refused(key, now, &mut *io),
                None => break,
            }
            taken += 1;
        }
        if taken > 0 {
            io.events.made_room();
        }
        offer_room(&mut shard, &mut io);
        !io.events.is_empty() && shard.back().takes_committed() && self.may_apply(&shard)
    }

    fn may_apply(&self, shard: &Shard) -> bool {
        shard.back().unstored_len() < UNSTORED_MAX
    }

    fn take_answers(&self, now: Now) -> bool {
        for _ in 0..BATCH {
            let Some(done) = self.asks.take() else { return false };
            match done {
                Done::Inbox(uid, inbox) => {
                    self.loaded(Load::Inbox(uid), inbox, now, |shard, io, uid, inbox| {
                        shard.inbox_loaded(uid, inbox.bounds, inbox.min, now, io)
                    });
                }
                Done::Tokens(uid, tokens) => {
                    self.loaded(Load::Tokens(uid), tokens, now, |shard, _, uid, tokens| {
                        shard.tokens_loaded(uid, tokens.newest, tokens.access)
                    });
                }
                Done::Stored => self.shard.borrow_mut().stored(),
                Done::Retained(users) => {
                    let mut shard = self.shard.borrow_mut();
                    for (uid, min) in users {
                        shard.raise_min(uid.as_str(), min);
                    }
                }
                Done::Asked(ticket, _)
                | Done::Wrote(ticket, _)
                | Done::Ranged(ticket, _)
                | Done::Registered(ticket, _)
                | Done::Issued(ticket, _) => {
                    if let Done::Wrote(_, Ok(Wrote::Preferences(set))) = &done {
                        self.heed(set);
                    }
                    self.asks.answer(ticket, done);
                }
            }
        }
        self.asks.has_answers()
    }

    /// The readers have answered what was asked of them for a shard.
    fn loaded<T>(
        &self,
        load: Load,
        answer: Result<T, Failed>,
        now: Now,
        take: impl FnOnce(&mut Shard, &mut Io, &UserId, T) -> bool,
    ) {
        let (Load::Inbox(uid) | Load::Tokens(uid)) = &load;
        let known = match answer {
            Ok(loaded) => Some(self.with(|shard, io| take(shard, io, uid, loaded))),
            Err(Failed) => {
                self.shard.borrow_mut().load_failed(&load, now);
                None
            }
        };
        self.asks.loaded(uid, known);
        #[cfg(feature = "cluster")]
        if let (Load::Tokens(uid), None | Some(true)) = (&load, known) {
            self.asks.reread(uid, known.is_some());
        }
    }

    fn take_mesh(&self, now: Now, spawns: &mut Vec<Spawn>) -> bool {
        let shards = self.here.shards;
        for from in 0..shards {
            for _ in 0..BATCH {
                let mut io = self.io.borrow_mut();
                let Some(peer) = &mut io.mesh.peers[usize::from(from)] else { break };
                if let Some(reply) = peer.take_reply() {
                    io.calls.answer(reply.ticket as usize, *reply.answer);
                    // Its place in the peer's ring is free for another call.
                    continue;
                }
                match peer.in_requests.try_recv() {
                    Some(Request::Socket(handoff)) => spawns.push(Spawn::Admit(handoff)),
                    Some(Request::Call { ticket, call }) => {
                        spawns.push(Spawn::Call { from, ticket, call });
                    }
                    Some(Request::EphemeralGroup(to_members)) => {
                        let ToMembers { record, list } = *to_members;
                        self.shard.borrow_mut().forwarded_group(record, list, now, &mut *io);
                    }
                    Some(Request::Ephemeral(record)) => {
                        self.shard.borrow_mut().forwarded(&record, now, &mut *io);
                    }
                    None => break,
                }
            }
            if let Some(peer) = &self.io.borrow().mesh.peers[usize::from(from)] {
                peer.in_requests.made_room();
                peer.in_replies.made_room();
            }
        }
        let mut io = self.io.borrow_mut();
        offer_room(&mut self.shard.borrow_mut(), &mut io);
        io.mesh.has_input()
    }

    fn spawn(self: &Rc<Self>, spawn: Spawn) {
        let core = Rc::clone(self);
        match spawn {
            Spawn::Admit(handoff) => {
                tokio::task::spawn_local((core.above.admit)(core, handoff));
            }
            Spawn::Call { from, ticket, call } => {
                tokio::task::spawn_local(async move {
                    let answer = core.answer_in_time(*call).await;
                    core.io.borrow_mut().mesh.reply(from, ticket, answer);
                });
            }
        }
    }

    /// Gives members of groups their turn; whether more wait for one.
    fn fan_out(&self, now: Now) -> bool {
        self.with(|shard, io| {
            let more = shard.back().fanning() > 0 && shard.fan_out(MEMBERS, now, io);
            self.fanout.had_their_turn(shard.back().fanned());
            for append_ms in shard.take_fanned_out() {
                let took_ms = now.trusted_ms.saturating_sub(append_ms);
                let took = Duration::from_millis(u64::try_from(took_ms).unwrap_or(0));
                self.metrics.fanout_seconds.observe(took);
            }
            more
        })
    }

    /// Hands users that are wanted in memory to the readers, as far as there is room.
    fn ask_for_loads(&self) {
        let mut shard = self.shard.borrow_mut();
        while self.asks.readers_have_room() {
            // Members of groups leave room for those whom somebody waits for.
            let Some(load) = shard.next_load(self.asks.expects()) else { return };
            let read = match &load {
                Load::Inbox(uid) => Read::Inbox(uid.clone()),
                Load::Tokens(uid) => Read::Tokens(uid.clone()),
            };
            if !self.asks.load(read) {
                shard.put_load_back(&load);
                return;
            }
        }
    }

    fn store_if_due(&self, now: Now, head: u64, events_left: bool) {
        let mut shard = self.shard.borrow_mut();
        let (last_head, last_ms) = self.wheel.last_batch();
        let entries = shard.back().unstored_len();
        let log_bytes = head.saturating_sub(last_head);
        let draining = self.phase.get() >= Stage::Draining;
        let due = entries >= STORE_ENTRIES
            || log_bytes >= STORE_LOG_BYTES
            || ((draining || shard.back().is_half_unstored()) && entries > 0)
            || (log_bytes > 0 && (draining || now.mono_ms >= last_ms + STORE_MS));
        if !due || shard.back().storing() || !self.asks.store_has_room() {
            return;
        }
        if let Some(batch) = shard.take_batch(Position(if events_left { 0 } else { head })) {
            self.wheel.batched(head, now.mono_ms);
            self.asks.store(batch);
        }
    }

    /// Has the log refuse messages while they could only wait: inboxes cannot be stored, and half of what may wait does.
    fn tell_backlog(&self) {
        let backlog = &self.log.backlog;
        let full = backlog.is_refused() && self.shard.borrow().back().is_half_full();
        if full != self.full.replace(full) {
            backlog.fills(full);
        }
    }

    fn close_links(self: &Rc<Self>, now: Now) {
        let closing = std::mem::take(&mut self.io.borrow_mut().closing);
        for (id, reason) in closing {
            self.trace_close(id, reason.name());
            let own = self.shard.borrow().front().platform(id);
            if let Some(by) = own.and_then(|own| reason.kicked_by(own)) {
                self.note_kick(id, reason.name());
                self.write_kick(id, by, now);
            }
            self.close(id, reason);
        }
    }

    /// Ends links whose messages are not whole in time.
    pub(crate) fn close_unfinished(self: &Rc<Self>, now: Now) {
        let overdue = self.io.borrow().input.overdue(now.mono_ms);
        for id in overdue {
            self.close(id, CloseReason::Unfinished);
        }
    }

    /// Ends a link: what waits for it is written, the close frame last.
    pub(crate) fn close(self: &Rc<Self>, id: LinkId, reason: CloseReason) {
        self.metrics.links_closed.of(reason).add(1);
        self.note_end(id, reason);
        // Who does not read is not kept waiting for; and when much waits, nobody who ends is.
        let much = self.lingering.bytes() > self.settings.shares.lingering;
        let drops = reason.is_slow() || much;
        if drops && let Some(link) = self.io.borrow_mut().link(id) {
            link.outbox.drop_unbegun();
            link.untaken_pulls();
        }
        self.io.borrow_mut().frame(id, |out| {
            frame::write_close(out, reason.code().number(), reason.text());
        });
        self.end_link(id, reason == CloseReason::Draining, !drops);
    }

    /// Says to the journal of links how a link ends that is closed next, before anything of its outbox is dropped.
    fn note_end(&self, id: LinkId, reason: CloseReason) {
        let mut io = self.io.borrow_mut();
        io.turn_ns = self.now().unix_ns;
        io.ends(id, reason);
    }

    /// Takes a link out of the tables and lets its socket finish by itself.
    pub(crate) fn drop_link(self: &Rc<Self>, id: LinkId) {
        self.end_link(id, false, true);
    }

    /// The same; of a drain it is counted whether the socket took everything. `whole`: nothing was dropped from the outbox.
    fn end_link(self: &Rc<Self>, id: LinkId, drained: bool, whole: bool) {
        let owner = self.owner(id);
        self.io.borrow_mut().turn_ns = self.now().unix_ns;
        self.with(|shard, io| shard.closed(id, io));
        let Some(link) = self.io.borrow_mut().take(id) else { return };
        let mut link = *link;
        if let Some(waker) = link.waker.take() {
            waker.wake();
        }
        let owed = link.stream.owed_bytes();
        let noted = self.unfinished((id, &mut link), owner, whole);
        let (bytes, from) = link.outbox.into_rest();
        let time = self.settings.write_stall;
        let phase = drained.then(|| Arc::clone(&self.phase));
        if drained {
            self.phase.told();
        }
        let taken = move || {
            phase.iter().for_each(|phase| phase.moved());
            noted();
        };
        let rest = self.lingering.take(bytes, from, owed);
        tokio::task::spawn_local(linger(link.stream, rest, time, link.permit, taken));
    }

    /// Of a link that has just ended with something in its outbox: notes that its socket has taken that, when it has.
    fn unfinished(
        self: &Rc<Self>,
        (id, link): (LinkId, &mut LinkIo),
        owner: Option<(UserId, u8)>,
        whole: bool,
    ) -> impl FnOnce() + use<> {
        let mut io = self.io.borrow_mut();
        let note = io.journal.as_mut().and_then(|journal| journal.unfinished(id, !whole));
        drop(io);
        let (pulls, core) = (link.untaken_pulls(), Rc::clone(self));
        move || {
            let (now_ms, mut io) = (core.now().unix_ms(), core.io.borrow_mut());
            let (Some(journal), Some((uid, platform))) = (&mut io.journal, owner) else {
                return;
            };
            note.into_iter().for_each(|note| journal.note(note));
            for (_, range) in pulls {
                journal.pulled((uid.as_str(), platform), Some(id), range, now_ms);
            }
            journal.ring();
        }
    }

    /// Whose a link is, where that is noted.
    fn owner(&self, id: LinkId) -> Option<(UserId, u8)> {
        let shard = self.shard.borrow();
        let front = shard.front();
        self.io.borrow().journal.as_ref()?;
        Some((front.uid(id)?.clone(), front.platform(id)?))
    }

    /// Notes that a link is ended by somebody else than its user.
    fn note_kick(&self, id: LinkId, why: &'static str) {
        let shard = self.shard.borrow();
        let Some(uid) = shard.front().uid(id) else { return };
        let address = self.io.borrow_mut().link(id).and_then(|link| link.stream.peer_addr().ok());
        let event = Event::new("kick", None).uid(uid.as_str());
        let event = event.from(address.map(|address| address.ip().to_canonical()));
        let platform = shard.front().platform(id);
        self.audit.note(event.with("because", why).with("platform", platform));
    }

    /// Tells a link that somebody on platform `by` has ended it.
    fn write_kick(&self, id: LinkId, by: u8, now: Now) {
        let shard = self.shard.borrow();
        let Some(uid) = shard.front().uid(id) else { return };
        let wire = self.settings.wire;
        let mut io = self.io.borrow_mut();
        let unit = io.unit(id);
        // An id of its own: the kick is no message and must not look like one seen before.
        let key = MessageKey(now.unix_ns.unsigned_abs().into());
        let server_id = key.server_id(uid.as_str());
        io.text(id, |out| {
            push::kick(
                out,
                &push::Kick {
                    uid: uid.as_str(),
                    server_msg_id: &server_id,
                    content_type: wire.kick_type,
                    content: wire.kick_content,
                    send_time: unit.from_nanos(now.unix_ns),
                    platform: by.into(),
                },
            );
        });
        drop(io);
        self.metrics.kicks.add(1);
    }

    /// One write for each link that has something to say.
    fn flush(self: &Rc<Self>, now: Now) {
        let mut dirty = std::mem::take(&mut self.io.borrow_mut().dirty);
        for id in dirty.drain(..) {
            self.flush_link(id, now);
        }
        // Keep the list's memory; nothing was added meanwhile.
        let mut io = self.io.borrow_mut();
        if io.dirty.is_empty() {
            io.dirty = dirty;
        }
    }

    /// Writes what the socket of one link takes now.
    pub(crate) fn flush_link(&self, id: LinkId, now: Now) {
        let mut guard = self.io.borrow_mut();
        let io = &mut *guard;
        io.clean(id);
        let Some(Some(link)) = io.links.get_mut(id.index as usize) else { return };
        if link.generation != id.generation {
            return;
        }
        let owed = link.stream.owed_bytes();
        let written = link.outbox.flush(&mut link.stream, &mut io.pool);
        // What the system has, not what TLS has only encrypted.
        let gone = |taken: &Taken| (owed + taken.offered).saturating_sub(link.stream.owed_bytes());
        let gone = written.as_ref().map_or(0, gone);
        let pulled: Vec<_> = link.took(gone).collect();
        let held = link.held();
        let one_frame = link.outbox.is_one_frame();
        if held > 0 || link.works() {
            // Its task waits for the socket, or for room in the outbox.
            if let Some(waker) = &link.waker {
                waker.wake_by_ref();
            }
        }
        io.sum_outbox(id, held);
        match written {
            Ok(taken) => {
                io.counters.bytes_out += taken.offered as u64;
                let mut shard = self.shard.borrow_mut();
                let max = shard.front().limits().outbox_bytes_max as usize;
                let counted = if one_frame { held.min(max) } else { held };
                shard.outbox(id, counted, taken.by_system > 0, now, io);
                note_pulled(&shard, io, id, &pulled, now);
            }
            Err(_) => io.lost.push(id),
        }
    }

    /// When too much waits for all links together, those that hold most are closed as slow receivers.
    fn relieve_outboxes(&self) {
        let bytes_max = self.settings.shares.outboxes as u64;
        let mut io = self.io.borrow_mut();
        let mut bytes = io.outbox_bytes;
        if bytes <= bytes_max {
            return;
        }
        let mut shard = self.shard.borrow_mut();
        let mut holders = io.holders();
        holders.sort_unstable_by(|a, b| b.cmp(a));
        for (held, id) in holders {
            // Some more than needed, so that the next turn does not begin anew.
            if bytes <= bytes_max / 4 * 3 {
                break;
            }
            bytes = bytes.saturating_sub(u64::from(held));
            shard.shed(id, &mut *io);
        }
    }

    /// Ends the links whose sockets failed. Their tasks find their entries gone.
    fn forget_lost(&self) {
        let lost = std::mem::take(&mut self.io.borrow_mut().lost);
        for id in lost {
            self.lose(id);
        }
    }

    /// The peer of a link is gone: nothing more can be said to it.
    pub(crate) fn lose(&self, id: LinkId) {
        self.trace_close(id, CloseReason::Peer.name());
        self.note_end(id, CloseReason::Peer);
        self.with(|shard, io| shard.closed(id, io));
        let link = self.io.borrow_mut().take(id);
        if let Some(link) = link {
            self.metrics.links_closed.of(CloseReason::Peer).add(1);
            if let Some(waker) = &link.waker {
                waker.wake_by_ref();
            }
            // Dropped with nothing borrowed: a pull inside gives its waits back.
            drop(link);
        }
    }
}

/// The socket of a link has taken the answers to pulls of these.
fn note_pulled(shard: &Shard, io: &mut Io, id: LinkId, pulled: &[(Seq, Seq)], now: Now) {
    let (front, Some(journal)) = (shard.front(), &mut io.journal) else { return };
    let Some((uid, platform)) = front.uid(id).zip(front.platform(id)) else { return };
    for range in pulled {
        journal.pulled((uid.as_str(), platform), Some(id), *range, now.unix_ms());
    }
}

/// Lets as many of those who are held for room try again as there are places.
pub(super) fn offer_room(shard: &mut Shard, io: &mut Io) {
    let places = io.places();
    if places > 0 {
        shard.room(places, io);
        io.starved = shard.front().blocked_len() > 0 || !io.room_wakers.is_empty();
    }
}
