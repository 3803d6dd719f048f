//! `openim why` asks the running server, and needs its secret.

use std::process::{Command, Output};

use serde_json::Value;

use super::no_journal;
use crate::support::platform::IOS;
use crate::support::server::{PROGRAM, Server, Setup};

fn openim_why(server: &Server, args: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("OPENIM_") {
            command.env_remove(&key);
        }
    }
    let url = format!("http://{}", server.operator());
    command.arg("why").args(args).args(["--from", &url]);
    command.arg("--data-dir").arg(server.data_dir()).output().expect("the program runs")
}

#[track_caller]
fn told(output: Output) -> String {
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{why}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_reason_is_told_in_words_or_as_json() {
    if no_journal() {
        return;
    }
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).start();
    let ann = server.register("ann", IOS);
    server.register("bob", IOS);
    let sent = server.rest_send(&ann, "bob", "m=&用 1", "hello");
    let words = told(openim_why(&server, &["bob", "m=&用 1"]));
    assert!(words.starts_with("waits: It waits in the inbox as seq 1"), "{words}");
    let id = sent["serverMsgID"].as_str().expect("an id");
    assert!(words.contains(id), "{words}");
    let json = told(openim_why(&server, &["bob", id, "--json", "--platform", "2"]));
    let answer: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(answer["data"]["reason"], "waits");
    let words = told(openim_why(&server, &["ann", "m=&用 1", "--sender", "ann", "--near", "1"]));
    assert!(words.starts_with("other_device"), "{words}");
    let words = told(openim_why(&server, &["ann", "m 2", "--sender", "bob", "--near", "1"]));
    assert!(words.starts_with("never_accepted: There is no such"), "{words}");
    let words = told(openim_why(&server, &["ann", "m 2"]));
    assert!(words.contains("name its sender"), "{words}");
}

#[test]
fn one_of_a_busy_minute_is_found_by_its_time() {
    if no_journal() {
        return;
    }
    let server = Setup::new().set("OPENIM_WHY_LOOKMESSAGESMAX", 16).start();
    let mut ann = server.newcomer("ann");
    server.register("bob", IOS);
    for n in 0..600 {
        ann.say("bob", &format!("m{n}"), "hello");
    }
    let mut listing = server.beside("messages");
    let listed = told(
        listing
            .args(["bob", "--before", "302", "--count", "1", "--json"])
            .output()
            .expect("it runs"),
    );
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let message = &listed["messages"][0];
    let (id, near) = (message["clientMsgID"].as_str().expect("an id"), message["sent"].to_string());
    assert_eq!(id, "m300");
    let words = told(openim_why(&server, &["bob", id, "--near", &near]));
    assert!(words.starts_with("waits: It waits in the inbox as seq 301"), "{words}");
}

#[test]
fn what_stands_in_the_way_is_one_line() {
    if no_journal() {
        return;
    }
    let server = Setup::new().set("OPENIM_WHY_JOURNALBYTESMAX", 0).start();
    server.register("ann", IOS);
    let output = openim_why(&server, &["ann", "m1"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.contains("why.journalBytesMax"), "{text}");
    let output = openim_why(&server, &["ann"]);
    assert_eq!(output.status.code(), Some(2));
}
