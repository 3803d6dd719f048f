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
use super::lender::Lender;
use super::log::{BATCH_HEAD_BYTES, SEGMENT_HEAD_BYTES, Segments, Writer};
use super::take_up::TakeUp;
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
    lender: Arc<Lender>,
    segments: Arc<Segments>,
    /// Writes to the log until its thread does.
    writer: Arc<Mutex<Writer>>,
    hand_in: OnceLock<Box<dyn HandIn>>,
    /// Held from the hand-in of a change until it is applied, so that all are applied in the order of the log.
    state: Mutex<State>,
    /// The newest record of rows that somebody may have been told of.
    durable: Arc<AtomicU64>,
    /// The newest of them that is applied, or never will be before a restart.
    seen: AtomicU64,
    /// Before what they have the index of.
    bases: Bases,
    take_up: TakeUp,
}

/// What one change at a time has.
#[derive(Default)]
struct State {
    /// A change that the log has is not in the index: nothing may be decided any more.
    broken: bool,
}

impl Changes {
    /// The way of changes to an index that has what the log has.
    pub(super) fn new(
        lender: Arc<Lender>,
        segments: Arc<Segments>,
        writer: Arc<Mutex<Writer>>,
        (bases, take_up): (Bases, TakeUp),
    ) -> Self {
        Self {
            lender,
            segments,
            writer,
            hand_in: OnceLock::new(),
            state: Mutex::default(),
            durable: Arc::default(),
            seen: AtomicU64::new(0),
            bases,
            take_up,
        }
    }

    /// From now on the log has its thread, and changes are handed to that.
    pub fn hand_to(&self, writer: Box<dyn HandIn>) {
        drop(self.hand_in.set(writer));
    }

    /// The log has got more, of another server's: applies its changes. `more` brings it, and nothing that it brings counts as
    /// applied meanwhile. What the index cannot take is handed back and waited for by nobody: only an opening brings it then
    /// ([`super::rebuild::Mend::gave_up`]).
    pub(super) fn follow<E: From<StoreError>>(
        &self,
        more: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        const DOING: &str = "following the log";
        let mut state = self.state.lock();
        let index = self.lend_to_change(DOING)?;
        if state.broken {
            return Err(broken(DOING).into());
        }
        let from = self.segments.head();
        more()?;
        let applied = catch_up(&index, &self.segments, from).and_then(|_| index.announced());
        let told = applied.map_err(|error| {
            state.broken = true;
            self.lender.lacks(error)
        })?;
        self.lender.expires(told.map_or(Position(0), |told| told.below));
        self.lender.is_through(self.segments.head());
        Ok(())
    }

    /// The index, to change it by what the log takes: whether it can take that is asked before.
    fn lend_to_change(&self, doing: &'static str) -> Result<Arc<Index>, StoreError> {
        let index = self.lender.lend(doing)?;
        self.lender.notice().check(doing)?;
        index.has_room(doing)?;
        Ok(index)
    }

    /// The index that the changes go to, for one call.
    pub(super) fn lend(&self, doing: &str) -> Result<Arc<Index>, StoreError> {
        self.lender.lend(doing)
    }

    /// What lends it.
    pub(super) const fn lender(&self) -> &Arc<Lender> {
        &self.lender
    }

    /// What opens it again.
    pub(super) const fn take_up(&self) -> &TakeUp {
        &self.take_up
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
        self.make_in_turn(self.state.lock(), (table, rows), (record, told), doing, true)
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
        // Whoever stores is waited for where the index is opened again, and gets it back to do that.
        self.make_in_turn(state, (table, rows), (record, Vec::new()), doing, false)?;
        Ok(true)
    }

    fn make_in_turn(
        &self,
        mut state: MutexGuard<'_, State>,
        (table, rows): (u8, TableRows),
        (record, told): (Vec<u8>, Vec<Told>),
        doing: &'static str,
        waits: bool,
    ) -> Result<(), StoreError> {
        if state.broken {
            return Err(broken(doing));
        }
        // Not lent while the log is waited for, which may wait for shards, and they for whoever opens the index again.
        drop(self.lend_to_change(doing)?);
        let position = self.append(record, told)?;
        let through = Position(position.0 + 1);
        if let Err(cause) = self.segments.flush_to(through.0) {
            state.broken = true;
            self.seen.store(position.0, Ordering::Release);
            return Err(cause);
        }
        let applied = loop {
            let turn = self.lender.notice().turn();
            match self.put(table, &rows, through, doing) {
                Err(StoreError::Unavailable { .. }) if waits => {
                    // Nobody waits for it to be seen.
                    self.seen.store(position.0, Ordering::Release);
                    if !self.lender.notice().until_taken_up(turn) {
                        break Err(broken(doing));
                    }
                }
                put => break put,
            }
        };
        match &applied {
            Ok(()) => self.lender.is_through(through),
            // Whoever opens the index again gives it what the log has.
            Err(StoreError::Unavailable { .. }) => {}
            Err(_) => state.broken = true,
        }
        self.seen.store(position.0, Ordering::Release);
        applied
    }

    /// Puts rows into the index, which the log has below `through`.
    fn put(
        &self,
        table: u8,
        rows: &TableRows,
        through: Position,
        doing: &'static str,
    ) -> Result<(), StoreError> {
        let index = self.lender.lend(doing)?;
        let rows_of = index.table(table).ok_or_else(|| broken(doing))?;
        let mut out = index.unflushed();
        for (key, row) in rows {
            match row {
                Some(row) => out.insert(rows_of, &key[..], row.clone()),
                None => out.remove(rows_of, &key[..]),
            }
        }
        note(&index, &mut out, through);
        index.apply(out, doing)
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
        let index = self.lender.lend(doing)?;
        index.check(doing)?;
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
        let index = self.lender.lend(DOING)?;
        let mut settled = self.lender.settled.lock();
        if index.has_room(DOING).is_err() {
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
            let mut out = index.unflushed();
            note(&index, &mut out, head);
            index.apply(out, DOING)?;
            self.lender.is_through(head);
        }
        let through = self.lender.through();
        if through == *settled {
            return Ok(through);
        }
        index.persist(DOING)?;
        index.note_applied(through);
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
pub(super) fn catch_up(
    index: &Index,
    segments: &Segments,
    from: Position,
) -> Result<u64, StoreError> {
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
