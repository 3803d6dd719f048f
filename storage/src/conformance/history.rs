//! What every history must do.

use openim_record::{
    DuplicateEntry, InboxBounds, InboxRun, MessageKey, PartitionId, Position, Seq, StoreBatch,
    StoredState, UserId,
};

use super::{Backend, Sample, Sites, encoded};
use crate::port::{History, Log, StoreError};

/// Runs the suite of [`History`].
///
/// # Panics
/// Where the contract is broken.
pub fn history(sites: Sites<'_>) {
    a_user_never_seen_has_nothing(sites);
    what_is_stored_is_read_back(sites);
    any_range_is_exact(sites);
    storing_again_changes_nothing(sites);
    a_batch_that_contradicts_the_store_is_refused_whole(sites);
    users_with_similar_ids_stay_apart(sites);
    applied_positions_survive_and_never_fall(sites);
    duplicates_survive_in_order_and_can_be_dropped(sites);
    retention_raises_min_and_keeps_newest(sites);
    retention_is_incremental(sites);
    an_expired_inbox_goes_on_where_it_was(sites);
    what_is_stored_after_its_time_expires_too(sites);
    a_position_that_is_no_record_is_refused(sites);
}

fn user(n: u64) -> UserId {
    UserId::new(&format!("user{n}"))
}

/// Appends `count` messages, one batch each, at `now_ms`, `now_ms + 1`, …
fn fill(log: &mut dyn Log, count: u64, now_ms: i64) -> Vec<Position> {
    let mut all = Vec::new();
    let mut positions = Vec::new();
    for n in 0..count {
        let record = encoded(Sample::new(n));
        log.append(&[&record], now_ms + n as i64, &mut positions).expect("appended");
        all.append(&mut positions);
    }
    all
}

fn run(user: UserId, first: u64, positions: &[Position]) -> InboxRun {
    InboxRun { user, first: Seq(first), positions: positions.to_vec() }
}

fn runs(runs: Vec<InboxRun>) -> StoreBatch {
    StoreBatch { runs, ..StoreBatch::default() }
}

fn bounds(min: u64, newest: u64) -> InboxBounds {
    InboxBounds { min: Seq(min), newest: Seq(newest) }
}

fn bounds_of(history: &dyn History, user: UserId) -> InboxBounds {
    let bounds = history.bounds(&[user]).expect("bounds are read");
    assert_eq!(bounds.len(), 1);
    bounds[0]
}

fn range(history: &dyn History, user: &UserId, from: u64, to: u64) -> Vec<(Seq, Position)> {
    let sentinel = (Seq(0), Position(0));
    let mut out = vec![sentinel];
    history.positions(user, Seq(from), Seq(to), &mut out).expect("positions are read");
    assert_eq!(out.remove(0), sentinel, "positions are appended");
    out
}

fn numbered(first: u64, positions: &[Position]) -> Vec<(Seq, Position)> {
    (first..).map(Seq).zip(positions.iter().copied()).collect()
}

fn a_user_never_seen_has_nothing(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { history, .. } = site.open();
    assert_eq!(history.bounds(&[user(1), user(2)]).expect("read"), [bounds(0, 0); 2]);
    assert!(history.bounds(&[]).expect("read").is_empty());
    // No id is too long to be asked for.
    let long = UserId::new(&"u".repeat(70_000));
    assert_eq!(bounds_of(&*history, long.clone()), bounds(0, 0));
    assert!(range(&*history, &long, 0, u64::MAX).is_empty());
    assert!(range(&*history, &user(1), 0, u64::MAX).is_empty());
    assert!(history.recover().expect("read").is_empty());
}

fn what_is_stored_is_read_back(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut *log, 10, 1_000);
    let (a, b) = (user(1), user(2));
    let batch = runs(vec![run(a.clone(), 1, &at[..4]), run(b.clone(), 1, &at[2..3])]);
    history.store(&batch).expect("stored");
    history.store(&runs(vec![run(a.clone(), 5, &at[4..])])).expect("stored");
    let check = |history: &dyn History| {
        let both = history.bounds(&[b.clone(), user(9), a.clone()]).expect("read");
        assert_eq!(both, [bounds(1, 1), bounds(0, 0), bounds(1, 10)]);
        assert_eq!(range(history, &a, 1, 10), numbered(1, &at));
        assert_eq!(range(history, &b, 1, 10), numbered(1, &at[2..3]));
        let mut record = Vec::new();
        for (n, position) in at.iter().enumerate() {
            history.fetch(*position, &mut record).expect("fetched");
            assert_eq!(record, encoded(Sample::new(n as u64)));
        }
    };
    check(&*history);
    drop((log, history));
    check(&*site.open().history);
}

