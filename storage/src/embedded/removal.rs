//! Which segments of the log go, and why the others are still there.
//!
//! In: how far inboxes are cut, and what is known of each segment. Out: files that are gone, and figures. A segment that
//! nobody has looked into is read once, a part a call. Invariant: a segment goes only when no inbox refers to it, every
//! partition has been applied beyond it, the index has its rows durably, an index made from the base does not need it, and
//! the archive has kept what is in it for as long as it is to.

use std::ops::ControlFlow;

use openim_record::Position;
use parking_lot::Mutex;

use super::applied::Applied;
use super::changes::Changes;
use super::figures::{Gone, Stay};
use super::index::partitions::{REMOVED_KEY, encode_held, segment_key};
use super::log::{BATCH_HEAD_BYTES, Besides, Held, Segment, Segments, Share};
use super::options::ArchiveBounds;
use super::retention::Retention;
use crate::port::{RetainReport, StoreError, TooMuch};

/// Segments that go in one call: others have the device in between.
const SEGMENTS_PER_CALL: usize = 8;
/// Bytes of a segment that one call reads.
const READ_PER_CALL: usize = 4 << 20;

/// A segment that is being read, up to where, and what was found so far.
pub(super) type Reading = (u64, Position, Held);

/// Up to where the log is not needed any more, as positions where a segment may end.
#[derive(Clone, Copy, Debug)]
struct Marks {
    history: u64,
    start: u64,
    base: u64,
    /// What was appended before is no history any more.
    older_than_ms: i64,
}

/// What is to become of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It stays, for this reason; of its bytes so many are what the archive keeps.
    Stays(Stay, u64),
    Goes(Gone),
}

/// Removes segments that nothing needs any more; inboxes are cut up to `below`.
pub(super) fn remove_segments(
    changes: &Changes,
    segments: &Segments,
    (writer, state): (&Mutex<Applied>, &Mutex<Retention>),
    (below, older_than_ms): (Position, i64),
    report: &mut RetainReport,
) -> Result<(), StoreError> {
    let marks = Marks {
        history: end_of(below.0),
        start: end_of(writer.lock().lowest()),
        base: end_of(changes.bases().low().0),
        older_than_ms,
    };
    let list = segments.list();
    let bounds = state.lock().bounds;
    let verdicts = judge(&list, marks, bounds);
    let by_kind = bounds.is_by_kind();
    let done = act(changes, segments, state, (&list, &verdicts, by_kind), marks, report);
    tell(changes, segments, &list, &verdicts);
    done
}

/// Removes what goes, or brings nearer what has to come first, and reads on in what nobody knows.
fn act(
    changes: &Changes,
    segments: &Segments,
    state: &Mutex<Retention>,
    (list, verdicts, by_kind): (&[Segment], &[Verdict], bool),
    marks: Marks,
    report: &mut RetainReport,
) -> Result<(), StoreError> {
    let going: Vec<_> = list.iter().zip(verdicts).filter_map(going).collect();
    if !going.is_empty() {
        remove_ready(changes, segments, state, (going, marks), report)?;
    }
    let unread = list.iter().zip(verdicts).find(|(segment, verdict)| match segment.held {
        None => **verdict == Verdict::Stays(Stay::Unread, 0),
        // That there is something is enough as long as the archive keeps all of it.
        Some(held) => held.besides == Besides::Untold && by_kind && stays_for_archive(**verdict),
    });
    if let Some((unread, _)) = unread {
        look_into(changes, segments, state, *unread)?;
        report.more = true;
    }
    Ok(())
}

/// Removes of what goes some that nothing else needs.
fn remove_ready(
    changes: &Changes,
    segments: &Segments,
    state: &Mutex<Retention>,
    (going, marks): (Vec<(Segment, Gone)>, Marks),
    report: &mut RetainReport,
) -> Result<(), StoreError> {
    // A record of rows may go when its rows are in the index for good, and a base stands for them then.
    let safe = end_of(changes.settle()?.0);
    let going = going.into_iter().filter(|(segment, _)| segment.end <= safe);
    let (mut ready, waiting): (Vec<_>, Vec<_>) = going.partition(|(s, _)| s.end <= marks.base);
    if let Some((last, _)) = waiting.last() {
        let above = Position(last.end + BATCH_HEAD_BYTES as u64);
        report.more |= changes.bases().want_above(above);
    }
    report.more |= ready.len() > SEGMENTS_PER_CALL;
    ready.truncate(SEGMENTS_PER_CALL);
    remove(changes, segments, state, &ready, report)
}

