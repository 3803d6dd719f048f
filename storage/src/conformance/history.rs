//! What every history must do.

use std::sync::Arc;

use openim_record::{
    Body, DuplicateEntry, InboxBounds, InboxRun, MessageKey, PartitionId, Position, Seq,
    StoreBatch, StoredState, UserId,
};

use super::Wait as _;
use super::{Backend, Logs, Sample, Sites, encoded};
use crate::port::{Entry, History, StoreError};

/// Runs the suite of [`History`].
///
/// # Panics
/// Where the contract is broken.
pub fn history(sites: Sites<'_>) {
    a_user_never_seen_has_nothing(sites);
    what_is_stored_is_read_back(sites);
    any_range_is_exact(sites);
    a_range_stops_at_its_bytes(sites);
    storing_again_changes_nothing(sites);
    a_batch_that_contradicts_the_store_is_refused(sites);
    super::cut::a_store_cut_anywhere_leaves_prefixes_that_a_replay_completes(sites);
    users_with_similar_ids_stay_apart(sites);
    applied_positions_survive_and_never_fall(sites);
    duplicates_survive_in_order_and_can_be_dropped(sites);
    retention_raises_min_and_keeps_newest(sites);
    retention_is_incremental(sites);
    an_expired_inbox_goes_on_where_it_was(sites);
    what_is_stored_after_its_time_expires_too(sites);
}

pub(super) fn user(n: u64) -> UserId {
    UserId::new(&format!("user{n}"))
}

/// A record in the log.
#[derive(Clone)]
pub(super) struct Logged {
    pub(super) position: Position,
    pub(super) body: Body,
}

/// Appends `count` messages, one batch each, at `now_ms`, `now_ms + 1`, …
pub(super) fn fill(log: &mut Logs, count: u64, now_ms: i64) -> Vec<Logged> {
    let mut positions = Vec::new();
    let mut append = |n: u64| {
        let record = encoded(Sample::new(n));
        let append_ms = log.append(&[&record], now_ms + n as i64, &mut positions);
        let append_ms = append_ms.expect("appended");
        Logged { position: positions[0], body: Body { append_ms, bytes: record.into() } }
    };
    (0..count).map(&mut append).collect()
}

pub(super) fn run(user: UserId, first: u64, logged: &[Logged]) -> InboxRun {
    InboxRun {
        user,
        first: Seq(first),
        positions: logged.iter().map(|logged| logged.position).collect(),
        records: logged.iter().map(|logged| logged.body.clone()).collect(),
    }
}

fn runs(runs: Vec<InboxRun>) -> StoreBatch {
    StoreBatch { runs, ..StoreBatch::default() }
}

/// Oldest and newest seq of each.
fn bounds_of_all(history: &dyn History, users: &[UserId]) -> Vec<(u64, u64)> {
    let bounds = history.bounds(users).wait().expect("bounds are read");
    bounds.into_iter().map(|InboxBounds { min, newest, .. }| (min.0, newest.0)).collect()
}

fn bounds_of(history: &dyn History, user: UserId) -> (u64, u64) {
    bounds_of_all(history, &[user])[0]
}

/// An entry with its record.
pub(super) type Shown = (Seq, Position, Arc<[u8]>);

pub(super) fn range(history: &dyn History, user: &UserId, from: u64, to: u64) -> Vec<Shown> {
    range_by(history, user, (from, to), usize::MAX)
}

/// A range, asked for with so many bytes at a time.
fn range_by(
    history: &dyn History,
    user: &UserId,
    (from, to): (u64, u64),
    bytes_max: usize,
) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut next = Some(Seq(from));
    while let Some(from) = next {
        let range = history.range(user, from, Seq(to), bytes_max).wait().expect("a range is read");
        let mut bytes = 0;
        for (number, Entry { seq, position, record }) in range.entries.into_iter().enumerate() {
            assert!(number == 0 || bytes < bytes_max, "a record behind the last that may come");
            let record = record.expect("no record is damaged");
            bytes += record.len();
            shown.push((seq, position, record.into()));
        }
        assert!(range.next.is_none_or(|next| next > from), "the range does not move");
        next = range.next;
    }
    shown
}

pub(super) fn numbered(first: u64, logged: &[Logged]) -> Vec<Shown> {
    let shown =
        |(seq, logged): (u64, &Logged)| (Seq(seq), logged.position, Arc::clone(&logged.body.bytes));
    (first..).zip(logged).map(shown).collect()
}

