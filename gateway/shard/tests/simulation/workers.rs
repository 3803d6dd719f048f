//! What the threads beside the shards do: the log, the history store, the loader, the tokens.

use openim_record::{Position, Seq};
use openim_shard::Load as What;

use crate::stores::History;
use crate::world::{Load, Node, Read, World};

impl World {
    pub(crate) fn log_step(&mut self) {
        if self.mono_ms < self.log.stalled_until_ms {
            return;
        }
        if self.log.batch.is_empty() {
            if self.replay.is_none() {
                let (events_max, batch_max) = (self.plan.events_max, self.plan.batch_max);
                self.log.gather(self.placement, &mut self.nodes, events_max, batch_max);
            }
        } else if !self.calm && self.random.percent(self.plan.log_refuses) {
            self.note(|| "log: refused".into());
            self.log.refuse(self.placement, &mut self.nodes);
        } else {
            let now_ms = self.unix_ms();
            let (records, ledger) = (&mut self.records, &mut self.oracle.ledger);
            self.log.hand_out(self.placement, &mut self.nodes, records, ledger, now_ms);
            self.note(|| format!("log: durable to {}", self.log.head));
            self.tell_books();
        }
    }

    /// The log's milestones, where it has told of all that there is.
    pub(crate) fn tell_books(&mut self) {
        if self.replay.is_none() {
            self.log.tell_books(&mut self.nodes, self.plan.events_max);
        }
    }

    /// The books balance, at each milestone and between any two turns.
    pub(crate) fn compare_books(&mut self, at: usize) {
        let Node { shard, io, .. } = &mut self.nodes[at];
        let open = shard.back().books().opened().is_some();
        let found = shard.compare_books(io.written);
        assert!(found.is_empty(), "the books of shard {at}: {found:?}");
        if open && shard.back().books().opened().is_none() {
            self.oracle.counts.note("books compared");
        }
    }

    /// The next step of a batch: taken, durable, confirmed.
    pub(crate) fn store(&mut self, at: usize) {
        if !self.calm && !self.random.percent(self.plan.store_speed) {
            return;
        }
        let Node { shard, io, batch, .. } = &mut self.nodes[at];
        match batch {
            None => {
                // A driver drains its ring, then says how far the log is. It stops draining when the
                // shard takes no more, and may forget that it did.
                let drained = io.events.is_empty() || !shard.back().takes_committed();
                let head = if drained { self.log.head } else { Position(0) };
                *batch = shard.take_batch(head).map(|batch| (batch, 0));
                assert!(
                    batch.is_some() || shard.back().fanning() > 0,
                    "a batch whenever it is asked for"
                );
                assert!(shard.take_batch(head).is_none(), "one at a time");
            }
            Some((batch, done)) if *done < History::strokes(batch) => {
                let strokes = if self.calm { usize::MAX } else { self.random.range(1, 3) };
                let end = History::strokes(batch).min(done.saturating_add(strokes));
                for stroke in *done..end {
                    self.history.store(batch, stroke);
                }
                *done = end;
                // It failed, or nobody heard that it did not: all of it is handed in once more.
                if !self.calm && self.random.percent(5) {
                    *done = 0;
                    self.oracle.counts.note("store failed");
                }
            }
            Some(_) => {
                shard.stored();
                *batch = None;
            }
        }
    }

    /// The stores are asked for the users that a shard wants next.
    fn ask_for_loads(&mut self, at: usize) {
        let mut asked = self.loads.iter().filter(|load| load.node == at).count();
        while asked < self.plan.asked_max {
            let expected = asked < self.plan.asked_max.div_ceil(4);
            let Some(what) = self.nodes[at].shard.next_load(expected) else { return };
            if !self.calm && self.random.percent(5) {
                self.nodes[at].shard.put_load_back(&what);
                return;
            }
            let twice = self.loads.iter().any(|load| load.node == at && load.what == what);
            assert!(!twice, "{what:?} is asked for once at a time");
            self.loads.push(Load { node: at, what, read: None, not_before_ms: 0 });
            asked += 1;
        }
    }

    /// A load is read from the stores, or its answer arrives, or it fails.
    pub(crate) fn load_step(&mut self) {
        for at in 0..self.nodes.len() {
            self.ask_for_loads(at);
        }
        if !self.calm && !self.random.percent(self.plan.load_speed) {
            return;
        }
        let nth = self.random.below(self.loads.len());
        let Some(load) = self.loads.get_mut(nth) else { return };
        if load.read.is_none() {
            load.read = Some(match &load.what {
                What::Inbox(uid) => Read::Inbox(self.history.bounds(uid)),
                What::Tokens(uid) => Read::Tokens(self.oracle.tokens.newest(uid)),
            });
            if !self.calm && self.random.percent(self.plan.load_slow) {
                load.not_before_ms = self.mono_ms + self.random.range(500, 20_000) as u64;
            }
            return;
        }
        if !self.calm && self.mono_ms < load.not_before_ms {
            return;
        }
        let load = self.loads.swap_remove(nth);
        let Some(read) = load.read else { return };
        self.note(|| format!("shard {}: loaded {:?} {read:?}", load.node, load.what));
        let now = self.now();
        let Node { shard, io, .. } = &mut self.nodes[load.node];
        if !self.calm && self.random.percent(self.plan.load_fails) {
            shard.load_failed(&load.what, now);
            self.oracle.counts.note("load failed");
            return;
        }
        let (What::Inbox(uid) | What::Tokens(uid)) = &load.what;
        let believed = match read {
            Read::Inbox(bounds) => shard.inbox_loaded(uid, bounds, Seq(0), now, io),
            Read::Tokens(tokens) => shard.tokens_loaded(uid, tokens, None),
        };
        if !believed {
            self.oracle.counts.note("load outdated");
        }
        self.absorb(load.node);
        if self.replay.is_none() {
            self.handshakes(load.node);
            self.calls(load.node);
            self.group_calls(load.node);
        }
    }

    /// A token becomes durable, or its issue is announced.
    pub(crate) fn issue_step(&mut self) {
        if let Some(issue) = self.issues.iter_mut().find(|issue| !issue.durable)
            && (self.calm || self.random.percent(50))
        {
            self.oracle.stored(&issue.uid, issue.platform.class(), issue.newest);
            issue.durable = true;
            return;
        }
        if !self.issues.front().is_some_and(|issue| issue.durable) {
            return;
        }
        let Some(issue) = self.issues.pop_front() else { return };
        self.note(|| format!("issued {issue:?}"));
        let now = self.now();
        let at = self.home(&issue.uid);
        let Node { shard, io, .. } = &mut self.nodes[at];
        shard.issued(issue.uid.as_str(), issue.platform, issue.newest, now, io);
        self.oracle.announce(&issue.uid, issue.platform.class(), issue.newest);
        self.devices[issue.device].token = Some(issue.token);
        self.devices[issue.device].busy = false;
        self.absorb(at);
    }

    /// Retention removes the oldest entries of an inbox.
    pub(crate) fn retain(&mut self) {
        let nth = self.random.below(self.users.len());
        let uid = self.users[nth].clone();
        let newest = self.history.bounds(&uid).newest.0;
        let min = Seq(self.random.range(0, newest as usize + 1) as u64);
        if self.random.percent(10) && newest > 0 {
            self.history.raise_min(&uid, min);
            let home = self.home(&uid);
            self.nodes[home].shard.raise_min(uid.as_str(), min);
        }
    }
}
