//! One shard: the inboxes, the links, the groups, and the sends between them.
//!
//! In: decoded requests, committed records, loaded users, link events, the time. Out: [`Effects`].
//! Never: a socket, a clock, a wait.
//!
//! The path of a send: [`Shard::send`] forms the record and hands it to the log;
//! [`Shard::committed`] gets it back on the receiver's and on the sender's home, numbers it,
//! delivers it, and on the sender's home answers it.

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use openim_auth::{LoginPolicy, NewestTokens};
use openim_back::{Groups, Inboxes, Outcome};
use openim_cache::Loads;
use openim_front::{Deadlines, LinkId, Links, Origin, Pending, SendRefused, Sweep, Verdict};
use openim_record::{
    Access, Addressee, Committed, InboxBounds, Message, MessageKey, Now, PartitionId, Place,
    Placement, Position, Seq, StoreBatch, To, UserId, broken, own_message,
};
use slab::Slab;

use crate::effects::Effects;
use crate::limits::Limits;

mod connections;
mod group_sends;
mod queue;
mod sends;
#[cfg(test)]
mod tests;

pub use group_sends::{GroupAdmission, GroupTerms, Tells};
use queue::{Passing, Turns, Unit, Waiting};

/// Inbox entries that may wait for the history store; while it takes no more, the log is held back.
/// An entry is eight bytes and its share of a user.
const UNSTORED_MAX: usize = 1 << 18;
/// Members of groups who have their turn when a user that one of them waited for is there.
const LOADED: usize = 64;

/// The state of one shard.
#[derive(Debug)]
pub struct Shard {
    placement: Placement,
    limits: Limits,
    /// Driven by log records.
    pub inboxes: Inboxes,
    /// Driven by sockets and deliveries.
    pub links: Links,
    /// Driven by membership changes.
    pub groups: Groups,
    pending: Pending,
    loads: Loads,
    sweep: Sweep,
    verdicts: Vec<Verdict>,
    duplicates: u64,
    ephemerals: u64,
    /// What waits for its turn, by partition: a partition's log order is kept.
    waiting: HashMap<PartitionId, VecDeque<Waiting>, RandomState>,
    /// Records and refusals in `waiting`.
    waiting_len: usize,
    /// Bytes of them, of `units` and of `passing`.
    waiting_bytes: usize,
    /// Messages to groups whose members are in `waiting`.
    units: Slab<Unit>,
    /// When the log took messages whose last members here have had their turn since somebody asked.
    fanned_out: Vec<i64>,
    fanning: Turns,
    /// Ephemeral messages to groups.
    passing: VecDeque<Passing>,
    /// Members in `waiting` and `passing`, and those who had their turn.
    fanning_members: usize,
    fanned: u64,
    /// Sections in `waiting` of which some members had their turn.
    begun: usize,
    unstored_max: usize,
    /// Seconds of the shard's clock at the last tick.
    ticked_at_s: u32,
    /// Links to resume when a ring has room again.
    blocked: VecDeque<LinkId>,
    /// Links that were told of room in this round (from tick to tick) and have not come yet.
    called: usize,
    round: u32,
    /// Everything before this position has been handed to this shard.
    head: Position,
}

