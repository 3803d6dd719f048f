//! What a crash or a bad disk leaves behind: whole batches, or a refusal by file and offset.
//!
//! Files are changed between two opens, as a power failure or a decaying device would change them.

use std::fs::{self, OpenOptions};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use openim_record::{InboxRun, PartitionId, Position, Seq, StoreBatch, UserId};
use openim_storage::conformance::Wait as _;
use openim_storage::conformance::{self, Sample, encoded};
use openim_storage::embedded::{
    Durability, Embedded, EmbeddedLog, EmbeddedTail, OpenError, Options, TornTail, open,
};
use openim_storage::port::{Archive as _, History as _, Records as _, Spot, StoreError};

fn options(segment_bytes: u64) -> Options {
    Options { segment_bytes, reserve_bytes: 0, ..Options::default() }
}

/// A batch of three messages, the same for the same number.
fn batch(number: u64) -> Vec<Vec<u8>> {
    (0..3)
        .map(|n| {
            let content_bytes = 100 * (number as usize % 3);
            encoded(Sample { content_bytes, ..Sample::new(number * 3 + n) })
        })
        .collect()
}

/// Appends the batches of these numbers; returns where each begins in the log.
fn append(log: &mut EmbeddedLog, numbers: std::ops::Range<u64>) -> Vec<u64> {
    let mut places = Vec::new();
    for number in numbers {
        places.push(log.head().0 - BATCH_HEAD);
        let records = batch(number);
        let refs: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        conformance::append(log, &refs, number as i64, &mut Vec::new()).expect("appended");
    }
    places
}

/// Bytes in front of the first record of a batch, and of a segment.
const BATCH_HEAD: u64 = 40;
const SEGMENT_HEAD: u64 = 64;

fn replay(tail: &mut EmbeddedTail) -> Result<Vec<Vec<u8>>, String> {
    let mut shown = Vec::new();
    let replayed = conformance::replay(tail, Position(0), &mut |replayed| {
        shown.push(replayed.record.to_vec());
        ControlFlow::Continue(())
    });
    replayed.map(|()| shown).map_err(|error| error.to_string())
}

fn expect_batches(tail: &mut EmbeddedTail, count: u64) {
    let expected: Vec<_> = (0..count).flat_map(batch).collect();
    assert!(replay(tail).expect("replayed") == expected, "not the first {count} batches");
}

