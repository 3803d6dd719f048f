//! History on the embedded engine: positions in the index, bodies in the log.
//!
//! Invariant: the index never refers to a byte of the log that could still be lost, because the log
//! is flushed before a batch commits.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;
use fjall::OwnedWriteBatch;
use openim_record::{
    InboxBounds, InboxRun, PartitionId, Position, Seq, StoreBatch, StoredState, UserId,
};

use super::changes::Changes;
use super::error::{index_corrupt, index_error};
use super::index::inbox::{InboxRow, chunk_key, chunk_of, decode_chunk, first_of, user_key};
use super::index::partitions::Announced;
use super::index::{self, Index};
use super::lender::Lender;
use super::log::Segments;
use crate::port::{Entry, History, Range, Records, RetainReport, StoreError};

/// Entries that one look at a range may find; what lies behind them is another call's.
const RANGE_ENTRIES_MAX: usize = 1024;

/// The embedded engine's history.
pub struct EmbeddedHistory {
    /// None of an index that is brought to where another one was.
    changes: Option<Arc<Changes>>,
    lender: Arc<Lender>,
    segments: Arc<Segments>,
}

impl EmbeddedHistory {
    pub(super) const fn new(
        changes: Option<Arc<Changes>>,
        lender: Arc<Lender>,
        segments: Arc<Segments>,
    ) -> Self {
        Self { changes, lender, segments }
    }

    /// Cuts inboxes as far as the log that is followed told of, and removes segments that nothing needs any more: a part of
    /// it a call, `entries_max` entries at most. For one that follows, in the place of [`History::retain`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn retain_as_told(&self, entries_max: usize) -> Result<RetainReport, StoreError> {
        let announced = self.lender.lend("reading which cut the log tells of")?.announced()?;
        let (Some(changes), Some(told)) = (&self.changes, announced) else {
            return Ok(RetainReport::default());
        };
        let told = Announced { below: told.below.min(self.lender.expired()), ..told };
        super::retention::retain_as_told(
            changes,
            &self.segments,
            (&self.lender.applied, &self.lender.retention),
            told,
            entries_max,
        )
    }

    /// Puts a batch in.
    fn put(&self, batch: &StoreBatch) -> Result<(), StoreError> {
        const DOING: &str = "storing a batch in the index";
        let mut applied = self.lender.applied.lock();
        let index = self.lender.lend(DOING)?;
        let (mut out, rows) = (index.batch(), Rows { index: &index });
        for run in &batch.runs {
            rows.plan_run(run, self.lender.expired(), &mut out)?;
        }
        let change = applied.plan(batch, &index, &mut out)?;
        let retention = &self.lender.retention;
        let noted = retention.lock().note_segments(&self.segments, &index, &mut out);
        let highest = batch.applied.iter().map(|(_, below)| below.0).max();
        self.lender.commits().log_applied(highest.unwrap_or_default());
        index.commit(out, DOING)?;
        applied.take_over(change);
        let oldest = batch.runs.iter().filter_map(|run| run.positions.first()).min();
        let mut retention = retention.lock();
        retention.noted(noted);
        retention.stored(oldest.copied().unwrap_or(Position(u64::MAX)));
        Ok(())
    }
}

/// The rows of inboxes, for one call.
struct Rows<'a> {
    index: &'a Index,
}