impl Shard {
    /// An empty shard `index` of `shards`.
    #[must_use]
    pub fn new(
        placement: Placement,
        index: u16,
        shards: u16,
        policy: LoginPolicy,
        mut limits: Limits,
    ) -> Self {
        // With zero nothing would ever be admitted, and what is held never resumed.
        limits.in_flight_per_link = limits.in_flight_per_link.max(1);
        limits.waiting_max = limits.waiting_max.max(1);
        limits.waiting_bytes_max = limits.waiting_bytes_max.max(1);
        let owner = |partition| placement.shard(partition, shards);
        Self {
            placement,
            inboxes: Inboxes::new(
                placement,
                |partition| owner(partition) == index,
                limits.duplicate_window_ms,
                limits.duplicates_max,
                limits.users_max,
            ),
            links: Links::new(policy, limits.users_max),
            groups: Groups::new(placement, owner, limits.group_members_max),
            limits,
            pending: Pending::new(),
            loads: Loads::default(),
            sweep: Sweep::default(),
            verdicts: Vec::new(),
            duplicates: 0,
            ephemerals: 0,
            waiting: HashMap::with_hasher(RandomState::default()),
            waiting_len: 0,
            waiting_bytes: 0,
            units: Slab::new(),
            fanned_out: Vec::new(),
            fanning: Turns::new(placement.partitions()),
            passing: VecDeque::new(),
            fanning_members: 0,
            fanned: 0,
            begun: 0,
            unstored_max: UNSTORED_MAX,
            ticked_at_s: 0,
            blocked: VecDeque::new(),
            called: 0,
            round: 1,
            head: Position(0),
        }
    }

    /// From now on at most this many users stay in memory without need. A recovery lets all in.
    pub fn set_users_max(&mut self, users_max: usize) {
        self.limits.users_max = users_max;
        self.inboxes.set_users_max(users_max);
        self.links.set_tokens_max(users_max);
    }

    /// From now on a link may send this many frames per second; 0: any number.
    pub fn set_frames_per_second(&mut self, frames_per_second: u32) {
        self.limits.frames_per_second = frames_per_second;
    }

    /// The bounds this shard keeps.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Sets how many inbox entries may wait for the history store.
    pub const fn bound_unstored(&mut self, entries_max: usize) {
        self.unstored_max = if entries_max == 0 { 1 } else { entries_max };
    }

    // --- the log -------------------------------------------------------------------------------

    /// Whether another committed record may be handed in. When not, leave it in the ring: users
    /// must be loaded, or a batch stored, first.
    #[must_use]
    pub fn takes_committed(&self) -> bool {
        self.waiting_len < self.limits.waiting_max
            && self.waiting_bytes < self.limits.waiting_bytes_max
            && self.inboxes.unstored_len() < self.unstored_max
    }

    /// A record is durable. Records come in log order.
    pub fn committed(&mut self, committed: Committed, now: Now, fx: &mut impl Effects) {
        let message = own_message(&committed.record);
        self.head = self.head.max(Position(committed.position.0 + 1));
        self.inboxes.note_time(message.send_time_ns);
        let history = message.switches.history;
        if message.is_to_group() {
            for to in committed.to.iter() {
                self.apply_or_wait(&committed.without_members(), &message, to, now, fx);
            }
            self.committed_group(committed, history);
            return;
        }
        for to in committed.to.iter() {
            self.apply_or_wait(&committed, &message, to, now, fx);
        }
    }

    fn apply_or_wait(
        &mut self,
        committed: &Committed,
        message: &Message<'_>,
        to: To,
        now: Now,
        fx: &mut impl Effects,
    ) {
        let To { partition, addressee } = to;
        let behind = self.waiting.contains_key(&partition);
        if !behind && self.is_ready(committed.position, message, to) {
            self.apply(committed, message, to, now, fx);
            return;
        }
        let answers = addressee != Addressee::Receiver;
        if answers && self.pending.is(message.key, message.send_time_ns) {
            self.pending.arrived(message.key);
        }
        self.wait(partition, Waiting::Record { to, committed: committed.clone() }, now, fx);
    }

    /// Whether a record can be applied, or needs not.
    fn is_ready(&self, position: Position, message: &Message<'_>, to: To) -> bool {
        let To { partition, addressee } = to;
        self.inboxes.ready(message, addressee)
            || self.inboxes.replayed(Place { partition, position })
    }