fn any_range_is_exact(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut *log, 300, 0);
    let mut first = 0;
    for length in [1, 62, 1, 1, 130, 5, 100] {
        let run = run(user(1), first as u64 + 1, &at[first..first + length]);
        history.store(&runs(vec![run])).expect("stored");
        first += length;
    }
    for from in [0, 1, 2, 63, 64, 65, 127, 128, 129, 192, 193, 299, 300, 301, u64::MAX] {
        for to in [0, 1, 63, 64, 65, 128, 129, 299, 300, 301, u64::MAX] {
            let low = from.max(1);
            let expected: Vec<_> = numbered(1, &at)
                .into_iter()
                .filter(|(seq, _)| (low..=to).contains(&seq.0))
                .collect();
            assert_eq!(range(&*history, &user(1), from, to), expected, "{from}..={to}");
        }
    }
}

fn storing_again_changes_nothing(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut *log, 150, 0);
    let key = |n| DuplicateEntry { key: MessageKey(n), send_time_ns: 1, append_ms: 2 };
    let first = StoreBatch {
        runs: vec![run(user(1), 1, &at[..70])],
        duplicates: vec![(PartitionId(1), vec![key(1), key(2)])],
        applied: vec![(PartitionId(1), Position(at[70].0))],
        ..StoreBatch::default()
    };
    history.store(&first).expect("stored");
    let recovered = history.recover().expect("read");
    history.store(&first).expect("stored again");
    assert_eq!(history.recover().expect("read"), recovered);
    // A replay may cut its batches elsewhere.
    history.store(&runs(vec![run(user(1), 60, &at[59..100])])).expect("stored");
    history.store(&runs(vec![run(user(1), 1, &at)])).expect("stored");
    history.store(&first).expect("stored again");
    drop((log, history));
    let Backend { history, .. } = site.open();
    assert_eq!(bounds_of(&*history, user(1)), bounds(1, 150));
    assert_eq!(range(&*history, &user(1), 1, 150), numbered(1, &at));
    assert_eq!(history.recover().expect("read"), recovered);
}

fn a_batch_that_contradicts_the_store_is_refused_whole(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut *log, 100, 0);
    history.store(&runs(vec![run(user(1), 1, &at[..80])])).expect("stored");
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
            applied: vec![(PartitionId(0), at[99])],
            ..runs(vec![fine.clone(), wrong.clone()])
        };
        let refused = history.store(&batch).expect_err("a gap or a second numbering");
        assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
        assert_eq!(bounds_of(&*history, user(2)), bounds(0, 0), "{wrong:?}");
        assert_eq!(bounds_of(&*history, user(1)), bounds(1, 80), "{wrong:?}");
        assert!(history.recover().expect("read").is_empty(), "{wrong:?}");
    }
}

fn users_with_similar_ids_stay_apart(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut *log, 200, 0);
    let long = "é".repeat(64);
    let names = ["a", "aa", "a\0", "a\0\0\0\0\0\0\0\0\u{1}", "\0", "b", &long, &long[..126]];
    for (n, name) in names.iter().enumerate() {
        history.store(&runs(vec![run(UserId::new(name), 1, &at[n..n + 70 + n])])).expect("stored");
    }
    for (n, name) in names.iter().enumerate() {
        let user = UserId::new(name);
        assert_eq!(range(&*history, &user, 1, 1_000), numbered(1, &at[n..n + 70 + n]), "{name:?}");
    }
}

fn applied_positions_survive_and_never_fall(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut *log, 6, 0);
    let store = |history: &dyn History, applied: &[(u16, Position)]| {
        let applied = applied.iter().map(|(n, at)| (PartitionId(*n), *at)).collect();
        history.store(&StoreBatch { applied, ..StoreBatch::default() }).expect("stored");
    };
    store(&*history, &[(200, at[1]), (3, at[2])]);
    store(&*history, &[(0, log.head()), (3, at[1]), (200, at[4])]);
    let expected = [(0, log.head()), (3, at[2]), (200, at[4])].map(|(n, applied)| StoredState {
        partition: PartitionId(n),
        applied,
        duplicates: Vec::new(),
    });
    assert_eq!(history.recover().expect("read"), expected);
    drop((log, history));
    assert_eq!(site.open().history.recover().expect("read"), expected);
}