/// What survived of the first partitions, but for those that were never stored.
fn recovered(history: &dyn History) -> Vec<StoredState> {
    let state =
        |number| history.recover(PartitionId(number)).wait().expect("a partition is recovered");
    let begun = |state: &StoredState| *state != never(state.partition);
    (0..256).map(state).filter(begun).collect()
}

fn never(partition: PartitionId) -> StoredState {
    StoredState { partition, applied: Position(0), duplicates: Vec::new() }
}

fn a_user_never_seen_has_nothing(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { history, .. } = site.open();
    assert_eq!(
        history.bounds(&[user(1), user(2)]).wait().expect("read"),
        [InboxBounds::default(); 2]
    );
    assert!(history.bounds(&[]).wait().expect("read").is_empty());
    // No id is too long to be asked for.
    let long = UserId::new(&"u".repeat(70_000));
    assert_eq!(bounds_of(&*history, long.clone()), (0, 0));
    assert!(range(&*history, &long, 0, u64::MAX).is_empty());
    assert!(range(&*history, &user(1), 0, u64::MAX).is_empty());
    assert_eq!(history.recover(PartitionId(7)).wait().expect("read"), never(PartitionId(7)));
}

fn what_is_stored_is_read_back(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut log, 10, 1_000);
    let (a, b) = (user(1), user(2));
    let batch = runs(vec![run(a.clone(), 1, &at[..4]), run(b.clone(), 1, &at[2..3])]);
    history.store(&batch).wait().expect("stored");
    history.store(&runs(vec![run(a.clone(), 5, &at[4..])])).wait().expect("stored");
    let check = |history: &dyn History| {
        let all = bounds_of_all(history, &[b.clone(), user(9), a.clone()]);
        assert_eq!(all, [(1, 1), (0, 0), (1, 10)]);
        assert_eq!(range(history, &a, 1, 10), numbered(1, &at));
        assert_eq!(range(history, &b, 1, 10), numbered(1, &at[2..3]));
    };
    check(&*history);
    drop((log, history));
    check(&*site.open().history);
}

fn any_range_is_exact(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut log, 300, 0);
    let mut first = 0;
    for length in [1, 62, 1, 1, 130, 5, 100] {
        let run = run(user(1), first as u64 + 1, &at[first..first + length]);
        history.store(&runs(vec![run])).wait().expect("stored");
        first += length;
        let through = history.bounds(&[user(1)]).wait().expect("read")[0].through;
        assert_eq!(through, Position(at[first - 1].position.0 + 1), "through seq {first}");
    }
    for from in [0, 1, 2, 63, 64, 65, 127, 128, 129, 192, 193, 299, 300, 301, u64::MAX] {
        for to in [0, 1, 63, 64, 65, 128, 129, 299, 300, 301, u64::MAX] {
            let low = from.max(1);
            let expected: Vec<_> = numbered(1, &at)
                .into_iter()
                .filter(|(seq, ..)| (low..=to).contains(&seq.0))
                .collect();
            assert_eq!(range(&*history, &user(1), from, to), expected, "{from}..={to}");
        }
    }
}

fn a_range_stops_at_its_bytes(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut log, 200, 0);
    history.store(&runs(vec![run(user(1), 1, &at)])).wait().expect("stored");
    let one = at[0].body.bytes.len();
    for bytes_max in [0, 1, one, one + 1, 10 * one, 1_000 * one] {
        let shown = range_by(&*history, &user(1), (1, 200), bytes_max);
        assert_eq!(shown, numbered(1, &at), "{bytes_max} bytes at a time");
    }
}

fn storing_again_changes_nothing(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut log, 150, 0);
    let key = |n| DuplicateEntry { key: MessageKey(n), send_time_ns: 1, append_ms: 2 };
    let first = StoreBatch {
        runs: vec![run(user(1), 1, &at[..70])],
        duplicates: vec![(PartitionId(1), vec![key(1), key(2)])],
        applied: vec![(PartitionId(1), at[70].position)],
        ..StoreBatch::default()
    };
    history.store(&first).wait().expect("stored");
    let before = recovered(&*history);
    history.store(&first).wait().expect("stored again");
    assert_eq!(recovered(&*history), before);
    // A replay may cut its batches elsewhere.
    history.store(&runs(vec![run(user(1), 60, &at[59..100])])).wait().expect("stored");
    history.store(&runs(vec![run(user(1), 1, &at)])).wait().expect("stored");
    history.store(&first).wait().expect("stored again");
    drop((log, history));
    let Backend { history, .. } = site.open();
    assert_eq!(bounds_of(&*history, user(1)), (1, 150));
    assert_eq!(range(&*history, &user(1), 1, 150), numbered(1, &at));
    assert_eq!(recovered(&*history), before);
}

