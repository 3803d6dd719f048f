//! Retention: takes expired history away, a little at a time.
//!
//! Time becomes a position once per pass (everything below the last batch that is too old has expired,
//! whatever its own time says: a clock that was ahead dated it); then inboxes are cut, min first, and at the end whole
//! segments go ([`super::removal`]). Invariant: the log tells of a cut before anybody can see it, as far as it takes records,
//! so that a min that was seen never falls where the log goes: in copies, on a standby, in an index that is made anew.

use std::collections::BTreeSet;
use std::ops::Bound;

use fjall::{OwnedWriteBatch, Slice};
use openim_record::{Position, Seq, UserId};
use parking_lot::Mutex;

use super::applied::Applied;
use super::changes::Changes;
use super::error::{index_corrupt, index_error};
use super::history::{read_chunk, read_row};
use super::index::inbox::{CHUNK_ENTRIES, InboxRow, chunk_key, chunk_of, first_of, user_of};
use super::index::partitions::{
    ANNOUNCED_KEY, Announced, CUT_KEY, REMOVED_KEY, RETAINED_KEY, decode_held, encode_held,
    encode_through, segment_key, segment_of,
};
use super::index::{Index, STATE};
use super::log::{Held, Segments};
use super::options::ArchiveBounds;
use super::removal::{Reading, remove_segments};
use crate::port::{RetainReport, StoreError};

/// Inboxes that change in one commit; stores wait that long at most.
const USERS_PER_COMMIT: usize = 64;
/// Inboxes looked at in one call, expired or not.
const ROWS_PER_CALL: usize = 20_000;
/// Log that expires without an inbox that has something of it before the log tells of that: a standby keeps so much more.
/// What tells of a cut expires as well, so this also bounds how often it does where nothing else comes.
const TELL_EVERY_BYTES: u64 = 1 << 20;

/// Where retention is; kept in memory only, a restart begins a new pass.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// Every inbox has been cut up to here.
    done: Position,
    /// The pass under way: cut up to this position, inboxes up to this key are finished.
    pass: Option<(Position, Option<Slice>)>,
    /// The furthest any pass has cut, or begun to.
    reached: Position,
    /// Something older than that was stored afterwards: inboxes have to be looked at again.
    late: bool,
    /// How long the archive keeps messages.
    pub(super) bounds: ArchiveBounds,
    /// Segments whose fact is in the index.
    pub(super) facts: BTreeSet<u64>,
    /// Segments below this were removed, or may have been.
    pub(super) removed: u64,
    /// A segment that is being looked into.
    pub(super) reading: Option<Reading>,
}

impl Retention {
    /// Reads what earlier passes left behind.
    pub(super) fn load(
        index: &Index,
        bounds: ArchiveBounds,
    ) -> Result<(Self, Vec<(u64, Held)>), StoreError> {
        let failed = index_error("reading the segment facts");
        let mut facts = Vec::new();
        for row in index.state.prefix(b"s") {
            let (key, value) = row.into_inner().map_err(&failed)?;
            let base = segment_of(&key)
                .ok_or_else(|| index_corrupt("state", "a segment key is malformed"))?;
            facts.push((base, decode_held(&value)));
        }
        let removed = index.state.get(REMOVED_KEY).map_err(&failed)?.map_or(Ok(0), |value| {
            let raw = <[u8; 8]>::try_from(&value[..]);
            raw.map(u64::from_le_bytes)
                .map_err(|_| index_corrupt("state", "the removed position is malformed"))
        })?;
        let bases = facts.iter().map(|(base, _)| *base).collect();
        Ok((Self { facts: bases, removed, bounds, ..Self::default() }, facts))
    }

    /// Goes on with an index that was opened again, which may have more or less than the one before.
    pub(super) fn go_on_with(&mut self, other: Self) {
        let reached = self.reached;
        let removed = self.removed.max(other.removed);
        *self = Self { reached, removed, ..other };
    }

    /// Segments below this position may be missing.
    pub(super) const fn removed(&self) -> u64 {
        self.removed
    }

    /// A batch is stored whose oldest entry refers to `oldest`.
    pub(super) fn stored(&mut self, oldest: Position) {
        self.late |= oldest < self.reached;
    }

    /// Adds facts about newly sealed segments to a batch that is written anyway.
    pub(super) fn note_segments(
        &self,
        segments: &Segments,
        index: &Index,
        out: &mut OwnedWriteBatch,
    ) -> Vec<u64> {
        let newest = self.facts.last().map_or(0, |base| base + 1);
        let mut noted = Vec::new();
        for segment in segments.sealed_from(newest) {
            if let Some(held) = segment.held {
                out.insert(&index.state, segment_key(segment.base), encode_held(&held));
                noted.push(segment.base);
            }
        }
        noted
    }

