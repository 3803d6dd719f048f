//! The log's one writer: group commit.
//!
//! In: [`Submission`]s from each shard's ring, and [`Change`]s, which share their batches and flushes. Out: [`LogEvent`]s to the shards that own the partitions they are for,
//! in log order; which shard owns a partition is looked up here.
//! While one batch is being flushed the next one gathers in the rings, so a batch is as large as the
//! disk is slow. An append is taken only when the rings of its homes have room for the outcome;
//! until then it stays in its shard's ring, and with it all that the shard sent after it.
//!
//! Invariant: a shard's appends become durable in the order it sent them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use openim_bus::{Doorbell, Receiver as Ring, Sender};
use openim_record::{
    Committed, GroupStep, MessageKey, Milestone, PartitionId, Placement, Position, Submission,
    broken,
};
use openim_storage::port::{Handed, Outcome, Produce, StoreError};

use crate::changes::Change;
use crate::{Backlog, Clock, Latencies, Trouble};

mod books;
mod owners;

use books::HandedOut;
use owners::{EACH_HAS_A_POSITION, Owners, send};

/// What the log tells a shard.
#[derive(Debug)]
pub enum LogEvent {
    /// A record for partitions of this shard is durable.
    Committed(Committed),
    /// The same; this shard handed it in.
    Landed(Committed),
    /// What tells of changes that are durable, as far as it is for partitions of this shard; in log order.
    Told(Vec<ToldHere>),
    /// A record that this shard handed in was refused; nothing of it is kept.
    Refused(MessageKey),
    /// How much was handed out to this shard so far.
    Milestone(Milestone),
}

/// What tells of one change.
#[derive(Debug, Default)]
pub struct ToldHere {
    /// The change, if it is one of a group at home here: it is seen first.
    pub change: Option<GroupStep>,
    /// The records; nobody waits for them.
    pub records: Vec<Committed>,
}

impl LogEvent {
    /// What it holds of memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Committed(committed) | Self::Landed(committed) => committed.bytes(),
            Self::Told(told) => {
                told.iter().flat_map(|told| &told.records).map(Committed::bytes).sum()
            }
            Self::Refused(_) | Self::Milestone(_) => 0,
        }
    }
}

/// One shard's rings to and from the writer.
#[derive(Debug)]
pub struct Lane {
    /// What the shard hands in.
    pub appends: Ring<Submission>,
    /// What it is told.
    pub events: Sender<LogEvent>,
}

/// Figures and controls that other threads see.
#[derive(Debug, Default)]
pub struct LogStatus {
    /// Everything below has been handed to the shards' rings.
    pub head: AtomicU64,
    /// Durable batches so far.
    pub batches: AtomicU64,
    /// Durable records so far.
    pub records: AtomicU64,
    /// Bytes of those records.
    pub bytes: AtomicU64,
    /// Refused records so far.
    pub refused: AtomicU64,
    /// How long appends took, flush included.
    pub appends: Latencies,
    /// Finish and end.
    pub stop: AtomicBool,
    /// The log is in an unknown state; the process must end.
    pub poisoned: AtomicBool,
    /// Why nothing can be appended now.
    pub trouble: Trouble,
    /// Whoever is asked whether the process is ready says so with more than the reason: of a log in another place.
    pub told_elsewhere: AtomicBool,
    /// Why a record was refused for what it is, once one was.
    pub unfit: Trouble,
    /// What waits for the history store.
    pub backlog: Backlog,
}

impl LogStatus {
    /// Notes why an append failed, or would fail; whether the process must end.
    fn met(&self, error: &StoreError, records: usize) -> bool {
        match error {
            StoreError::Unavailable { .. } | StoreError::Rejected { .. } => {
                // Once until it takes one again; how many there are is counted.
                if self.trouble.met(error) {
                    tracing::error!(cause = %error, records, "log refused a batch");
                }
                false
            }
            StoreError::Conflict { .. } | StoreError::Corrupt { .. } => {
                self.trouble.met(error);
                tracing::error!(cause = %error, "log is in an unknown state: stopping, restart to recover");
                self.poisoned.store(true, Ordering::Release);
                true
            }
        }
    }

