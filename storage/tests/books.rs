//! Index and log belong together: a part that is missing or another server's is refused by name, and what a refused
//! start finds stays as it is. An index that is older than the log, or whose journal was cut, loses nothing.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use openim_record::{PartitionId, StoreBatch, UserId};
use openim_storage::conformance::{self, Wait as _, append};
use openim_storage::embedded::{ArchiveReader, Embedded, Options, Salvaged, Span, open};
use openim_storage::port::{Directory as _, History as _, User};

fn options() -> Options {
    Options { segment_bytes: 64 * 1024, reserve_bytes: 0, ..Options::default() }
}

fn user(uid: &str) -> User {
    conformance::user(uid, &format!("name of {uid}"))
}

fn register(storage: &Embedded, uids: &[&str]) {
    for uid in uids {
        storage.directory.register(&[user(uid)]).wait().expect("registered");
    }
}

/// A data directory with some users, closed.
fn written(uids: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let storage = open(dir.path(), &options()).expect("opens");
    register(&storage, uids);
    dir
}

fn known(storage: &Embedded, uid: &str) -> bool {
    storage.directory.users(&[UserId::new(uid)]).wait().expect("read")[0].is_some()
}

#[track_caller]
fn refused(dir: &Path, needles: &[&str]) {
    for _again in 0..2 {
        let line = open(dir, &options()).err().expect("the engine refuses to open").to_string();
        assert!(!line.contains('\n'), "one line: {line}");
        for needle in needles.iter().chain(&["restore the whole data directory"]) {
            assert!(line.contains(needle), "{needle}: {line}");
        }
    }
}

fn replace(at: &Path, with: &Path) {
    fs::remove_dir_all(at).expect("removed");
    conformance::copy(with, at);
}

fn journal(dir: &Path) -> PathBuf {
    let names = fs::read_dir(dir.join("index")).expect("listed");
    let mut found: Vec<PathBuf> = names
        .map(|name| name.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "jnl"))
        .collect();
    found.sort();
    found.pop().expect("a journal")
}