/// The segments, oldest first.
fn segments(dir: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(dir.join("log")).expect("the log is listed");
    let mut files: Vec<_> = listed
        .map(|entry| entry.expect("listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    files
}

fn base_of(segment: &Path) -> u64 {
    segment.file_stem().and_then(|stem| stem.to_str()?.parse().ok()).expect("a base as name")
}

fn change(file: &Path, change: impl FnOnce(&fs::File)) {
    let file = OpenOptions::new().read(true).write(true).open(file).expect("opened");
    change(&file);
}

fn zero(file: &fs::File, from: u64, to: u64) {
    file.write_all_at(&vec![0; (to - from) as usize], from).expect("written");
}

fn flip(file: &fs::File, offset: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("read");
    file.write_all_at(&[byte[0] ^ 0x10], offset).expect("written");
}

fn refusal(dir: &Path, options: &Options) -> OpenError {
    open(dir, options).err().expect("the engine refuses to open")
}

fn corrupt(error: &OpenError) -> (&str, u64) {
    match error {
        OpenError::Store(StoreError::Corrupt { place: Spot::Byte { file, offset }, .. }) => {
            (file, *offset)
        }
        other => panic!("not reported as damage: {other}"),
    }
}

/// A log of one segment with `count` batches: where each begins, and where the last ends.
fn one_segment(count: u64, options: &Options) -> (tempfile::TempDir, Vec<u64>) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = open(dir.path(), options).expect("opens").log;
    let mut places = append(&mut log, 0..count);
    places.push(log.head().0 - BATCH_HEAD);
    assert_eq!(segments(dir.path()).len(), 1);
    (dir, places)
}

#[test]
fn a_log_cut_at_any_byte_shows_whole_batches() {
    let options = options(16 * 1024);
    let (dir, places) = one_segment(6, &options);
    let end = places[6];
    for (turn, offset) in (SEGMENT_HEAD..=end).rev().step_by(23).enumerate() {
        // Each time what one crash leaves: a start that finds more makes that known to the index.
        let crashed = tempfile::tempdir().expect("a directory");
        conformance::copy(dir.path(), crashed.path());
        let dir = &crashed;
        let segment = &segments(dir.path())[0];
        change(segment, |file| {
            if turn % 2 == 0 {
                file.set_len(offset).expect("cut");
            } else {
                zero(file, offset, file.metadata().expect("read").len());
            }
        });
        let Embedded { mut log, mut tail, report, .. } = open(dir.path(), &options).expect("opens");
        let whole = places.partition_point(|place| *place <= offset) - 1;
        expect_batches(&mut tail, whole as u64);
        assert_eq!(log.head(), Position(places[whole] + BATCH_HEAD), "offset {offset}");
        if let Some(TornTail { file, offset: from, bytes }) = report.torn {
            assert_eq!((&file, from), (segment, places[whole]), "offset {offset}");
            assert!(bytes <= offset - from, "offset {offset}");
        }
        // What is appended now must be found behind what was kept.
        append(&mut log, whole as u64..6);
        drop((log, tail));
        let Embedded { mut tail, report, .. } = open(dir.path(), &options).expect("opens");
        assert_eq!(report.torn, None, "offset {offset}");
        expect_batches(&mut tail, 6);
    }
}

#[test]
fn a_torn_batch_whose_later_pages_survived_is_cut_off() {
    let options = options(256 * 1024);
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = open(dir.path(), &options).expect("opens").log;
    append(&mut log, 0..4);
    let place = log.head().0 - BATCH_HEAD;
    conformance::append(&mut log, &[vec![7; 20_000]], 5, &mut Vec::new()).expect("appended");
    drop(log);
    for (from, to) in [(place, place + 4_096), (place + 100, place + 9_000)] {
        change(&segments(dir.path())[0], |file| zero(file, from, to));
        let Embedded { mut log, mut tail, report, .. } = open(dir.path(), &options).expect("opens");
        let torn = report.torn.expect("the torn batch is reported");
        assert_eq!(torn.offset, place);
        assert!(torn.bytes > 10_000 && torn.bytes <= 20_048, "{torn:?}");
        expect_batches(&mut tail, 4);
        conformance::append(&mut log, &[vec![7; 20_000]], 5, &mut Vec::new()).expect("appended");
    }
}

#[test]
fn a_flipped_byte_is_refused_by_file_and_offset_and_never_shown() {
    let options = options(16 * 1024);
    let (dir, places) = one_segment(8, &options);
    let segment = segments(dir.path())[0].clone();
    let last = places[7];
    for offset in (SEGMENT_HEAD..last).step_by(37) {
        change(&segment, |file| flip(file, offset));
        let refused = refusal(dir.path(), &options);
        let hit = places[places.partition_point(|place| *place <= offset) - 1];
        assert_eq!(corrupt(&refused), (segment.to_str().expect("text"), hit), "offset {offset}");
        change(&segment, |file| flip(file, offset));
    }
    for offset in (0..SEGMENT_HEAD).step_by(5) {
        change(&segment, |file| flip(file, offset));
        let refused = refusal(dir.path(), &options);
        assert_eq!(corrupt(&refused), (segment.to_str().expect("text"), 0), "offset {offset}");
        change(&segment, |file| flip(file, offset));
    }
    let mut tail = open(dir.path(), &options).expect("opens").tail;
    expect_batches(&mut tail, 8);
}

#[test]
fn damage_in_an_older_segment_is_found_when_it_is_read() {
    let options = options(2 * 1024);
    let dir = tempfile::tempdir().expect("a directory");
    let Embedded { mut log, history, .. } = open(dir.path(), &options).expect("opens");
    let places = append(&mut log, 0..30);
    history.settle().wait().expect("no start reads it for changes any more");
    drop((log, history));
    let files = segments(dir.path());
    assert!(files.len() > 4);
    let (segment, base) = (&files[2], base_of(&files[2]));
    let hit = *places.iter().find(|place| **place > base + SEGMENT_HEAD).expect("a batch there");
    let (first, second) = (hit + BATCH_HEAD, hit + BATCH_HEAD + 8 + batch(0)[0].len() as u64);
    change(segment, |file| flip(file, first - base + 20));
    let Embedded { mut tail, history, archive, .. } = open(dir.path(), &options).expect("opens");
    let expected = format!("{} is damaged at byte {}", segment.display(), hit - base);
    let refused = replay(&mut tail).expect_err("the replay stops");
    assert!(refused.starts_with(&expected), "{refused}");
    let refused = archive.scan(Position(0), 1_000, &mut |_| ()).wait().expect_err("the scan stops");
    assert!(refused.to_string().starts_with(&expected), "{refused}");
    let mut record = Vec::new();
    let refused = history.read(Position(first), &mut record).wait().expect_err("no data");
    assert!(record.is_empty());
    let expected = format!("{} is damaged at byte {}", segment.display(), first - base);
    assert!(refused.to_string().starts_with(&expected), "{refused}");
    let neighbour = places.iter().position(|place| *place == hit).expect("found") as u64;
    if batch(neighbour)[0].len() == batch(0)[0].len() {
        history.read(Position(second), &mut record).wait().expect("its neighbour is whole");
        assert_eq!(record, batch(neighbour)[1]);
    }
}

#[test]
fn a_message_that_looks_like_a_batch_does_not_pass_for_one() {
    let options = options(64 * 1024);
    let (dir, places) = one_segment(3, &options);
    // The bytes of a real batch of this very log, as a client might send them back.
    let segment = segments(dir.path())[0].clone();
    let mut forged = vec![0; (places[2] - places[1]) as usize];
    change(&segment, |file| file.read_exact_at(&mut forged, places[1]).expect("read"));
    let mut log = open(dir.path(), &options).expect("opens").log;
    let place = log.head().0 - BATCH_HEAD;
    conformance::append(&mut log, &[forged.repeat(20)], 9, &mut Vec::new()).expect("appended");
    drop(log);
    change(&segment, |file| zero(file, place, place + 4));
    let Embedded { mut tail, report, .. } = open(dir.path(), &options).expect("opens: only torn");
    assert_eq!(report.torn.expect("reported").offset, place);
    expect_batches(&mut tail, 3);
}

#[test]
fn with_flushes_at_intervals_only_what_was_flushed_counts_as_damaged() {
    let lazy = Options { durability: Durability::Interval { ms: 3_600_000 }, ..options(64 * 1024) };
    let dir = tempfile::tempdir().expect("a directory");
    let Embedded { mut log, history, .. } = open(dir.path(), &lazy).expect("opens");
    append(&mut log, 0..4);
    // Storing flushes the log up to what it stores.
    history
        .store(&StoreBatch {
            runs: vec![InboxRun::new(UserId::new("a"), Seq(1), vec![Position(log.head().0 - 1)])],
            ..StoreBatch::default()
        })
        .wait()
        .expect("stored");
    let places = append(&mut log, 4..8);
    let lost = tempfile::tempdir().expect("a directory");
    conformance::copy(dir.path(), lost.path());
    change(&segments(lost.path())[0], |file| zero(file, places[1], places[2]));
    let Embedded { mut tail, report, .. } = open(lost.path(), &lazy).expect("opens: only torn");
    assert_eq!(report.torn.expect("reported").offset, places[1]);
    expect_batches(&mut tail, 5);
    drop(log);
    let bad = tempfile::tempdir().expect("a directory");
    conformance::copy(dir.path(), bad.path());
    change(&segments(bad.path())[0], |file| flip(file, SEGMENT_HEAD + 100));
    assert_eq!(corrupt(&refusal(bad.path(), &lazy)).1, SEGMENT_HEAD);
}

#[test]
fn a_missing_or_foreign_segment_is_refused() {
    let options = options(2 * 1024);
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = open(dir.path(), &options).expect("opens").log;
    append(&mut log, 0..30);
    drop(log);
    let files = segments(dir.path());
    let aside = dir.path().join("aside");
    // Also the newest one, though nothing of it was applied: what it held was answered.
    for missing in [0, 1, files.len() - 2, files.len() - 1] {
        fs::rename(&files[missing], &aside).expect("moved");
        let refused = refusal(dir.path(), &options);
        let gone = files[missing].to_str().expect("text");
        assert_eq!(corrupt(&refused), (gone, 0), "{refused}");
        fs::rename(&aside, &files[missing]).expect("moved back");
    }
    let other = tempfile::tempdir().expect("a directory");
    let mut log = open(other.path(), &options).expect("opens").log;
    append(&mut log, 0..30);
    drop(log);
    fs::rename(&files[1], &aside).expect("moved");
    fs::copy(&segments(other.path())[1], &files[1]).expect("copied");
    let refused = refusal(dir.path(), &options);
    assert_eq!(corrupt(&refused), (files[1].to_str().expect("text"), 0), "{refused}");
    fs::rename(&aside, &files[1]).expect("moved back");
    expect_batches(&mut open(dir.path(), &options).expect("opens").tail, 30);
}

#[test]
fn a_sealed_segment_of_the_wrong_length_is_blamed_by_its_own_name() {
    let options = options(2 * 1024);
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = open(dir.path(), &options).expect("opens").log;
    let places = append(&mut log, 0..30);
    drop(log);
    let (segment, base) = (&segments(dir.path())[1], base_of(&segments(dir.path())[1]));
    let bytes = fs::read(segment).expect("read");
    let name = segment.to_str().expect("text");
    let last = places.iter().rfind(|place| **place < base + bytes.len() as u64).expect("a batch");
    // In the middle of its last batch, and in its head.
    for cut in [last - base + 50, last - base + 3] {
        fs::write(segment, &bytes[..cut as usize]).expect("written");
        let refused = refusal(dir.path(), &options);
        assert_eq!(corrupt(&refused), (name, last - base), "{refused}");
    }
    // Between two batches nothing tells it from a whole file before one that is missing: both are named.
    fs::write(segment, &bytes[..(last - base) as usize]).expect("written");
    let refused = refusal(dir.path(), &options).to_string();
    assert!(refused.contains(name) && refused.contains("cut short"), "{refused}");
    fs::write(segment, [&bytes[..], &[0; 8]].concat()).expect("written");
    let refused = refusal(dir.path(), &options);
    assert_eq!(corrupt(&refused), (name, bytes.len() as u64), "{refused}");
    fs::write(segment, &bytes).expect("written");
    expect_batches(&mut open(dir.path(), &options).expect("opens").tail, 30);
}

#[test]
fn what_no_flush_has_proved_is_written_again() {
    let options = options(64 * 1024);
    let (dir, _) = one_segment(5, &options);
    let segment = segments(dir.path())[0].clone();
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    change(&segment, |file| file.set_modified(old).expect("changed"));
    let bytes = fs::read(&segment).expect("read");
    // A flush alone would not touch the file: after one that failed it would write nothing.
    drop(open(dir.path(), &options).expect("opens"));
    let modified = fs::metadata(&segment).and_then(|meta| meta.modified()).expect("known");
    assert_ne!(modified, old);
    assert_eq!(fs::read(&segment).expect("read"), bytes);
}

#[test]
fn a_log_shorter_than_what_was_applied_is_refused() {
    let options = options(64 * 1024);
    let (dir, places) = one_segment(10, &options);
    let Embedded { log, history, .. } = open(dir.path(), &options).expect("opens");
    let applied = vec![(PartitionId(3), log.head())];
    history.store(&StoreBatch { applied, ..StoreBatch::default() }).wait().expect("stored");
    drop((log, history));
    let segment = segments(dir.path())[0].clone();
    change(&segment, |file| file.set_len(places[9]).expect("cut"));
    assert_eq!(corrupt(&refusal(dir.path(), &options)).1, places[9]);
    fs::remove_file(&segment).expect("removed");
    let refused = refusal(dir.path(), &options).to_string();
    assert!(refused.contains("the log is gone"), "{refused}");
}

#[test]
fn leftovers_of_a_segment_that_was_being_prepared_are_removed() {
    let options = options(64 * 1024);
    let (dir, _) = one_segment(3, &options);
    let leftover = dir.path().join("log/next-77.tmp");
    fs::write(&leftover, b"half").expect("written");
    let mut tail = open(dir.path(), &options).expect("opens").tail;
    expect_batches(&mut tail, 3);
    assert!(!leftover.exists());
}

#[test]
fn a_segment_without_batches_after_a_full_one_is_fine() {
    let options = options(2 * 1024);
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = open(dir.path(), &options).expect("opens").log;
    let mut count = 0;
    while segments(dir.path()).len() < 3 {
        append(&mut log, count..count + 1);
        count += 1;
    }
    let head = log.head();
    drop(log);
    for _ in 0..2 {
        let Embedded { log, mut tail, .. } = open(dir.path(), &options).expect("opens");
        assert_eq!(log.head(), head);
        expect_batches(&mut tail, count);
    }
    let Embedded { mut log, mut tail, .. } = open(dir.path(), &options).expect("opens");
    let append_ms = conformance::append(&mut log, &batch(count), -5, &mut Vec::new());
    let time_goes_on = count as i64 - 1;
    assert_eq!(append_ms.expect("appended"), time_goes_on, "from the segment before");
    expect_batches(&mut tail, count + 1);
}
