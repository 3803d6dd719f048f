//! Retention gives the log's space back where nothing is kept forever, and only there.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use openim_record::{InboxRun, PartitionId, Position, Seq, StoreBatch, Told, UserId};
use openim_storage::conformance::Wait as _;
use openim_storage::conformance::{self, Sample, encoded};
use openim_storage::embedded::{Embedded, EmbeddedHistory, EmbeddedLog, HandIn, Options, open};
use openim_storage::port::{Archive as _, Directory as _, History as _, Records as _, StoreError};

fn options() -> Options {
    Options { segment_bytes: 8 * 1024, reserve_bytes: 0, ..Options::default() }
}

fn append(log: &mut EmbeddedLog, count: u64, persistent: bool, now_ms: i64) -> Vec<Position> {
    let mut all = Vec::new();
    for number in 0..count {
        let record = encoded(Sample { persistent, ..Sample::new(number) });
        let mut positions = Vec::new();
        conformance::append(log, &[&record], now_ms, &mut positions).expect("appended");
        all.append(&mut positions);
    }
    all
}

fn store(history: &EmbeddedHistory, user: &str, positions: &[Position], applied: Position) {
    let run = InboxRun::new(UserId::new(user), Seq(1), positions.to_vec());
    let applied = vec![(PartitionId(0), applied), (PartitionId(1), applied)];
    let batch = StoreBatch { runs: vec![run], applied, ..StoreBatch::default() };
    history.store(&batch).wait().expect("stored");
}

/// Retains until nothing is left to do; returns the bytes freed.
fn retain(history: &EmbeddedHistory, older_than_ms: i64) -> u64 {
    let mut freed = 0;
    for _ in 0..1_000 {
        let report = history.retain(older_than_ms, 1_000).wait().expect("retained");
        freed += report.bytes_freed;
        if !report.more {
            return freed;
        }
    }
    panic!("retention never comes to an end");
}

fn segments(dir: &Path) -> usize {
    let listed = std::fs::read_dir(dir.join("log")).expect("listed");
    listed
        .filter(|e| e.as_ref().is_ok_and(|e| e.path().extension().is_some_and(|x| x == "log")))
        .count()
}

#[test]
fn space_comes_back_when_messages_expire() {
    let dir = tempfile::tempdir().expect("a directory");
    let Embedded { mut log, history, .. } = open(dir.path(), &options()).expect("opens");
    let old = append(&mut log, 200, false, 1_000);
    let young = append(&mut log, 50, false, 2_000);
    store(&history, "a", &[&old[..], &young[..]].concat(), log.head());
    let before = segments(dir.path());
    assert_eq!(retain(&history, 1_000), 0);
    assert!(retain(&history, 2_000) > 3 * 8 * 1024);
    assert!(segments(dir.path()) + 3 <= before);
    let kept = history.bounds(&[UserId::new("a")]).wait().expect("read")[0];
    assert_eq!((kept.min, kept.newest), (Seq(201), Seq(250)));
    drop((log, history));
    // The gap at the front is known to be meant.
    let Embedded { mut tail, history, report, .. } = open(dir.path(), &options()).expect("opens");
    assert_eq!(report.torn, None);
    let mut record = Vec::new();
    for position in &young {
        history.read(*position, &mut record).wait().expect("fetched");
    }
    assert!(history.read(old[0], &mut record).wait().is_err());
    let mut shown = 0;
    conformance::replay(&mut tail, Position(0), &mut |_| {
        shown += 1;
        std::ops::ControlFlow::Continue(())
    })
    .expect("replayed");
    assert!((50..120).contains(&shown), "{shown}");
}

