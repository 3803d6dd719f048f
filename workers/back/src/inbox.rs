//! The inbox machine: duplicates and seq, driven by log records only.
//!
//! Invariants: per user seq is 1, 2, 3 … in log order (L2); a partition's records are applied in
//! log order; what is applied is a function of the log. Guarded by `tests/simulation.rs`.

use openim_cache::Cache;
use openim_record::{
    Account, Addressee, DuplicateEntry, InboxBounds, InboxRun, Message, MessageKey, PartitionId,
    Place, Placement, Position, Seq, Stamp, StoreBatch, StoredState, UserId, broken, weight,
};

use crate::Window;

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
    /// What the uid counts for in tickets.
    weight: u64,
    /// The newest entries, those the history store has not confirmed; the last one has seq `newest`.
    unstored: Vec<Position>,
    /// How many of them are in the batch being stored.
    storing: usize,
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

/// All inboxes of the partitions of one owner.
#[derive(Debug)]
pub struct Inboxes {
    placement: Placement,
    /// By number; `None` for those of others.
    partitions: Vec<Option<Partition>>,
    users: Cache<Inbox>,
    /// Users with entries that no batch has taken; each once.
    dirty: Vec<UserId>,
    unstored: usize,
    /// Users in the batch that the store is working on.
    storing: Option<Vec<UserId>>,
    newest_append_ms: i64,
    users_max: usize,
    /// Entries that have a number, and those that a batch has taken.
    numbered: Account,
    taken: Account,
    /// The same, as of the last batch.
    compared: (Account, Account),
}

impl Inboxes {
    /// Inboxes for the partitions that are `owned`.
    #[must_use]
    pub fn new(
        placement: Placement,
        owned: impl Fn(PartitionId) -> bool,
        window_ms: i64,
        duplicates_max: usize,
        users_max: usize,
    ) -> Self {
        let share = (duplicates_max / usize::from(placement.partitions())).max(1);
        let partition =
            || Partition { window: Window::new(window_ms, share), applied: Position(0) };
        let partitions = (0..placement.partitions())
            .map(|number| owned(PartitionId(number)).then(partition))
            .collect();
        Self {
            placement,
            partitions,
            users: Cache::new(),
            dirty: Vec::new(),
            unstored: 0,
            storing: None,
            newest_append_ms: 0,
            users_max: users_max.max(1),
            numbered: Account::default(),
            taken: Account::default(),
            compared: (Account::default(), Account::default()),
        }
    }

    /// Takes over what the history store kept of a partition; others' partitions are ignored.
    pub fn recover(&mut self, state: &StoredState) {
        let slot = self.partitions.get_mut(usize::from(state.partition.0));
        if let Some(Some(partition)) = slot {
            partition.applied = state.applied;
            for &entry in &state.duplicates {
                partition.window.restore(entry);
            }
        }
    }

    /// From now on at most this many users stay in memory, besides those the store does not have.
    pub fn set_users_max(&mut self, users_max: usize) {
        self.users_max = users_max.max(1);
    }

    /// Whether `uid`'s bounds are in memory.
    #[must_use]
    pub fn knows(&self, uid: &str) -> bool {
        self.users.contains(uid)
    }

    /// Brings a user's bounds into memory; ignored when they are there (memory is newer). Who must leave
    /// it for that is named to `left`: bounds of theirs that were read before are not to be loaded.
    pub fn load(&mut self, uid: &UserId, bounds: InboxBounds, mut left: impl FnMut(&UserId)) {
        if self.users.contains(uid.as_str()) {
            return;
        }
        let weight = weight(uid.as_str());
        let inbox = Inbox { bounds, weight, unstored: Vec::new(), storing: 0 };
        self.users.insert(
            uid,
            inbox,
            self.users_max,
            // What the store does not hold yet cannot be loaded again, so it stays.
            |_, inbox| inbox.unstored.is_empty(),
            |uid, _| left(&uid),
        );
    }

