//! The way of a change of users, tokens, relations, groups or options: into the log as a record of rows, and from there
//! into the index.
//!
//! In: rows that were decided, of one table, whose writer's lock is held meanwhile. Out: they are in the log durably and
//! in the index, in the order of the log, or nothing of them is anywhere. What has been applied is noted in the batch
//! that applies it and needs no flush: whatever of the index a crash takes, a start takes from the log again. What tells
//! of a change lies behind it in the same batch. Never: a change that is in the index and not in the log; a reader who
//! was told of a change and does not see it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use fjall::{OwnedWriteBatch, UserValue};
use openim_record::{Position, Row, Rows, RowsWriter, Submission, Told};
use parking_lot::{Mutex, MutexGuard};

use super::base::Bases;
use super::index::Index;
use super::index::partitions::{THROUGH_KEY, encode_through};
use super::log::{BATCH_HEAD_BYTES, SEGMENT_HEAD_BYTES, Segments, Writer};
use crate::port::{Produce as _, Spot, StoreError};

/// Largest record of rows. A change that is larger is refused for good.
const RECORD_BYTES_MAX: usize = 256 << 20;
/// Rows that a start applies at once.
const REPLAY_BYTES: usize = 8 << 20;

/// Position of the first record of all: of a log that is empty there is nothing to note.
const FIRST_HEAD: u64 = SEGMENT_HEAD_BYTES + BATCH_HEAD_BYTES as u64;

/// How long a reader waits for a change to be seen at most, and between two looks.
const SEEN_WITHIN: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_micros(50);
/// How long who has other work waits for the change before its own.
const MOMENT: Duration = Duration::from_millis(100);

/// Hands changes to the log's one writer.
pub trait HandIn: Send + Sync {
    /// Hands in a record with what tells of it, and waits until the log has decided: its position when it is durable. What
    /// tells of it, if something does, is handed out behind `durable`, where that position is noted before.
    ///
    /// # Errors
    /// [`StoreError`], as of [`crate::port::Outcome::Refused`].
    fn hand_in(
        &self,
        record: Vec<u8>,
        told: Vec<Told>,
        durable: &Arc<AtomicU64>,
    ) -> Result<Position, StoreError>;
}

/// Rows of a table by key, `None` where there is none any more.
pub(super) type TableRows = BTreeMap<Vec<u8>, Option<UserValue>>;

/// See the module.
pub struct Changes {
    index: Arc<Index>,
    segments: Arc<Segments>,
    /// Writes to the log until its thread does.
    writer: Arc<Mutex<Writer>>,
    hand_in: OnceLock<Box<dyn HandIn>>,
    /// Held from the hand-in of a change until it is applied, so that all are applied in the order of the log.
    state: Mutex<State>,
    /// Every record of rows below is in the index for good, and this is noted there.
    settled: Mutex<Position>,
    /// Every record of rows below is applied.
    through: AtomicU64,
    /// The newest record of rows that somebody may have been told of.
    durable: Arc<AtomicU64>,
    /// The newest of them that is applied, or never will be before a restart.
    seen: AtomicU64,
    /// Up to where inboxes are to be cut by what a log that is followed told of.
    followed_cut: AtomicU64,
    bases: Bases,
}

/// What one change at a time has.
#[derive(Default)]
struct State {
    /// A change that the log has is not in the index: nothing may be decided any more.
    broken: bool,
}

impl Changes {
    /// Applies what the index does not have yet of the log, and gives the way for more.
    pub(super) fn begin(
        index: Arc<Index>,
        segments: Arc<Segments>,
        writer: Arc<Mutex<Writer>>,
        from: Position,
        bases: Bases,
    ) -> Result<Self, StoreError> {
        let records = catch_up(&index, &segments, from)?;
        if records > 0 {
            tracing::info!(records, from = from.0, "caught the index up with the log");
        }
        let changes = Self {
            index,
            segments,
            writer,
            hand_in: OnceLock::new(),
            state: Mutex::default(),
            settled: Mutex::default(),
            through: AtomicU64::new(from.0),
            durable: Arc::default(),
            seen: AtomicU64::new(0),
            followed_cut: AtomicU64::new(0),
            bases,
        };
        changes.settle()?;
        Ok(changes)
    }

    /// From now on the log has its thread, and changes are handed to that.
    pub fn hand_to(&self, writer: Box<dyn HandIn>) {
        drop(self.hand_in.set(writer));
    }