    /// Notes what an idle log says of itself; whether the process must end.
    fn look(&self, log: &dyn Produce) -> bool {
        match log.check().and_then(|()| self.takes()) {
            Ok(()) => {
                self.over();
                false
            }
            Err(error) => self.met(&error, 0),
        }
    }

    /// Refuses while inboxes cannot be stored and too much waits for that.
    fn takes(&self) -> Result<(), StoreError> {
        if !self.backlog.is_full() {
            return Ok(());
        }
        let what = "taking messages".to_owned();
        let cause = "inboxes cannot be stored, and as much waits for that as may".into();
        Err(StoreError::Unavailable { what, cause })
    }

    /// Notes that it takes messages.
    fn over(&self) {
        if self.trouble.over() {
            tracing::info!("the log takes messages again");
        }
    }
}

/// Bounds of one batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Records of one batch.
    pub records_max: usize,
    /// Bytes of one batch, exceeded by one record at most.
    pub bytes_max: usize,
}

/// Writes until told to stop, or until the log is poisoned.
pub fn run(
    mut log: Box<dyn Produce>,
    (mut lanes, changes): (Vec<Lane>, &Receiver<Change>),
    placement: Placement,
    bell: &Arc<Doorbell>,
    status: &LogStatus,
    clock: &Clock,
    limits: BatchLimits,
) {
    let shards = u16::try_from(lanes.len()).unwrap_or(u16::MAX);
    let mut writer = Writer {
        owners: Owners { placement, shards },
        room: vec![Room::default(); lanes.len()],
        held: None,
        reserved: vec![false; lanes.len()],
        changes: Vec::new(),
        batch: Vec::new(),
        positions: Vec::new(),
        first: 0,
        books: HandedOut::new(lanes.len(), log.head(PartitionId(0))),
    };
    status.head.store(writer.books.began().0, Ordering::Release);
    loop {
        writer.gather(changes, &mut lanes, limits);
        if writer.is_empty() {
            if status.stop.load(Ordering::Acquire) && lanes.iter().all(|l| l.appends.is_empty()) {
                if let Err(error) = log.finish() {
                    status.met(&error, 0);
                }
                return;
            }
            if status.look(log.as_ref()) {
                return;
            }
            writer.tell_books(&mut lanes, status);
            bell.wait(Duration::from_secs(1), || {
                let changed = writer.held.is_none() && !changes.is_empty();
                changed || status.stop.load(Ordering::Acquire) || writer.could_gather(&lanes)
            });
            continue;
        }
        let started = Instant::now();
        let outcome = match status.takes() {
            Ok(()) => writer.append(log.as_mut(), clock.read().trusted_ms),
            refused => refused.map(|()| 0),
        };
        match outcome {
            Ok(append_ms) => {
                status.appends.observe(started.elapsed());
                status.over();
                writer.hand_out(&mut lanes, append_ms, status);
            }
            Err(error) => {
                if status.met(&error, writer.batch.len() + writer.changes.len()) {
                    return;
                }
                writer.refuse(&mut lanes, &error, status);
                // A full disk answers at once; do not spin on it.
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// What was taken from the ring of shard `from`, for a partition of its own.
struct Taken {
    from: usize,
    partition: PartitionId,
    submission: Submission,
}

/// What still fits into one ring.
#[derive(Clone, Copy, Default)]
struct Room {
    values: usize,
    bytes: usize,
    /// Nothing is in the ring: one value of any size fits.
    empty: bool,
}

impl Room {
    fn of(events: &Sender<LogEvent>) -> Self {
        Self { values: events.room(), bytes: events.bytes_room(), empty: events.bytes() == 0 }
    }

    const fn fits(self, bytes: usize) -> bool {
        self.values > 0 && (self.empty || bytes <= self.bytes)
    }

    fn take(&mut self, bytes: usize) {
        self.values -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.empty = false;
    }
}

struct Writer {
    owners: Owners,
    /// What still fits into each shard's ring, less the events this batch will cause.
    room: Vec<Room>,
    /// A change that waits for room where it is told of.
    held: Option<Change>,
    /// Shards that it has found no room at: until it is taken, messages leave theirs to it, or it could wait for ever.
    reserved: Vec<bool>,
    /// Changes of the batch; they lie before its messages, each with what tells of it.
    changes: Vec<Change>,
    batch: Vec<Taken>,
    positions: Vec<Position>,
    /// Which shard is served first; moves on each batch, so that none starves.
    first: usize,
    books: HandedOut,
}

impl Writer {
    const fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.batch.is_empty()
    }

    fn gather(&mut self, changes: &Receiver<Change>, lanes: &mut [Lane], limits: BatchLimits) {
        for (room, lane) in self.room.iter_mut().zip(lanes.iter()) {
            *room = Room::of(&lane.events);
        }
        while let Some(change) = self.held.take().or_else(|| changes.try_recv().ok()) {
            if !self.takes(&change, lanes) {
                self.held = Some(change);
                break;
            }
            self.reserved.fill(false);
            self.changes.push(change);
        }
        let mut bytes: usize = self.changes.iter().map(Change::bytes).sum();
        let count = lanes.len();
        for turn in 0..count {
            let from = (self.first + turn) % count;
            // A fair share each, so that a busy shard leaves room in the batch for the others.
            let share = limits.records_max.div_ceil(count);
            for _ in 0..share {
                let full = bytes >= limits.bytes_max;
                let Some(next) = lanes[from].appends.peek().filter(|_| !full) else { break };
                let own = |partition: &PartitionId| self.owners.lane(*partition) == from;
                let partition = next.to.origin().filter(own);
                let partition = partition.expect("handed in by its own home");
                let (homes, size) = (self.owners.concerned(next), next.bytes());
                if homes.iter().any(|&home| self.reserved[usize::from(home)]) {
                    break;
                }
                if homes.iter().any(|&home| !self.room[usize::from(home)].fits(size)) {
                    for home in homes.iter().map(|&home| usize::from(home)) {
                        if !self.room[home].fits(size) {
                            // Rung when the shard has taken events. If it just did, the next look
                            // before sleeping finds the room.
                            lanes[home].events.want_room(size);
                        }
                    }
                    break;
                }
                // An event to each home, or a refusal to the one that handed it in.
                homes.iter().for_each(|&home| self.room[usize::from(home)].take(size));
                let Some(submission) = lanes[from].appends.try_recv() else { break };
                bytes += size;
                self.batch.push(Taken { from, partition, submission });
            }
            lanes[from].appends.made_room();
        }
        self.first = (self.first + 1) % count.max(1);
    }

    /// Whether there is room for what tells of a change, which is taken then; else it is asked for.
    fn takes(&mut self, change: &Change, lanes: &mut [Lane]) -> bool {
        let sizes = self.owners.sizes(&change.told, lanes.len());
        let wanted = || sizes.iter().enumerate().filter(|(_, size)| **size > 0);
        if wanted().all(|(home, &size)| self.room[home].fits(size)) {
            wanted().for_each(|(home, &size)| self.room[home].take(size));
            return true;
        }
        for (home, &size) in wanted() {
            if !self.room[home].fits(size) {
                self.reserved[home] = true;
                lanes[home].events.want_room(size);
            }
        }
        false
    }

    fn could_gather(&self, lanes: &[Lane]) -> bool {
        if let Some(change) = &self.held {
            let sizes = self.owners.sizes(&change.told, lanes.len());
            let fits = |(lane, &size): (&Lane, &usize)| size == 0 || lane.events.has_room(size);
            if lanes.iter().zip(&sizes).all(fits) {
                return true;
            }
        }
        lanes.iter().any(|lane| {
            lane.appends.peek().is_some_and(|next| {
                let size = next.bytes();
                self.owners.concerned(next).iter().all(|&home| {
                    let home = usize::from(home);
                    !self.reserved[home] && lanes[home].events.has_room(size)
                })
            })
        })
    }

    /// Hands the batch in, and gives its append time. One batch is under way at a time: the next one gathers meanwhile.
    /// This is for a log that decides where it is handed in ([`Produce::submit`]).
    fn append(&mut self, log: &mut dyn Produce, now_ms: i64) -> Result<i64, StoreError> {
        let Self { changes, batch, positions, .. } = self;
        let count: usize = batch.iter().map(|taken| 1 + taken.submission.lists.len()).sum();
        let mut records = Vec::with_capacity(changes.len() + count);
        // Of no partition: this log is one, and whoever applies changes reads all of it.
        let partition = PartitionId(0);
        for Change { record, told, .. } in changes.iter() {
            records.push(Handed { partition, record });
            let messages = told.iter().flat_map(|told| &told.messages);
            let told = messages.flat_map(Submission::records);
            records.extend(told.map(|record| Handed { partition, record }));
        }
        for Taken { partition, submission, .. } in batch.iter() {
            let of_one = submission.records();
            records.extend(of_one.map(|record| Handed { partition: *partition, record }));
        }
        let submitted = log.submit(&records, now_ms);
        positions.clear();
        let mut decided = None;
        log.poll(Duration::ZERO, &mut |outcome| {
            let (tickets, became) = match outcome {
                Outcome::Landed { tickets, append_ms, positions: landed_at } => {
                    positions.extend_from_slice(landed_at);
                    (tickets, Ok(append_ms))
                }
                Outcome::Refused { tickets, cause } => (tickets, Err(cause)),
            };
            if tickets != submitted || decided.replace(became).is_some() {
                broken("a batch of the log lands or is refused as one, and is told of once");
            }
        });
        decided.unwrap_or_else(|| broken("the log decides on a batch when it is handed in"))
    }

    fn hand_out(&mut self, lanes: &mut [Lane], append_ms: i64, status: &LogStatus) {
        let mut bytes = 0;
        let mut end = Position(0);
        let records = self.positions.len() as u64;
        let Self { books, owners, .. } = self;
        let mut positions = self.positions.iter().copied();
        let mut landed = Vec::with_capacity(self.changes.len());
        for mut change in self.changes.drain(..) {
            bytes += change.bytes() as u64;
            let position = positions.next().expect(EACH_HAS_A_POSITION);
            end = Position(position.0 + 1);
            let told = change.landed(position);
            if !told.is_empty() {
                end = owners.hand_out_told(lanes, told, append_ms, &mut positions, books);
            }
            landed.push((change, position));
        }
        for Taken { from, submission, .. } in self.batch.drain(..) {
            bytes += submission.bytes() as u64;
            let Submission { to, record, lists, .. } = submission;
            let position = positions.next().expect(EACH_HAS_A_POSITION);
            // A message to a group is the first of its records; the others are its members.
            let behind = positions.by_ref().take(lists.len());
            assert_eq!(behind.len(), lists.len(), "{EACH_HAS_A_POSITION}");
            end = Position(behind.last().unwrap_or(position).0 + 1);
            books.count(owners, position, to, &lists);
            let committed = Committed { position, append_ms, to, record, members: Box::default() };
            match lists.is_empty() {
                true => owners.hand_out(lanes, from, committed),
                false => owners.hand_out_to_group(lanes, from, &committed, lists),
            }
        }
        // After the events: a shard that reads this head and then drains its ring has seen all below.
        status.head.store(end.0, Ordering::Release);
        for lane in lanes.iter() {
            lane.events.notify();
        }
        self.tell_books(lanes, status);
        for (change, position) in landed {
            change.decide(Ok(position));
        }
        status.batches.fetch_add(1, Ordering::Relaxed);
        status.records.fetch_add(records, Ordering::Relaxed);
        status.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Everything below the head was handed out.
    fn tell_books(&mut self, lanes: &mut [Lane], status: &LogStatus) {
        let head = Position(status.head.load(Ordering::Relaxed));
        self.books.tell(lanes, head, Instant::now());
    }

    fn refuse(&mut self, lanes: &mut [Lane], cause: &StoreError, status: &LogStatus) {
        let refused = self.batch.len() + self.changes.len();
        status.refused.fetch_add(refused as u64, Ordering::Relaxed);
        for change in self.changes.drain(..) {
            change.decide(Err(cause.again()));
        }
        for Taken { from, submission, .. } in self.batch.drain(..) {
            send(lanes, from, LogEvent::Refused(submission.key));
            lanes[from].events.notify();
        }
    }
}