impl Rows<'_> {
    fn row(&self, user: &UserId) -> Result<Option<InboxRow>, StoreError> {
        read_row(self.index, &user_key(user, 0))
    }

    /// Adds the run of one user to `out`.
    fn plan_run(
        &self,
        run: &InboxRun,
        expired: Position,
        out: &mut OwnedWriteBatch,
    ) -> Result<(), StoreError> {
        let InboxRun { user, first, positions, records: _ } = run;
        let mut row = self.row(user)?.unwrap_or_default();
        let newest = row.bounds.newest;
        if first.0 == 0 || *first > newest.next() {
            return Err(conflict(user, format!("seq {first} does not follow {newest}")));
        }
        let stored = (newest.next().0 - first.0).min(positions.len() as u64) as usize;
        let (stored, new) = positions.split_at(stored);
        self.check_stored(user, *first, stored)?;
        let Some(next) = new.first() else { return Ok(()) };
        if self.last_position(user, &row)?.is_some_and(|last| *next <= last) {
            let next = newest.next();
            return Err(conflict(user, format!("seq {next} lies before {newest} in the log")));
        }
        for position in new {
            let full = row.push(*position);
            if *position < expired && row.bounds.min == row.bounds.newest {
                (row.bounds.min, row.oldest) = (row.bounds.newest.next(), 0);
            }
            let kept = row.bounds.min <= row.bounds.newest;
            if let Some((chunk, positions)) = full.filter(|_| kept) {
                out.insert(&self.index.chunks, chunk_key(user, chunk), positions);
            }
        }
        out.insert(&self.index.inboxes, user_key(user, 0), row.encode());
        Ok(())
    }

    /// The record that the newest entry refers to, while it is kept.
    fn last_position(&self, user: &UserId, row: &InboxRow) -> Result<Option<Position>, StoreError> {
        let mut positions = Vec::new();
        if row.tail.is_empty() && row.bounds.newest.0 > 0 {
            self.chunk(user, chunk_of(row.bounds.newest.0), &mut positions)?;
        }
        Ok(row.tail.last().or(positions.last()).map(|last| Position(*last)))
    }

    /// What is stored again must be what was stored: anything else means two numberings of one log.
    fn check_stored(
        &self,
        user: &UserId,
        first: Seq,
        positions: &[Position],
    ) -> Result<(), StoreError> {
        let Some(more) = (positions.len() as u64).checked_sub(1) else { return Ok(()) };
        let mut stored = Vec::new();
        self.positions(user, (first, Seq(first.0 + more)), usize::MAX, &mut stored)?;
        for (seq, position) in stored {
            if positions[(seq.0 - first.0) as usize] != position {
                return Err(conflict(user, format!("seq {seq} is taken by another record")));
            }
        }
        Ok(())
    }

    /// Appends the first `entries_max` positions of the range that are kept, ascending by seq. Gives where to go on,
    /// if more of the range is stored.
    fn positions(
        &self,
        user: &UserId,
        (from, to): (Seq, Seq),
        entries_max: usize,
        out: &mut Vec<(Seq, Position)>,
    ) -> Result<Option<Seq>, StoreError> {
        let Some(mut row) = self.row(user)? else { return Ok(None) };
        let stored_to = to.min(row.bounds.newest);
        let mut next = from.max(row.bounds.min).0;
        let most = u64::try_from(entries_max).unwrap_or(u64::MAX);
        let to = stored_to.min(Seq(next.saturating_add(most).saturating_sub(1)));
        let mut chunk = Vec::new();
        while next <= to.0 && next < row.tail_first() {
            let number = chunk_of(next);
            if !self.chunk(user, number, &mut chunk)? {
                // Retention may have moved on between the two reads; nothing else removes chunks.
                let seen = row.bounds.min;
                row = self.row(user)?.unwrap_or_default();
                if row.bounds.min <= seen {
                    let what = format!("inbox of {user}: the chunk of seq {next} is missing");
                    return Err(index_corrupt("chunks", &what));
                }
                next = next.max(row.bounds.min.0);
                continue;
            }
            let first = first_of(number);
            let end = to.0.min(first + chunk.len() as u64 - 1) + 1;
            out.extend((next..end).map(|seq| (Seq(seq), Position(chunk[(seq - first) as usize]))));
            next = end;
        }
        let first = row.tail_first();
        for seq in next..=to.0 {
            out.push((Seq(seq), Position(row.tail[(seq - first) as usize])));
        }
        let behind = Seq(next.max(to.0.saturating_add(1)));
        Ok((behind <= stored_to).then_some(behind))
    }

    fn chunk(&self, user: &UserId, chunk: u64, out: &mut Vec<u64>) -> Result<bool, StoreError> {
        read_chunk(self.index, user, chunk, out)
    }
}

#[async_trait]
impl History for EmbeddedHistory {
    async fn store(&self, batch: &StoreBatch) -> Result<(), StoreError> {
        let stored = batch.runs.iter().filter_map(|run| run.positions.last());
        let applied = batch.applied.iter().map(|(_, applied)| applied);
        let newest = stored.chain(applied).map(|position| position.0 + 1).max().unwrap_or(0);
        self.segments.flush_to(newest)?;
        self.put(batch).map_err(|error| self.lender.amiss(error))
    }

    async fn recover(&self, partition: PartitionId) -> Result<StoredState, StoreError> {
        let applied = self.lender.applied.lock();
        applied.stored(partition, &*self.lender.lend("reading the duplicates")?)
    }