    /// The log has got more, from `from` on, of another server's: applies its changes. `more` brings it, and nothing that
    /// it brings counts as applied meanwhile.
    pub(super) fn follow<E: From<StoreError>>(
        &self,
        more: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        const DOING: &str = "following the log";
        let mut state = self.state.lock();
        if state.broken {
            return Err(broken(DOING).into());
        }
        self.index.has_room(DOING)?;
        let from = self.segments.head();
        more()?;
        let applied = catch_up(&self.index, &self.segments, from).and_then(|_| {
            let cut = self.index.announced()?.map_or(0, |announced| announced.below.0);
            self.followed_cut.fetch_max(cut, Ordering::AcqRel);
            Ok(())
        });
        match &applied {
            Ok(()) => self.through.store(self.segments.head().0, Ordering::Release),
            Err(_) => state.broken = true,
        }
        Ok(applied?)
    }

    /// Up to where inboxes are to be cut because a log that is followed told of it since the opening.
    pub(super) fn followed_cut(&self) -> Position {
        Position(self.followed_cut.load(Ordering::Acquire))
    }

    /// The index that the changes go to.
    pub(super) const fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// The bases of the index.
    pub(super) const fn bases(&self) -> &Bases {
        &self.bases
    }

    /// Makes a change of `table`: durable with what tells of it, and seen by whoever reads.
    pub(super) fn make(
        &self,
        table: u8,
        rows: TableRows,
        told: Vec<Told>,
        doing: &'static str,
    ) -> Result<(), StoreError> {
        let record = record_of(table, &rows, &told);
        let bytes = record.len() + told.iter().map(Told::bytes).sum::<usize>();
        if bytes > RECORD_BYTES_MAX {
            let cause = format!("{bytes} bytes of rows and tips are more than {RECORD_BYTES_MAX}");
            return Err(StoreError::Rejected { what: doing.to_owned(), cause: cause.into() });
        }
        self.make_in_turn(self.state.lock(), (table, rows), (record, told), doing)
    }

    /// The same for a change that nobody is told of, made by whoever stores what shards have: a change before it may wait
    /// for a shard that waits for that. `false` when its turn did not come in a moment; nothing was made then.
    pub(super) fn make_soon(
        &self,
        table: u8,
        rows: TableRows,
        doing: &'static str,
    ) -> Result<bool, StoreError> {
        let Some(state) = self.state.try_lock_for(MOMENT) else { return Ok(false) };
        let record = record_of(table, &rows, &[]);
        self.make_in_turn(state, (table, rows), (record, Vec::new()), doing)?;
        Ok(true)
    }

    fn make_in_turn(
        &self,
        mut state: MutexGuard<'_, State>,
        (table, rows): (u8, TableRows),
        (record, told): (Vec<u8>, Vec<Told>),
        doing: &'static str,
    ) -> Result<(), StoreError> {
        if state.broken {
            return Err(broken(doing));
        }
        // What the log has taken must go in, so whether it can is asked before.
        self.index.has_room(doing)?;
        let position = self.append(record, told)?;
        let through = Position(position.0 + 1);
        let applied = self.segments.flush_to(through.0).and_then(|()| {
            let rows_of = self.index.table(table).ok_or_else(|| broken(doing))?;
            let mut out = self.index.unflushed();
            for (key, row) in rows {
                match row {
                    Some(row) => out.insert(rows_of, key, row),
                    None => out.remove(rows_of, key),
                }
            }
            note(&self.index, &mut out, through);
            self.index.apply(out, doing)
        });
        match &applied {
            Ok(()) => self.through.store(through.0, Ordering::Release),
            Err(_) => state.broken = true,
        }
        self.seen.store(position.0, Ordering::Release);
        applied
    }

    fn append(&self, record: Vec<u8>, told: Vec<Told>) -> Result<Position, StoreError> {
        if let Some(writer) = self.hand_in.get() {
            return writer.hand_in(record, told, &self.durable);
        }
        let messages = told.iter().flat_map(|told| &told.messages);
        let records = messages.flat_map(Submission::records);
        let records: Vec<&[u8]> = std::iter::once(&record[..]).chain(records).collect();
        self.writer.lock().append_as_one(&records)
    }

    /// Waits until changes that somebody may have been told of are seen by who reads now. The log knows of a change, and
    /// hands out what tells of it, a moment before the index has it. An index that stands still is not waited for.
    pub(super) fn see_what_was_told(&self) {
        let durable = self.durable.load(Ordering::Acquire);
        if self.seen.load(Ordering::Acquire) >= durable {
            return;
        }
        let begun = Instant::now();
        while self.seen.load(Ordering::Acquire) < durable && begun.elapsed() < SEEN_WITHIN {
            std::thread::sleep(LOOK);
        }
    }