fn a_batch_that_contradicts_the_store_is_refused(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut log, 100, 0);
    history.store(&runs(vec![run(user(1), 1, &at[..80])])).wait().expect("stored");
    let fine = run(user(2), 1, &at[..3]);
    for wrong in [
        run(user(1), 82, &at[81..82]),
        run(user(1), 80, &at[80..82]),
        run(user(1), 10, &at[10..90]),
        run(user(1), 81, &at[79..81]),
        run(user(3), 2, &at[..1]),
        run(user(3), 0, &at[..1]),
    ] {
        let batch = StoreBatch {
            applied: vec![(PartitionId(0), at[99].position)],
            ..runs(vec![fine.clone(), wrong.clone()])
        };
        let refused = history.store(&batch).wait().expect_err("a gap or a second numbering");
        assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
        let others = bounds_of(&*history, user(2));
        assert!(
            others == (0, 0) || (others == (1, 3) && !site.is_atomic()),
            "{wrong:?}: {others:?}"
        );
        assert_eq!(bounds_of(&*history, user(3)), (0, 0), "{wrong:?}");
        assert_eq!(bounds_of(&*history, user(1)), (1, 80), "{wrong:?}");
        assert_eq!(range(&*history, &user(1), 1, 100), numbered(1, &at[..80]), "{wrong:?}");
        assert!(recovered(&*history).is_empty(), "{wrong:?}");
    }
}

fn users_with_similar_ids_stay_apart(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut log, 200, 0);
    let long = "é".repeat(64);
    let names = ["a", "aa", "a\0", "a\0\0\0\0\0\0\0\0\u{1}", "\0", "b", &long, &long[..126]];
    for (n, name) in names.iter().enumerate() {
        history
            .store(&runs(vec![run(UserId::new(name), 1, &at[n..n + 70 + n])]))
            .wait()
            .expect("stored");
    }
    for (n, name) in names.iter().enumerate() {
        let user = UserId::new(name);
        assert_eq!(range(&*history, &user, 1, 1_000), numbered(1, &at[n..n + 70 + n]), "{name:?}");
    }
}

fn applied_positions_survive_and_never_fall(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut log, 6, 0);
    let store = |history: &dyn History, applied: &[(u16, Position)]| {
        let applied = applied.iter().map(|(n, at)| (PartitionId(*n), *at)).collect();
        history.store(&StoreBatch { applied, ..StoreBatch::default() }).wait().expect("stored");
    };
    let at = |n: usize| at[n].position;
    store(&*history, &[(200, at(1)), (3, at(2))]);
    store(&*history, &[(0, log.head()), (3, at(1)), (200, at(4))]);
    let expected = [(0, log.head()), (3, at(2)), (200, at(4))].map(|(n, applied)| StoredState {
        partition: PartitionId(n),
        applied,
        duplicates: Vec::new(),
    });
    assert_eq!(recovered(&*history), expected);
    drop((log, history));
    assert_eq!(recovered(&*site.open().history), expected);
}

fn duplicates_survive_in_order_and_can_be_dropped(sites: Sites<'_>) {
    let mut site = sites();
    let mut log = site.open().log;
    let at = fill(&mut log, 30, 0);
    drop(log);
    let entry = |n: usize| DuplicateEntry {
        key: MessageKey(n as u128),
        send_time_ns: n as i64 * 3,
        append_ms: n as i64,
    };
    let mut all = Vec::new();
    for (n, Logged { position, .. }) in at.iter().enumerate() {
        // Opened anew each time: what is dropped must not depend on memory.
        let Backend { history, .. } = site.open();
        let new: Vec<_> = (n * 3..n * 3 + 3).map(entry).collect();
        all.extend_from_slice(&new);
        history
            .store(&StoreBatch {
                duplicates: vec![(PartitionId(5), new)],
                applied: vec![(PartitionId(5), *position)],
                duplicates_kept: vec![(PartitionId(5), 20), (PartitionId(6), 0)],
                ..StoreBatch::default()
            })
            .wait()
            .expect("stored");
        let stored = recovered(&*history);
        let [state] = &stored[..] else { panic!("one partition: {stored:?}") };
        assert!(all.ends_with(&state.duplicates), "the newest, oldest first");
        let kept = state.duplicates.len();
        assert!(kept >= all.len().min(20), "{kept} entries are fewer than the owner holds");
        assert!(kept <= 40, "{kept} entries: old ones are never dropped");
    }
}

