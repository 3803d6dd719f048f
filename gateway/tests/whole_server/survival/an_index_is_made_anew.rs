//! The index is a cache: a start that finds it gone says so and makes it anew, and so does `openim rebuild-index`.
//! Everything is there, no number changes, and a token that was superseded stays so.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::engine::embedded_only;
use crate::support::link::Link;
use crate::support::platform::IOS;
use crate::support::server::{PROGRAM, Setup};

fn rebuild(data_dir: &Path) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("rebuild-index").arg("--data-dir").arg(data_dir);
    command.output().expect("the program runs")
}

#[test]
fn by_a_start_and_by_the_command() {
    if embedded_only("a cluster has no index of its own") {
        return;
    }
    let mut server = Setup::new().allow("the index is made anew").start();
    let alice = server.register("alice", IOS);
    let bob = server.register("bob", IOS);
    server.befriend(&alice, &bob);
    let superseded = server.login("alice", IOS);
    let alice = server.login("alice", IOS);
    let mut link = server.connect(&alice);
    (0..5).for_each(|n| drop(link.say("bob", &format!("m{n}"), "hello")));
    drop(link);
    let inbox = server.connect(&bob).inbox();
    let data_dir = server.data_dir().to_owned();

    let refused = rebuild(&data_dir);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("is in use by process"), "{told}");

    server.kill();
    fs::remove_dir_all(data_dir.join("index")).expect("removed");
    server.restart();
    server.logged(&["the index is made anew", "/index: is missing"]);
    assert_eq!(server.connect(&bob).inbox(), inbox);
    assert!(Link::open(server.ws(), &superseded).is_err(), "it does not come back to life");

    server.kill();
    let done = rebuild(&data_dir);
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && told.contains("the index is made anew"), "{told}");
    server.restart();
    assert_eq!(server.connect(&bob).inbox(), inbox);
    drop(server.connect(&alice));
}
