//! A full disk: logins and sends are refused, `/readyz` says so and why before anybody has to find out, and with room
//! everything goes on without a restart. Needs a small file system of its own; where mounting one is not allowed it
//! says so and passes.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;

use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::platform::IOS;
use crate::support::rest::registration;
use crate::support::server::Setup;

/// More than the space that is kept for the index.
const DISK: &str = "size=420m";

/// Less than the part of it that a change of the index needs.
const LEFT: u64 = 16 << 20;

/// Far more steps than fill the disk.
const LOOKS_MAX: u32 = 10_000;

/// A small file system under a directory; gone when dropped.
struct Mount(std::path::PathBuf);

impl Mount {
    fn new(at: &Path) -> Option<Mount> {
        std::fs::create_dir(at).expect("our own directory");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Mount(at.to_owned()));
        }
        eprintln!("SKIPPED: a file system cannot be mounted here, a full disk was not tested");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

/// Writes a file until no more than [`LEFT`] bytes are free. The server may take some meanwhile, in the background.
fn fill(path: &Path) {
    let mut ballast = File::create(path).expect("our own file");
    let step = vec![1; 1 << 20];
    for _ in 0..LOOKS_MAX {
        let disk = rustix::fs::fstatvfs(&ballast).expect("a file system");
        let more = (disk.f_bavail * disk.f_frsize).saturating_sub(LEFT).min(step.len() as u64);
        if more == 0 {
            return;
        }
        match ballast.write(&step[..more as usize]) {
            Ok(_) => {}
            // The server was quicker: look again.
            Err(full) if full.kind() == ErrorKind::StorageFull => {}
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the disk does not become full");
}

#[test]
fn a_full_disk_keeps_new_clients_out_until_there_is_room() {
    if embedded_only("its disk fails, and a cluster writes to none") {
        return;
    }
    let setup = Setup::new().allow("cannot").allow("refused").allow("log");
    let place = setup.path("disk");
    let Some(mount) = Mount::new(&place) else { return };
    let setup = setup
        .data_dir(&place.join("data"))
        .set("OPENIM_EMBEDDED_SEGMENTBYTES", 1 << 20)
        .set("OPENIM_LIMITS_REQUESTBODYBYTESMAX", 1 << 16);
    let server = setup.start();
    server.register("alice", IOS);
    assert_eq!(server.ready().status, 200);
    let ballast = place.join("ballast");
    fill(&ballast);
    // Nobody has logged in or sent anything since.
    let why = server.becomes(503);
    assert!(why.contains("logins and changes cannot be stored"), "{why}");
    assert!(why.contains("No space left"), "{why}");
    assert_eq!(call(server.operator(), "GET", "/healthz", &[], b"").status, 200);
    let refused = server.post("/auth/user_register", &registration("bob", IOS));
    assert_ne!(refused.status, 200, "{}", refused.text());
    std::fs::remove_file(&ballast).expect("our own file");
    server.becomes(200);
    let bob = server.register("bob", IOS);
    let mut alice = server.connect(&server.login("alice", IOS));
    alice.say("bob", "after", "hello");
    assert_eq!(server.connect(&bob).inbox().len(), 1);
    drop(server);
    drop(mount);
}
