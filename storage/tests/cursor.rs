//! A reader of the log that keeps its place: each record once and in order, and again from the noted place after a start.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use openim_record::{InboxRun, Message, PartitionId, Position, Seq, StoreBatch, UserId};
use openim_storage::conformance::Wait as _;
use openim_storage::conformance::{self, Sample, encoded};
use openim_storage::embedded::{Begin, Cursor, Embedded, EmbeddedLog, Options, open};
use openim_storage::port::{History as _, Polled};

const NOT: Duration = Duration::ZERO;

fn opened(dir: &Path) -> Embedded {
    let options = Options { segment_bytes: 8 * 1024, reserve_bytes: 0, ..Options::default() };
    open(dir, &options).expect("opens")
}

/// Appends messages with these numbers, some of them in one batch.
fn append(log: &mut EmbeddedLog, numbers: std::ops::Range<u64>) -> Vec<Position> {
    let records: Vec<_> = numbers
        .map(|number| encoded(Sample { persistent: false, ..Sample::new(number) }))
        .collect();
    let mut all = Vec::new();
    for batch in records.chunks(7) {
        let batch: Vec<&[u8]> = batch.iter().map(|record| &**record).collect();
        let mut positions = Vec::new();
        conformance::append(log, &batch, 1_000, &mut positions).expect("appended");
        all.append(&mut positions);
    }
    all
}

/// Reads until `count` were shown or there is no more.
fn read(cursor: &mut Cursor, count: usize) -> Vec<Position> {
    let mut shown = Vec::new();
    while shown.len() < count {
        let polled = cursor.poll(NOT, &mut |replayed| {
            if Message::decode(replayed.record).is_ok() {
                shown.push(replayed.position);
            }
            match shown.len() == count {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        if polled.expect("read") == Polled::CaughtUp {
            break;
        }
    }
    shown
}

#[test]
fn each_record_is_shown_once_and_again_from_the_noted_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut all = Vec::new();
    {
        let Embedded { mut log, cursors, .. } = opened(dir.path());
        let mut cursor = cursors.open("one", Begin::End).expect("opens");
        assert_eq!(
            cursor.poll(Duration::from_millis(30), &mut |_| panic!("nothing")).unwrap(),
            Polled::CaughtUp
        );
        all.append(&mut append(&mut log, 0..100));
        // In the middle of batches, and across segments.
        let mut shown = Vec::new();
        for count in [1, 2, 3, 11, 40] {
            shown.append(&mut read(&mut cursor, count));
        }
        assert_eq!(shown, all[..57]);
        cursor.save(shown[49]).expect("saved");
        assert_eq!(read(&mut cursor, 1_000), all[57..]);
        assert_eq!(cursor.behind_bytes(), 0);
        all.append(&mut append(&mut log, 100..130));
        assert!(cursor.behind_bytes() > 0);
        assert_eq!(read(&mut cursor, 1_000), all[100..]);
        assert_eq!(read(&mut cursors.open("other", Begin::Oldest).expect("opens"), 1_000), all);
    }
    let Embedded { cursors, .. } = opened(dir.path());
    let mut cursor = cursors.open("one", Begin::End).expect("opens");
    assert_eq!(read(&mut cursor, 1_000), all[49..]);
    assert_eq!(cursor.take_removed(), None);
    cursor.save(cursor.next()).expect("saved");
    assert_eq!(read(&mut cursors.open("one", Begin::Oldest).expect("opens"), 10), []);
    std::fs::write(dir.path().join("cursors/one"), "next = 4\n").expect("written");
    assert_eq!(read(&mut cursors.open("one", Begin::Oldest).expect("opens"), 1_000), all);
}

#[test]
fn what_was_removed_before_it_was_read_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let Embedded { mut log, history, cursors, .. } = opened(dir.path());
    let mut cursor = cursors.open("one", Begin::End).expect("opens");
    let all = append(&mut log, 0..300);
    assert_eq!(read(&mut cursor, 10), all[..10]);
    let run = InboxRun::new(UserId::new("a"), Seq(1), all.clone());
    let applied = vec![(PartitionId(0), log.head()), (PartitionId(1), log.head())];
    let batch = StoreBatch { runs: vec![run], applied, ..StoreBatch::default() };
    history.store(&batch).wait().expect("stored");
    while history.retain(2_000, 1_000).wait().expect("retained").more {}
    let oldest = cursor.oldest();
    assert!(oldest > all[10]);
    let shown = read(&mut cursor, 1_000);
    assert!(!shown.is_empty() && all.ends_with(&shown) && shown[0] > oldest);
    assert_eq!(cursor.take_removed(), Some((Position(all[9].0 + 1), oldest)));
    assert_eq!(cursor.take_removed(), None);
}

#[test]
fn a_reader_passes_a_file_that_is_damaged_when_it_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let Embedded { mut log, cursors, .. } = opened(dir.path());
    let mut cursor = cursors.open("one", Begin::End).expect("opens");
    let all = append(&mut log, 0..300);
    let mut files: Vec<_> = std::fs::read_dir(dir.path().join("log"))
        .expect("listed")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    let mut bytes = std::fs::read(&files[1]).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&files[1], bytes).expect("written");
    let mut shown = Vec::new();
    let mut take = |cursor: &mut Cursor| {
        cursor.poll(NOT, &mut |replayed| {
            shown.push(replayed.position);
            ControlFlow::Continue(())
        })
    };
    assert!(take(&mut cursor).is_err() && take(&mut cursor).is_err());
    let (from, to) = cursor.pass().expect("another file is there");
    assert!(from < to);
    take(&mut cursor).expect("read");
    assert!(all.ends_with(&shown[shown.len() - 100..]) && shown[0] == all[0]);
    assert_eq!(cursor.pass(), None);
}
