//! `openim users`, `groups`, `messages`, `kick`, `ban`, `unban`, `top`: what the console tells and does, by command, for whoever has the
//! server's secret; each act is in the audit.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::engine::embedded_only;
use crate::support::link::group_message;
use crate::support::platform::IOS;
use crate::support::server::{Server, Setup};

/// What a command prints, which succeeds.
#[track_caller]
fn told(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    assert_eq!(status.code(), Some(0), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

#[track_caller]
fn json(command: &mut Command) -> Value {
    serde_json::from_str(&told(command.arg("--json"))).expect("JSON")
}

/// Why a command fails, in one line.
#[track_caller]
fn refused(command: &mut Command, words: &str) {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let complaint = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!((status.code(), stdout.len()), (Some(1), 0), "{complaint}");
    assert!(complaint.contains(words) && complaint.lines().count() == 1, "{complaint}");
}

fn served() -> Option<Server> {
    let is_elsewhere = embedded_only("a cluster has no console unless it is asked for");
    (!is_elsewhere).then(|| Setup::new().set("OPENIM_LOG_LEVEL", "debug").start())
}

#[test]
fn users_and_groups_are_found_and_shown() {
    let Some(server) = served() else { return };
    let [alice, bob] = ["alice", "bob"].map(|uid| server.newcomer(uid));
    let found = json(server.beside("users").arg("bo"));
    assert_eq!((&found["users"][0]["uid"], &found["users"][1]), (&"bob".into(), &Value::Null));
    let shown = told(server.beside("users").arg(""));
    assert!(shown.starts_with("UID") && shown.contains("\nbob "), "{shown}");
    let behind = json(server.beside("users").args(["--after", "openIM123456", ""]));
    assert_eq!(behind["users"][0]["uid"], "openIM654321", "{behind}");
    assert_eq!(told(server.beside("users").arg("nobody")).lines().count(), 1);

    let shown = told(server.beside("users").args(["--uid", "alice"]));
    assert!(shown.contains("link") && shown.contains("from 127.0.0.1"), "{shown}");
    assert_eq!(json(server.beside("users").args(["--uid", "alice"]))["uid"], "alice");
    refused(server.beside("users").args(["--uid", "no&body"]), "no&body: there is no such user");

    let group = server.group(&alice.user, &[&bob.user]);
    let shown = told(server.beside("groups").arg(&group));
    assert!(shown.contains("alice (name of alice), owner"), "{shown}");
    assert_eq!(
        json(server.beside("groups").args([&group, "--after", "alice"]))["members"][0]["uid"],
        "bob"
    );
    refused(server.beside("groups").arg("0"), "there is no such group");
}

#[test]
fn the_newest_messages_of_an_inbox_are_listed_without_their_content() {
    let Some(server) = served() else { return };
    let [mut alice, bob] = ["alice", "bob"].map(|uid| server.newcomer(uid));
    let group = server.group(&alice.user, &[&bob.user]);
    for n in 0..3 {
        alice.say("bob", &format!("m{n}"), "a secret");
    }
    alice.say_data(&group_message(&group, "g1", "a secret"));
    let listed = |more: &[&str]| json(server.beside("messages").arg("bob").args(more));
    let ids = |told: &Value| -> Vec<String> {
        let messages = told["messages"].as_array().expect("messages");
        messages
            .iter()
            .map(|told| told["clientMsgID"].as_str().expect("an id").to_owned())
            .collect()
    };
    // Members' inboxes are numbered behind the answer.
    let newest = loop {
        let told = listed(&[]);
        if ids(&told).first().is_some_and(|id| id == "g1") {
            break told;
        }
    };
    assert_eq!(ids(&newest)[..4], ["g1", "m2", "m1", "m0"], "{newest}");
    assert!(!newest.to_string().contains("secret"), "{newest}");
    let first = &newest["messages"][0];
    assert_eq!((&first["isGroup"], &first["to"]), (&true.into(), &group.as_str().into()));
    // On from where an answer ends.
    let next = listed(&["--count", "2"])["next"].as_u64().expect("there are more").to_string();
    assert_eq!(ids(&listed(&["--count", "2", "--before", &next])), ["m1", "m0"]);
    assert_eq!(ids(&listed(&["--group", &group]))[0], "g1");
    assert!(!ids(&listed(&["--group", &group])).contains(&"m0".to_owned()));
    let shown = told(server.beside("messages").arg("bob"));
    assert!(shown.starts_with("SEQ") && shown.contains("alice  bob"), "{shown}");
    refused(server.beside("messages").arg("nobody"), "there is no such user");
}

#[test]
fn acts_are_done_and_in_the_audit() {
    let Some(server) = served() else { return };
    let mut alice = server.newcomer("alice");
    let kick = |more: &[&str]| told(server.beside("kick").arg("alice").args(more));
    assert_eq!(kick(&["--platform", "2", "--reason", "none"]), "alice: 0 links closed\n");
    assert_eq!(kick(&["--reason", "an old client"]), "alice: 1 link closed\n");
    alice.drain_to_close();
    server.logged(&["audit", "operator", "kick", "an old client", "alice"]);

    server.register("bob", IOS);
    let ban = |more: &[&str]| told(server.beside("ban").arg("bob").args(more));
    assert!(ban(&["--reason", "spam", "--until", "2099-01-01"]).contains("until 2099-01-01"));
    let banned = told(server.beside("users").args(["--uid", "bob"]));
    assert!(banned.contains("until 2099-01-01 00:00:00 UTC: spam"), "{banned}");
    refused(server.beside("token").arg("bob"), "gives no token");
    assert_eq!(ban(&["--reason", "more spam"]), "bob: banned for good\n");
    let back = told(server.beside("unban").args(["bob", "--reason", "regrets"]));
    assert_eq!(back, "bob: banned no more\n");
    told(server.beside("token").arg("bob"));
    for (act, reason) in [("ban", "spam"), ("ban", "more spam"), ("unban", "regrets")] {
        server.logged(&["audit", "operator", act, reason, "bob"]);
    }
    refused(server.beside("kick").args(["bob", "--reason", " "]), "a reason is needed");
    let unsaid = server.beside("ban").arg("bob").output().expect("it runs");
    assert_eq!(unsaid.status.code(), Some(2), "{}", String::from_utf8_lossy(&unsaid.stderr));
}

#[test]
fn what_the_server_does_is_shown() {
    let Some(server) = served() else { return };
    let _alice = server.newcomer("alice");
    let look = json(server.beside("top").arg("--once"));
    assert_eq!((&look["total"]["links"], &look["stage"]), (&1.into(), &"serving".into()), "{look}");
    assert_eq!(look["shards"].as_array().map(Vec::len), Some(2));
    let shown = told(server.beside("top").args(["--once", "--sort", "links"]));
    assert!(shown.contains("\n1 links, ") && shown.contains("no slow links"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "no terminal is there");
}

#[test]
fn only_who_knows_the_secret_is_answered() {
    let Some(mut server) = served() else { return };
    let wrong = |name| {
        let mut command = server.beside(name);
        command.env("OPENIM_ADMIN_SECRET", "a guess");
        command
    };
    refused(wrong("users").arg("a"), "admin.secret is not that of the server");
    refused(wrong("top").arg("--once"), "admin.secret is not that of the server");
    server.restart_with(|setup| setup.set("OPENIM_CONSOLE_ON", "off"));
    refused(server.beside("users").arg("a"), "console.on is off");
    refused(server.beside("top").arg("--once"), "console.on is off");
    server.kill();
    refused(server.beside("kick").args(["a", "--reason", "b"]), "no server answers");
}
