//! `openim backup --follow` has what was acknowledged a moment later, and goes on whoever was killed: itself or the server.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use openim_storage::embedded::copy::Manifest;

use super::{done, openim, restore, verify};
use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::platform::IOS;
use crate::support::server::{Server, Setup};

/// A process that is killed when this is dropped.
struct Follower(Child);

impl Follower {
    fn of(mut command: Command) -> Self {
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().expect("the program runs"))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("ended");
    }
}

/// The address of the operators' port stays the same when the server starts again.
fn follow(server: &Server, copy: &Path) -> Command {
    let url = format!("http://{}", server.operator());
    let mut command = openim(["backup", "--follow", "--from", &url, "--data-dir"]);
    command.arg(server.data_dir()).arg(copy);
    command
}

/// Waits until the copy has all that is durable at the server.
#[track_caller]
fn catches_up(server: &Server, copy: &Path) {
    let metric = |text: &str, name: &str| -> Option<f64> {
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")))?;
        line.split(' ').nth(1)?.parse().ok()
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = call(server.operator(), "GET", "/metrics", &[], b"").text();
        let head = metric(&text, "openim_log_head_position").expect("a position") as u64;
        let (there, behind) = (
            metric(&text, "openim_backup_followers"),
            metric(&text, "openim_backup_behind_seconds"),
        );
        let at = Manifest::read(copy).ok().flatten().map_or(0, |manifest| manifest.checked.at);
        // The head is the place of the next record, behind the head of its batch.
        if at + 40 >= head && there >= Some(1.0) && behind == Some(0.0) {
            return;
        }
        assert!(Instant::now() < deadline, "the copy is at {at} of {head}: {there:?} {behind:?}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn and_loses_nothing() {
    if embedded_only("the data of a cluster is in its components") {
        return;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let port = port.expect("a free port");
    let setup = Setup::new().set("OPENIM_ADMIN_LISTEN", port);
    let (copy, new) = (setup.path("copy"), setup.path("new"));
    let mut server = setup.start();
    let alice = server.register("alice", IOS);
    let bob = server.register("bob", IOS);
    let mut said = 0;
    let mut talk = |server: &Server| {
        let mut link = server.connect(&alice);
        (0..30).for_each(|_| {
            said += 1;
            link.say("bob", &format!("m{said}"), "hello");
        });
    };
    let mut follower = Follower::of(follow(&server, &copy));
    for round in 0..4 {
        talk(&server);
        if round % 2 == 0 {
            drop(follower);
            follower = Follower::of(follow(&server, &copy));
        } else {
            server.kill();
            server.restart();
        }
        talk(&server);
        catches_up(&server, &copy);
    }
    let inbox = server.connect(&bob).inbox();
    assert_eq!(inbox.len(), said);
    // Its disk is gone, and the server with it.
    server.kill();
    drop(follower);
    assert!(done(verify(&copy)).contains("whole;"));
    done(restore(&copy, &new));
    let back = Setup::new().data_dir(&new).allow("the index is made anew").start();
    assert_eq!(back.connect(&bob).inbox(), inbox);
}