    /// The batch with these facts is durable.
    pub(super) fn noted(&mut self, bases: Vec<u64>) {
        self.facts.extend(bases);
    }
}

/// See [`crate::port::History::retained_ms`].
pub(super) fn retained_ms(index: &Index) -> Result<Option<i64>, StoreError> {
    // A log that was followed or restored tells more than an index that was made from its base.
    let told = index.announced()?.map(|told| told.older_than_ms);
    Ok(noted_ms(index)?.max(told))
}

fn noted_ms(index: &Index) -> Result<Option<i64>, StoreError> {
    let row = index.state.get(RETAINED_KEY).map_err(index_error("reading the retained time"))?;
    let Some(row) = row else { return Ok(None) };
    let raw = <[u8; 8]>::try_from(&row[..]);
    raw.map(|raw| Some(i64::from_le_bytes(raw)))
        .map_err(|_| index_corrupt("state", "the retained time is malformed"))
}

/// Keeps the cutoff of a pass that begins, so that the next start goes on from there.
fn note_retained(index: &Index, older_than_ms: i64) -> Result<(), StoreError> {
    if noted_ms(index)? == Some(older_than_ms) {
        return Ok(());
    }
    let mut out = index.batch();
    out.insert(&index.state, RETAINED_KEY, older_than_ms.to_le_bytes());
    index.commit(out, "noting how far history has expired")
}

/// Notes that inboxes are cut up to `below` from now on: beside the index first, which knows by its own note whether it has
/// lost some of it.
fn note_cut(index: &Index, below: Position) -> Result<(), StoreError> {
    const DOING: &str = "noting how far inboxes are cut";
    let mut noted = index.commits().lock().cut;
    if noted < below.0 {
        index.has_room(DOING)?;
        index.commits().keep(|kept| kept.cut = below.0)?;
        noted = below.0;
    }
    if index.cut()?.0 < noted {
        let mut out = index.batch();
        out.insert(&index.state, CUT_KEY, encode_through(Position(noted)));
        index.commit(out, DOING)?;
    }
    Ok(())
}

/// Cuts inboxes once more as far as they were, when the index may have lost some of it, or as the log tells; how far that is.
pub(super) fn cut_again(index: &Index) -> Result<Position, StoreError> {
    let below = index.cut_that_was_seen()?;
    if index.cut()? >= below {
        return Ok(below);
    }
    let writer = Mutex::new(Applied::default());
    let mut report = RetainReport::default();
    let (left, durable) = (usize::MAX, false);
    let mut cut = Cut { index, writer: &writer, below, left, after: None, durable, tell: None };
    while !cut.run(&mut report)? {
        report.raised.clear();
    }
    tracing::info!(entries = report.entries_removed, "took expired history out of the index again");
    index.persist("making the index durable")?;
    note_cut(index, below)?;
    Ok(below)
}

/// See [`crate::port::History::retain`].
pub(super) fn retain(
    changes: &Changes,
    segments: &Segments,
    (writer, state): (&Mutex<Applied>, &Mutex<Retention>),
    older_than_ms: i64,
    entries_max: usize,
) -> Result<RetainReport, StoreError> {
    let lent = changes.lend("removing expired history")?;
    let index: &Index = &lent;
    let (done, pass) = next_pass(state);
    let tell = Tell { changes, index, older_than_ms };
    let (below, after) = match pass {
        Some(pass) => pass,
        None => {
            note_retained(index, older_than_ms)?;
            let below = segments.first_since(older_than_ms, done)?;
            // Where it is not its turn the next pass does.
            tell.at_times(below)?;
            (below, None)
        }
    };
    let mut report = RetainReport::default();
    let part = (done, below, after);
    if go_on((index, writer, state), part, entries_max, Some(tell), &mut report)? {
        let reached = (below.max(done), older_than_ms);
        remove_segments(changes, segments, (writer, state), reached, &mut report)?;
    }
    Ok(report)
}

