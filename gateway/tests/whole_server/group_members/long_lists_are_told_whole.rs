//! As many users as one call may name, with names as long as they may be, are let in at once, and the tip of it is
//! whole; so is that of many who are removed. A list that is as long as a body may be harms nobody.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::http::call;
use crate::support::link::column;
use crate::support::platform::IOS;
use crate::support::rest::{User, done_at, listed, op, registration, results};
use crate::support::server::Server;

const AT_ONCE: usize = 4;

/// Registers users with the longest uids and names, of characters that JSON writes at length, and zoe.
fn register_long(server: &Server, count: usize) -> Vec<String> {
    let long = |n: usize| format!("{n:\"<32}{}", "u".repeat(32));
    let uids: Vec<String> = (1..count).map(long).chain(["zoe".to_owned()]).collect();
    let rest = server.rest();
    std::thread::scope(|scope| {
        for part in uids.chunks(count.div_ceil(AT_ONCE)) {
            scope.spawn(move || {
                for uid in part {
                    let mut body = registration(uid, IOS);
                    body["name"] = json!("\u{1f642}".repeat(64));
                    done_at(rest, "", "/auth/user_register", &body);
                }
            });
        }
    });
    uids
}

/// The JSON in the detail of the newest message of `user`, once that is of that kind: members of a large group have
/// their turn one after the other.
#[track_caller]
fn newest_detail(server: &Server, user: &User, kind: i64) -> Value {
    let deadline = Instant::now() + PATIENCE;
    let mut link = server.connect(user);
    let last = loop {
        let last = link.inbox().pop().unwrap_or_default();
        if last["contentType"] == kind {
            break last;
        }
        assert!(Instant::now() < deadline, "{}: {last}", user.uid);
        std::thread::sleep(Duration::from_millis(20));
    };
    let content: Value =
        serde_json::from_str(last["content"].as_str().expect("a text")).expect("JSON");
    serde_json::from_str(content["detail"].as_str().expect("a text")).expect("JSON inside")
}

#[test]
fn a_thousand_with_long_names() {
    let mut server = Server::start();
    let (alice, manager) = (server.register("alice", IOS), server.manager());
    let uids = register_long(&server, 1000);
    let each: Vec<&str> = uids.iter().map(String::as_str).collect();
    let group = server.group(&alice, &[]);
    assert_eq!(server.invite(&manager, &group, &each), vec![0; 1000]);
    assert_eq!(newest_detail(&server, &alice, 510)["uidList"], json!(uids));
    let all = op(json!({ "groupID": group }));
    let answer = server.done_as(&alice, "/group/get_group_all_member_list", &all);
    assert_eq!(listed(&answer, "userId").len(), 1001);
    let info = op(json!({"groupID": group, "memberList": uids}));
    let answer = server.done_as(&alice, "/group/get_group_members_info", &info);
    assert_eq!(listed(&answer, "userId"), uids);
    server.restart();
    assert_eq!(server.kick(&manager, &group, &each), vec![0; 1000]);
    let named = newest_detail(&server, &alice, 509);
    assert_eq!(named["uidListInfo"].as_array().map(Vec::len), Some(1000));
    server.restart();
    assert_eq!(server.roles(&alice, &group).len(), 1);
    let zoe = server.login("zoe", IOS);
    let own = newest_detail(&server, &zoe, 509);
    assert_eq!(column(own["uidListInfo"].as_array().expect("a list"), "userId"), ["zoe"]);
}

#[test]
fn as_much_as_a_body_holds() {
    let mut server = Server::start();
    let [alice, bob] = ["alice", "bob"].map(|uid| server.register(uid, IOS));
    let manager = server.manager();
    let group = server.group(&alice, &[&bob]);
    // Quotes become longer each time they are put into JSON.
    for (piece, count) in [("q", 1_040_000), ("\"", 520_000), ("\u{1}", 170_000)] {
        for by in [&alice, &manager] {
            let id = piece.repeat(count);
            let body = op(json!({"groupID": group, "uidListInfo": [{"userId": id}]}));
            let answer = post(&server, by, "kick_group", &body);
            assert_eq!(results(&answer), [0], "{piece:?} by {}", by.uid);
            let body = op(json!({"groupID": group, "uidList": [id]}));
            let answer = post(&server, by, "invite_user_to_group", &body);
            assert_eq!(results(&answer), [-1], "{piece:?} by {}", by.uid);
        }
    }
    server.restart();
    server.kick(&manager, &group, &["bob"]);
    assert_eq!(newest_detail(&server, &alice, 509)["uidListInfo"][0]["userId"], "bob");
    assert!(!server.connect(&bob).inbox().is_empty());
}

#[track_caller]
fn post(server: &Server, by: &User, route: &str, body: &Value) -> Value {
    let headers = [("token", by.token.as_str())];
    let path = format!("/group/{route}");
    let answer = call(server.rest(), "POST", &path, &headers, body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{path}");
    answer.json()
}