/// The bytes of a file up to the last that is not zero.
fn content(file: &Path) -> Vec<u8> {
    let mut bytes = fs::read(file).expect("read");
    bytes.truncate(bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
    bytes
}

#[test]
fn an_index_that_is_gone_is_made_anew() {
    let dir = written(&["a", "b"]);
    for _again in 0..2 {
        fs::remove_dir_all(dir.path().join("index")).expect("removed");
        assert!(known(&open(dir.path(), &options()).expect("opens"), "b"));
    }
    fs::remove_dir_all(dir.path().join("index")).expect("removed");
    fs::remove_file(dir.path().join("commits")).expect("removed");
    assert!(known(&open(dir.path(), &options()).expect("opens"), "b"));
}

/// Neither the log nor a base gives what was in it.
#[test]
fn an_index_that_is_gone_with_a_part_of_the_log_is_not_made_anew() {
    let dir = written(&["a", "b"]);
    let (log, index) = (dir.path().join("log"), dir.path().join("index"));
    let first = log.join(format!("{:020}.log", 0));
    for aside in [dir.path().join("segment"), log.join(format!("{:020}.log", 77))] {
        fs::rename(&first, &aside).expect("moved");
        fs::remove_dir_all(&index).ok();
        refused(dir.path(), &["/index: ", "made anew", "is missing", "there is no base"]);
        fs::rename(&aside, &first).expect("moved back");
    }
    assert!(known(&open(dir.path(), &options()).expect("opens"), "b"));
}

#[test]
fn an_index_older_than_the_rest_gets_what_it_lacks_from_the_log() {
    let dir = written(&["a"]);
    let old = tempfile::tempdir().expect("a directory");
    conformance::copy(&dir.path().join("index"), old.path());
    register(&open(dir.path(), &options()).expect("opens"), &["b"]);
    for _again in 0..2 {
        replace(&dir.path().join("index"), old.path());
        let storage = open(dir.path(), &options()).expect("opens");
        assert!(known(&storage, "a") && known(&storage, "b"));
    }
}

#[test]
fn an_index_of_another_server_is_not_used() {
    let (dir, other) = (written(&["a"]), written(&["a", "b", "c"]));
    replace(&dir.path().join("index"), &other.path().join("index"));
    let storage = open(dir.path(), &options()).expect("opens");
    assert!(known(&storage, "a") && !known(&storage, "b"));
    drop(storage);
    fs::copy(other.path().join("commits"), dir.path().join("commits")).expect("copied");
    refused(dir.path(), &["/commits: fails its checksum, or belongs to other data"]);
}

#[test]
fn a_small_file_of_the_index_that_is_lost_is_no_loss() {
    let dir = written(&["a"]);
    let mut names = vec!["version".to_owned(), "lock".to_owned()];
    names.extend((0..=8).map(|number| format!("keyspaces/{number}/current")));
    for name in names {
        fs::remove_file(dir.path().join("index").join(&name)).expect("removed");
        assert!(known(&open(dir.path(), &options()).expect("opens"), "a"), "{name}");
        assert!(!dir.path().join("index.damaged").exists(), "{name}");
    }
    fs::remove_file(journal(dir.path())).expect("removed");
    assert!(known(&open(dir.path(), &options()).expect("opens"), "a"));
}

#[test]
fn a_note_of_commits_that_is_lost_is_named() {
    let dir = written(&["a"]);
    let (file, aside) = (dir.path().join("commits"), dir.path().join("aside"));
    fs::rename(&file, &aside).expect("moved");
    refused(dir.path(), &["/commits: is missing", "users"]);
    fs::rename(&aside, &file).expect("moved back");
    let mut storage = open(dir.path(), &options()).expect("opens");
    append(&mut storage.log, &[b"x"], 1, &mut Vec::new()).expect("appended");
    drop(storage);
    fs::remove_file(&file).expect("removed");
    refused(dir.path(), &["/commits: is missing", "messages"]);
}

#[test]
fn a_log_that_is_gone_is_not_begun_anew() {
    let dir = written(&[]);
    fs::remove_dir_all(dir.path().join("log")).expect("removed");
    refused(dir.path(), &["/log", "the log is gone"]);
}

#[test]
fn a_flipped_bit_in_the_journal_costs_nothing() {
    let uids = ["a", "b", "c", "d"];
    let dir = written(&uids);
    let journal = journal(dir.path());
    let bytes = content(&journal);
    let copied = tempfile::tempdir().expect("a directory");
    // Every byte from the second user on, one bit of each.
    let second = bytes.windows(9).position(|window| window == b"name of b").expect("there");
    for at in (second..bytes.len()).step_by(13) {
        let place = copied.path().join(at.to_string());
        conformance::copy(dir.path(), &place);
        let journal = place.join("index").join(journal.file_name().expect("a name"));
        let file = fs::OpenOptions::new().write(true).open(&journal).expect("open");
        file.write_all_at(&[bytes[at] ^ 1], at as u64).expect("written");
        let storage = open(&place, &options()).expect("opens");
        assert!(uids.iter().all(|uid| known(&storage, uid)), "{at}");
        drop(storage);
        let names = fs::read_dir(place.join("index")).expect("listed");
        let mut names = names.map(|name| name.expect("an entry").path());
        assert!(!names.any(|path| path.extension().is_some_and(|end| end == "aside")), "{at}");
        fs::remove_dir_all(place).expect("removed");
    }
}

/// What the log does not have any more only the index had.
#[test]
fn an_index_that_lacks_what_the_log_does_not_have_is_refused_and_stays() {
    let dir = written(&["a", "b"]);
    let journal = journal(dir.path());
    let bytes = content(&journal);
    let second = bytes.windows(9).position(|window| window == b"name of b").expect("there");
    let file = fs::OpenOptions::new().write(true).open(&journal).expect("open");
    file.write_all_at(&[bytes[second] ^ 1], second as u64).expect("written");
    let damaged = content(&journal);
    let log = dir.path().join("log");
    let segment = fs::read_dir(&log).expect("listed").map(|name| name.expect("an entry").path());
    let segment = segment.filter(|path| path.extension().is_some_and(|end| end == "log")).min();
    let (segment, aside) = (segment.expect("a segment"), dir.path().join("segment"));
    fs::rename(&segment, &aside).expect("moved");
    refused(dir.path(), &["the log is gone"]);
    assert_eq!(content(&journal), damaged);
    fs::rename(&aside, &segment).expect("moved back");
    let storage = open(dir.path(), &options()).expect("opens");
    assert!(known(&storage, "a") && known(&storage, "b"));
}

/// Of an earlier form, whose log has no changes.
#[test]
fn an_index_of_an_earlier_form_that_lacks_changes_is_refused_and_stays() {
    let dir = written(&["a", "b"]);
    let mut storage = open(dir.path(), &options()).expect("opens");
    append(&mut storage.log, &[b"x"], 1, &mut Vec::new()).expect("appended");
    let applied = vec![(PartitionId(0), storage.log.head())];
    let batch = StoreBatch { applied, ..StoreBatch::default() };
    storage.history.store(&batch).wait().expect("stored");
    drop(storage);
    conformance::earlier_form(dir.path());
    let journal = journal(dir.path());
    let whole = content(&journal);
    let cut = fs::OpenOptions::new().write(true).open(&journal).expect("open");
    cut.set_len(whole.len() as u64 - 3).expect("cut");
    refused(dir.path(), &["/index: holds 1 of 2 changes"]);
    assert_eq!(fs::read(&journal).expect("read"), whole[..whole.len() - 3]);
    fs::write(&journal, whole).expect("put back");
    let storage = open(dir.path(), &options()).expect("opens");
    assert!(known(&storage, "a") && known(&storage, "b"));
}

#[test]
fn a_change_that_was_cut_short_is_taken_away_and_the_rest_is_kept() {
    let dir = written(&["a", "b"]);
    let old = content(&journal(dir.path()));
    register(&open(dir.path(), &options()).expect("opens"), &["c"]);
    let new = content(&journal(dir.path()));
    assert!(new.len() > old.len() + 20);
    let hole = new.windows(9).rposition(|window| window == b"name of c").expect("there");
    // As after a power cut: what was not answered is there in part, also without its middle, and the note lags.
    for (cut, hole) in [(new.len() - 3, None), (old.len() + 1, None), (new.len(), Some(hole))] {
        let place = tempfile::tempdir().expect("a directory");
        let before = written(&["a", "b"]);
        let journal = journal(before.path());
        let short = content(&journal);
        conformance::copy(before.path(), place.path());
        let other = place.path().join("index").join(journal.file_name().expect("a name"));
        let mut tail = new[old.len()..cut].to_vec();
        if let Some(hole) = hole {
            tail[hole - old.len()] = 0;
            tail[hole - old.len() + 1] = 0;
        }
        let file = fs::OpenOptions::new().write(true).open(&other).expect("open");
        file.write_all_at(&tail, short.len() as u64).expect("written");
        let storage = open(place.path(), &options()).expect("opens");
        assert!(known(&storage, "a") && known(&storage, "b") && !known(&storage, "c"));
        register(&storage, &["d"]);
        drop(storage);
        let storage = open(place.path(), &options()).expect("opens");
        assert!(known(&storage, "d"));
    }
}

#[test]
fn a_note_that_lags_behind_the_index_is_no_loss() {
    let dir = written(&["a"]);
    let lagging = fs::read(dir.path().join("commits")).expect("read");
    register(&open(dir.path(), &options()).expect("opens"), &["b", "c"]);
    fs::write(dir.path().join("commits"), lagging).expect("written");
    let storage = open(dir.path(), &options()).expect("opens");
    assert!(known(&storage, "c"));
    register(&storage, &["d"]);
    drop(storage);
    assert!(known(&open(dir.path(), &options()).expect("opens"), "d"));
}

#[test]
fn the_archive_needs_the_log_alone() {
    let dir = written(&["a"]);
    let mut storage = open(dir.path(), &options()).expect("opens");
    append(&mut storage.log, &[b"what no version knows"], 5, &mut Vec::new()).expect("appended");
    drop(storage);
    fs::remove_dir_all(dir.path().join("index")).expect("removed");
    fs::remove_file(dir.path().join("commits")).expect("removed");
    let mut archive = ArchiveReader::open(dir.path()).expect("opens").expect("there is one");
    let mut shown = Vec::new();
    let mut each = |found: Salvaged<'_>| {
        match found {
            Salvaged::Message(archived) => shown.push(archived.record.to_vec()),
            Salvaged::Lost(what) => panic!("{what}"),
        }
        std::ops::ControlFlow::Continue(())
    };
    archive.scan(&Span::default(), &mut each).expect("scanned");
    assert_eq!(shown, [b"what no version knows"]);
}
