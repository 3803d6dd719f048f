//! The audit: logins, wrong secrets, refused tokens, kicks, managers' calls and SIGHUP, each with who, from where and
//! what came of it; no secrets; failed logins are counted by reason.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{MANAGER, User, op, registration};
use crate::support::server::{Server, Setup};
use crate::support::{PATIENCE, SECRET, http};

/// Waits for the first event with all of `wanted`.
#[track_caller]
fn event(folder: &Path, wanted: &[(&str, Value)]) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let events = events(folder);
        let is = |event: &&Value| wanted.iter().all(|(key, value)| event[*key] == *value);
        if let Some(event) = events.iter().find(is) {
            return event.clone();
        }
        assert!(Instant::now() < deadline, "{wanted:?} in {events:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn events(folder: &Path) -> Vec<Value> {
    let files = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file"));
    let audits = files.filter(|file| file.file_name().to_string_lossy().starts_with("audit."));
    let text: String = audits.map(|file| fs::read_to_string(file.path()).expect("text")).collect();
    // The last line may not be whole yet.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn failed(server: &Server, reason: &str) -> bool {
    let text = http::call(server.operator(), "GET", "/metrics", &[], b"").text();
    text.contains(&format!("openim_logins_failed_total{{reason=\"{reason}\"}} "))
}

#[test]
fn accounts_tokens_kicks_managers_and_reloads_leave_a_line() {
    let setup = Setup::new();
    let folder = setup.path("logs");
    let server = setup.set("OPENIM_LOG_STORAGELOCATION", folder.display()).start();
    let mut alice = server.newcomer("alice");
    let line = event(&folder, &[("message", json!("registration")), ("uid", json!("alice"))]);
    assert_eq!(line["outcome"], "done", "{line}");
    assert_eq!(line["address"], "127.0.0.1", "{line}");
    assert_eq!(line["platform"], 1, "{line}");
    let mut wrong = registration("carol", IOS);
    wrong["secret"] = json!("a-wrong-one");
    wrong["operationID"] = json!("op-of-carol");
    server.post("/auth/user_register", &wrong);
    let line = event(&folder, &[("uid", json!("carol")), ("reason", json!("secret"))]);
    assert_eq!(
        (&line["outcome"], &line["operationID"]),
        (&json!("refused"), &json!("op-of-carol"))
    );
    let nobody = json!({"secret": SECRET, "platform": 1, "uid": "nobody"});
    server.post("/auth/user_token", &nobody);
    event(&folder, &[("message", json!("login")), ("reason", json!("unknown_user"))]);
    assert!(failed(&server, "secret") && failed(&server, "unknown_user"));
    // A newer login ends the older token and its link.
    let newer = server.login("alice", IOS);
    event(&folder, &[("message", json!("login")), ("outcome", json!("done"))]);
    alice.drain_to_close();
    event(&folder, &[("message", json!("kick")), ("uid", json!("alice"))]);
    assert_eq!(server.refusal(&alice.user), 401);
    let superseded = [("message", json!("token")), ("reason", json!("superseded"))];
    let line = event(&folder, &superseded);
    assert_eq!((&line["uid"], &line["address"]), (&json!("alice"), &json!("127.0.0.1")));
    let forged = User { token: "garbage".to_owned(), ..newer.clone() };
    assert_eq!(server.refusal(&forged), 401);
    event(&folder, &[("reason", json!("that's not even a token")), ("route", json!("websocket"))]);
    server.post_as("garbage", "/friend/get_friend_list", &op(json!({})));
    event(&folder, &[("message", json!("token")), ("route", json!("get_friend_list"))]);
    let manager = server.manager();
    server.done_as(&manager, "/manager/delete_user", &op(json!({"deleteUidList": ["carol"]})));
    let line = event(&folder, &[("message", json!("manager")), ("uid", json!(MANAGER))]);
    assert_eq!((&line["route"], &line["outcome"]), (&json!("delete_user"), &json!("done")));
    assert_eq!((&line["targets"], &line["operationID"]), (&json!(["carol"]), &json!("op")));
    let mut bob = server.newcomer("bob");
    server.done_as(&manager, "/manager/force_logout", &op(json!({"uid": "bob"})));
    bob.drain_to_close();
    event(&folder, &[("route", json!("force_logout")), ("target", json!("bob"))]);
    event(&folder, &[("message", json!("kick")), ("because", json!("logged_out"))]);
    let ban = op(json!({"uid": "bob", "reason": "spam"}));
    server.done_as(&manager, "/manager/ban_user", &ban);
    event(
        &folder,
        &[("route", json!("ban_user")), ("target", json!("bob")), ("because", json!("spam"))],
    );
    server.post("/auth/user_token", &json!({"secret": SECRET, "platform": 1, "uid": "bob"}));
    event(&folder, &[("message", json!("login")), ("reason", json!("banned"))]);
    server.post_as(&newer.token, "/manager/ban_user", &ban);
    let line = event(&folder, &[("message", json!("manager")), ("uid", json!("alice"))]);
    assert_eq!((&line["outcome"], &line["route"]), (&json!("refused"), &json!("ban_user")));
    assert_eq!((&line["reason"], &line["target"]), (&json!("not a manager"), &json!("bob")));
    server.signal("HUP");
    event(&folder, &[("message", json!("reload")), ("outcome", json!("done"))]);
    for line in events(&folder) {
        let text = line.to_string();
        for secret in [SECRET, "a-wrong-one", &newer.token, &manager.token, &alice.user.token] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

/// Nobody reads a terminal on which every login is a line.
#[test]
fn without_a_folder_refusals_and_managers_calls_are_in_the_log_at_every_level() {
    let server = Setup::new().set("OPENIM_LOG_LEVEL", "error").start();
    server.register("alice", IOS);
    server.login("alice", IOS);
    let mut wrong = registration("carol", IOS);
    wrong["secret"] = json!("a-wrong-one");
    server.post("/auth/user_register", &wrong);
    server.logged(&["audit", "registration", "refused", "\"uid\":\"carol\""]);
    let manager = server.manager();
    server.done_as(&manager, "/manager/delete_user", &op(json!({"deleteUidList": ["carol"]})));
    server.logged(&["audit", "manager", "delete_user", "done"]);
    let log = server.log();
    assert!(!log.iter().any(|line| line.contains("\"uid\":\"alice\"")), "{log:#?}");
}

#[test]
fn without_a_folder_everything_is_in_the_log_at_level_debug() {
    let server = Setup::new().set("OPENIM_LOG_LEVEL", "debug").start();
    server.register("alice", IOS);
    server.logged(&["audit", "registration", "done", "\"uid\":\"alice\""]);
}
