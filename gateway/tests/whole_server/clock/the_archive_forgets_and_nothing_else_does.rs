//! The archive lets go of what it has kept for long enough, or what is too much, and nobody else notices.

use std::path::PathBuf;
use std::process::Command;

use super::{DAY_S, reaches, shift, wrong_clock};
use crate::support::engine::embedded_only;
use crate::support::http;
use crate::support::server::{PROGRAM, Server, Setup};
use crate::support::{PATIENCE, link::column};

/// Several files of the log.
const MESSAGES: usize = 200;
const BYTES: usize = 20_000;

fn archived(server: &Server) -> usize {
    let mut command = Command::new(PROGRAM);
    let output = command.arg("archive").arg("--data-dir").arg(server.data_dir()).output();
    let output = output.expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    String::from_utf8_lossy(&output.stdout).lines().count()
}

/// A figure by reason; 0 where it is not shown.
fn figure(server: &Server, name: &str, reason: &str) -> f64 {
    let text = http::call(server.operator(), "GET", "/metrics", &[], b"").text();
    let start = format!("{name}{{reason=\"{reason}\"}} ");
    let sample = text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok());
    sample.unwrap_or(0.0)
}

#[track_caller]
fn grows(server: &Server, name: &str, reason: &str) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while figure(server, name, reason) == 0.0 {
        assert!(std::time::Instant::now() < deadline, "{name} {reason} is nothing");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn setup() -> (Setup, PathBuf) {
    let (setup, clock) = wrong_clock();
    let setup = setup
        .set("OPENIM_EMBEDDED_SEGMENTBYTES", 1 << 20)
        .set("OPENIM_LONGCONNSVR_WEBSOCKETMAXMSGLEN", 1 << 18)
        .set("OPENIM_LIMITS_REQUESTBODYBYTESMAX", 1 << 18)
        .set("OPENIM_MONGO_DBRETAINCHATRECORDS", 1)
        .set("OPENIM_LIMITS_CLOCKJUMPHOURS", 0)
        .set("OPENIM_LIMITS_EXPIRYHOURSPERHOUR", 0);
    (setup, clock)
}

/// A server whose history has let go of most that was said, two days ago.
fn two_days_later(setup: Setup, clock: &PathBuf) -> (Server, crate::support::rest::User) {
    let mut server = setup.start();
    let mut alice = server.newcomer("alice");
    let bob = server.newcomer("bob").user;
    let text = "x".repeat(BYTES);
    for n in 0..MESSAGES {
        alice.say("bob", &format!("m{n}"), &text);
    }
    // All of it is in inboxes: what a start finds in the log alone is looked at later.
    server.terminate();
    assert!(server.exit_status().success());
    shift(clock, 2 * DAY_S);
    server.restart();
    (server, bob)
}

#[test]
fn what_is_old_enough_goes_and_inboxes_and_numbers_are_as_they_were() {
    if embedded_only("the archive is the log's there") {
        return;
    }
    let (setup, clock) = setup();
    let (mut server, bob) = two_days_later(setup.set("OPENIM_ARCHIVE_RETAINDAYS", 5), &clock);
    grows(&server, "openim_archive_bytes", "archive");
    reaches(&server, "openim_store_expired_entries_total", 2.0 * MESSAGES as f64);
    assert_eq!(archived(&server), MESSAGES, "the archive has all of it");
    let mut bob_link = server.connect(&bob);
    assert_eq!(bob_link.newest(), MESSAGES as i64);
    bob_link.say("alice", "young", "hello");
    drop(bob_link);

    server.terminate();
    assert!(server.exit_status().success());
    shift(&clock, 6 * DAY_S);
    server.restart();
    grows(&server, "openim_archive_removed_bytes_total", "age");
    let left = archived(&server);
    assert!((1..MESSAGES).contains(&left), "{left}");
    // Numbers go on behind those that were given, and a repeat within the window is known.
    let mut bob_link = server.connect(&server.login("bob", crate::support::platform::WEB));
    assert_eq!(bob_link.newest(), MESSAGES as i64 + 1);
    let first = bob_link.say("alice", "again", "hello");
    assert_eq!(bob_link.say("alice", "again", "hello"), first);
    assert_eq!(bob_link.newest(), MESSAGES as i64 + 2);
    drop(bob_link);
    // Also for an index that is made anew.
    server.terminate();
    assert!(server.exit_status().success());
    std::fs::remove_dir_all(server.data_dir().join("index")).expect("there was one");
    server.restart_with(|setup| setup.allow("index"));
    let mut bob_link = server.connect(&server.login("bob", crate::support::platform::WEB));
    assert_eq!(bob_link.newest(), MESSAGES as i64 + 2);
    assert_eq!(column(&bob_link.inbox(), "clientMsgID"), ["again"]);
    assert_eq!(archived(&server), left + 1);
}

#[test]
fn what_is_too_much_goes_with_a_line() {
    if embedded_only("the archive is the log's there") {
        return;
    }
    let (setup, clock) = setup();
    let setup = setup.set("OPENIM_ARCHIVE_BYTESMAX", 3 << 19).allow("archive.bytesMax");
    let (server, _) = two_days_later(setup, &clock);
    grows(&server, "openim_archive_removed_bytes_total", "bytes");
    server.logged(&["WARN", "the archive was larger than it may be", "archive.bytesMax"]);
    let left = archived(&server);
    assert!((1..MESSAGES).contains(&left), "{left}");
}
