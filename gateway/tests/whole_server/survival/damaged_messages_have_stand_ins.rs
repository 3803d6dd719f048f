//! A message whose bytes a disk has damaged long ago: whoever pulls it gets everything else and a stand-in, operators
//! are told where, and the archive is printed around it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::link::messages;
use crate::support::platform::IOS;
use crate::support::rest::op;
use crate::support::server::{PROGRAM, Server, Setup};

const COUNT: usize = 40;
/// Which message is damaged: the first segment holds it, and is full long before the last message.
const DAMAGED: usize = 5;

/// Bodies so long that the log needs a second segment.
fn body(n: usize) -> String {
    format!("content-{n:02}-{}", "x".repeat(40_000))
}

/// The sum of a figure.
fn figure(server: &Server, name: &str) -> f64 {
    let text = call(server.operator(), "GET", "/metrics", &[], b"").text();
    let samples = text.lines().filter(|line| line.starts_with(name));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// A server whose first log segment is full, stopped; one body in there is damaged.
fn damaged() -> (Setup, PathBuf, usize) {
    let mut server = Setup::new()
        .set("OPENIM_EMBEDDED_SEGMENTBYTES", 1 << 20)
        .set("OPENIM_LIMITS_REQUESTBODYBYTESMAX", 1 << 16)
        .set("OPENIM_GATEWAY_SHARDS", 1)
        .start();
    let mut alice = server.newcomer("alice");
    server.register("bob", IOS);
    for n in 0..COUNT {
        alice.say("bob", &format!("m{n}"), &body(n));
    }
    // What the index has not taken yet is read again at the start, and damage in there refuses it: a stop leaves
    // nothing of that kind.
    server.terminate();
    assert!(server.exit_status().success());
    let folder = fs::read_dir(server.data_dir().join("log")).expect("the log's folder");
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let setup = server.into_setup().allow("a message is damaged");
    let mut bytes = fs::read(&files[0]).expect("our own file");
    let wanted = format!("content-{DAMAGED:02}-");
    let place = bytes.windows(wanted.len()).position(|window| window == wanted.as_bytes());
    let place = place.expect("bodies are in the log") + 100;
    bytes[place] ^= 1;
    fs::write(&files[0], bytes).expect("our own file");
    (setup, files[0].clone(), place)
}

#[test]
fn a_pull_gives_everything_else_and_marks_the_hole() {
    if embedded_only("it damages files of the data directory") {
        return;
    }
    let (setup, file, _) = damaged();
    let server = setup.start();
    let file = file.to_str().expect("UTF-8");
    let bob = server.login("bob", IOS);
    let mut link = server.connect(&bob);
    for _ in 0..2 {
        let inbox = link.inbox();
        assert_eq!(inbox.len(), COUNT);
        for (n, message) in inbox.iter().enumerate() {
            let seq = n + 1;
            assert_eq!(message["seq"], seq);
            if n != DAMAGED {
                assert_eq!(message["content"], body(n), "{seq}");
                continue;
            }
            let id = format!("damaged-{seq}-bob");
            assert_eq!(
                *message,
                json!({
                    "sendID": "bob", "recvID": "bob", "msgFrom": 200, "contentType": 101,
                    "serverMsgID": id, "clientMsgID": id, "seq": seq, "sendTime": 0,
                    "content": "[damaged: the server cannot read this message any more]",
                    "senderPlatformID": 0, "senderNickName": "", "senderFaceUrl": "",
                })
            );
        }
    }
    let list =
        op(json!({"reqIdentifier": 1003, "sendID": "bob", "msgIncr": 1, "seqList": [DAMAGED + 1]}));
    let answer = server.post_as(&bob.token, "/chat/pull_msg_by_seq", &list).json();
    assert_eq!(answer["errCode"], 0, "{answer}");
    let pulled = messages(&answer["data"]);
    assert_eq!(pulled[0]["serverMsgID"], format!("damaged-{}-bob", DAMAGED + 1), "{answer}");
    // Operators: counted, named, and nobody is kept out.
    assert!(figure(&server, "openim_log_stand_ins_total") >= 3.0);
    let ready = call(server.operator(), "GET", "/readyz", &[], b"");
    assert_eq!(ready.status, 200);
    assert!(ready.text().contains(file) && ready.text().contains("at byte"), "{}", ready.text());
    server.logged(&["ERROR", "a message is damaged", file]);
    // It goes on.
    link.say("alice", "after", "hello");
    assert_eq!(link.newest(), COUNT as i64 + 1);
}

#[test]
fn the_archive_is_printed_around_the_damage() {
    if embedded_only("it damages files of the data directory") {
        return;
    }
    let (setup, file, _) = damaged();
    let mut server = setup.start();
    server.terminate();
    assert!(server.exit_status().success());
    let printed = Command::new(PROGRAM)
        .args(["archive", "--data-dir"])
        .arg(server.data_dir())
        .output()
        .expect("the program starts");
    let lines = String::from_utf8(printed.stdout).expect("UTF-8");
    assert_eq!(lines.lines().count(), COUNT - 1);
    let hole = format!("\"clientMsgID\":\"m{DAMAGED}\"");
    assert!(!lines.contains(&hole));
    let said = String::from_utf8(printed.stderr).expect("UTF-8");
    let file = file.to_str().expect("UTF-8");
    assert!(said.contains(file) && said.contains("damaged at byte"), "{said}");
    assert_eq!(printed.status.code(), Some(1), "{said}");
}

#[test]
fn a_whole_archive_is_printed_without_a_word() {
    if embedded_only("it damages files of the data directory") {
        return;
    }
    let mut server = Server::start();
    server.newcomer("alice").say("bob", "m", "hello");
    server.terminate();
    assert!(server.exit_status().success());
    let printed = Command::new(PROGRAM)
        .args(["archive", "--data-dir"])
        .arg(server.data_dir())
        .output()
        .expect("the program starts");
    assert!(printed.status.success());
    assert_eq!(String::from_utf8_lossy(&printed.stdout).lines().count(), 1);
    assert_eq!(String::from_utf8_lossy(&printed.stderr), "");
}
