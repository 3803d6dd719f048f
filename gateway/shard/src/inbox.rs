//! The inbox machine: duplicates and seq, driven by log records only.
//!
//! Invariants: per user seq is 1, 2, 3 … in log order (L2); a partition's records are applied in
//! log order; what is applied is a function of the log. Guarded by `tests/simulation.rs`.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use openim_record::{
    DuplicateEntry, InboxBounds, InboxRun, Message, PartitionId, Placement, Position, Seq,
    StoreBatch, StoredState, UserId,
};

use crate::Window;

/// For whom a record is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The addressee's inbox; of a message to oneself the only one.
    Receiver,
    /// The author's inbox.
    Sender,
}

/// What applying a record to one inbox came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The message is new. Seq 0 when its `history` switch is off.
    New(Seq),
    /// The inbox has it already; the first send had this time, unix nanoseconds.
    Duplicate(i64),
    /// The history store already held the effect of this record before a restart.
    Replayed,
}

/// The inbox's bounds are not in memory; they must be loaded before the record can be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;

#[derive(Debug)]
struct Inbox {
    bounds: InboxBounds,
    /// The newest entries, those the history store has not confirmed; the last one has seq `newest`.
    unstored: Vec<Position>,
    /// How many of them are in the batch being stored.
    storing: usize,
    /// `sendTime` never falls for one sender.
    last_send_ns: i64,
    /// Second chance for the cache's clock hand.
    used: bool,
}

impl Inbox {
    /// Seq of the first entry of `unstored`, or the next seq when there is none.
    fn first_unstored(&self) -> Seq {
        Seq(self.bounds.newest.0 + 1 - self.unstored.len() as u64)
    }
}

#[derive(Debug)]
struct Partition {
    window: Window,
    applied: Position,
}

/// All inboxes of the partitions that one shard owns.
#[derive(Debug)]
pub struct Inboxes {
    placement: Placement,
    partitions: HashMap<PartitionId, Partition, RandomState>,
    users: HashMap<UserId, Inbox, RandomState>,
    /// Users with entries that no batch has taken; each once.
    dirty: Vec<UserId>,
    unstored: usize,
    /// Users in the batch that the store is working on.
    storing: Option<Vec<UserId>>,
    newest_append_ms: i64,
    users_max: usize,
    evicted: u64,
}

impl Inboxes {
    /// Inboxes for the partitions that `shard` of `shards` owns.
    #[must_use]
    pub fn new(
        placement: Placement,
        shard: u16,
        shards: u16,
        window_ms: i64,
        duplicates_max: usize,
        users_max: usize,
    ) -> Self {
        let share = (duplicates_max / usize::from(placement.partitions())).max(1);
        let partitions = (0..placement.partitions())
            .map(PartitionId)
            .filter(|&p| placement.shard(p, shards) == shard)
            .map(|p| (p, Partition { window: Window::new(window_ms, share), applied: Position(0) }))
            .collect();
        Self {
            placement,
            partitions,
            users: HashMap::with_hasher(RandomState::default()),
            dirty: Vec::new(),
            unstored: 0,
            storing: None,
            newest_append_ms: 0,
            users_max: users_max.max(1),
            evicted: 0,
        }
    }

    /// Takes over what the history store kept of a partition; others' partitions are ignored.
    pub fn recover(&mut self, state: &StoredState) {
        if let Some(partition) = self.partitions.get_mut(&state.partition) {
            partition.applied = state.applied;
            for &entry in &state.duplicates {
                partition.window.restore(entry);
            }
        }
    }

    /// Whether `uid`'s bounds are in memory.
    #[must_use]
    pub fn knows(&self, uid: &str) -> bool {
        self.users.contains_key(uid)
    }

