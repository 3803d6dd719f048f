//! What stands in the way of a backup or a restore is one line that says what to do, and nothing is spoilt by it.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use super::{backup, done, openim, refused, restore, verify};
use crate::support::engine::embedded_only;
use crate::support::platform::IOS;
use crate::support::server::Setup;

/// A small file system under a directory; gone when dropped.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn new(at: &'a Path, size: &str) -> Option<Self> {
        fs::create_dir(at).expect("our own directory");
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        eprintln!("SKIPPED: a file system cannot be mounted here, a full disk was not tested");
        None
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0).status().ok();
    }
}

#[test]
fn and_says_what_to_do() {
    if embedded_only("the data of a cluster is in its components") {
        return;
    }
    let setup = Setup::new();
    let (copy, new, small) = (setup.path("copy"), setup.path("new"), setup.path("small"));
    let mut server = setup.start();
    let alice = server.register("alice", IOS);
    let mut link = server.connect(&alice);
    let long = "x".repeat(20_000);
    (0..50).for_each(|n| drop(link.say("bob", &format!("m{n}"), &long)));
    drop(link);

    let mut guessing = backup(&server, &copy);
    guessing.env("OPENIM_ADMIN_SECRET", "not the secret of this one");
    assert!(refused(guessing).contains("admin.secret is another one"));
    let url = format!("http://{}", server.rest());
    let from_rest = || openim(["backup", "--from", &url, copy.to_str().expect("a path")]);
    let line = refused(from_rest());
    assert!(line.contains("set OPENIM_ADMIN_SECRET"), "{line}");
    let mut guessing = from_rest();
    guessing.env("OPENIM_ADMIN_SECRET", "a secret");
    let line = refused(guessing);
    assert!(line.contains("nothing to copy is there"), "{line}");
    let line = refused(backup(&server, &server.data_dir().join("copy")));
    assert!(line.contains("lies in the data directory"), "{line}");
    if let Some(mount) = Mount::new(&small, "300k") {
        let line = refused(backup(&server, mount.0));
        assert!(line.contains("is full") && line.contains("run it again"), "{line}");
        // With room it goes on.
        let more = Command::new("mount").args(["-o", "remount,size=64m"]).arg(mount.0).status();
        assert!(more.expect("mount runs").success());
        done(backup(&server, mount.0));
        assert!(done(verify(mount.0)).contains("whole;"));
    }

    done(backup(&server, &copy));
    server.kill();
    Setup::new().data_dir(&copy).refused().assert_one_line_with(&["is a copy", "openim restore"]);
    let line = refused(restore(&copy, server.data_dir()));
    assert!(line.contains("is not empty"), "{line}");
    let line = refused(restore(server.data_dir(), &new));
    assert!(line.contains("no copy is here"), "{line}");
    for (at, needle) in [
        ("99999999999", "goes to position"),
        ("2099-01-01T00:00:00Z", "(it is as of 20"),
        ("1999-01-01T00:00:00Z", "does not have that time"),
    ] {
        let mut command = restore(&copy, &new);
        let line = refused({
            command.args(["--at", at]);
            command
        });
        assert!(line.contains(needle) && !new.exists(), "{at}: {line}");
    }
    let segment = copy.join("log/00000000000000000000.log");
    let file = fs::OpenOptions::new().write(true).open(segment).expect("there");
    file.write_all_at(b"flipped", 30_000).expect("written");
    let damaged = verify(&copy).output().expect("the program runs");
    let told = String::from_utf8_lossy(&damaged.stderr).into_owned();
    assert_eq!(damaged.status.code(), Some(1), "{told}");
    assert!(told.contains("00000000000000000000.log at byte"), "{told}");
    let line = refused(restore(&copy, &new));
    assert!(line.contains("00000000000000000000.log at byte"), "{line}");
}