fn retain_all(history: &dyn History, older_than_ms: i64) -> u64 {
    let mut removed = 0;
    for _ in 0..10_000 {
        let report = history.retain(older_than_ms, 100).wait().expect("retained");
        removed += report.entries_removed;
        if !report.more {
            return removed;
        }
    }
    panic!("retention never comes to an end");
}

fn retention_raises_min_and_keeps_newest(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut log, 200, 1_000);
    history
        .store(&runs(vec![run(user(1), 1, &at), run(user(2), 1, &at[150..])]))
        .wait()
        .expect("stored");
    let mut kept_from = 1;
    for (cutoff, min) in [(0, 1), (1_000, 1), (1_001, 2), (1_064, 65), (1_100, 101), (900, 101)] {
        let removed = retain_all(&*history, cutoff);
        assert_eq!(removed, min - kept_from, "cutoff {cutoff}");
        kept_from = min;
        assert_eq!(bounds_of(&*history, user(1)), (min, 200), "cutoff {cutoff}");
        let kept = &at[min as usize - 1..];
        assert_eq!(range(&*history, &user(1), 1, 500), numbered(min, kept), "cutoff {cutoff}");
    }
    assert_eq!(bounds_of(&*history, user(2)), (1, 50), "young entries stay");
    drop((log, history));
    let Backend { history, .. } = site.open();
    assert_eq!(bounds_of(&*history, user(1)), (101, 200));
    assert_eq!(retain_all(&*history, 1_100), 0);
    assert_eq!(retain_all(&*history, 10_000), 150);
    assert_eq!(bounds_of(&*history, user(1)), (201, 200));
    assert_eq!(bounds_of(&*history, user(2)), (51, 50));
    assert!(range(&*history, &user(1), 1, 500).is_empty());
}

fn retention_is_incremental(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut log, 100, 0);
    history.store(&runs((0..300).map(|n| run(user(n), 1, &at)).collect())).wait().expect("stored");
    let mut removed = 0;
    let mut calls = 0;
    loop {
        let report = history.retain(50, 700).wait().expect("retained");
        assert!(report.entries_removed <= 1_500, "one call removed {}", report.entries_removed);
        removed += report.entries_removed;
        calls += 1;
        assert!(calls < 1_000, "retention never comes to an end");
        // Between two calls everything can be read.
        let (min, newest) = bounds_of(&*history, user(calls % 300));
        let kept = range(&*history, &user(calls % 300), 1, 100);
        assert_eq!(kept, numbered(min, &at[min as usize - 1..newest as usize]));
        if !report.more {
            break;
        }
    }
    assert_eq!(removed, 300 * 50);
    assert!(calls >= 10, "{calls} calls");
}

fn an_expired_inbox_goes_on_where_it_was(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let mut newest = 0;
    for round in 0..4 {
        let at = fill(&mut log, 90, round * 1_000);
        history.store(&runs(vec![run(user(1), newest + 1, &at)])).wait().expect("stored");
        assert_eq!(bounds_of(&*history, user(1)), (newest + 1, newest + 90));
        assert_eq!(range(&*history, &user(1), 1, 1_000), numbered(newest + 1, &at));
        newest += 90;
        assert_eq!(retain_all(&*history, round * 1_000 + 500), 90);
        assert_eq!(bounds_of(&*history, user(1)), (newest + 1, newest));
    }
}

fn what_is_stored_after_its_time_expires_too(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut log, 20, 0);
    history.store(&runs(vec![run(user(1), 1, &at[..5])])).wait().expect("stored");
    assert_eq!(retain_all(&*history, 10), 5);
    history
        .store(&runs(vec![run(user(1), 6, &at[5..]), run(user(2), 1, &at)]))
        .wait()
        .expect("stored");
    assert_eq!(retain_all(&*history, 10), 5 + 10);
    assert_eq!(bounds_of(&*history, user(1)), (11, 20));
    assert_eq!(bounds_of(&*history, user(2)), (11, 20));
}
