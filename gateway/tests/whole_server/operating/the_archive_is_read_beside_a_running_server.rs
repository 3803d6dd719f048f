//! `openim archive` prints what a running server has, without asking it, and goes on with what comes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::server::{PROGRAM, Server};

fn archive(data_dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("archive").arg("--data-dir").arg(data_dir).args(args);
    command
}

/// The client's ids of the messages that it prints.
fn printed(data_dir: &Path, args: &[&str]) -> Vec<String> {
    let output = archive(data_dir, args).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{args:?}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(id_in).collect()
}

fn id_in(line: &str) -> String {
    let message: Value = serde_json::from_str(line).expect("a line is JSON");
    message["clientMsgID"].as_str().expect("an id").to_owned()
}

/// Waits until it prints these.
#[track_caller]
fn prints(data_dir: &Path, args: &[&str], wanted: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let printed = printed(data_dir, args);
        if printed == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{args:?}: {printed:?}, not {wanted:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

struct Following {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Following {
    fn of(data_dir: &Path) -> Self {
        let mut command = archive(data_dir, &["--follow"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> String {
        id_in(&self.lines.next().expect("it goes on").expect("UTF-8"))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn it_prints_what_was_acknowledged_and_finds_what_is_asked_for() {
    if embedded_only("it prints the archive of a data directory") {
        return;
    }
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let mut carol = server.newcomer("carol");
    let dir = server.data_dir();
    alice.say("bob", "m1", "the first");
    bob.say("alice", "m2", "Second");
    carol.say("alice", "m3", "the third");
    prints(dir, &[], &["m1", "m2", "m3"]);
    prints(dir, &["--user", "bob"], &["m1", "m2"]);
    prints(dir, &["--user", "alice", "--with", "carol"], &["m3"]);
    prints(dir, &["--group", "bob"], &[]);
    prints(dir, &["--text", "THE"], &["m1", "m3"]);
    prints(dir, &["--text", "second", "--user", "carol"], &[]);
    prints(dir, &["--limit", "2"], &["m1", "m2"]);
    prints(dir, &["--since", "2021-06-30"], &["m1", "m2", "m3"]);
    prints(dir, &["--until", "2021-06-30T12:00:00Z"], &[]);
    prints(dir, &["--since", "2199-01-01"], &[]);
    // The server has not noticed.
    alice.say("bob", "m4", "and on it goes");
    prints(dir, &[], &["m1", "m2", "m3", "m4"]);
}

#[test]
fn who_follows_sees_what_comes_also_from_the_next_server() {
    if embedded_only("it prints the archive of a data directory") {
        return;
    }
    let mut server = Server::start();
    let mut alice = server.newcomer("alice");
    server.newcomer("bob");
    alice.say("bob", "m1", "hello");
    let mut following = Following::of(server.data_dir());
    assert_eq!(following.next(), "m1");
    for n in 2..20 {
        alice.say("bob", &format!("m{n}"), "hello");
    }
    for n in 2..20 {
        assert_eq!(following.next(), format!("m{n}"));
    }
    server.restart();
    let mut alice = server.connect(&alice.user);
    alice.say("bob", "later", "hello");
    assert_eq!(following.next(), "later");
    server.kill();
    server.restart();
    let mut alice = server.connect(&alice.user);
    alice.say("bob", "last", "hello");
    assert_eq!(following.next(), "last");
}
