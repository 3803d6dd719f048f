//! A process without a descriptor left: the log goes on in the segment it has, and begins the next one later.
//!
//! One test, and a file of its own, because the limit is the whole process's.

use std::fs::File;
use std::ops::ControlFlow;

use openim_record::Position;
use openim_storage::conformance::{self, replay};
use openim_storage::embedded::{Options, open};
use openim_storage::port::Produce as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn files(dir: &std::path::Path) -> usize {
    let names = std::fs::read_dir(dir.join("log")).expect("listed");
    names
        .filter(|name| {
            name.as_ref().is_ok_and(|n| n.path().extension().is_some_and(|e| e == "log"))
        })
        .count()
}

#[test]
fn a_segment_that_cannot_be_opened_yet_refuses_nothing() {
    let options = Options { segment_bytes: 4096, reserve_bytes: 0, ..Options::default() };
    let dir = tempfile::tempdir().expect("a directory");
    let mut log = open(dir.path(), &options).expect("opens").log;
    let mut positions = Vec::new();
    let mut count = 0;
    let mut append = |log: &mut openim_storage::embedded::EmbeddedLog, times: usize| {
        for _ in 0..times {
            conformance::append(log, &[&[7; 1000]], 1, &mut positions).expect("appended");
            log.check().expect("it would take more");
            count += 1;
        }
    };
    append(&mut log, 20);
    let before = files(dir.path());
    assert!(before > 3, "segments change");
    let whole = getrlimit(Resource::Nofile);
    // None at all: with a few, the segment that closes gives its own to the next.
    let none = Rlimit { current: Some(0), maximum: whole.maximum };
    setrlimit(Resource::Nofile, none).expect("lowered");
    assert!(File::open("/dev/null").is_err(), "no descriptor is left");
    append(&mut log, 40);
    setrlimit(Resource::Nofile, whole).expect("raised again");
    assert!(files(dir.path()) <= before + 1, "one may have been ready");
    let during = files(dir.path());
    append(&mut log, 20);
    assert!(files(dir.path()) > during, "segments change again");
    drop(log);
    let mut tail = open(dir.path(), &options).expect("opens").tail;
    let mut shown = 0;
    let mut each = |_: openim_storage::port::Replayed<'_>| {
        shown += 1;
        ControlFlow::Continue(())
    };
    replay(&mut tail, Position(0), &mut each).expect("replayed");
    assert_eq!(shown, 80);
}