/// The same for one that follows: as far as the log tells. How far inboxes are cut is noted at the end of a pass, so a start
/// before that, which may be the one after a promotion, cuts the rest.
pub(super) fn retain_as_told(
    changes: &Changes,
    segments: &Segments,
    (writer, state): (&Mutex<Applied>, &Mutex<Retention>),
    told: Announced,
    entries_max: usize,
) -> Result<RetainReport, StoreError> {
    let lent = changes.lend("cutting inboxes as the log tells")?;
    let index: &Index = &lent;
    index.has_room("cutting inboxes as the log tells")?;
    let (done, pass) = next_pass(state);
    let (below, after) = pass.unwrap_or((told.below, None));
    let mut report = RetainReport::default();
    let part = (done, below, after);
    if go_on((index, writer, state), part, entries_max, None, &mut report)? {
        note_cut(index, below)?;
        let reached = (below.max(done), told.older_than_ms);
        remove_segments(changes, segments, (writer, state), reached, &mut report)?;
    }
    Ok(report)
}

/// Up to where every inbox has been cut, and the pass under way.
fn next_pass(state: &Mutex<Retention>) -> (Position, Option<(Position, Option<Slice>)>) {
    let mut state = state.lock();
    if state.pass.is_none() && std::mem::take(&mut state.late) {
        state.done = Position(0);
    }
    (state.done, state.pass.take())
}

/// Goes on with a pass that cuts inboxes up to `below` behind `after`; whether it is finished.
fn go_on(
    (index, writer, state): (&Index, &Mutex<Applied>, &Mutex<Retention>),
    (done, below, after): (Position, Position, Option<Slice>),
    entries_max: usize,
    tell: Option<Tell<'_>>,
    report: &mut RetainReport,
) -> Result<bool, StoreError> {
    // Before anything is read: what is stored from now on is noticed.
    {
        let mut state = state.lock();
        state.reached = below.max(state.reached);
    }
    if below <= done {
        return Ok(true);
    }
    let left = entries_max.max(1);
    let mut cut = Cut { index, writer, below, left, after, durable: true, tell };
    let finished = cut.run(report)?;
    let mut state = state.lock();
    match finished {
        true => {
            state.done = below;
            report.more = state.late;
        }
        false => {
            state.pass = Some((below, cut.after));
            report.more = true;
        }
    }
    Ok(finished)
}

/// Tells the log of a cut.
#[derive(Clone, Copy)]
struct Tell<'a> {
    changes: &'a Changes,
    index: &'a Index,
    older_than_ms: i64,
}

impl Tell<'_> {
    /// Before an inbox is cut up to `below`, which is noted then. Where the log takes no record, the cut is made all the
    /// same, for it makes room, and told of later. `false`: it is not its turn, so the cut has to wait.
    fn of(self, below: Position) -> Result<bool, StoreError> {
        const DOING: &str = "telling the log how far inboxes are cut";
        let Self { index, older_than_ms, .. } = self;
        let told = index.announced()?;
        let is_new = told.is_none_or(|told| told.below < below);
        let row = Announced { below, older_than_ms }.encode();
        let rows = [(ANNOUNCED_KEY.to_vec(), Some(row.into()))];
        let made = match is_new {
            true => self.changes.make_soon(STATE, rows.into(), DOING),
            false => Ok(true),
        };
        match made {
            Ok(false) => Ok(false),
            Ok(true) | Err(StoreError::Unavailable { .. }) => note_cut(index, below).map(|()| true),
            // The log has ended, or what it has cannot be applied: others say so.
            Err(cause) => {
                Err(StoreError::Unavailable { what: DOING.to_owned(), cause: Box::new(cause) })
            }
        }
    }

    /// When a pass begins of which no inbox may have anything: of a cut that was noted and not told of, and where much has
    /// expired.
    fn at_times(self, below: Position) -> Result<bool, StoreError> {
        let told = self.index.announced()?.map_or(Position(0), |told| told.below);
        let seen = self.index.cut_that_was_seen()?;
        match seen > told || below.0.saturating_sub(told.0) >= TELL_EVERY_BYTES {
            true => self.of(below.max(seen)),
            false => Ok(true),
        }
    }
}

/// One call's share of a pass over the inboxes.
struct Cut<'a> {
    index: &'a Index,
    writer: &'a Mutex<Applied>,
    below: Position,
    left: usize,
    after: Option<Slice>,
    /// Each commit is.
    durable: bool,
    /// Whoever is told before the first inbox is cut.
    tell: Option<Tell<'a>>,
}