fn duplicates_survive_in_order_and_can_be_dropped(sites: Sites<'_>) {
    let mut site = sites();
    let mut log = site.open().log;
    let at = fill(&mut *log, 30, 0);
    drop(log);
    let entry = |n: usize| DuplicateEntry {
        key: MessageKey(n as u128),
        send_time_ns: n as i64 * 3,
        append_ms: n as i64,
    };
    let mut all = Vec::new();
    for (n, position) in at.iter().enumerate() {
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
            .expect("stored");
        let stored = history.recover().expect("read");
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
        let report = history.retain(older_than_ms, 100).expect("retained");
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
    let at = fill(&mut *log, 200, 1_000);
    history.store(&runs(vec![run(user(1), 1, &at), run(user(2), 1, &at[150..])])).expect("stored");
    let mut kept_from = 1;
    for (cutoff, min) in [(0, 1), (1_000, 1), (1_001, 2), (1_064, 65), (1_100, 101), (900, 101)] {
        let removed = retain_all(&*history, cutoff);
        assert_eq!(removed, min - kept_from, "cutoff {cutoff}");
        kept_from = min;
        assert_eq!(bounds_of(&*history, user(1)), bounds(min, 200), "cutoff {cutoff}");
        let kept = &at[min as usize - 1..];
        assert_eq!(range(&*history, &user(1), 1, 500), numbered(min, kept), "cutoff {cutoff}");
    }
    assert_eq!(bounds_of(&*history, user(2)), bounds(1, 50), "young entries stay");
    drop((log, history));
    let Backend { history, .. } = site.open();
    assert_eq!(bounds_of(&*history, user(1)), bounds(101, 200));
    assert_eq!(retain_all(&*history, 1_100), 0);
    assert_eq!(retain_all(&*history, 10_000), 150);
    assert_eq!(bounds_of(&*history, user(1)), bounds(201, 200));
    assert_eq!(bounds_of(&*history, user(2)), bounds(51, 50));
    assert!(range(&*history, &user(1), 1, 500).is_empty());
}

fn retention_is_incremental(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut *log, 100, 0);
    history.store(&runs((0..300).map(|n| run(user(n), 1, &at)).collect())).expect("stored");
    let mut removed = 0;
    let mut calls = 0;
    loop {
        let report = history.retain(50, 700).expect("retained");
        assert!(report.entries_removed <= 1_500, "one call removed {}", report.entries_removed);
        removed += report.entries_removed;
        calls += 1;
        assert!(calls < 1_000, "retention never comes to an end");
        // Between two calls everything can be read.
        let InboxBounds { min, newest } = bounds_of(&*history, user(calls % 300));
        let kept = range(&*history, &user(calls % 300), 1, 100);
        assert_eq!(kept, numbered(min.0, &at[min.0 as usize - 1..newest.0 as usize]));
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
        let at = fill(&mut *log, 90, round * 1_000);
        history.store(&runs(vec![run(user(1), newest + 1, &at)])).expect("stored");
        assert_eq!(bounds_of(&*history, user(1)), bounds(newest + 1, newest + 90));
        assert_eq!(range(&*history, &user(1), 1, 1_000), numbered(newest + 1, &at));
        newest += 90;
        assert_eq!(retain_all(&*history, round * 1_000 + 500), 90);
        assert_eq!(bounds_of(&*history, user(1)), bounds(newest + 1, newest));
    }
}

fn what_is_stored_after_its_time_expires_too(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut *log, 20, 0);
    history.store(&runs(vec![run(user(1), 1, &at[..5])])).expect("stored");
    assert_eq!(retain_all(&*history, 10), 5);
    history.store(&runs(vec![run(user(1), 6, &at[5..]), run(user(2), 1, &at)])).expect("stored");
    assert_eq!(retain_all(&*history, 10), 5 + 10);
    assert_eq!(bounds_of(&*history, user(1)), bounds(11, 20));
    assert_eq!(bounds_of(&*history, user(2)), bounds(11, 20));
}

fn a_position_that_is_no_record_is_refused(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { mut log, history, .. } = site.open();
    let at = fill(&mut *log, 3, 0);
    let mut record = b"left over".to_vec();
    for wrong in [at[0].0 + 1, at[1].0 - 1, log.head().0, log.head().0 + 1_000_000, 0] {
        let refused = history.fetch(Position(wrong), &mut record);
        let refused = refused.expect_err("there is no record");
        assert!(!matches!(refused, StoreError::Unavailable { .. }), "{refused}");
        assert!(record.is_empty(), "nothing may be taken for a record");
    }
}
