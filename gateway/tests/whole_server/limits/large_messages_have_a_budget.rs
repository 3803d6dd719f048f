//! Large messages have a budget in bytes, however many places there are: while the log stalls, while links do not
//! read, and while long pulls are left unread, a shard holds no more than its configuration says.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use super::metric;
use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::link::{Link, group_message, message};
use crate::support::platform::IOS;
use crate::support::raw::{RawLink, frame};
use crate::support::rest::User;
use crate::support::server::{Server, Setup};

const MB: u64 = 1 << 20;
/// Sixteen parts; see `limits.shardBytesMax`.
const PART: u64 = MB;
const CONTENT_BYTES: usize = 60_000;
const MEMBERS: usize = 24;
/// Long pulls at a time: three parts, 256 KiB each.
const PULLS: usize = 12;
/// A message, and what a turn of the shard may add before it looks.
const SLACK: u64 = MB;

#[test]
fn a_stalled_log_unread_links_and_long_pulls_stay_within_it() {
    if !embedded_only(
        "it stalls the engine inside of the process; components are stalled by scripts/faults",
    ) {
        stay_within_it();
    }
}

fn stay_within_it() {
    let setup = Setup::new()
        .set("OPENIM_GATEWAY_SHARDS", 1)
        .set("OPENIM_LIMITS_SHARDBYTESMAX", 16 * PART)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .set("OPENIM_LIMITS_WRITESTALLSECONDS", 600)
        .set("OPENIM_LIMITS_SENDTIMEOUTMS", 60_000)
        .allow("stall")
        .allow("log");
    let stall = setup.path("stall");
    let server = setup.set("OPENIM_TEST_STALL_FILE", stall.display()).start();
    let mut sender = server.newcomer("sender");
    let members: Vec<User> =
        (0..MEMBERS).map(|n| server.register(&format!("member{n}"), IOS)).collect();
    let group = server.group(&sender.user, &members.iter().collect::<Vec<_>>());
    fill(&mut sender, &group, 0..200);
    let before = resident(&server);

    // Long pulls that nobody reads, and one more: it waits, and holds nothing meanwhile.
    let few = members.iter().take(PULLS + 1);
    let pulls: Vec<RawLink> = few.map(|member| unread_pull(&server, member)).collect();
    metric::reaches(&server, "openim_pulls_in_flight", PULLS as u64);
    // Links that read nothing of what is pushed to them.
    let idle: Vec<RawLink> = members
        .iter()
        .map(|member| RawLink::open_narrow(server.ws(), &server.login(&member.uid, 5)))
        .collect();
    let closed = metric::sum(&server, "openim_links_closed_total");
    fill(&mut sender, &group, 200..300);
    assert!(metric::sum(&server, "openim_links_closed_total") > closed, "those that hold most");
    assert!(outboxes(&server) <= 4 * PART + SLACK, "outboxes: {}", outboxes(&server));

    // A log that takes nothing, no login either, and a flood.
    let flooding: Vec<User> = members.iter().map(|member| server.login(&member.uid, 3)).collect();
    fs::write(&stall, "").expect("written");
    let mut floods: Vec<RawLink> = flooding.iter().map(|user| flood(&server, user)).collect();
    let appends = metric::sum(&server, "openim_append_bytes");
    assert!(appends > PART, "the flood fills its share: {appends}");
    for _ in 0..20 {
        let held = [
            ("openim_append_bytes", 2 * PART),
            ("openim_waiting_bytes", 2 * PART),
            ("openim_mesh_bytes", PART),
            ("openim_event_bytes", 2 * PART),
            ("openim_pull_bytes", 3 * PART),
            ("openim_input_bytes", 2 * PART),
        ];
        for (name, bytes_max) in held {
            let bytes = metric::sum(&server, name);
            assert!(bytes <= bytes_max + SLACK, "{name} is {bytes}");
        }
        assert!(outboxes(&server) <= 4 * PART + SLACK, "outboxes: {}", outboxes(&server));
        std::thread::sleep(Duration::from_millis(50));
    }
    let grown = resident(&server).saturating_sub(before);
    // Besides the budget: the allocator.
    assert!(grown < 16 * PART + 40 * MB, "grew by {grown}");

    // Nothing was lost for it.
    drop((pulls, idle));
    fs::remove_file(&stall).expect("written above");
    let deadline = Instant::now() + PATIENCE;
    while sender.newest() < 300 {
        assert!(Instant::now() < deadline, "all is numbered");
    }
    for flood in &mut floods {
        let receipt = flood.read().expect("a receipt");
        assert!(receipt.payload.windows(11).any(|text| text == b"\"errCode\":0"), "{receipt:?}");
    }
}

fn outboxes(server: &Server) -> u64 {
    metric::sum(server, "openim_outbox_bytes") + metric::sum(server, "openim_lingering_bytes")
}

/// Sends so many large messages to a group.
fn fill(sender: &mut Link, group: &str, numbers: std::ops::Range<usize>) {
    let content = "x".repeat(CONTENT_BYTES);
    for n in numbers {
        let reply = sender.request(1003, &group_message(group, &format!("g{n}"), &content));
        assert_eq!(reply["errCode"], 0, "{reply}");
    }
}

/// Sends large messages for as long as the server reads them, and reads no answer.
fn flood(server: &Server, user: &User) -> RawLink {
    let content = "y".repeat(CONTENT_BYTES);
    let mut link = RawLink::open(server.ws(), user);
    for n in 0..40 {
        let body = json!({"reqIdentifier": 1003, "token": user.token, "sendID": user.uid, "operationID": "op",
            "msgIncr": n + 1, "data": message("nobody", &format!("f{n}"), &content)});
        if link.try_send(&frame(true, 1, body.to_string().as_bytes())).is_err() {
            break;
        }
    }
    link
}

/// Asks for everything and reads nothing.
fn unread_pull(server: &Server, user: &User) -> RawLink {
    let mut link = RawLink::open_narrow(server.ws(), user);
    let pull = json!({"reqIdentifier": 1002, "token": user.token, "sendID": user.uid, "operationID": "op",
        "msgIncr": 1, "data": {"seqBegin": 1, "seqEnd": 200}});
    link.send(&frame(true, 1, pull.to_string().as_bytes()));
    link
}

/// Bytes of memory that the process has.
fn resident(server: &Server) -> u64 {
    let path = format!("/proc/{}/statm", server.pid());
    let pages = fs::read_to_string(path).expect("it runs");
    let pages: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("pages");
    pages * 4096
}