    /// Brings a user's bounds into memory; ignored when they are there (memory is newer).
    pub fn load(&mut self, uid: &UserId, bounds: InboxBounds) {
        if self.users.contains_key(uid) {
            return;
        }
        if self.users.len() >= self.users_max {
            self.evict();
        }
        self.users.insert(
            uid.clone(),
            Inbox { bounds, unstored: Vec::new(), storing: 0, last_send_ns: 0, used: true },
        );
    }

    /// First kept and newest seq, if in memory.
    pub fn bounds(&mut self, uid: &str) -> Option<InboxBounds> {
        let inbox = self.users.get_mut(uid)?;
        inbox.used = true;
        Some(inbox.bounds)
    }

    /// Retention has raised the oldest kept seq.
    pub fn raise_min(&mut self, uid: &str, min: Seq) {
        if let Some(inbox) = self.users.get_mut(uid) {
            inbox.bounds.min = inbox.bounds.min.max(min);
        }
    }

    /// Entries of `from..=to` that the history store has not confirmed, ascending.
    #[must_use]
    pub fn unstored(&self, uid: &str, from: Seq, to: Seq) -> Vec<(Seq, Position)> {
        let Some(inbox) = self.users.get(uid) else { return Vec::new() };
        let first = inbox.first_unstored();
        let from = from.0.max(first.0);
        let to = to.0.min(inbox.bounds.newest.0);
        (from..=to)
            .filter_map(|seq| {
                let index = usize::try_from(seq - first.0).ok()?;
                Some((Seq(seq), *inbox.unstored.get(index)?))
            })
            .collect()
    }

    /// The time for a send by `uid`: now, or the time of the send before when the clock fell.
    pub fn stamp(&mut self, uid: &str, now_ns: i64) -> i64 {
        let Some(inbox) = self.users.get_mut(uid) else { return now_ns };
        // Strictly rising: two sends are told apart by their times (see `apply`).
        inbox.last_send_ns = now_ns.max(inbox.last_send_ns + 1);
        inbox.last_send_ns
    }

    /// The first receipt's time of a send that `uid`'s partition has seen.
    #[must_use]
    pub fn duplicate(&self, uid: &str, key: openim_record::MessageKey) -> Option<i64> {
        self.partitions.get(&self.placement.partition(uid))?.window.find(key)
    }

    /// Whether the inbox that `role` names can take the record now.
    #[must_use]
    pub fn ready(&self, message: &Message<'_>, role: Role) -> bool {
        !message.switches.history || self.knows(owner(message, role))
    }

    /// Applies one record to one inbox. Records of one partition must come in log order.
    ///
    /// # Errors
    /// [`Unknown`]: load the user's bounds, then apply the same record again.
    pub fn apply(
        &mut self,
        position: Position,
        append_ms: i64,
        message: &Message<'_>,
        role: Role,
    ) -> Result<Outcome, Unknown> {
        let uid = owner(message, role);
        let other = match role {
            Role::Receiver => message.send_id,
            Role::Sender => message.recv_id,
        };
        let home = self.placement.partition(uid);
        let both_here = self.placement.partition(other) == home && uid != other;
        let Some(partition) = self.partitions.get_mut(&home) else { return Ok(Outcome::Replayed) };
        if position < partition.applied {
            return Ok(Outcome::Replayed);
        }
        if !message.switches.history || self.users.contains_key(uid) {
            // The receiver's turn comes first and speaks for the partition; the sender's turn on the
            // same partition must not take the receiver's own entry for a duplicate.
            if role == Role::Receiver || !both_here {
                let entry = DuplicateEntry {
                    key: message.key,
                    send_time_ns: message.send_time_ns,
                    append_ms,
                };
                if let Some(first) = partition.window.see(entry) {
                    return Ok(Outcome::Duplicate(first));
                }
            } else if let Some(first) = partition.window.find(message.key)
                && first != message.send_time_ns
            {
                return Ok(Outcome::Duplicate(first));
            }
            self.newest_append_ms = self.newest_append_ms.max(append_ms);
        }
        if !message.switches.history {
            return Ok(Outcome::New(Seq(0)));
        }
        let inbox = self.users.get_mut(uid).ok_or(Unknown)?;
        let seq = inbox.bounds.newest.next();
        inbox.bounds.newest = seq;
        if inbox.bounds.min == Seq(0) {
            inbox.bounds.min = seq;
        }
        if role == Role::Sender {
            inbox.last_send_ns = inbox.last_send_ns.max(message.send_time_ns);
        }
        if inbox.unstored.len() == inbox.storing {
            self.dirty.push(UserId::new(uid));
        }
        inbox.unstored.push(position);
        inbox.used = true;
        self.unstored += 1;
        Ok(Outcome::New(seq))
    }