    /// First kept and newest seq, if in memory.
    pub fn bounds(&mut self, uid: &str) -> Option<InboxBounds> {
        Some(self.users.get_mut(uid)?.bounds)
    }

    /// Retention has raised the oldest kept seq.
    pub fn raise_min(&mut self, uid: &str, min: Seq) {
        if let Some(inbox) = self.users.get_mut(uid) {
            inbox.bounds = inbox.bounds.kept_from(min);
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

    /// Whether a partition is kept here.
    #[must_use]
    pub fn owns(&self, partition: PartitionId) -> bool {
        self.partition(partition).is_some()
    }

    /// The first receipt's time of a send that a partition, the sender's or a group's, has seen.
    #[must_use]
    pub fn duplicate(&self, partition: PartitionId, key: MessageKey) -> Option<i64> {
        self.partition(partition)?.window.find(key)
    }

    /// Whether the record can be applied now.
    #[must_use]
    pub fn ready(&self, message: &Message<'_>, addressee: Addressee) -> bool {
        !message.switches.history
            || addressee == Addressee::Group
            || self.knows(addressee.owner(message))
    }

    /// Whether the history store held the effect of a record before a restart; it needs no load.
    #[must_use]
    pub fn replayed(&self, place: Place) -> bool {
        self.partition(place.partition).is_some_and(|partition| place.position < partition.applied)
    }

    /// Applies one record to a partition, for its receiver, its sender or its group. Records of one
    /// partition must come in log order.
    ///
    /// # Errors
    /// [`Unknown`]: load the user's bounds, then apply the same record again.
    pub fn apply(
        &mut self,
        place: Place,
        append_ms: i64,
        message: &Message<'_>,
        addressee: Addressee,
    ) -> Result<Outcome, Unknown> {
        if addressee == Addressee::Members {
            broken("members of a group are numbered one by one");
        }
        let uid = addressee.owner(message);
        let Place { partition: home, position } = place;
        // Only then two inboxes of one partition get the record.
        let behind_receiver = addressee == Addressee::Sender
            && message.recv_id != message.send_id
            && !message.switches.unwanted
            && self.placement.partition(message.recv_id) == home;
        let slot = self.partitions.get_mut(usize::from(home.0));
        let Some(Some(partition)) = slot else { return Ok(Outcome::Replayed) };
        if position < partition.applied {
            return Ok(Outcome::Replayed);
        }
        let numbered = message.switches.history && addressee != Addressee::Group;
        if numbered && !self.users.contains(uid) {
            return Err(Unknown);
        }
        // The receiver's turn comes first and speaks for the partition. The sender's turn on the same
        // partition follows at once, perhaps after a restart, and must not take the receiver's entry
        // for a duplicate: it is one only if another send made it, at another time (send times rise strictly).
        let first = if behind_receiver {
            partition.window.find(message.key).filter(|&first| first != message.send_time_ns)
        } else {
            let send_time_ns = message.send_time_ns;
            partition.window.see(DuplicateEntry { key: message.key, send_time_ns, append_ms })
        };
        if let Some(first) = first {
            return Ok(Outcome::Duplicate(first));
        }
        if !numbered {
            self.newest_append_ms = self.newest_append_ms.max(append_ms);
            return Ok(Outcome::New(Seq(0)));
        }
        let seq = self.number(uid, position, append_ms)?;
        Ok(seq.map_or(Outcome::Replayed, Outcome::New))
    }

    /// Gives the record at `position` the next number in an inbox; `None`: the inbox has it already, as a
    /// store that writes a batch in several strokes may say after a restart. For the members of a group, whose
    /// home has seen to it that the message is no duplicate; everybody else goes through [`Self::apply`].
    ///
    /// # Errors
    /// [`Unknown`]: load the user's bounds, then ask again.
    pub fn number(
        &mut self,
        uid: &str,
        position: Position,
        append_ms: i64,
    ) -> Result<Option<Seq>, Unknown> {
        let inbox = self.users.get_mut(uid).ok_or(Unknown)?;
        if position < inbox.bounds.through {
            return Ok(None);
        }
        self.newest_append_ms = self.newest_append_ms.max(append_ms);
        self.numbered.add(Stamp::of(position).weighed(inbox.weight));
        let seq = inbox.bounds.newest.next();
        inbox.bounds.newest = seq;
        inbox.bounds.through = Position(position.0 + 1);
        if inbox.bounds.min == Seq(0) {
            inbox.bounds.min = seq;
        }
        if inbox.unstored.len() == inbox.storing {
            self.dirty.push(UserId::new(uid));
        }
        inbox.unstored.push(position);
        self.unstored += 1;
        Ok(Some(seq))
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
            let Some(inbox) = self.users.get_mut(uid.as_str()) else { continue };
            inbox.storing = inbox.unstored.len();
            let (first, positions) = (inbox.first_unstored(), inbox.unstored.clone());
            let weight = inbox.weight;
            positions.iter().for_each(|at| self.taken.add(Stamp::of(*at).weighed(weight)));
            batch.runs.push(InboxRun::new(uid.clone(), first, positions));
        }
        for (number, slot) in (0..).zip(&mut self.partitions) {
            let (id, Some(partition)) = (PartitionId(number), slot) else { continue };
            let fresh = partition.window.take_fresh();
            if !fresh.is_empty() {
                batch.duplicates.push((id, fresh));
            }
            batch.duplicates_kept.push((id, partition.window.len()));
            // During a replay the store may be ahead of what was handed in; it must not fall back.
            batch.applied.push((id, applied(id).max(partition.applied)));
        }
        self.unstored = 0;
        self.compared = (self.numbered, self.taken);
        self.storing = Some(users);
        Some(batch)
    }

    /// Entries that were numbered, and those that batches have taken, as of the last batch.
    #[must_use]
    pub const fn books(&self) -> (Account, Account) {
        self.compared
    }

    /// The history store holds the last batch durably.
    pub fn stored(&mut self) {
        for uid in self.storing.take().unwrap_or_default() {
            let Some(inbox) = self.users.get_mut(uid.as_str()) else { continue };
            inbox.unstored.drain(..inbox.storing);
            inbox.storing = 0;
            inbox.unstored.shrink_to(0);
        }
    }

    /// The shortest window that the bound on entries has left, in milliseconds.
    #[must_use]
    pub fn window_shrunk_to_ms(&self) -> Option<i64> {
        self.own().filter_map(|p| p.window.shrunk_to_ms()).min()
    }

    /// Keys held over all windows.
    #[must_use]
    pub fn duplicates_len(&self) -> usize {
        self.own().map(|p| p.window.len()).sum()
    }

    /// Users in memory, and how many had to leave it so far.
    #[must_use]
    pub fn users_len(&self) -> (usize, u64) {
        (self.users.len(), self.users.evicted())
    }

    /// Panics when the state contradicts itself; walks everything, for tests.
    pub fn check_invariants(&self) {
        let mut untaken = 0;
        for (uid, inbox) in self.users.values() {
            let InboxBounds { min, newest, .. } = inbox.bounds;
            assert!(inbox.storing <= inbox.unstored.len(), "{uid}: more is stored than there is");
            assert!(inbox.unstored.len() as u64 <= newest.0, "{uid}: entries before seq 1");
            assert!(min <= newest.next(), "{uid}: kept from {min}, newest {newest}");
            assert!(inbox.unstored.is_sorted_by(|a, b| a < b), "{uid}: not in log order");
            untaken += inbox.unstored.len() - inbox.storing;
        }
        assert_eq!(self.unstored, untaken, "entries that no batch has taken");
    }

    fn partition(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions.get(usize::from(id.0))?.as_ref()
    }

    fn own(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.iter().flatten()
    }
}

#[cfg(test)]
mod tests;
