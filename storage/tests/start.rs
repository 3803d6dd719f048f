//! Starting on a data directory: each thing that can be wrong has its own line.

use std::fs;

use openim_record::{Placement, Position};
use openim_storage::embedded::{ArchiveReader, OpenError, Options, open};

fn options() -> Options {
    Options { segment_bytes: 64 * 1024, reserve_bytes: 0, ..Options::default() }
}

fn refusal(dir: &std::path::Path, options: &Options) -> String {
    let error = open(dir, options).err().expect("the engine refuses to open").to_string();
    assert!(!error.contains('\n'), "one line: {error}");
    error
}

#[test]
fn an_empty_or_missing_directory_becomes_one() {
    let dir = tempfile::tempdir().expect("a directory");
    for dir in [dir.path().to_owned(), dir.path().join("a/b")] {
        let opened = open(&dir, &options()).expect("opens");
        assert_eq!(opened.placement, Placement::new(256));
        assert_eq!((opened.report.torn, opened.report.segments), (None, 1));
        assert_eq!(opened.report.head, opened.log.head());
    }
}

#[test]
fn a_directory_in_use_is_refused_with_the_holder() {
    let dir = tempfile::tempdir().expect("a directory");
    let held = open(dir.path(), &options()).expect("opens");
    let error = refusal(dir.path(), &options());
    assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
    assert!(error.contains(dir.path().to_str().expect("text")), "{error}");
    // Any part still in use keeps the directory.
    let history = held.history.clone();
    drop(held);
    assert!(matches!(open(dir.path(), &options()), Err(OpenError::Locked { .. })));
    drop(history);
    open(dir.path(), &options()).expect("opens");
}

#[test]
fn what_is_fixed_at_the_first_start_cannot_change() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(ArchiveReader::open(dir.path()).expect("read").is_none());
    drop(open(dir.path(), &Options { partitions: 64, ..options() }).expect("opens"));
    let error = refusal(dir.path(), &options());
    for part in ["format", "partitions = 64", "partitions = 256"] {
        assert!(error.contains(part), "{error}");
    }
    open(dir.path(), &Options { partitions: 64, ..options() }).expect("opens");
    let file = dir.path().join("format");
    let text = fs::read_to_string(&file).expect("read");
    fs::write(&file, text.replace("version = 3", "version = 9")).expect("written");
    let error = refusal(dir.path(), &options());
    assert!(error.contains("form 9"), "{error}");
}

#[test]
fn a_damaged_or_missing_format_file_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(open(dir.path(), &options()).expect("opens"));
    let file = dir.path().join("format");
    let text = fs::read_to_string(&file).expect("read");
    fs::write(&file, text.replace("fnv1a64-mix", "fnv1a64-mux")).expect("written");
    let error = refusal(dir.path(), &options());
    assert!(error.contains("fails its checksum"), "{error}");
    fs::remove_file(&file).expect("removed");
    let error = refusal(dir.path(), &options());
    assert!(error.contains("is missing"), "{error}");
    fs::write(&file, text).expect("written");
    open(dir.path(), &options()).expect("opens");
}

#[test]
fn a_start_that_was_interrupted_can_be_repeated() {
    // What a first start has made when it is cut short, one step after the other.
    let made = ["log", "commits", "index", "format"];
    for missing in 0..=made.len() {
        let dir = tempfile::tempdir().expect("a directory");
        drop(open(dir.path(), &options()).expect("opens"));
        for part in &made[..missing] {
            let part = dir.path().join(part);
            if part.is_dir() { fs::remove_dir_all(part) } else { fs::remove_file(part) }
                .expect("removed");
        }
        if missing == 1 {
            // The log's first segment is noted last.
            fs::remove_file(dir.path().join("commits")).expect("removed");
        }
        // Drafts that have no name yet.
        fs::write(dir.path().join("format.tmp"), b"# half").expect("written");
        fs::write(dir.path().join("commits.tmp"), b"half").expect("written");
        fs::create_dir_all(dir.path().join("index.new/keyspaces/0")).expect("made");
        fs::write(dir.path().join("index.new/0.jnl"), b"half").expect("written");
        fs::create_dir_all(dir.path().join("log")).expect("made");
        fs::write(dir.path().join("log/next-0.tmp"), b"half").expect("written");
        if missing == made.len() {
            fs::remove_dir_all(dir.path().join("log")).expect("removed");
        }
        let opened = open(dir.path(), &options()).expect("opens");
        assert_eq!(opened.log.head(), Position(64 + 40));
        drop(opened);
        open(dir.path(), &options()).expect("opens again");
    }
}

#[test]
fn data_of_an_earlier_form_is_taken_over() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(open(dir.path(), &options()).expect("opens"));
    let file = dir.path().join("format");
    let now = fs::read_to_string(&file).expect("read");
    let of_form = |form: u32| {
        let body = now.replace("version = 3", &format!("version = {form}"));
        let body = body.split_once("check = ").expect("a checksum").0;
        format!("{body}check = {:08x}\n", crc32c::crc32c(body.as_bytes()))
    };
    // As it is made today, and a note that the log does not have all changes from its beginning.
    let is_taken_over = || {
        let text = fs::read_to_string(&file).expect("read");
        assert!(text.contains("\nchanges_from = "), "{text}");
        let fixed = |text: &str| {
            let is_fixed =
                |line: &&str| !["changes_from", "check"].iter().any(|key| line.starts_with(key));
            text.lines().filter(is_fixed).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(fixed(&text), fixed(&now));
    };
    let (first, second) = (of_form(1), of_form(2));
    fs::write(&file, &second).expect("written");
    drop(open(dir.path(), &options()).expect("opens"));
    is_taken_over();
    fs::write(&file, &first).expect("written");
    fs::remove_file(dir.path().join("commits")).expect("removed");
    drop(open(dir.path(), &options()).expect("opens"));
    is_taken_over();
    open(dir.path(), &options()).expect("opens");
    // One whose first start was cut short in the middle of its index.
    fs::write(&file, &first).expect("written");
    fs::remove_file(dir.path().join("commits")).expect("removed");
    fs::remove_file(dir.path().join("index/keyspaces/5/current")).expect("removed");
    fs::remove_dir_all(dir.path().join("log")).expect("removed");
    open(dir.path(), &options()).expect("opens");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, b"").expect("written");
    let error = refusal(&file.join("data"), &options());
    assert!(error.contains("file/data"), "{error}");
}