    fn apply(
        &mut self,
        committed: &Committed,
        message: &Message<'_>,
        to: To,
        now: Now,
        fx: &mut impl Effects,
    ) {
        let To { partition, addressee } = to;
        let place = Place { partition, position: committed.position };
        let Ok(outcome) = self.inboxes.apply(place, committed.append_ms, message, addressee) else {
            broken("a record is applied when its user is in memory");
        };
        let oneself = message.send_id == message.recv_id;
        if let Outcome::New(seq) = outcome {
            match addressee {
                Addressee::Receiver => {
                    self.deliver(message.recv_id, 0, message, seq, None, now, fx);
                }
                // Own devices get a copy of what is stored; what has no seq is not synced.
                Addressee::Sender if seq > Seq(0) && (oneself || message.switches.sender_sync) => {
                    let except = message.origin_platform;
                    self.deliver(message.send_id, except, message, seq, None, now, fx);
                }
                Addressee::Sender | Addressee::Group | Addressee::Members => {}
            }
        }
        // A replay may bring an older record with the key of a send that is on its way: the send is
        // answered by its own, in its turn.
        if addressee != Addressee::Receiver && self.pending.is(message.key, message.send_time_ns) {
            let send_time_ns = match outcome {
                Outcome::Duplicate(first) => first,
                Outcome::New(_) | Outcome::Replayed => message.send_time_ns,
            };
            self.settle(message.key, fx, |origin, fx| {
                fx.receipt(
                    origin,
                    message.send_id,
                    message.client_msg_id,
                    message.key,
                    send_time_ns,
                );
            });
        }
    }

    /// The log refused a record; nothing of it is kept.
    pub fn refused(&mut self, key: MessageKey, now: Now, fx: &mut impl Effects) {
        let uid = match self.pending.origin(key) {
            Some(Origin::Link { id, .. }) => self.links.uid(id),
            Some(Origin::Call(_)) | None => None,
        };
        let partition = uid.map(|uid| self.placement.partition(uid.as_str()));
        if let Some(partition) = partition.filter(|p| self.waiting.contains_key(p)) {
            self.pending.arrived(key);
            self.wait(partition, Waiting::Refused(key), now, fx);
            return;
        }
        self.refuse(key, fx);
    }

    fn refuse(&mut self, key: MessageKey, fx: &mut impl Effects) {
        // The members of a group will have no turn.
        self.fanned += u64::from(self.pending.members(key));
        self.settle(key, fx, |origin, fx| fx.refuse(origin, SendRefused::LogRefused));
    }

    // --- loading and storing -------------------------------------------------------------------

    /// Somebody waits for a user to come into memory.
    pub fn want(&mut self, uid: &UserId) {
        self.loads.want(uid);
    }

    /// The next user to ask the stores for; [`Self::loaded`] or [`Self::load_failed`] follows. Members of
    /// groups whom nobody waits for yet only when `expected` are to be asked for too.
    pub fn next_load(&mut self, expected: bool) -> Option<UserId> {
        self.loads.next(expected)
    }

    /// The stores could not be asked for a user now.
    pub fn put_load_back(&mut self, uid: &UserId) {
        self.loads.put_back(uid);
    }

    /// The stores have failed to give a user's state. They are asked again when records or members of
    /// groups wait for it.
    pub fn load_failed(&mut self, uid: &UserId, now: Now) {
        self.loads.failed(uid, now.mono_ms);
    }

    /// The stores have given a user's state: what waited for it is applied. `false`: it was read before
    /// something that it does not show, and they are asked again.
    pub fn loaded(
        &mut self,
        uid: &UserId,
        bounds: InboxBounds,
        tokens: NewestTokens,
        access: Option<Box<Access>>,
        now: Now,
        fx: &mut impl Effects,
    ) -> bool {
        if !self.loads.answered(uid) {
            return false;
        }
        let loads = &mut self.loads;
        self.inboxes.load(uid, bounds, |left| loads.outdated(left.as_str()));
        // Also of one that the replay has brought into memory before.
        let min = access.as_ref().map_or(Seq(0), |access| access.min);
        self.inboxes.raise_min(uid.as_str(), min);
        self.links.load(uid, tokens, access, |left| loads.outdated(left.as_str()));
        self.run(self.placement.partition(uid.as_str()), LOADED, now, fx);
        true
    }

