//! What clients ask of a gateway, and what it answers: sends and reads of links, and calls.

use openim_front::{Admission, LinkId, Origin};
use openim_record::{Draft, MessageKey, Seq, own_message};
use openim_transfer::message;

use crate::gateways::{Frame, Gateway, Socket};
use crate::rules::Without;
use crate::world::World;

/// Bytes of a reply, about.
const REPLY_BYTES: usize = 60;

impl World {
    /// Reads the next frame of a link, if it may be read; whether it was.
    pub(crate) fn frame(&mut self, g: usize, link: LinkId) -> bool {
        let now = self.now();
        let Gateway { front, sockets, .. } = &mut self.gateways[g];
        let Some(socket) = sockets.get(&link) else { return false };
        if !socket.admitted || socket.held || socket.closing || socket.carrying.is_some() {
            return false;
        }
        let Some(&(frame, msg_incr)) = socket.frames.front() else { return false };
        front.heard(link, now);
        let origin = Origin::Link { id: link, msg_incr };
        let admission = match frame {
            Frame::Send(message)
                if self.messages[message].group && self.without != Some(Without::Carried) =>
            {
                self.carry(g, link, origin, message)
            }
            Frame::Send(message) => self.offer(g, origin, message),
            Frame::Query => self.query(g, link, origin),
        };
        self.note(|| format!("{link:?} {frame:?}: {admission:?}"));
        let pop = |socket: &mut Socket| socket.frames.pop_front().expect("it was offered");
        let Some(socket) = self.gateways[g].sockets.get_mut(&link) else { return true };
        match admission {
            Admission::Hold => {
                socket.held = true;
                self.counts.note("held");
            }
            Admission::Taken => drop(pop(socket)),
            Admission::Refused => {
                pop(socket);
                let what = match frame {
                    Frame::Send(_) => "send refused at once",
                    Frame::Query => "read refused",
                };
                self.counts.note(what);
                self.reply(g, origin);
            }
        }
        self.absorb(g);
        true
    }

    /// A send to a group lands in another partition than those to users: it is on its way alone, so that answers come
    /// in the order of requests.
    fn carry(&mut self, g: usize, link: LinkId, origin: Origin, message: usize) -> Admission {
        if self.gateways[g].front.in_order(link) == Admission::Hold {
            return Admission::Hold;
        }
        let admission = self.offer(g, origin, message);
        if admission == Admission::Taken
            && let Origin::Link { msg_incr, .. } = origin
            && let Some(socket) = self.gateways[g].sockets.get_mut(&link)
        {
            socket.carrying = Some(msg_incr);
        }
        admission
    }

    /// Offers a send; its effects are absorbed by the caller, who first notes the admission.
    fn offer(&mut self, g: usize, origin: Origin, message: usize) -> Admission {
        let now = self.now();
        let sent = &self.messages[message];
        let mut draft = Draft::new(&own_message(&sent.bytes));
        let Gateway { process, front, io, .. } = &mut self.gateways[g];
        io.extra.clone_from(&sent.extra);
        self.debts.offered(*process, origin);
        let admission = match front.ready(origin, draft.bytes(), io) {
            false => Admission::Hold,
            // Nobody here knows which keys a partition has seen.
            true => front.send(origin, &mut draft, |_, _| None, now, io),
        };
        if admission != Admission::Taken {
            self.debts.not_taken(*process, origin);
        }
        admission
    }

    /// 1001, and a pull up to what it says: behind the sends before it, when those that were good are settled.
    fn query(&mut self, g: usize, link: LinkId, origin: Origin) -> Admission {
        let front = &mut self.gateways[g].front;
        let mut admission = front.in_order(link);
        if admission == Admission::Taken && self.without != Some(Without::Settled) {
            admission = front.in_view(link);
            if admission == Admission::Hold {
                self.counts.note("read waited");
            }
        }
        if admission == Admission::Taken {
            self.answer_read(g, link);
            self.reply(g, origin);
        }
        admission
    }

    fn answer_read(&mut self, g: usize, link: LinkId) {
        let socket = self.gateways[g].sockets.get_mut(&link).expect("it was read");
        let uid = &socket.uid;
        let newest = self.store.newest(uid);
        let books = &self.ledger.books;
        for &(number, generation) in &socket.acknowledged {
            let sent = &self.messages[number];
            if generation == self.store.generation && sent.history {
                let mut inbox = books.inbox(uid).iter().take(newest.0 as usize);
                let there = inbox.any(|entry| entry.key == sent.key);
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
        assert!(socket.last <= newest || self.store.generation > 0, "told before it is stored");
        // What the store has lost since the link was given something behind it, it is not given again.
        socket.excused.extend((newest.0 + 1..socket.last.0).map(Seq));
        socket.from = socket.from.or((!socket.replaced).then_some(newest));
        let of = socket.uid.clone();
        self.note(|| format!("{link:?} of {of} was told {newest}"));
        self.counts.note("read");
    }

    /// The caller is told that the send is durable.
    pub(crate) fn receipt(&mut self, g: usize, origin: Origin, key: MessageKey, time_ns: i64) {
        let Gateway { process, sockets, .. } = &mut self.gateways[g];
        self.debts.answered(*process, origin);
        let number = self.by_key[&key];
        let sent = &mut self.messages[number];
        sent.acknowledged += 1;
        let of_a_record = self.ledger.times(key).any(|time| time == time_ns);
        let lies = self.without == Some(Without::Durable);
        assert!(of_a_record || lies, "{} was answered with {time_ns}", sent.name);
        if let Origin::Link { id, .. } = origin {
            if let Some(socket) = sockets.get_mut(&id) {
                socket.acknowledged.push((number, sent.generation));
            }
            self.chains.entry((*process, id)).or_default().push(number);
        }
        self.counts.note("send answered");
        self.reply(g, origin);
    }

    /// Answers the client: replies on one link come in the order of the requests.
    pub(crate) fn reply(&mut self, g: usize, origin: Origin) {
        let Origin::Link { id, msg_incr } = origin else { return };
        let now = self.now();
        let Gateway { front, io, sockets, .. } = &mut self.gateways[g];
        let Some(socket) = sockets.get_mut(&id) else { return };
        assert_eq!(msg_incr, socket.replied + 1, "replies come in request order");
        socket.replied = msg_incr;
        socket.carrying = socket.carrying.filter(|carried| *carried != msg_incr);
        socket.outbox_bytes += REPLY_BYTES;
        front.queued(id, REPLY_BYTES, now, io);
    }

    /// A send that no link brings.
    pub(crate) fn call(&mut self, g: usize, message: usize) {
        self.calls += 1;
        let number = self.calls;
        self.gateways[g].calls.push_back((number, message));
    }

    /// Calls that may be offered are.
    pub(crate) fn calls_step(&mut self, g: usize) {
        for _ in 0..self.gateways[g].calls.len() {
            let Some((number, message)) = self.gateways[g].calls.pop_front() else { return };
            match self.offer(g, Origin::Call(number), message) {
                Admission::Hold => self.gateways[g].held_calls.push_back((number, message)),
                Admission::Refused => self.counts.note("send refused at once"),
                Admission::Taken => {}
            }
            self.absorb(g);
        }
    }
}