    /// Whether a change could be made now, as far as can be told without one.
    pub(super) fn check(&self, doing: &'static str) -> Result<(), StoreError> {
        self.index.check(doing)?;
        // While the log writes it takes what it is given.
        let checked = self.writer.try_lock().map_or(Ok(()), |writer| writer.check());
        match checked {
            // Its own thread knows that it is broken, tells it and has the process end.
            Err(StoreError::Corrupt { .. }) if self.hand_in.get().is_some() => Ok(()),
            checked => checked,
        }
    }

    /// Makes the index durable as far as changes go, and notes how far that is. Gives the position below which the index
    /// needs no record of rows any more.
    pub(super) fn settle(&self) -> Result<Position, StoreError> {
        const DOING: &str = "making the index durable";
        self.bases.log_ends(self.segments.end());
        let mut settled = self.settled.lock();
        if self.index.has_room(DOING).is_err() {
            // The engine would give up for good; whoever needs the room is told by others.
            return Ok(*settled);
        }
        if let Some(_held) = self.state.try_lock().filter(|state| !state.broken) {
            // Nothing is under way, so all that the log holds is applied or no change. Of it a power cut may take what is
            // not flushed, and others may come in its place.
            let head = self.segments.flushed_head();
            if head == *settled || head.0 <= FIRST_HEAD {
                return Ok(*settled);
            }
            let mut out = self.index.unflushed();
            note(&self.index, &mut out, head);
            self.index.apply(out, DOING)?;
            self.through.store(head.0, Ordering::Release);
        }
        let through = Position(self.through.load(Ordering::Acquire));
        if through == *settled {
            return Ok(through);
        }
        self.index.persist(DOING)?;
        self.index.note_applied(through);
        *settled = through;
        Ok(through)
    }
}

/// Rows of a table as a record, behind which lies what tells of them.
fn record_of(table: u8, rows: &TableRows, told: &[Told]) -> Vec<u8> {
    let mut record = RowsWriter::told_by(told.iter().map(Told::records).sum());
    for (key, row) in rows {
        record.push(table, key, row.as_deref());
    }
    record.finish()
}

/// Applies the log's records of rows from `from` on, and says how many there were.
fn catch_up(index: &Index, segments: &Segments, from: Position) -> Result<u64, StoreError> {
    let (mut pending, mut failed, mut records) = (Pending::default(), None, 0_u64);
    segments.walk(from, &|_| false, &mut |replayed| {
        if !Rows::are_in(replayed.record) {
            return ControlFlow::Continue(());
        }
        records += 1;
        let taken = pending.take(replayed.position, replayed.record, segments);
        let taken = taken.and_then(|()| match pending.bytes < REPLAY_BYTES {
            true => Ok(()),
            false => std::mem::take(&mut pending).apply(index, segments),
        });
        failed = taken.err();
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    if records > 0 {
        pending.apply(index, segments)?;
    }
    Ok(records)
}

/// Rows of the log that are not applied yet: the newest of each key, as the engine takes a key once in a batch.
#[derive(Default)]
struct Pending {
    rows: BTreeMap<(u8, Vec<u8>), Option<Vec<u8>>>,
    bytes: usize,
    through: Position,
}

impl Pending {
    fn take(
        &mut self,
        position: Position,
        record: &[u8],
        segments: &Segments,
    ) -> Result<(), StoreError> {
        let unknown = || segments.damaged_at(position, "a change of rows was expected");
        for row in Rows::decode(record).ok_or_else(unknown)?.iter() {
            let Row { table, key, row } = row.ok_or_else(unknown)?;
            self.rows.insert((table, key.to_vec()), row.map(<[u8]>::to_vec));
        }
        self.bytes += record.len();
        self.through = Position(position.0 + 1);
        Ok(())
    }

    fn apply(self, index: &Index, segments: &Segments) -> Result<(), StoreError> {
        let mut out = index.unflushed();
        for ((table, key), row) in self.rows {
            let unknown = || segments.damaged_at(self.through, "rows of a table that is none");
            let table = index.table(table).ok_or_else(unknown)?;
            match row {
                Some(row) => out.insert(table, key, row),
                None => out.remove(table, key),
            }
        }
        note(index, &mut out, self.through);
        index.apply(out, "catching the index up with the log")
    }
}

/// Notes in a batch that with it everything below a position is applied.
fn note(index: &Index, out: &mut OwnedWriteBatch, through: Position) {
    out.insert(&index.state, THROUGH_KEY, encode_through(through));
}

fn broken(doing: &str) -> StoreError {
    let cause = "an earlier change is in the log and could not be applied; restart to recover";
    StoreError::Corrupt { place: Spot::Engine(doing.to_owned()), cause: cause.into() }
}
