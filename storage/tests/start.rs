//! Starting on a data directory: each thing that can be wrong has its own line.

use std::fs;

use openim_record::{Placement, Position};
use openim_storage::embedded::{OpenError, Options, open, stored_placement};
use openim_storage::port::Log as _;

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
    assert_eq!(stored_placement(dir.path()).expect("read"), None);
    drop(open(dir.path(), &Options { partitions: 64, ..options() }).expect("opens"));
    assert_eq!(stored_placement(dir.path()).expect("read"), Some(Placement::new(64)));
    let error = refusal(dir.path(), &options());
    for part in ["format", "partitions = 64", "partitions = 256"] {
        assert!(error.contains(part), "{error}");
    }
    open(dir.path(), &Options { partitions: 64, ..options() }).expect("opens");
    let file = dir.path().join("format");
    let text = fs::read_to_string(&file).expect("read");
    fs::write(&file, text.replace("version = 1", "version = 9")).expect("written");
    let error = refusal(dir.path(), &options());
    assert!(error.contains("version = 9"), "{error}");
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
    let dir = tempfile::tempdir().expect("a directory");
    // The moments of a first start: nothing, half a format file, format, empty folders.
    fs::write(dir.path().join("format.tmp"), b"# half").expect("written");
    drop(open(dir.path(), &options()).expect("opens"));
    fs::remove_dir_all(dir.path().join("log")).expect("removed");
    fs::remove_dir_all(dir.path().join("index")).expect("removed");
    drop(open(dir.path(), &options()).expect("opens"));
    fs::remove_dir_all(dir.path().join("log")).expect("removed");
    fs::create_dir(dir.path().join("log")).expect("made");
    let opened = open(dir.path(), &options()).expect("opens");
    assert_eq!(opened.log.head(), Position(64 + 40));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, b"").expect("written");
    let error = refusal(&file.join("data"), &options());
    assert!(error.contains("file/data"), "{error}");
}