    async fn bounds(&self, users: &[UserId]) -> Result<Vec<InboxBounds>, StoreError> {
        const DOING: &str = "reading inbox bounds";
        let (failed, index) = (index_error(DOING), self.lender.lend(DOING)?);
        let rows = Rows { index: &index };
        users
            .iter()
            .map(|user| {
                let Some(row) = index::find(&index.inboxes, &user_key(user, 0)).map_err(&failed)?
                else {
                    return Ok(InboxBounds::default());
                };
                let mut bounds = InboxRow::decode_bounds(&row)
                    .ok_or_else(|| index_corrupt("inboxes", "an inbox row is malformed"))?;
                // Behind a full chunk the row holds no position.
                if bounds.through == Position(0) && bounds.min <= bounds.newest {
                    let mut last = Vec::new();
                    rows.chunk(user, chunk_of(bounds.newest.0), &mut last)?;
                    bounds.through = Position(last.last().map_or(0, |last| last + 1));
                }
                Ok(bounds)
            })
            .collect()
    }

    async fn range(
        &self,
        user: &UserId,
        from: Seq,
        to: Seq,
        bytes_max: usize,
    ) -> Result<Range, StoreError> {
        let index = self.lender.lend("reading an inbox")?;
        let rows = Rows { index: &index };
        let mut places = Vec::new();
        let next = rows.positions(user, (from, to), RANGE_ENTRIES_MAX, &mut places)?;
        let mut range = Range { entries: Vec::new(), next };
        let (mut record, mut bytes) = (Vec::new(), 0);
        for (seq, position) in places {
            if bytes >= bytes_max && !range.entries.is_empty() {
                range.next = Some(seq);
                break;
            }
            let record = match self.segments.read(position, &mut record) {
                Ok(()) => {
                    bytes += record.len();
                    Ok(record.as_slice().into())
                }
                Err(damaged @ StoreError::Corrupt { .. }) => Err(damaged),
                Err(gone @ StoreError::Conflict { .. }) => {
                    // Retention takes entries out before their records, and the oldest first.
                    let min = rows.row(user)?.map_or(Seq(0), |row| row.bounds.min);
                    if seq >= min {
                        return Err(gone);
                    }
                    range.entries.clear();
                    continue;
                }
                Err(failed) => return Err(failed),
            };
            range.entries.push(Entry { seq, position, record });
        }
        Ok(range)
    }

    async fn settle(&self) -> Result<(), StoreError> {
        self.changes.as_ref().map_or(Ok(()), |changes| changes.settle().map(drop))
    }

    async fn retained_ms(&self) -> Result<Option<i64>, StoreError> {
        super::retention::retained_ms(&*self.lender.lend("reading the retained time")?)
    }

    async fn retain(
        &self,
        older_than_ms: i64,
        entries_max: usize,
    ) -> Result<RetainReport, StoreError> {
        let Some(changes) = &self.changes else { return Ok(RetainReport::default()) };
        super::retention::retain(
            changes,
            &self.segments,
            (&self.lender.applied, &self.lender.retention),
            older_than_ms,
            entries_max,
        )
    }
}

#[async_trait]
impl Records for EmbeddedHistory {
    async fn read(&self, position: Position, record: &mut Vec<u8>) -> Result<(), StoreError> {
        self.segments.read(position, record)
    }

    async fn between(
        &self,
        from: Position,
        to: Position,
        bytes_max: usize,
    ) -> Result<Vec<(Position, Box<[u8]>)>, StoreError> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        self.segments.walk(from, &|segment| segment.base >= to.0, &mut |shown| {
            if shown.position >= to || bytes >= bytes_max {
                return ControlFlow::Break(());
            }
            bytes += shown.record.len();
            found.push((shown.position, shown.record.into()));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }
}

/// A batch contradicts what is stored.
fn conflict(user: &UserId, cause: String) -> StoreError {
    StoreError::Conflict { what: format!("storing the inbox of {user}"), cause: cause.into() }
}

/// The inbox row under `key`.
pub(super) fn read_row(index: &Index, key: &[u8]) -> Result<Option<InboxRow>, StoreError> {
    let row = index::find(&index.inboxes, key).map_err(index_error("reading an inbox"))?;
    let decode = |row: fjall::Slice| {
        InboxRow::decode(&row).ok_or_else(|| index_corrupt("inboxes", "an inbox row is malformed"))
    };
    row.map(decode).transpose()
}

/// Reads a chunk into `out`; `false` when there is none.
pub(super) fn read_chunk(
    index: &Index,
    user: &UserId,
    chunk: u64,
    out: &mut Vec<u64>,
) -> Result<bool, StoreError> {
    let row = index::find(&index.chunks, &chunk_key(user, chunk))
        .map_err(index_error("reading an inbox"))?;
    let Some(row) = row else { return Ok(false) };
    decode_chunk(&row, out).ok_or_else(|| index_corrupt("chunks", "a chunk is malformed"))?;
    Ok(true)
}
