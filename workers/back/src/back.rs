//! The inboxes and groups of some partitions, and what waits before them.
//!
//! In: committed records, loaded users, what the store has done. Out: [`Effects`], batches for the history store,
//! users to load. Never: a socket, a clock, a wait.
//!
//! The path of a record: [`Back::committed`] numbers it for its receiver, its sender or its group, delivers it and
//! settles it; of a message to a group [`Back::committed_to_members`] has the members wait for their turns.

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use openim_cache::Loads;
use openim_record::{
    Account, Addressee, Committed, Deliver, InboxBounds, Message, MessageKey, Milestone, Now,
    PartitionId, Place, Placement, Position, Seq, Settled, Stamp, StoreBatch, StoredState, To,
    UserId, broken,
};
use slab::Slab;

use crate::books::{Became, Books};
use crate::effects::Effects;
use crate::groups::Groups;
use crate::inbox::{Inboxes, Outcome};
use crate::limits::Limits;

mod queue;

use queue::{Passing, Turns, Unit, Waiting};

/// Inbox entries that may wait for the history store; while it takes no more, the log is held back.
/// An entry is eight bytes and its share of a user.
const UNSTORED_MAX: usize = 1 << 18;
/// Members of groups who have their turn at once when somebody asks how far the inbox of one has come.
const ASKED: usize = 64;
/// Members of groups who have their turn when a user that one of them waited for is there.
const LOADED: usize = 64;

/// The state of one back.
#[derive(Debug)]
pub struct Back {
    placement: Placement,
    limits: Limits,
    inboxes: Inboxes,
    groups: Groups,
    /// Users whose inboxes are on their way into memory.
    loads: Loads,
    /// What waits for its turn, by partition: a partition's log order is kept.
    waiting: HashMap<PartitionId, VecDeque<Waiting>, RandomState>,
    /// Records in `waiting`.
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
    /// Everything before this position has been handed in.
    head: Position,
    books: Books,
}

impl Back {
    /// A back for the partitions of which `owner` says that they are those of `index`. Partitions for which it
    /// says the same are handed out together.
    #[must_use]
    pub fn new(
        placement: Placement,
        owner: impl Fn(PartitionId) -> u16,
        index: u16,
        mut limits: Limits,
    ) -> Self {
        // With zero nothing would ever be taken.
        limits.waiting_max = limits.waiting_max.max(1);
        limits.waiting_bytes_max = limits.waiting_bytes_max.max(1);
        Self {
            placement,
            inboxes: Inboxes::new(
                placement,
                |partition| owner(partition) == index,
                limits.duplicate_window_ms,
                limits.duplicates_max,
                limits.users_max,
            ),
            groups: Groups::new(placement, owner, limits.group_members_max),
            limits,
            loads: Loads::default(),
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
            head: Position(0),
            books: Books::new(),
        }
    }

    /// Takes over what the history store kept of a partition; others' partitions are ignored.
    pub fn recover(&mut self, state: &StoredState) {
        self.inboxes.recover(state);
    }

    /// From now on at most this many users stay in memory without need. A recovery lets all in.
    pub fn set_users_max(&mut self, users_max: usize) {
        self.limits.users_max = users_max;
        self.inboxes.set_users_max(users_max);
    }

    /// Sets how many inbox entries may wait for the history store.
    pub const fn bound_unstored(&mut self, entries_max: usize) {
        self.unstored_max = if entries_max == 0 { 1 } else { entries_max };
    }

    /// Whether a partition is kept here.
    #[must_use]
    pub fn owns(&self, partition: PartitionId) -> bool {
        self.inboxes.owns(partition)
    }