/// A segment that goes, and why.
fn going((segment, verdict): (&Segment, &Verdict)) -> Option<(Segment, Gone)> {
    match *verdict {
        Verdict::Goes(why) => Some((*segment, why)),
        Verdict::Stays(..) => None,
    }
}

fn end_of(position: u64) -> u64 {
    position.saturating_sub(BATCH_HEAD_BYTES as u64)
}

fn stays_for_archive(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Stays(Stay::Archive, _))
}

/// Judges every segment of the log. Of what the archive keeps the newest stays, and where it is too much all that is older
/// goes.
fn judge(list: &[Segment], marks: Marks, bounds: ArchiveBounds) -> Vec<Verdict> {
    let single = Rule::new(list, marks.older_than_ms, bounds.single_ms);
    let group = Rule::new(list, marks.older_than_ms, bounds.group_ms);
    let (mut bytes, mut group_bytes) =
        (Bound::new(bounds.bytes_max), Bound::new(bounds.group_bytes_max));
    let mut verdicts: Vec<_> = list
        .iter()
        .rev()
        .map(|segment| {
            if segment.end > marks.history {
                return Verdict::Stays(Stay::History, 0);
            }
            if segment.end > marks.start {
                return Verdict::Stays(Stay::Start, 0);
            }
            let Some(held) = segment.held else { return Verdict::Stays(Stay::Unread, 0) };
            if held.is_nothing() {
                return Verdict::Goes(Gone::History);
            }
            if held.unknown_bytes > 0 {
                return Verdict::Stays(Stay::Unknown, 0);
            }
            let length = segment.end - segment.base;
            if held.besides != Besides::Nothing {
                let why =
                    if held.besides == Besides::Damaged { Stay::Damaged } else { Stay::Archive };
                return match single.is_behind(segment) && group.is_behind(segment) {
                    true => Verdict::Goes(Gone::Age),
                    false if bytes.takes(length) => Verdict::Stays(why, length),
                    false => Verdict::Goes(Gone::Bytes),
                };
            }
            let keeps_single = single.keeps(segment, held.single);
            let is_in_time = group.keeps(segment, held.group);
            let keeps_group = is_in_time && group_bytes.takes(held.group.bytes);
            let kept = [(keeps_single, held.single), (keeps_group, held.group)];
            let kept = kept.into_iter().filter(|(keeps, _)| *keeps).map(|(_, share)| share.bytes);
            match (keeps_single || keeps_group, is_in_time) {
                (false, false) => Verdict::Goes(Gone::Age),
                (false, true) => Verdict::Goes(Gone::Bytes),
                (true, _) if bytes.takes(length) => Verdict::Stays(Stay::Archive, kept.sum()),
                (true, _) => Verdict::Goes(Gone::Bytes),
            }
        })
        .collect();
    verdicts.reverse();
    verdicts
}

/// How long messages of one kind are kept.
struct Rule {
    /// What was appended before has been kept for long enough; `None`: nothing has.
    cutoff_ms: Option<i64>,
    /// Where segments end all of whose records have been, whatever a clock that was ahead says of some.
    behind: u64,
}

impl Rule {
    fn new(list: &[Segment], older_than_ms: i64, kept_ms: Option<i64>) -> Self {
        let cutoff_ms = kept_ms.map(|kept_ms| older_than_ms.saturating_sub(kept_ms));
        // The record before such a segment was appended before the cutoff.
        let last = cutoff_ms.and_then(|cutoff_ms| list.iter().rfind(|s| s.floor_ms < cutoff_ms));
        Self { cutoff_ms, behind: last.map_or(0, |segment| segment.base) }
    }

    /// Whether all of the segment has been kept for long enough.
    fn is_behind(&self, segment: &Segment) -> bool {
        segment.end <= self.behind
    }

    /// Whether the segment holds something that is still kept.
    fn keeps(&self, segment: &Segment, share: Share) -> bool {
        let is_old = self.cutoff_ms.is_some_and(|cutoff_ms| share.newest_ms < cutoff_ms);
        share.bytes > 0 && !is_old && !self.is_behind(segment)
    }
}

/// How many bytes may stay; once something does not fit, nothing older does.
struct Bound {
    left: Option<u64>,
}