/// A clock that was years ahead, for one batch or for several segments, holds nothing back.
#[test]
fn what_a_clock_that_was_ahead_has_dated_expires_with_the_rest() {
    const DAY_MS: i64 = 86_400_000;
    let year_2099 = 129 * 365 * DAY_MS;
    for ahead in [1, 200] {
        let dir = tempfile::tempdir().expect("a directory");
        let Embedded { mut log, history, .. } = open(dir.path(), &options()).expect("opens");
        assert_eq!(log.newest_record_ms(), None);
        let mut at = append(&mut log, 100, false, DAY_MS);
        at.extend(append(&mut log, ahead, false, year_2099));
        at.extend(append(&mut log, 100, false, 2 * DAY_MS));
        at.extend(append(&mut log, 100, false, 3 * DAY_MS));
        store(&history, "a", &at, log.head());
        assert_eq!(history.retained_ms().wait().expect("read"), None);
        let min = |older_than_ms: i64| {
            retain(&history, older_than_ms);
            assert_eq!(history.retained_ms().wait().expect("read"), Some(older_than_ms));
            history.bounds(&[UserId::new("a")]).wait().expect("read")[0].min.0
        };
        assert_eq!(min(DAY_MS), 1);
        // What lies before a batch of the second day is no younger than that.
        assert!(min(2 * DAY_MS) <= 101, "{ahead}");
        assert_eq!(min(3 * DAY_MS), 201 + ahead, "{ahead}");
        drop(log);
        drop(history);
        let Embedded { log, history, .. } = open(dir.path(), &options()).expect("opens");
        assert_eq!(log.newest_record_ms(), Some(3 * DAY_MS));
        assert_eq!(history.retained_ms().wait().expect("read"), Some(3 * DAY_MS));
    }
}

#[test]
fn a_segment_with_one_archived_message_stays() {
    let dir = tempfile::tempdir().expect("a directory");
    let Embedded { mut log, history, archive, .. } = open(dir.path(), &options()).expect("opens");
    append(&mut log, 100, false, 1_000);
    let archived = append(&mut log, 1, true, 1_000);
    append(&mut log, 200, false, 1_000);
    store(&history, "a", &archived, log.head());
    assert!(retain(&history, 5_000) > 0);
    let mut shown = Vec::new();
    let rest = archive.scan(Position(0), 10, &mut |message| shown.push(message.position)).wait();
    assert_eq!((shown, rest.expect("read")), (archived, None));
    // What stays: the archived message's segment, and the one being written.
    assert_eq!(segments(dir.path()), 2);
    drop((log, history, archive));
    assert_eq!(open(dir.path(), &options()).expect("opens").report.segments, 2);
}

#[test]
fn records_of_an_unknown_kind_are_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let Embedded { mut log, history, .. } = open(dir.path(), &options()).expect("opens");
    conformance::append(&mut log, &[b"from a later version"], 1_000, &mut Vec::new())
        .expect("appended");
    append(&mut log, 200, false, 1_000);
    store(&history, "a", &[], log.head());
    retain(&history, 5_000);
    assert_eq!(segments(dir.path()), 2);
}

#[test]
fn what_is_not_applied_yet_stays() {
    let dir = tempfile::tempdir().expect("a directory");
    let Embedded { mut log, history, .. } = open(dir.path(), &options()).expect("opens");
    let at = append(&mut log, 300, false, 1_000);
    let before = segments(dir.path());
    assert_eq!(retain(&history, 5_000), 0);
    assert_eq!(segments(dir.path()), before);
    store(&history, "a", &at[..1], at[150]);
    assert!(retain(&history, 5_000) > 0);
    let mut record = Vec::new();
    for position in &at[150..] {
        history.read(*position, &mut record).wait().expect("a replay needs it");
    }
}

#[test]
fn segments_that_nobody_looked_at_are_read_once() {
    let dir = tempfile::tempdir().expect("a directory");
    // Sealed, then closed before any store could note what they hold.
    let mut log = open(dir.path(), &options()).expect("opens").log;
    append(&mut log, 200, false, 1_000);
    let archived = append(&mut log, 1, true, 1_000);
    append(&mut log, 200, false, 1_000);
    drop(log);
    let Embedded { log, history, archive, .. } = open(dir.path(), &options()).expect("opens");
    store(&history, "a", &archived, log.head());
    assert!(retain(&history, 5_000) > 3 * 8 * 1024);
    assert_eq!(segments(dir.path()), 2);
    let mut shown = 0;
    archive.scan(Position(0), 10, &mut |_| shown += 1).wait().expect("read");
    assert_eq!(shown, 1);
}

