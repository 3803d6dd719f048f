//! What links have sent and the server has not taken has a budget in bytes: messages that never become whole, and
//! large sends while the log stalls. Others go on, and nothing is lost or doubled.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use super::metric;
use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::link::message;
use crate::support::platform::IOS;
use crate::support::raw::{RawLink, TEXT, frame};
use crate::support::rest::User;
use crate::support::server::{Server, Setup};

const MB: u64 = 1 << 20;
/// One of sixteen parts; see `limits.shardBytesMax`. What links have sent may hold two.
const PART: u64 = MB;
const CONTENT_BYTES: usize = 60_000;
/// What one link may add when the bound is not reached yet: a message, and what was read behind it.
const SLACK: u64 = 160 * 1024;

fn setup() -> Setup {
    Setup::new()
        .set("OPENIM_GATEWAY_SHARDS", 1)
        .set("OPENIM_LIMITS_SHARDBYTESMAX", 16 * PART)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .set("OPENIM_LIMITS_SENDTIMEOUTMS", 120_000)
}

fn users(server: &Server, count: usize) -> Vec<User> {
    (0..count).map(|n| server.register(&format!("user{n}"), IOS)).collect()
}

#[track_caller]
fn assert_bounded(server: &Server) {
    let held = metric::sum(server, "openim_input_bytes");
    assert!(held <= 2 * PART + SLACK, "{held} bytes of input");
}

#[test]
fn messages_that_never_become_whole_keep_nobody_out() {
    const HOARDERS: usize = 200;
    let server = setup().set("OPENIM_LIMITS_FRAMESECONDS", 600).start();
    let mut honest = server.newcomer("honest");
    let hoarders = users(&server, HOARDERS);
    let before = resident(&server);
    let whole = frame(true, TEXT, &[b'x'; 64_000]);
    let mut links = Vec::new();
    for (n, hoarder) in hoarders.iter().enumerate() {
        let mut link = RawLink::open(server.ws(), hoarder);
        link.send(&whole[..CONTENT_BYTES]);
        links.push(link);
        if n % 10 == 0 {
            honest.say("bob", &format!("m{n}"), "others go on");
            assert_bounded(&server);
        }
    }
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 9 * MB, "grew by {grown}");
    assert_eq!(links[0].read_to_close(), Some(1008), "who did not finish makes room");
    // Who needs two reads for a message has them.
    let slow = server.register("slow", IOS);
    let mut link = RawLink::open(server.ws(), &slow);
    let (begin, rest) = (send(&slow, 0), send(&slow, 0).split_off(30_000));
    link.send(&begin[..30_000]);
    honest.say("bob", "between", "others go on");
    link.send(&rest);
    assert_receipts(&mut link, 1);
    assert_bounded(&server);
}

#[test]
fn a_message_that_is_not_whole_in_time_ends_its_link() {
    let server = setup().set("OPENIM_LIMITS_FRAMESECONDS", 1).start();
    let mut honest = server.newcomer("honest");
    let user = server.register("user", IOS);
    let (first, part) = (frame(false, TEXT, b"{\"reqIdentifier\":"), frame(true, TEXT, b"{}"));
    for begun in [&first[..], &part[..3], &send(&user, 0)[..900]] {
        let mut link = RawLink::open(server.ws(), &user);
        link.send(begun);
        let close = std::iter::from_fn(|| link.read()).last().expect("a close frame");
        assert_eq!(close.close_code(), Some(1008));
        assert_eq!(&close.payload[2..], b"message not finished in time");
    }
    honest.say("bob", "after", "an idle link has all the time");
    metric::reaches(&server, "openim_input_bytes", 0);
}

#[test]
fn large_sends_while_the_log_stalls_wait_with_their_clients() {
    if embedded_only(
        "it stalls the engine inside of the process; components are stalled by scripts/faults",
    ) {
        return;
    }
    const SENDERS: usize = 80;
    const SENDS: usize = 3;
    let setup = setup()
        .set("OPENIM_LIMITS_PINGSECONDS", 1)
        .set("OPENIM_LIMITS_PINGMISSESMAX", 1)
        .allow("stall")
        .allow("log");
    let stall = setup.path("stall");
    let server = setup.set("OPENIM_TEST_STALL_FILE", stall.display()).start();
    let senders = users(&server, SENDERS);
    let filler = server.register("filler", IOS);
    let before = resident(&server);
    fs::write(&stall, "").expect("written");
    // The ring to the log is full, so that everybody else is held.
    let mut fills = RawLink::open(server.ws(), &filler);
    for n in 0..40 {
        if fills.try_send(&send(&filler, n)).is_err() {
            break;
        }
    }
    let mut links: Vec<RawLink> = senders
        .iter()
        .map(|sender| {
            let mut link = RawLink::open(server.ws(), sender);
            let sends: Vec<u8> = (0..SENDS).flat_map(|n| send(sender, n)).collect();
            link.send(&sends);
            link
        })
        .collect();
    let deadline = Instant::now() + PATIENCE;
    while metric::sum(&server, "openim_input_bytes") < 2 * PART {
        assert!(Instant::now() < deadline, "the share is used up");
        std::thread::sleep(Duration::from_millis(50));
    }
    for _ in 0..40 {
        assert_bounded(&server);
        std::thread::sleep(Duration::from_millis(100));
    }
    let closed = metric::sum(&server, "openim_links_closed_total");
    assert_eq!(closed, 0, "who is not read is not taken for dead");
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 16 * PART, "grew by {grown}");
    fs::remove_file(&stall).expect("written above");
    for link in &mut links {
        assert_receipts(link, SENDS);
    }
    for sender in &senders {
        let mut link = server.connect(&server.login(&sender.uid, 5));
        assert_eq!(link.newest(), SENDS as i64, "each once");
    }
}

/// A large send of a user to nobody, as a frame.
fn send(user: &User, n: usize) -> Vec<u8> {
    let data = message("nobody", &format!("{}-{n}", user.uid), &"y".repeat(CONTENT_BYTES));
    let body = json!({"reqIdentifier": 1003, "token": user.token, "sendID": user.uid, "operationID": "op",
        "msgIncr": n + 1, "data": data});
    frame(true, TEXT, body.to_string().as_bytes())
}

/// So many good receipts come next, besides pings.
#[track_caller]
fn assert_receipts(link: &mut RawLink, count: usize) {
    let texts = std::iter::from_fn(|| link.read()).filter(|frame| frame.opcode == TEXT);
    let receipts: Vec<_> = texts.take(count).collect();
    assert_eq!(receipts.len(), count);
    for receipt in receipts {
        assert!(receipt.payload.windows(11).any(|text| text == b"\"errCode\":0"), "{receipt:?}");
    }
}

/// Bytes of memory that the process has.
fn resident(server: &Server) -> u64 {
    let path = format!("/proc/{}/statm", server.pid());
    let pages = fs::read_to_string(path).expect("it runs");
    let pages: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("pages");
    pages * 4096
}
