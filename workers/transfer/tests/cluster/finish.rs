//! The end of a run: faults stop, everything must come to rest, and the laws are checked.

use std::collections::BTreeSet;

use crate::books::Chained;
use crate::gateways::{Gateway, Socket, Taking};
use crate::world::World;
use openim_record::{MessageKey, Position, Seq};

impl World {
    pub(crate) fn finish(&mut self) {
        self.note(|| "faults are over".to_owned());
        self.calm = true;
        self.presence.away_until_ms = 0;
        for host in &mut self.hosts {
            host.paused_until_ms = 0;
        }
        for gateway in &mut self.gateways {
            gateway.stalled_until_ms = 0;
            gateway.io.producer.stuck_until_ms = 0;
            let slow = |socket: &&mut Socket| socket.taking == Taking::Trickle;
            for socket in gateway.sockets.values_mut().filter(slow) {
                socket.taking = Taking::All;
            }
        }
        // What was read or written into the void is over, and whoever waits has waited long enough.
        self.rest();
        self.now_ms += 5000;
        self.rest();
        self.compare_groups();
        self.last_sends();
        self.rest();
        // Every gateway writes its links again, as it does now and then: the replaced ones find out.
        for g in 0..self.gateways.len() {
            self.gateways[g].announcing.disbelieve();
        }
        self.rest();
        self.assert_laws();
    }

    /// Everybody works until nothing is left to do.
    fn rest(&mut self) {
        for _ in 0..3000 {
            self.round();
            let idle = self.debts.is_empty()
                && self.gateways.iter().all(|gateway| gateway.is_idle())
                && self.directory.changes.is_empty()
                && self.hosts_are_idle();
            if idle {
                self.gateways.iter().for_each(Gateway::assert_at_rest);
                return;
            }
        }
        for host in self.hosts.iter().filter(|_| self.trace) {
            eprintln!("{host:#?}");
        }
        panic!("does not come to rest");
    }

    fn round(&mut self) {
        self.now_ms += 5;
        self.time_of_producers();
        for g in 0..self.gateways.len() {
            let links: Vec<_> = self.gateways[g].sockets.keys().copied().collect();
            for link in links {
                while self.frame(g, link) {}
            }
            self.calls_step(g);
            self.produce_step(g);
            self.report_step(g);
            self.sockets_step(g);
            for _ in 0..6 {
                self.presence_step(g);
            }
            self.gateway_tick(g);
        }
        self.change_step();
        for h in 0..self.hosts.len() {
            self.host_round(h);
        }
    }

    /// Owners hear of changes whose record never came.
    fn compare_groups(&mut self) {
        for host in &mut self.hosts {
            let groups: Vec<String> = host.owner.groups().map(str::to_owned).collect();
            let directory = &self.directory;
            let versions: Vec<(&str, u64)> =
                groups.iter().map(|group| (group.as_str(), directory.version(group))).collect();
            host.owner.versions(&versions);
        }
    }

    /// A last message of everybody: whoever is connected sees whatever they missed.
    fn last_sends(&mut self) {
        for terminal in 0..self.terminals.len() {
            let message = self.new_message(terminal);
            self.messages[message].attempts += 1;
            self.call(0, message);
        }
    }

    fn assert_laws(&mut self) {
        for uid in self.users.clone() {
            let newest = self.store.newest(&uid);
            let stored = self.store.pull(&uid, newest);
            let positions: Vec<Position> =
                stored.iter().map(|(document, _)| document.position).collect();
            assert!(stored.iter().all(|(_, bytes)| bytes.is_some()), "messages of {uid}");
            let seqs: Vec<Seq> = stored.iter().map(|(document, _)| document.seq).collect();
            assert_eq!(seqs, (1..=newest.0).map(Seq).collect::<Vec<_>>(), "L2: inbox of {uid}");
            assert_eq!(self.store.documents(&uid) as u64, newest.0, "L2: above newest of {uid}");
            self.ledger.books.assert_inbox(&uid, &positions);
        }
        self.ledger.assert_relayed();
        let books = &self.ledger.books;
        for sent in self.messages.iter().filter(|sent| sent.acknowledged > 0 && sent.history) {
            let sender = &self.users[sent.sender];
            let receiver = if sent.group { sender } else { &sent.receiver };
            for uid in [sender, receiver] {
                books.assert_acknowledged(uid, sent.key, &sent.name, self.plan.generous_window);
            }
        }
        for chain in self.chains.values() {
            // A send that was repeated has the place of its first try.
            let sends = chain.iter().map(|number| &self.messages[*number]);
            let once = sends.filter(|sent| sent.attempts == 1 && sent.history && !sent.group);
            books.assert_in_order(once.map(|sent| Chained {
                name: &sent.name,
                sender: &self.users[sent.sender],
                receiver: &sent.receiver,
                key: sent.key,
            }));
        }
        self.directory.assert_expansions(&self.ledger);
        self.assert_notified();
        self.assert_links();
        for gateway in &self.gateways {
            self.counts.note_many("receipt of a repeat", gateway.front.duplicates());
        }
        let repeated = self.ledger.repeated_relays;
        self.counts.note_many("relay repeated", repeated);
    }

    /// R8: what reached no mobile terminal of its receiver, the push stage was told of.
    fn assert_notified(&self) {
        let wanted: BTreeSet<MessageKey> =
            self.messages.iter().filter(|sent| sent.offline_push).map(|sent| sent.key).collect();
        for uid in &self.users {
            for (seq, entry) in (1..).map(Seq).zip(self.ledger.books.inbox(uid)) {
                let own = entry.own_from.is_some();
                let told = own || !wanted.contains(&entry.key);
                let told = told || self.reached.contains(&(uid.clone(), seq));
                assert!(told, "R8: nobody has heard of {uid} {seq}");
            }
        }
    }
}