    /// How many entries the history store has not taken yet.
    #[must_use]
    pub const fn unstored_len(&self) -> usize {
        self.unstored
    }

    /// Whether a batch is with the history store.
    #[must_use]
    pub fn storing(&self) -> bool {
        self.storing.is_some()
    }

    /// Everything applied since the last batch. `applied(partition)` tells up to where that is.
    /// One batch at a time: `None` until [`Self::stored`] answered the one before.
    pub fn take_batch(&mut self, applied: impl Fn(PartitionId) -> Position) -> Option<StoreBatch> {
        if self.storing.is_some() {
            return None;
        }
        let mut batch =
            StoreBatch { newest_append_ms: self.newest_append_ms, ..StoreBatch::default() };
        let users = std::mem::take(&mut self.dirty);
        for uid in &users {
            let Some(inbox) = self.users.get_mut(uid) else { continue };
            inbox.storing = inbox.unstored.len();
            batch.runs.push(InboxRun {
                user: uid.clone(),
                first: inbox.first_unstored(),
                positions: inbox.unstored.clone(),
            });
        }
        for (&id, partition) in &mut self.partitions {
            let fresh = partition.window.take_fresh();
            if !fresh.is_empty() {
                batch.duplicates.push((id, fresh));
            }
            batch.duplicates_kept.push((id, partition.window.len()));
            batch.applied.push((id, applied(id)));
        }
        self.unstored = 0;
        self.storing = Some(users);
        Some(batch)
    }

    /// The history store holds the last batch durably.
    pub fn stored(&mut self) {
        for uid in self.storing.take().unwrap_or_default() {
            let Some(inbox) = self.users.get_mut(&uid) else { continue };
            inbox.unstored.drain(..inbox.storing);
            inbox.storing = 0;
            inbox.unstored.shrink_to(0);
        }
    }

    /// The shortest window that the bound on entries has left, in milliseconds.
    #[must_use]
    pub fn window_shrunk_to_ms(&self) -> Option<i64> {
        self.partitions.values().filter_map(|p| p.window.shrunk_to_ms()).min()
    }

    /// Keys held over all windows.
    #[must_use]
    pub fn duplicates_len(&self) -> usize {
        self.partitions.values().map(|p| p.window.len()).sum()
    }

    /// Users in memory, and how many had to leave it so far.
    #[must_use]
    pub fn users_len(&self) -> (usize, u64) {
        (self.users.len(), self.evicted)
    }

    /// Makes room by dropping users that were not used since the last look; what the store does not
    /// hold yet is never dropped.
    fn evict(&mut self) {
        let before = self.users.len();
        let target = self.users_max - self.users_max / 8;
        let mut surplus = before.saturating_sub(target.min(self.users_max - 1));
        self.users.retain(|_, inbox| {
            let keep = surplus == 0 || inbox.used || !inbox.unstored.is_empty();
            inbox.used = false;
            if !keep {
                surplus -= 1;
            }
            keep
        });
        self.evicted += (before - self.users.len()) as u64;
    }
}

/// Whose inbox `role` names.
fn owner<'a>(message: &Message<'a>, role: Role) -> &'a str {
    match role {
        Role::Receiver => message.recv_id,
        Role::Sender => message.send_id,
    }
}
