//! An index, a base or an order that is none: whatever lies in their place, a start makes what is right of it.

use std::fs;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use openim_record::UserId;
use openim_storage::conformance::{self, Wait as _};
use openim_storage::embedded::{Embedded, Options, given_up, open, rebuild_index};
use openim_storage::port::Directory as _;

/// Puts something in a place.
type Put<'a> = &'a dyn Fn(&Path);

/// Any time that is no test of speed.
const PATIENCE: Duration = Duration::from_secs(60);

fn options() -> Options {
    Options { reserve_bytes: 0, base_every_bytes: 1 << 30, ..Options::default() }
}

fn opened(dir: &Path) -> Embedded {
    open(dir, &options()).expect("opens")
}

fn register(storage: &Embedded, uids: std::ops::Range<u32>) {
    let users: Vec<_> = uids.map(|n| conformance::user(&format!("user{n}"), "a name")).collect();
    storage.directory.register(&users).wait().expect("registered");
}

#[track_caller]
fn are_known(storage: &Embedded, count: u32) {
    let uids: Vec<_> = (0..count).map(|n| UserId::new(&format!("user{n}"))).collect();
    let users = storage.directory.users(&uids).wait().expect("read");
    assert!(users.iter().all(Option::is_some), "nobody is lost");
}

#[test]
fn whatever_lies_in_the_place_of_the_index_is_no_index() {
    let file = |path: &Path| fs::write(path, "what").expect("written");
    let link = |path: &Path| symlink("/no/such/place", path).expect("made");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let empty = |path: &Path| symlink(elsewhere.path(), path).expect("made");
    let places: [(&str, Put<'_>); 3] = [("file", &file), ("link", &link), ("empty", &empty)];
    for (case, put) in places {
        for part in ["index", "index/keyspaces", "index/version"] {
            let dir = tempfile::tempdir().expect("a directory");
            register(&opened(dir.path()), 0..50);
            let path = dir.path().join(part);
            match path.is_dir() {
                true => fs::remove_dir_all(&path).expect("removed"),
                false => fs::remove_file(&path).expect("removed"),
            }
            put(&path);
            let storage = open(dir.path(), &options());
            let storage = storage.unwrap_or_else(|error| panic!("{case} as {part}: {error}"));
            are_known(&storage, 50);
            drop(storage);
            are_known(&opened(dir.path()), 50);
        }
    }
}

#[test]
fn a_file_in_the_place_of_the_index_keeps_no_first_start_away() {
    let dir = tempfile::tempdir().expect("a directory");
    symlink("/no/such/place", dir.path().join("index")).expect("made");
    drop(opened(tempfile::tempdir().expect("a directory").path()));
    // A format, and nothing else yet.
    let other = tempfile::tempdir().expect("a directory");
    drop(opened(other.path()));
    fs::copy(other.path().join("format"), dir.path().join("format")).expect("copied");
    let storage = opened(dir.path());
    register(&storage, 0..3);
    are_known(&storage, 3);
}

#[test]
fn an_order_counts_whatever_it_says() {
    let dir = tempfile::tempdir().expect("a directory");
    register(&opened(dir.path()), 0..50);
    fs::write(dir.path().join("rebuild"), [0xff, 0xfe, b'\n', 0]).expect("written");
    are_known(&opened(dir.path()), 50);
    assert!(!dir.path().join("rebuild").exists(), "it is done");
}

#[test]
fn where_there_is_nothing_yet_nothing_is_made_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(opened(dir.path()));
    for part in ["log", "index"] {
        fs::remove_dir_all(dir.path().join(part)).expect("removed");
    }
    for part in ["commits", "lock"] {
        fs::remove_file(dir.path().join(part)).expect("removed");
    }
    drop(fs::remove_file(dir.path().join("base")));
    assert!(rebuild_index(dir.path(), &options()).expect("looked").is_none());
    let left: Vec<_> =
        fs::read_dir(dir.path()).expect("listed").map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["format"]);
    are_known(&opened(dir.path()), 0);
}

#[test]
fn an_engine_that_gives_up_has_the_next_start_make_the_index_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    register(&opened(dir.path()), 0..50);
    let said = given_up(dir.path(), "index out of bounds\nwith a second line");
    assert!(said.contains("the next start makes it anew"), "{said}");
    assert!(dir.path().join("rebuild").exists());
    are_known(&opened(dir.path()), 50);
    assert!(!dir.path().join("rebuild").exists());
    // Data of an earlier form has users in its index alone.
    let format = dir.path().join("format");
    fs::remove_file(&format).expect("removed");
    let said = given_up(dir.path(), "index out of bounds");
    assert!(said.contains("restore") && !dir.path().join("rebuild").exists(), "{said}");
}

#[test]
fn damage_in_a_base_is_found_after_a_start_and_another_one_is_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let few = Options { base_every_bytes: 1 << 20, ..options() };
    let storage = open(dir.path(), &few).expect("opens");
    for round in 0..40 {
        register(&storage, round * 500..(round + 1) * 500);
        settle(&storage);
    }
    let base = dir.path().join("base");
    let deadline = Instant::now() + PATIENCE;
    while !base.exists() {
        assert!(Instant::now() < deadline, "a base is written");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(storage);
    let file = fs::OpenOptions::new().read(true).write(true).open(&base).expect("opened");
    let middle = file.metadata().expect("read").len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle).expect("read");
    file.write_all_at(&[!byte[0]], middle).expect("written");
    let storage = opened(dir.path());
    let deadline = Instant::now() + PATIENCE;
    let failures = || storage.figures.base_failures.load(std::sync::atomic::Ordering::Relaxed);
    while failures() == 0 || storage.figures.base_trouble().is_some() {
        assert!(Instant::now() < deadline, "it is found and mended");
        std::thread::sleep(Duration::from_millis(20));
    }
    are_known(&storage, 20_000);
    drop(storage);
    let storage = opened(dir.path());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(storage.figures.base_failures.load(std::sync::atomic::Ordering::Relaxed), 0);
    drop(storage);
    fs::remove_dir_all(dir.path().join("index")).expect("removed");
    are_known(&opened(dir.path()), 20_000);
}

fn settle(storage: &Embedded) {
    use openim_storage::port::History as _;
    storage.history.settle().wait().expect("settled");
}
