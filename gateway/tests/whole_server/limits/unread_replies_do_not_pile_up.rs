//! A client that asks and asks and never reads is paused or closed; the server does not store its replies.

use std::fs;
use std::io::ErrorKind;

use serde_json::json;

use crate::support::link::message;
use crate::support::raw::{RawLink, TEXT, frame};
use crate::support::server::Setup;

const CONTENT_BYTES: usize = 50_000;
const ASKED: usize = 20_000;

#[test]
fn memory_stays_flat_while_nobody_reads() {
    let server = Setup::new().set("OPENIM_LIMITS_FRAMESPERSECOND", 0).allow("slow").start();
    let mut bystander = server.newcomer("bystander");
    let mut alice = server.newcomer("alice");
    for n in 0..20 {
        alice.say_data(&message("bob", &format!("m{n}"), &"x".repeat(CONTENT_BYTES)));
    }
    let user = alice.user.clone();
    drop(alice);
    let mut greedy = RawLink::open_narrow(server.ws(), &user);
    let before = resident_bytes(&server);
    // Each asks for a megabyte: twenty gigabytes in all.
    let ask = json!({"reqIdentifier": 1002, "token": user.token, "sendID": user.uid, "operationID": "op",
        "msgIncr": 1, "data": {"seqBegin": 1, "seqEnd": 20}});
    let ask = frame(true, TEXT, ask.to_string().as_bytes());
    for n in 0..ASKED {
        match greedy.try_send(&ask) {
            Ok(()) => {}
            // Paused: the server reads no more of it. Or closed.
            Err(error) => {
                let known = [
                    ErrorKind::WouldBlock,
                    ErrorKind::TimedOut,
                    ErrorKind::ConnectionReset,
                    ErrorKind::BrokenPipe,
                ];
                assert!(known.contains(&error.kind()), "{error}");
                break;
            }
        }
        if n % 1000 == 0 {
            bystander.newest();
        }
    }
    bystander.say("bob", "after", "others are served");
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < 200 << 20, "grew by {} MiB", grown >> 20);
}

/// Resident memory of the server, where the system tells.
fn resident_bytes(server: &crate::support::server::Server) -> u64 {
    let Ok(status) = fs::read_to_string(format!("/proc/{}/status", server.pid())) else { return 0 };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
