//! Epochs of the log: what a server wrote under an older one is never taken for part of a newer one, and who was replaced
//! takes nothing any more.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use openim_record::Position;
use openim_storage::conformance::{self, Sample, encoded};
use openim_storage::embedded::{
    ArchiveReader, Embedded, Epochs, FenceError, OpenError, Options, Salvaged, Span, open,
};

fn options() -> Options {
    Options { segment_bytes: 16 * 1024, reserve_bytes: 0, ..Options::default() }
}

fn opened(dir: &Path) -> Embedded {
    open(dir, &options()).expect("opens")
}

fn append(storage: &mut Embedded, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let record = encoded(Sample { content_bytes: 300, ..Sample::new(number) });
        let mut at = Vec::new();
        conformance::append(&mut storage.log, &[&record], 1_000, &mut at).expect("appended");
    }
}

/// All records of the log, with their positions.
fn records(storage: &mut Embedded) -> Vec<(Position, Vec<u8>)> {
    let mut found = Vec::new();
    conformance::replay(&mut storage.tail, Position(0), &mut |record| {
        found.push((record.position, record.record.to_vec()));
        ControlFlow::Continue(())
    })
    .expect("replayed");
    found
}

/// The last segment of the log.
fn last_segment(dir: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(dir.join("log")).expect("listed");
    let files = files.map(|entry| entry.expect("listed").path());
    files.filter(|path| path.extension().is_some_and(|end| end == "log")).max().expect("one")
}

#[test]
fn a_log_goes_on_under_a_new_epoch_and_reads_across() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut storage = opened(dir.path());
    for epoch in 1..4 {
        append(&mut storage, epoch * 100..epoch * 100 + 70);
        let before = records(&mut storage);
        let begun = storage.fence.next_epoch().expect("begun");
        assert_eq!(begun.number(), epoch);
        drop(storage);
        storage = opened(dir.path());
        assert_eq!(storage.fence.epochs().last(), Some(begun));
        assert_eq!(records(&mut storage), before);
    }
    append(&mut storage, 400..470);
    let all = records(&mut storage);
    assert_eq!(all.len(), 4 * 70);
    drop(storage);
    let mut storage = opened(dir.path());
    assert_eq!(records(&mut storage), all, "a start finds the same");
    drop(storage);
    let mut salvaged = 0;
    let mut archive = ArchiveReader::open(dir.path()).expect("opens").expect("there is data");
    archive
        .scan(&Span::default(), &mut |found| {
            assert!(matches!(found, Salvaged::Message(_)), "nothing is lost");
            salvaged += 1;
            ControlFlow::Continue(())
        })
        .expect("scanned");
    assert_eq!(salvaged, all.len());
}

#[test]
fn an_epoch_that_a_crash_kept_from_beginning_begins_at_the_next_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut storage = opened(dir.path());
    append(&mut storage, 0..20);
    let before = records(&mut storage);
    storage.fence.next_epoch().expect("begun");
    // As a kill would leave it, before and after the new segment has its name.
    let killed = tempfile::tempdir().expect("a directory");
    conformance::copy(dir.path(), killed.path());
    let mut there = opened(killed.path());
    assert_eq!(records(&mut there), before);
    drop(there);
    let segment = last_segment(killed.path());
    let mut there = opened(killed.path());
    assert_eq!(last_segment(killed.path()), segment, "it is begun once");
    append(&mut there, 20..25);
    assert_eq!(records(&mut there).len(), before.len() + 5);
}

#[test]
fn what_was_written_under_an_older_epoch_does_not_pass_in_a_newer_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut storage = opened(dir.path());
    append(&mut storage, 0..20);
    let kept = records(&mut storage);
    let old = tempfile::tempdir().expect("a directory");
    conformance::copy(dir.path(), old.path());
    storage.fence.next_epoch().expect("begun");
    drop(storage);
    drop(opened(dir.path()));
    let newer = last_segment(dir.path());
    // The old one goes on in the same place, up to where it begins a segment, too.
    let mut storage = opened(old.path());
    append(&mut storage, 100..200);
    drop(storage);
    let base: u64 =
        newer.file_stem().expect("a name").to_str().expect("text").parse().expect("a number");
    let written = fs::read(old.path().join("log").join(format!("{:020}.log", 0))).expect("read");
    let mut bytes = fs::read(&newer).expect("read");
    let from = base as usize;
    let beyond = &written[from..written.len().min(from + bytes.len() - 64)];
    assert!(beyond.len() > 1_000, "it wrote on");
    bytes[64..64 + beyond.len()].copy_from_slice(beyond);
    fs::write(&newer, &bytes).expect("written");
    let mut storage = opened(dir.path());
    assert!(storage.report.torn.is_some(), "it is nothing that was written here");
    assert_eq!(records(&mut storage), kept);
    drop(storage);
    // Nor does its segment pass as a whole.
    fs::write(&newer, &written).expect("written");
    assert!(open(dir.path(), &options()).is_err());
}

#[test]
fn a_log_that_contradicts_its_epochs_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut storage = opened(dir.path());
    append(&mut storage, 0..20);
    let old = tempfile::tempdir().expect("a directory");
    conformance::copy(dir.path(), old.path());
    storage.fence.next_epoch().expect("begun");
    drop(storage);
    let mut storage = opened(dir.path());
    append(&mut storage, 20..120);
    drop(storage);
    let refused = |dir: &Path, what: &str| {
        let error = open(dir, &options()).err().expect("refused").to_string();
        assert!(error.contains(what), "{error}");
    };
    // The list is lost, or it is there and the log goes on without it.
    let file = dir.path().join("epochs");
    let list = fs::read(&file).expect("read");
    fs::remove_file(&file).expect("removed");
    refused(dir.path(), "epoch 1, and the list of epochs has 0");
    fs::write(&file, &list[1..]).expect("written");
    refused(dir.path(), "epochs");
    let mut storage = opened(old.path());
    append(&mut storage, 100..105);
    drop(storage);
    fs::write(old.path().join("epochs"), &list).expect("written");
    refused(old.path(), "epoch 1 begins at");
}

#[test]
fn who_is_fenced_takes_nothing_and_does_not_start_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut storage = opened(dir.path());
    append(&mut storage, 0..20);
    let other = tempfile::tempdir().expect("a directory");
    conformance::copy(dir.path(), other.path());
    let promoted = opened(other.path());
    promoted.fence.next_epoch().expect("begun");
    drop(promoted);
    let newer = opened(other.path()).fence.epochs();
    let newer = Epochs::parse(&newer.text()).expect("read back");
    append(&mut storage, 20..25);
    let own = storage.fence.epochs();
    assert!(matches!(storage.fence.close(&own), Err(FenceError::NotNewer { given: 0, own: 0 })));
    assert!(storage.fence.closed().is_none());
    storage.fence.close(&newer).expect("fenced");
    storage.fence.close(&newer).expect("as before");
    let record = encoded(Sample::new(99));
    let refused = conformance::append(&mut storage.log, &[&record], 1_000, &mut Vec::new());
    assert!(refused.expect_err("refused").to_string().contains("epoch 1"), "it says who goes on");
    assert_eq!(records(&mut storage).len(), 25);
    drop(storage);
    let error = open(dir.path(), &options()).err().expect("refused");
    assert!(matches!(error, OpenError::Fenced { .. }), "{error}");
    assert!(error.to_string().contains("openim standby --of"), "{error}");
    // One that has taken the newer epochs over is free.
    fs::copy(dir.path().join("fenced"), other.path().join("fenced")).expect("copied");
    drop(opened(other.path()));
}