impl Bound {
    const fn new(max: Option<u64>) -> Self {
        Self { left: max }
    }

    fn takes(&mut self, bytes: u64) -> bool {
        let Some(left) = self.left else { return true };
        let rest = left.checked_sub(bytes);
        self.left = Some(rest.unwrap_or(0));
        rest.is_some()
    }
}

/// Shows why the log is as large as it is.
fn tell(changes: &Changes, segments: &Segments, list: &[Segment], verdicts: &[Verdict]) {
    let (log_end, there) = (segments.end(), segments.list());
    let left = list.iter().zip(verdicts).filter(|(segment, _)| {
        there.binary_search_by_key(&segment.base, |other| other.base).is_ok()
    });
    let found = left.flat_map(|(segment, verdict)| {
        let length = segment.end.min(log_end).saturating_sub(segment.base);
        match *verdict {
            Verdict::Stays(Stay::Archive, kept) => {
                [(Stay::Archive, kept), (Stay::Neighbour, length - kept)]
            }
            Verdict::Stays(why, _) => [(why, length), (why, 0)],
            Verdict::Goes(_) => [(Stay::Base, length), (Stay::Base, 0)],
        }
    });
    changes.bases().figures().stay(found);
}

/// Reads on in a segment of which it is not known what in it outlives history.
fn look_into(
    changes: &Changes,
    segments: &Segments,
    state: &Mutex<Retention>,
    unread: Segment,
) -> Result<(), StoreError> {
    let begun = state.lock().reading.take().filter(|(base, ..)| *base == unread.base);
    let (_, from, mut held) =
        begun.unwrap_or((unread.base, Position(unread.base), Held::default()));
    let (mut left, mut next) = (READ_PER_CALL, None);
    let walked = segments.walk_aside(unread, from, &mut |replayed| {
        if left == 0 {
            next = Some(replayed.position);
            return ControlFlow::Break(());
        }
        left = left.saturating_sub(replayed.record.len().max(1));
        held.add(replayed.append_ms, replayed.record);
        ControlFlow::Continue(())
    });
    match (walked, next) {
        (Ok(()), Some(next)) => {
            state.lock().reading = Some((unread.base, next, held));
            return Ok(());
        }
        (Ok(()), None) => {}
        (Err(cause @ StoreError::Corrupt { .. }), _) => {
            tracing::warn!(%cause, "a damaged segment is kept: what is in it cannot be told");
            held = Held::only(Besides::Damaged);
        }
        (Err(cause), _) => return Err(cause),
    }
    segments.set_held(unread.base, held);
    let index = changes.lend("noting a segment in the index")?;
    let mut out = index.batch();
    out.insert(&index.state, segment_key(unread.base), encode_held(&held));
    index.commit(out, "noting a segment in the index")?;
    state.lock().facts.insert(unread.base);
    Ok(())
}

/// Removes these segments, which lie in the order of the log.
fn remove(
    changes: &Changes,
    segments: &Segments,
    state: &Mutex<Retention>,
    ready: &[(Segment, Gone)],
    report: &mut RetainReport,
) -> Result<(), StoreError> {
    let Some((last, _)) = ready.last() else { return Ok(()) };
    let index = changes.lend("noting removed segments in the index")?;
    let mut out = index.batch();
    // First the note, durably: a file that is missing without it counts as lost.
    let removed = state.lock().removed.max(last.end);
    index.commits().keep(|noted| noted.removed = noted.removed.max(removed))?;
    out.insert(&index.state, REMOVED_KEY, removed.to_le_bytes());
    index.commit(out, "noting removed segments in the index")?;
    state.lock().removed = removed;
    let mut out = index.batch();
    for &(segment, why) in ready {
        let bytes = segments.remove(segment.base)?;
        report.bytes_freed += bytes;
        changes.bases().figures().went(why, bytes);
        if why == Gone::Bytes {
            // What follows knows when the last record of this one was appended.
            let next = segments.list().iter().find(|s| s.base >= segment.end).map(|s| s.floor_ms);
            report.too_much = Some(TooMuch {
                bytes: report.too_much.map_or(0, |before| before.bytes) + bytes,
                newest_ms: next.unwrap_or(segment.floor_ms),
            });
        }
        out.remove(&index.state, segment_key(segment.base));
    }
    // The fact stays in `facts`: only its order matters there.
    index.commit(out, "forgetting removed segments")
}
