//! A full disk: appends and stores are refused whole, may be retried, and nothing is lost.
//!
//! Needs a small file system of its own; where mounting one is not allowed it says so and passes.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use openim_record::{InboxRun, Position, Seq, StoreBatch, UserId};
use openim_storage::conformance::{Wait as _, append, replay};
use openim_storage::embedded::{Embedded, OpenError, Options, open};
use openim_storage::port::{History as _, StoreError};

const MIB: u64 = 1024 * 1024;

/// Far more steps than fill the disks here.
const LOOKS_MAX: u32 = 10_000;

/// A mounted tmpfs; unmounted when dropped.
struct Small {
    dir: tempfile::TempDir,
}

impl Small {
    fn mount(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(dir.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { dir });
        }
        eprintln!("SKIPPED: a file system cannot be mounted here, a full disk was not tested");
        None
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Takes room until no more than `left` bytes are free. The engine may take some meanwhile, in the background.
    fn fill(&self, left: u64) -> PathBuf {
        let path = self.dir.path().join("ballast");
        let mut ballast = File::create(&path).expect("a file");
        let step = vec![1; 64 * 1024];
        for _ in 0..LOOKS_MAX {
            let more = free_bytes(self.dir.path()).saturating_sub(left).min(step.len() as u64);
            if more == 0 {
                return path;
            }
            match ballast.write(&step[..more as usize]) {
                Ok(_) => {}
                // Somebody was quicker: look again.
                Err(full) if full.kind() == ErrorKind::StorageFull => {}
                Err(other) => panic!("{other}"),
            }
        }
        panic!("{} bytes stay free", free_bytes(self.dir.path()));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.dir.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the test's mount stays behind");
    }
}

/// Gives the room back. Emptied first: a child that another test starts holds what is open, until it is a program.
fn release(ballast: &Path) {
    let file = File::options().write(true).open(ballast).expect("it is there");
    file.set_len(0).expect("emptied");
    fs::remove_file(ballast).expect("removed");
}

fn free_bytes(dir: &Path) -> u64 {
    let found = rustix::fs::statvfs(dir).expect("a file system");
    found.f_bavail * found.f_frsize
}

fn options() -> Options {
    Options { segment_bytes: MIB, reserve_bytes: 4 * MIB, ..Options::default() }
}

#[test]
fn appends_are_refused_until_there_is_room_again() {
    let Some(small) = Small::mount(24 * MIB) else { return };
    let Embedded { mut log, history, .. } = open(&small.data(), &options()).expect("opens");
    let ballast = small.fill(7 * MIB);
    let record = vec![7; 100_000];
    let mut positions = Vec::new();
    let (mut kept, mut refusals) = (Vec::new(), 0);
    // More than the disk could ever hold, however much the index takes of it.
    for _ in 0..300 {
        match append(&mut log, &[&record[..], b"second"], 1, &mut positions) {
            Ok(_) => kept.append(&mut positions),
            Err(StoreError::Unavailable { .. }) => {
                assert!(positions.is_empty());
                refusals += 1;
            }
            Err(poisoned) => panic!("{poisoned}"),
        }
    }
    assert!(refusals > 20, "the disk never became full");
    // The index has the reserve to itself.
    let run = InboxRun::new(UserId::new("a"), Seq(1), kept.clone());
    let batch = StoreBatch { runs: vec![run], ..StoreBatch::default() };
    history.store(&batch).wait().expect("stored");
    release(&ballast);
    for _ in 0..30 {
        append(&mut log, &[&record], 1, &mut positions).expect("there is room again");
        kept.append(&mut positions);
    }
    drop((log, history));
    let Embedded { mut tail, history, report, .. } =
        open(&small.data(), &options()).expect("opens");
    assert_eq!(report.torn, None);
    let mut shown = Vec::new();
    let mut each = |replayed: openim_storage::port::Replayed<'_>| {
        shown.push(replayed.position);
        ControlFlow::Continue(())
    };
    replay(&mut tail, Position(0), &mut each).expect("replayed");
    assert_eq!(shown, kept);
    let stored = history.bounds(&[UserId::new("a")]).wait().expect("read");
    assert!(stored[0].newest.0 > 0);
}

#[test]
fn a_store_that_finds_no_room_may_be_retried() {
    let Some(small) = Small::mount(24 * MIB) else { return };
    // A segment whose making fails for want of room gives back less than its length, at any time: a quarter of the
    // reserve, which a store needs, is more than that and what is left here.
    let options = Options { reserve_bytes: 8 * MIB, ..options() };
    let Embedded { mut log, history, .. } = open(&small.data(), &options).expect("opens");
    let mut positions = Vec::new();
    append(&mut log, &[b"x"], 1, &mut positions).expect("appended");
    let ballast = small.fill(MIB / 2);
    let run = InboxRun::new(UserId::new("a"), Seq(1), positions);
    let batch = StoreBatch { runs: vec![run], ..StoreBatch::default() };
    for _ in 0..3 {
        let refused = history.store(&batch).wait().expect_err("the disk is full");
        assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
        assert_eq!(history.bounds(&[UserId::new("a")]).wait().expect("read")[0].newest, Seq(0));
    }
    release(&ballast);
    history.store(&batch).wait().expect("stored");
    assert_eq!(history.bounds(&[UserId::new("a")]).wait().expect("read")[0].newest, Seq(1));
}

#[test]
fn a_start_without_room_says_so() {
    let Some(small) = Small::mount(24 * MIB) else { return };
    let _ballast = small.fill(MIB);
    let refused = open(&small.data(), &options()).err().expect("refused");
    assert!(matches!(refused, OpenError::DiskFull { .. }), "{refused}");
    let line = refused.to_string();
    assert!(line.contains("is full") && line.contains("free some space"), "{line}");
}