    /// Retention has raised a user's oldest kept seq.
    pub fn raise_min(&mut self, uid: &str, min: Seq) {
        self.inboxes.raise_min(uid, min);
        self.loads.outdated(uid);
    }

    /// Everything applied since the last batch, for the history store; `None` while one is there, and
    /// in the middle of a group's members: ask again after the next turn.
    ///
    /// `head` is where the log stands for this shard: all records below it were handed in. Read it
    /// from the log, then empty the ring, then call this; `Position(0)` when the ring is not empty.
    /// Records that are still in the ring but below `head` are lost with the next crash.
    pub fn take_batch(&mut self, head: Position) -> Option<StoreBatch> {
        // In the middle of a section some members would be numbered in it, and all again by a replay.
        if self.inboxes.storing() || self.begun > 0 {
            return None;
        }
        // While it takes no more, some are in the ring, whatever the driver believes.
        if self.takes_committed() {
            // Kept: what was applied must never be said to be less than before.
            self.head = self.head.max(head);
        }
        let waits: HashMap<PartitionId, Position, RandomState> = self
            .waiting
            .iter()
            .filter_map(|(&partition, queue)| Some((partition, self.first_position(queue)?)))
            .collect();
        let head = self.head;
        self.inboxes.take_batch(|partition| waits.get(&partition).copied().unwrap_or(head))
    }

    // --- time ----------------------------------------------------------------------------------

    /// Lets time pass: late sends are refused, quiet links pinged, dead ones closed.
    pub fn tick(&mut self, now: Now, fx: &mut impl Effects) {
        self.ticked_at_s = now.mono_s();
        self.next_round();
        self.loads.tick(now.mono_ms);
        while let Some(settled) = self.pending.expire(now.mono_ms) {
            self.release(settled, fx, |origin, fx| fx.refuse(origin, SendRefused::Timeout));
        }
        if self.pending.overdue() {
            self.room(usize::MAX, fx);
        }
        let deadlines = Deadlines {
            ping_s: self.limits.ping_s,
            pings_missed_max: self.limits.pings_missed_max,
            write_stall_s: self.limits.write_stall_s,
        };
        let mut verdicts = std::mem::take(&mut self.verdicts);
        self.sweep.turn(&mut self.links, deadlines, now.mono_s(), now.trusted_s(), &mut verdicts);
        for verdict in verdicts.drain(..) {
            match verdict {
                Verdict::Ping(link) => fx.ping(link),
                Verdict::Close(link, reason) => self.cut(link, reason, fx),
            }
        }
        self.verdicts = verdicts;
    }

    /// Sends answered with the receipt of an earlier one so far.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Sends that left no trace so far.
    #[must_use]
    pub const fn ephemerals(&self) -> u64 {
        self.ephemerals
    }

    /// Sends that the log owes an answer.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// Records that wait for users to be loaded.
    #[must_use]
    pub const fn waiting_len(&self) -> usize {
        self.waiting_len
    }

    /// Bytes of records that wait for users, or for members of groups to have their turn.
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Links held for room in a ring, those that have left since included.
    #[must_use]
    pub fn blocked_len(&self) -> usize {
        self.blocked.len()
    }

    /// Panics when the state contradicts itself; walks everything, for tests.
    pub fn check_invariants(&self) {
        self.inboxes.check_invariants();
        self.pending.check_invariants();
        self.loads.check_invariants();
        self.links.check_invariants();
        self.groups.check_invariants();
        self.check_queues();
        let called = self.links.ids().filter_map(|id| self.links.get(id));
        let called = called.filter(|link| link.called_in == self.round).count();
        assert_eq!(self.called, called, "links that were told of room");
        for link in self.links.ids().filter_map(|id| self.links.get(id)) {
            assert!(link.in_flight <= self.limits.in_flight_per_link, "sends in flight");
            let full = link.outbox_bytes > self.limits.outbox_bytes_max;
            assert!(!full || link.closing, "a full outbox closes its link");
        }
    }
}