impl Cut<'_> {
    /// Goes on behind `after`; `true` when every inbox has been looked at.
    fn run(&mut self, report: &mut RetainReport) -> Result<bool, StoreError> {
        let failed = index_error("reading inboxes");
        let start = self.after.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.index.inboxes.range::<Slice, _>((start, Bound::Unbounded));
        let mut expired = Vec::new();
        for (looked, row) in rows.enumerate() {
            let (key, value) = row.into_inner().map_err(&failed)?;
            let (bounds, oldest) = InboxRow::decode_oldest(&value)
                .ok_or_else(|| index_corrupt("inboxes", "an inbox row is malformed"))?;
            if bounds.min <= bounds.newest && oldest < self.below.0 {
                if let Some(tell) = self.tell.take()
                    && !tell.of(self.below)?
                {
                    return Ok(false);
                }
                expired.push(key);
            } else if expired.is_empty() {
                self.after = Some(key);
            }
            if expired.len() >= USERS_PER_COMMIT && !self.cut(&mut expired, report)? {
                return Ok(false);
            }
            if looked >= ROWS_PER_CALL {
                self.cut(&mut expired, report)?;
                return Ok(false);
            }
        }
        self.cut(&mut expired, report)
    }

    /// Cuts these inboxes in one commit; `false` when the call's budget ended before the last one.
    fn cut(
        &mut self,
        keys: &mut Vec<Slice>,
        report: &mut RetainReport,
    ) -> Result<bool, StoreError> {
        let mut after = None;
        let _writer = self.writer.lock();
        let mut out = if self.durable { self.index.batch() } else { self.index.unflushed() };
        let mut removed = 0;
        let mut raised = Vec::new();
        for key in keys.drain(..) {
            if self.left == 0 {
                break;
            }
            let cut = self.cut_inbox(&key, &mut out)?;
            self.left -= cut.entries;
            removed += cut.entries as u64;
            raised.extend(cut.raised);
            if cut.whole {
                after = Some((key, true));
            } else {
                after = after.map(|(key, _)| (key, false));
                self.left = 0;
            }
        }
        const DOING: &str = "removing expired history from the index";
        match self.durable {
            true => self.index.commit(out, DOING)?,
            false => self.index.apply(out, DOING)?,
        }
        report.entries_removed += removed;
        report.raised.extend(raised);
        if let Some((key, _)) = after {
            self.after = Some(key);
        }
        Ok(self.left > 0)
    }

    fn cut_inbox(&self, key: &Slice, out: &mut OwnedWriteBatch) -> Result<CutInbox, StoreError> {
        let malformed = || index_corrupt("inboxes", "an inbox key is malformed");
        let user = user_of(key).ok_or_else(malformed)?;
        let mut row = read_row(self.index, key)?.ok_or_else(malformed)?;
        let old = row.bounds.min.0;
        let limit = row.bounds.newest.0.min(old.saturating_add(self.left as u64 - 1));
        let (min, oldest) = self.first_kept(&user, &row, limit)?;
        let entries = (min - old) as usize;
        if entries > 0 {
            row.bounds.min = Seq(min);
            row.oldest = oldest;
            // The row first: readers see a batch while it is applied, one after the other, and whoever
            // finds a chunk gone looks for a row that says so.
            out.insert(&self.index.inboxes, key.clone(), row.encode());
            for chunk in chunk_of(old)..min.saturating_sub(1) / CHUNK_ENTRIES {
                out.remove(&self.index.chunks, chunk_key(&user, chunk));
            }
        }
        let whole = oldest == 0 || oldest >= self.below.0;
        let raised = (entries > 0).then_some((user, Seq(min)));
        Ok(CutInbox { entries, raised, whole })
    }

    /// The first seq that stays, and its position (0 when nothing stays); cuts `limit` at most.
    fn first_kept(
        &self,
        user: &UserId,
        row: &InboxRow,
        limit: u64,
    ) -> Result<(u64, u64), StoreError> {
        let mut seq = row.bounds.min.0;
        let mut chunk = Vec::new();
        while seq <= row.bounds.newest.0 {
            let first = if seq < row.tail_first() {
                let number = chunk_of(seq);
                if !read_chunk(self.index, user, number, &mut chunk)? {
                    let what = format!("inbox of {user}: the chunk of seq {seq} is missing");
                    return Err(index_corrupt("chunks", &what));
                }
                first_of(number)
            } else {
                chunk.clone_from(&row.tail);
                row.tail_first()
            };
            for (at, &position) in chunk.iter().enumerate().skip((seq - first) as usize) {
                seq = first + at as u64;
                if position >= self.below.0 || seq > limit {
                    return Ok((seq, position));
                }
            }
            seq += 1;
        }
        Ok((seq, 0))
    }
}

struct CutInbox {
    entries: usize,
    /// The user and the oldest kept seq, if that changed.
    raised: Option<(UserId, Seq)>,
    /// Nothing expired is left in it.
    whole: bool,
}