#[test]
fn stores_and_reads_go_on_while_history_is_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let Embedded { mut log, history, .. } = open(dir.path(), &options()).expect("opens");
    let old = append(&mut log, 300, false, 1_000);
    let users: Vec<_> = (0..100).map(|n| UserId::new(&format!("user{n}"))).collect();
    let run = |user: &UserId, first: u64, positions: &[Position]| {
        InboxRun::new(user.clone(), Seq(first), positions.to_vec())
    };
    let runs = users.iter().map(|user| run(user, 1, &old)).collect();
    history.store(&StoreBatch { runs, ..StoreBatch::default() }).wait().expect("stored");
    let young = append(&mut log, 100, false, 2_000);
    std::thread::scope(|scope| {
        scope.spawn(|| while history.retain(2_000, 50).wait().expect("retained").more {});
        scope.spawn(|| {
            for (n, position) in young.iter().enumerate() {
                let first = 301 + n as u64;
                let runs = users.iter().map(|user| run(user, first, &[*position])).collect();
                history
                    .store(&StoreBatch { runs, ..StoreBatch::default() })
                    .wait()
                    .expect("stored");
            }
        });
        scope.spawn(|| {
            for user in users.iter().cycle().take(5_000) {
                let before = history.bounds(std::slice::from_ref(user)).wait().expect("read")[0];
                let range =
                    history.range(user, Seq(1), before.newest, usize::MAX).wait().expect("read");
                assert_eq!(range.next, None);
                let out: Vec<Seq> = range.entries.iter().map(|entry| entry.seq).collect();
                assert!(range.entries.iter().all(|entry| entry.record.is_ok()));
                assert!(out.is_sorted_by(|a, b| a.next() == *b), "a range with a gap");
                assert!(out.last().is_none_or(|last| *last == before.newest));
            }
        });
    });
    while history.retain(2_000, 1_000).wait().expect("retained").more {}
    for bounds in history.bounds(&users).wait().expect("read") {
        assert_eq!((bounds.min, bounds.newest), (Seq(301), Seq(400)));
    }
}

/// A log whose writer leaves its first change waiting, as one does that waits for a shard.
struct Slow {
    log: Mutex<EmbeddedLog>,
    begun: Sender<()>,
    goes_on: Mutex<Option<Receiver<()>>>,
}

impl HandIn for Slow {
    fn hand_in(
        &self,
        record: Vec<u8>,
        _: Vec<Told>,
        _: &Arc<AtomicU64>,
    ) -> Result<Position, StoreError> {
        let first = self.goes_on.lock().expect("no panic").take();
        if let Some(goes_on) = first {
            self.begun.send(()).expect("somebody waits");
            goes_on.recv().expect("it goes on");
        }
        let mut at = Vec::new();
        let mut log = self.log.lock().expect("no panic");
        conformance::append(&mut *log, &[&record], 2_000, &mut at)?;
        Ok(at[0])
    }
}

/// What stores batches also retains: it must not wait for a change that waits for a shard that waits for it.
#[test]
fn retention_does_not_wait_for_a_change_that_waits() {
    let dir = tempfile::tempdir().expect("a directory");
    let Embedded { mut log, history, changes, directory, .. } =
        open(dir.path(), &options()).expect("opens");
    let old = append(&mut log, 20, false, 1_000);
    store(&history, "a", &old, log.head());
    append(&mut log, 1, false, 2_000);
    let ((begun, has_begun), (go_on, goes_on)) = (channel(), channel());
    let goes_on = Mutex::new(Some(goes_on));
    changes.hand_to(Box::new(Slow { log: Mutex::new(log), begun, goes_on }));
    let min = || history.bounds(&[UserId::new("a")]).wait().expect("read")[0].min;
    std::thread::scope(|scope| {
        // It goes on also where this fails.
        let go_on = go_on;
        let user = conformance::user("b", "b");
        let registered = scope.spawn(|| directory.register(&[user]).wait());
        has_begun.recv().expect("it waits");
        let report = history.retain(2_000, 1_000).wait().expect("retained");
        assert!(report.more && report.entries_removed == 0, "{report:?}");
        assert_eq!(min(), Seq(1), "nothing is cut that the log does not tell of");
        go_on.send(()).expect("it waits");
        registered.join().expect("no panic").expect("registered");
    });
    retain(&history, 2_000);
    assert_eq!(min(), Seq(21));
}
