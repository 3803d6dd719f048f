//! What goes wrong: crashes between any two steps, a log that stalls, a clock that falls, or is days
//! ahead and comes back; and the start after a crash.

use std::collections::BTreeSet;

use openim_record::{Addresses, Committed, Members, Message, Position, Section};
use openim_shard::Shard;

use crate::io::{Io, LogEvent};
use crate::log::{LogThread, Taken, owed, owner_of};
use crate::stores::History;
use crate::world::{Node, World};

/// A clock that is wrong by more than anything is held back for.
const DAYS_AHEAD_MS: i64 = 8 * 86_400_000;

impl World {
    pub(crate) fn fault(&mut self) {
        self.oracle.ledger.clock(self.now().unix_ns);
        if self.random.per_10_000(self.plan.crash) {
            self.crash();
        }
        if self.random.per_10_000(self.plan.clock_jump) {
            let ms = self.random.pick(&[1, 100, 2000, 30_000]);
            self.skew_ms += if self.random.percent(70) { -ms } else { ms };
            self.why.clock_is_wrong = true;
            self.note(|| format!("the clock is {} ms off", self.skew_ms));
        }
        // Days ahead, for a while; the fall back is one that logs and send times follow.
        if self.random.per_10_000(self.plan.clock_jump / 10) {
            let ahead = self.skew_ms > DAYS_AHEAD_MS / 2;
            self.skew_ms += if ahead { -DAYS_AHEAD_MS } else { DAYS_AHEAD_MS };
            self.why.clock_is_wrong = true;
            self.oracle.counts.note(if ahead {
                "clock back by days"
            } else {
                "clock ahead by days"
            });
            self.note(|| format!("the clock is {} ms off", self.skew_ms));
        }
        if self.random.per_10_000(self.plan.log_stall) {
            self.log.stalled_until_ms = self.mono_ms + self.plan.limits.front.send_timeout_ms * 2;
            self.note(|| "log: stalls".into());
        }
        if self.random.per_10_000(10) {
            self.mono_ms += self.random.pick(&[100, 1000, 4000]);
        }
    }

    /// The process is killed: all memory is lost, what was durable is kept.
    pub(crate) fn crash(&mut self) {
        let counts = &mut self.oracle.counts;
        counts.note("crash");
        if self.replay.is_some() {
            counts.note("crash in replay");
        }
        for node in &self.nodes {
            counts.note_many("left memory", node.shard.back().users_len().1);
        }
        // The batch the log was writing is there whole or not at all.
        if self.random.percent(50) {
            let now_ms = self.unix_ms();
            for Taken { append } in self.log.batch.drain(..) {
                let entry = self.records.append(&append, now_ms);
                self.oracle.ledger.record(&entry);
            }
        }
        for node in &self.nodes {
            // Of a batch that is being stored any number of strokes more are there.
            if let Some((batch, done)) = &node.batch {
                let left = History::strokes(batch) - done;
                let more = self.random.pick(&[0, 1, left, left]).min(left);
                (*done..done + more).for_each(|stroke| self.history.store(batch, stroke));
                if 0 < done + more && done + more < History::strokes(batch) {
                    self.oracle.counts.note("batch cut short");
                }
            }
        }
        for issue in self.issues.drain(..) {
            if !issue.durable && self.random.percent(50) {
                self.oracle.stored(&issue.uid, issue.platform.class(), issue.newest);
            }
        }
        self.groups.changes.clear();
        self.groups.loads.clear();
        // What was durable and not answered is seen from now on.
        self.groups.answered = self.groups.members.clone();
        self.oracle.restarted(&self.users);
        self.loads.clear();
        self.current.clear();
        self.why.killed(self.unix_ms());
        for device in &mut self.devices {
            device.link = None;
            device.busy = false;
        }
        self.start();
    }

    /// Starts the process: recovers, and begins the replay.
    pub(crate) fn start(&mut self) {
        self.life += 1;
        self.started_ms = self.mono_ms;
        let shards = self.random.range(1, usize::from(self.plan.partitions).min(4));
        self.note(|| format!("start with {shards} shards, replay of {:?}", self.replay));
        let plan = &self.plan;
        self.nodes = (0..shards)
            .map(|index| {
                let mut shard = Shard::new(
                    self.placement,
                    index as u16,
                    shards as u16,
                    plan.policy,
                    plan.limits.clone(),
                );
                shard.bound_unstored(plan.unstored_max);
                Node {
                    shard,
                    io: Io::new(self.placement, shards, plan.appends_max, plan.mesh_max),
                    batch: None,
                    pinned_max: 0,
                    fanning_max: 0,
                }
            })
            .collect();
        let states = self.history.recover(plan.partitions);
        for node in &mut self.nodes {
            states.iter().for_each(|state| node.shard.recover(state));
        }
        self.tell_wishes();
        self.log = LogThread::default();
        let from = states.iter().map(|state| state.applied).min().unwrap_or_default();
        let first = self.records.entries.partition_point(|entry| entry.position < from);
        self.replay = Some(first);
        self.note(|| format!("recover {states:?} from {first} of {}", self.records.entries.len()));
        self.replay_step();
    }

    /// Hands the next old record to its homes; after the last one the doors open.
    pub(crate) fn replay_step(&mut self) {
        let Some(next) = self.replay else { return };
        let Some(entry) = self.records.entries.get(next) else {
            // The doors open when the shards have applied what was handed out: the home of a group knows
            // its sends then.
            let applied =
                |node: &Node| node.io.events.is_empty() && node.shard.back().waiting_len() == 0;
            if self.nodes.iter().all(applied) {
                self.replay = None;
            }
            return;
        };
        let message = Message::decode(&entry.record).expect("the shard wrote it");
        let owner = owner_of(self.placement, self.nodes.len());
        let to = Addresses::of(&message, self.placement);
        let mut homes: Vec<usize> = to.iter().map(|to| owner(to.partition)).collect();
        // The number of shards may have changed: a list is of several homes then.
        let lists: Vec<(BTreeSet<usize>, &Box<[u8]>)> = entry
            .lists
            .iter()
            .map(|list| {
                let sections = Members::decode(list).expect("the shard wrote it").sections();
                (sections.map(|section: Section| owner(section.partition)).collect(), list)
            })
            .collect();
        homes.extend(lists.iter().flat_map(|(homes, _)| homes));
        homes.sort_unstable();
        homes.dedup();
        let events_max = self.plan.events_max;
        if homes.iter().any(|&home| self.nodes[home].io.events.len() >= events_max) {
            return;
        }
        for home in homes {
            let here = lists.iter().filter(|(homes, _)| homes.contains(&home));
            let committed = Committed {
                position: entry.position,
                append_ms: entry.append_ms,
                to: to.only(|partition| owner(partition) == home),
                record: entry.record.clone(),
                members: here.map(|(_, list)| (*list).clone()).collect(),
            };
            let io = &mut self.nodes[home].io;
            io.handed = io.handed.plus(owed(&committed, |partition| owner(partition) == home));
            io.events.push_back(LogEvent::Committed(committed, false));
        }
        self.log.head = Position(entry.position.0 + 1);
        self.replay = Some(next + 1);
    }
}