    /// Who is in the groups that are at home here.
    #[must_use]
    pub const fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The same, to note what has become durable.
    pub const fn groups_mut(&mut self) -> &mut Groups {
        &mut self.groups
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

    /// Whether half of what may wait here does: users to be loaded, entries to be stored.
    #[must_use]
    pub fn is_half_full(&self) -> bool {
        self.waiting_len * 2 >= self.limits.waiting_max
            || self.waiting_bytes * 2 >= self.limits.waiting_bytes_max
            || self.is_half_unstored()
    }

    /// Whether half of what may wait to be stored does.
    #[must_use]
    pub fn is_half_unstored(&self) -> bool {
        self.inboxes.unstored_len() * 2 >= self.unstored_max
    }

    /// A record is durable; `message` is what it holds. Records come in log order. Of a message to a group
    /// [`Self::committed_to_members`] follows.
    pub fn committed(
        &mut self,
        committed: &Committed,
        message: &Message<'_>,
        fx: &mut impl Effects,
    ) {
        self.head = self.head.max(Position(committed.position.0 + 1));
        for to in committed.to.iter() {
            let behind = self.waiting.contains_key(&to.partition);
            if !behind && self.is_ready(committed.position, message, to) {
                self.apply(committed, message, to, fx);
                continue;
            }
            let committed = committed.without_members();
            self.wait(to.partition, Waiting::Record { to, committed }, fx);
        }
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
        fx: &mut impl Effects,
    ) {
        let To { partition, addressee } = to;
        let place = Place { partition, position: committed.position };
        let Ok(outcome) = self.inboxes.apply(place, committed.append_ms, message, addressee) else {
            broken("a record is applied when its user is in memory");
        };
        let ticket = Stamp::of(committed.position).addressee(addressee);
        let became = match outcome {
            Outcome::New(_) if addressee == Addressee::Group => Became::Noted,
            Outcome::New(Seq(0)) => Became::Unnumbered,
            Outcome::New(_) => Became::Numbered,
            Outcome::Duplicate(_) => Became::Repeated,
            Outcome::Replayed => Became::There,
        };
        self.books.settle(committed.position, ticket, became);
        if let Outcome::New(seq) = outcome {
            let except_platform = match addressee {
                Addressee::Receiver => Some(0),
                Addressee::Sender if message.copy_for_author(seq) => Some(message.origin_platform),
                Addressee::Sender | Addressee::Group | Addressee::Members => None,
            };
            if let Some(except_platform) = except_platform {
                let uid = addressee.owner(message);
                self.books.give(ticket);
                fx.deliver(&Deliver { uid, except_platform, message, seq, member: None, ticket });
            }
        }
        if addressee != Addressee::Receiver {
            let first_ns = match outcome {
                Outcome::Duplicate(first_ns) => first_ns,
                Outcome::New(_) | Outcome::Replayed => message.send_time_ns,
            };
            fx.settled(Settled { key: message.key, place, first_ns });
        }
    }

    /// The first receipt's time of a send that a partition, the sender's or a group's, has seen.
    #[must_use]
    pub fn duplicate(&self, partition: PartitionId, key: MessageKey) -> Option<i64> {
        self.inboxes.duplicate(partition, key)
    }

    // --- loading and storing -------------------------------------------------------------------

    /// Whether `uid`'s inbox is in memory.
    #[must_use]
    pub fn knows(&self, uid: &str) -> bool {
        self.inboxes.knows(uid)
    }

    /// Somebody waits for a user's inbox to come into memory.
    pub fn want(&mut self, uid: &UserId) {
        if !self.inboxes.knows(uid.as_str()) {
            self.loads.want(uid);
        }
    }

    /// The next user whose inbox the stores are to be asked for; [`Self::loaded`] or [`Self::load_failed`]
    /// follows. Members of groups whom nobody waits for yet only when `expected` are to be asked for too.
    pub fn next_load(&mut self, expected: bool) -> Option<UserId> {
        self.loads.next(expected)
    }

    /// The stores could not be asked for a user now.
    pub fn put_load_back(&mut self, uid: &UserId) {
        self.loads.put_back(uid);
    }

    /// The stores have failed to give a user's inbox. They are asked again when records or members of
    /// groups wait for it.
    pub fn load_failed(&mut self, uid: &UserId, now: Now) {
        self.loads.failed(uid, now.mono_ms);
    }

    /// The stores have given the bounds of a user's inbox, and from where on whoever has the uid now may see
    /// it: what waited for it is applied. `false`: they were read before something that they do not show, and
    /// the stores are asked again.
    pub fn loaded(
        &mut self,
        uid: &UserId,
        bounds: InboxBounds,
        min: Seq,
        fx: &mut impl Effects,
    ) -> bool {
        if !self.loads.answered(uid) {
            return false;
        }
        self.load(uid, bounds);
        self.seen_from(uid.as_str(), min);
        self.run(self.placement.partition(uid.as_str()), LOADED, fx);
        true
    }

    /// Brings a user's inbox into memory; ignored when it is there (memory is newer). For a replay, where
    /// nothing waits for it.
    pub fn load(&mut self, uid: &UserId, bounds: InboxBounds) {
        let loads = &mut self.loads;
        self.inboxes.load(uid, bounds, |left| loads.outdated(left.as_str()));
    }

    /// Somebody asks how far a user's inbox has come: members of groups in the same partition have their turn
    /// now. Whether some had it, and more may be waiting.
    pub fn hasten(&mut self, uid: &str, fx: &mut impl Effects) -> bool {
        self.run(self.placement.partition(uid), ASKED, fx) > 0
    }

    /// Lets time pass: whom the stores failed to give is asked for again.
    pub fn tick(&mut self, now: Now) {
        self.loads.tick(now.mono_ms);
    }

    /// First kept and newest seq, if in memory.
    pub fn bounds(&mut self, uid: &str) -> Option<InboxBounds> {
        self.inboxes.bounds(uid)
    }

    /// Entries of `from..=to` that the history store has not confirmed, ascending.
    #[must_use]
    pub fn unstored(&self, uid: &str, from: Seq, to: Seq) -> Vec<(Seq, Position)> {
        self.inboxes.unstored(uid, from, to)
    }

    /// Whoever has the uid now may see the inbox from here on only.
    pub fn seen_from(&mut self, uid: &str, min: Seq) {
        self.inboxes.raise_min(uid, min);
    }

    /// Retention has raised a user's oldest kept seq.
    pub fn raise_min(&mut self, uid: &str, min: Seq) {
        self.inboxes.raise_min(uid, min);
        self.loads.outdated(uid);
    }

    /// Everything applied since the last batch, for the history store; `None` while one is there, and
    /// in the middle of a group's members: ask again after the next turn.
    ///
    /// `head` is where the log stands: all records below it were handed in. Read it
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

    /// The history store holds the last batch durably.
    pub fn stored(&mut self) {
        self.inboxes.stored();
    }

    /// Whether a batch is with the history store.
    #[must_use]
    pub fn storing(&self) -> bool {
        self.inboxes.storing()
    }

    /// How many entries the history store has not taken yet.
    #[must_use]
    pub const fn unstored_len(&self) -> usize {
        self.inboxes.unstored_len()
    }

    /// The shortest duplicate window that the bound on entries has left, in milliseconds.
    #[must_use]
    pub fn window_shrunk_to_ms(&self) -> Option<i64> {
        self.inboxes.window_shrunk_to_ms()
    }

    /// Keys held over all duplicate windows.
    #[must_use]
    pub fn duplicates_len(&self) -> usize {
        self.inboxes.duplicates_len()
    }

    /// Users in memory, and how many had to leave it so far.
    #[must_use]
    pub fn users_len(&self) -> (usize, u64) {
        self.inboxes.users_len()
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

    // --- books ---------------------------------------------------------------------------------

    /// What became of deliveries so far.
    #[must_use]
    pub const fn books(&self) -> &Books {
        &self.books
    }

    /// What was handed in so far was a replay: from now on the log's writer counts as well.
    pub fn begin_books(&mut self) {
        self.books.begin();
    }

    /// All records below the milestone were handed in, and none behind it.
    pub const fn milestone(&mut self, milestone: Milestone) {
        self.books.open(milestone);
    }

    /// The open milestone, and what became of deliveries below it; `None` while some wait.
    pub fn close_milestone(&mut self) -> Option<(Milestone, Account)> {
        let upto = self.books.opened()?.upto;
        if self.settled_to() < upto {
            return None;
        }
        self.books.close()
    }

    /// Everything before this position has been handed in, of what is for here.
    #[must_use]
    pub const fn head(&self) -> Position {
        self.head
    }

    /// All that waits for its turn lies at or behind this position.
    #[must_use]
    pub fn settled_to(&self) -> Position {
        let first = self.waiting.values().filter_map(|queue| self.first_position(queue)).min();
        // What was handed in last may lie below a milestone that came behind it.
        let upto = self.books.opened().map_or(self.head, |open| self.head.max(open.upto));
        first.unwrap_or(upto)
    }

    /// Entries of inboxes that were numbered, and those that were taken for the index, as of the last batch.
    #[must_use]
    pub const fn inbox_books(&self) -> (Account, Account) {
        self.inboxes.books()
    }

    /// Panics when the state contradicts itself; walks everything, for tests.
    pub fn check_invariants(&self) {
        self.inboxes.check_invariants();
        self.loads.check_invariants();
        self.groups.check_invariants();
        self.check_queues();
    }
}
