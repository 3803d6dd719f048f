//! What a gateway is handed for its links, and what each of them must have seen.

use std::collections::BTreeSet;

use openim_front::LinkId;
use openim_record::{Deliver, Member, Process, Seq};
use openim_transfer::{Delivery, message};

use crate::front_io::{Effect, Push};
use crate::gateways::Gateway;
use crate::world::World;

impl World {
    /// A gateway takes deliveries; the platforms reached, a bit each.
    pub(crate) fn take_deliveries(&mut self, g: usize, host: u64, all: &[Delivery]) -> Vec<u8> {
        self.telling = host;
        all.iter().map(|deliver| self.take_delivery(g, deliver)).collect()
    }

    fn take_delivery(&mut self, g: usize, delivery: &Delivery) -> u8 {
        let now = self.now();
        let &Delivery { ref uid, seq, sync, except_platform, .. } = delivery;
        let message = message(&delivery.message, delivery.sent_ms).expect("a message");
        assert_eq!(sync, uid.as_str() == message.send_id, "a copy of the own");
        let member = delivery.member.map(|emphasised| Member { uid: uid.as_str(), emphasised });
        let deliver = Deliver {
            uid: uid.as_str(),
            except_platform,
            message: &message,
            seq,
            member,
            ticket: 0,
        };
        let Gateway { process, front, io, sockets, .. } = &mut self.gateways[g];
        let process = *process;
        assert!(io.effects.is_empty(), "what was caused before is done");
        front.deliver(&deliver, now, io);
        let mut reached = 0;
        for effect in &io.effects {
            if let Effect::Push(link, _) | Effect::Dropped(link) = effect {
                let platform = sockets[link].platform;
                reached |= 1 << platform;
                if matches!(platform, 1 | 2) {
                    self.reached.insert((uid.clone(), seq));
                }
            }
        }
        self.note(|| format!("{process:?}: {uid} {seq} reaches {reached:b}"));
        self.absorb(g);
        reached
    }

    /// A link is sent a message.
    pub(crate) fn pushed(&mut self, g: usize, link: LinkId, push: &Push) {
        let Push { key, seq, send_time_ns, history, bytes } = *push;
        let gateway = &mut self.gateways[g];
        let process = gateway.process;
        let socket = gateway.sockets.get_mut(&link).expect("a push goes to a socket");
        let uid = &socket.uid;
        assert!(!socket.closing, "a push to a link that is being closed");
        socket.outbox_bytes += bytes;
        let times = self.ledger.books.firsts(key);
        assert!(times.contains(&send_time_ns), "L4: a push has the time of a first send");
        self.counts.note("push");
        if seq == Seq(0) {
            assert!(!history, "a stored message is pushed with its seq");
            self.counts.note("push without seq");
            let told = (self.telling, process, link, key, send_time_ns);
            let told = self.untraced.entry(told).or_default();
            *told += 1;
            let sends = times.iter().filter(|time| **time == send_time_ns).count();
            assert!(*told <= sends, "R10: an owner has told it twice");
            return;
        }
        assert!(socket.last < seq, "R8: {uid} was given {seq} after {}", socket.last);
        self.ledger.books.assert_pushed(uid, socket.platform, seq, key);
        if self.store.newest(uid) < seq {
            // The store had it, and has lost it: what the client pulls now, it will not find.
            assert!(self.store.generation > 0, "told before it is stored");
            let lost = (socket.last.0 + 1..seq.0).map(Seq);
            socket.excused.extend(lost);
        }
        if let Some(from) = socket.from {
            let range = (from.max(socket.last), seq);
            let had = |seq| socket.excused.contains(&seq);
            self.ledger.books.assert_nothing_missed(uid, socket.platform, range, had);
        }
        socket.last = seq;
        socket.got.insert(seq);
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
