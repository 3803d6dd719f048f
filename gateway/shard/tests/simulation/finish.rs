//! The end of a run: faults stop, everything must drain, and the laws are checked, then once more
//! after a last crash.

use openim_record::UserId;

use crate::io::Taking;
use crate::world::{Node, World};

impl World {
    pub(crate) fn finish(&mut self) {
        self.note(|| "faults are over".into());
        self.calm = true;
        self.log.stalled_until_ms = 0;
        for node in &mut self.nodes {
            for socket in node.io.sockets.values_mut().filter(|s| s.taking == Taking::Trickle) {
                socket.taking = Taking::All;
            }
        }
        self.drain();
        self.let_time_pass();
        self.drain();
        for node in &self.nodes {
            for socket in node.io.sockets.values() {
                self.oracle.assert_complete(&self.users[socket.user], socket);
            }
        }
        self.assert_books();
        self.oracle.assert_laws(&self.users);
        if self.random.percent(50) {
            self.assert_stored();
        }
        self.crash();
        self.drain();
        self.assert_stored();
    }

    /// With nothing on its way all that was handed out became of something, and the books say so.
    fn assert_books(&mut self) {
        self.tell_books();
        for at in 0..self.nodes.len() {
            self.take_event(at);
            self.compare_books(at);
            let Node { shard, io, .. } = &self.nodes[at];
            assert!(shard.back().books().opened().is_none(), "nothing waits below a milestone");
            let became: u64 = shard.back().books().became().iter().sum();
            assert_eq!(became, io.handed.count, "all became of something");
        }
    }

    /// Everybody works until nothing is left to do.
    fn drain(&mut self) {
        for _ in 0..2000 {
            self.round();
            self.check();
            if self.idle() {
                assert!(
                    self.oracle.debts.is_empty(),
                    "sends without an answer: {:?}",
                    self.oracle.debts
                );
                for node in &self.nodes {
                    for (link, socket) in &node.io.sockets {
                        assert!(!socket.held, "{link:?} is held for ever: {socket:?}");
                    }
                }
                return;
            }
        }
        self.complain();
    }

    fn round(&mut self) {
        self.mono_ms += 25;
        for at in 0..self.nodes.len() {
            for _ in 0..4 {
                self.take_event(at);
                self.replay_step();
            }
            for _ in 0..8 {
                self.take_forwarded(at);
            }
            self.room(at);
            self.handshakes(at);
            self.calls(at);
            self.group_calls(at);
            for _ in 0..8 {
                self.fan_out(at);
            }
            let links: Vec<_> = self.nodes[at].io.sockets.keys().copied().collect();
            for link in links {
                while self.frame(at, link) {}
                self.flush(at, link);
            }
            self.store(at);
            self.tick(at);
            self.end_links(at);
        }
        self.log_step();
        self.log_step();
        for _ in 0..4 {
            self.load_step();
            self.issue_step();
            self.change_step();
            self.group_load_step();
        }
    }

    fn idle(&self) -> bool {
        let quiet = |at: usize| {
            let node = &self.nodes[at];
            let io = &node.io;
            io.appends.is_empty()
                && io.events.is_empty()
                && io.mesh.iter().all(|ring| ring.is_empty())
                && io.calls.is_empty()
                && io.held_calls.is_empty()
                && io.group_calls.is_empty()
                && io.held_group_calls.is_empty()
                && node.shard.back().fanning() == 0
                && io.handshakes.is_empty()
                && io.sockets.values().all(|s| s.frames.is_empty() && s.closing.is_none())
                && node.shard.front().pending_len() == 0
                && node.shard.back().waiting_len() == 0
        };
        self.replay.is_none()
            && self.log.batch.is_empty()
            && self.loads.is_empty()
            && self.issues.is_empty()
            && self.groups.changes.is_empty()
            && self.groups.loads.is_empty()
            && (0..self.nodes.len()).all(quiet)
    }

    fn complain(&self) -> ! {
        for (at, node) in self.nodes.iter().enumerate() {
            let shard = &node.shard;
            eprintln!(
                "shard {at}: pending {} waiting {} blocked {} unstored {} takes {} io {:#?}",
                shard.front().pending_len(),
                shard.back().waiting_len(),
                shard.front().blocked_len(),
                shard.back().unstored_len(),
                shard.back().takes_committed(),
                node.io
            );
        }
        panic!("deadlock: replay {:?} log {:?} loads {:?}", self.replay, self.log, self.loads);
    }

    /// Long enough for every deadline: the dead are closed, the living are not (see `assert_reason`).
    fn let_time_pass(&mut self) {
        for _ in 0..60 {
            self.mono_ms += 500;
            self.round();
        }
        let limits = &self.plan.limits.front;
        for node in &self.nodes {
            for (link, socket) in &node.io.sockets {
                let stuck = socket.outbox_bytes > 0 && limits.write_stall_s > 0;
                let silent = limits.ping_s > 0;
                let dead = socket.taking == Taking::Nothing && (stuck || silent);
                assert!(!dead, "{link:?} of a dead peer is still open: {socket:?}");
            }
        }
    }

    /// The history store holds every inbox as the log gives it.
    fn assert_stored(&mut self) {
        for at in 0..self.nodes.len() {
            for _ in 0..8 {
                self.store(at);
            }
            assert_eq!(self.nodes[at].shard.back().unstored_len(), 0, "stored");
        }
        let strangers = (0..3).map(|n| UserId::new(&format!("nobody{n}")));
        for uid in self.users.iter().cloned().chain(strangers) {
            self.oracle.ledger.books.assert_inbox(&uid, self.history.positions(&uid));
            let home = self.home(&uid);
            let Some(bounds) = self.nodes[home].shard.bounds(uid.as_str()) else {
                continue;
            };
            let stored = self.history.bounds(&uid);
            assert_eq!(bounds.newest, stored.newest, "{uid}: newest in memory and stored");
            assert!(bounds.min <= stored.min, "{uid}: kept from {} or later", bounds.min);
        }
    }
}
