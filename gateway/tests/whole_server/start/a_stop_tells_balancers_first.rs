//! A stop in its order: `/readyz` first, then the ports of all shards, then the links; and the last line counts them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

use crate::support::link::{Arrival, Link};
use crate::support::platform::{ANDROID, IOS};
use crate::support::rest::User;
use crate::support::server::{Server, Setup};
use crate::support::{PATIENCE, http};

fn ready(server: &Server) -> u16 {
    http::call(server.operator(), "GET", "/readyz", &[], b"").status
}

/// Whether an answer of REST says that the connection ends with it.
fn rest_says_close(server: &Server) -> bool {
    let mut stream = TcpStream::connect(server.rest()).expect("the port is open");
    stream.set_read_timeout(Some(PATIENCE)).expect("a non-zero time-out");
    stream.write_all(b"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n").expect("taken");
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a whole head");
        answer.extend(byte);
    }
    String::from_utf8_lossy(&answer).to_ascii_lowercase().contains("connection: close")
}

#[test]
fn everything_goes_on_while_readyz_says_that_it_will_not() {
    let mut server = Setup::new().set("OPENIM_GATEWAY_LAMEDUCKSECONDS", 6).start();
    let mut alice = server.newcomer("alice");
    assert_eq!(ready(&server), 200);
    assert!(!rest_says_close(&server), "connections are kept");
    server.terminate();
    let deadline = Instant::now() + PATIENCE;
    while ready(&server) != 503 {
        assert!(Instant::now() < deadline, "readyz stays 200");
    }
    assert!(rest_says_close(&server), "the next call goes elsewhere");
    let mut bob = server.newcomer("bob");
    alice.say("bob", "m", "hello");
    assert_eq!(bob.pushed()["clientMsgID"], "m");
    assert!(alice.arrival_within(Duration::from_millis(100)).is_none(), "no link is closed yet");
    assert_eq!((alice.drain_to_close().1, bob.drain_to_close().1), (Some(1001), Some(1001)));
    assert!(Link::open(server.ws(), &bob.user).is_err(), "the ports were closed before the links");
    assert_eq!(server.exit_status().code(), Some(0));
    server.logged(&["INFO", "stopped", "links_moved=2", "links_cut=0"]);
}

/// Connects again and again until nobody is there; the moments at which each connect that got 101 began.
fn redial(server: &Server, user: &User, first_closed: &Arc<AtomicBool>) -> thread::JoinHandle<u32> {
    let (ws, user, first_closed) = (server.ws(), user.clone(), Arc::clone(first_closed));
    thread::spawn(move || {
        let mut refused = 0;
        loop {
            let late = first_closed.load(Ordering::SeqCst);
            match Link::open(ws, &user) {
                Ok(mut link) => {
                    assert!(!late, "101 after a link was closed because the server stops");
                    // The next one of this thread ends it, if the stop does not.
                    if let Some(Arrival::Closed(code)) =
                        link.arrival_within(Duration::from_millis(5))
                    {
                        assert_eq!(code, Some(1001), "whoever got 101 is told to go");
                    }
                }
                Err(error) => match *error {
                    Error::Http(answer) => {
                        assert_eq!(answer.status().as_u16(), 503);
                        refused += 1;
                    }
                    _ => return refused,
                },
            }
        }
    })
}

#[test]
fn nobody_is_let_in_once_links_are_closed() {
    let mut server = Server::start();
    let mut alice = server.newcomer("alice");
    let first_closed = Arc::new(AtomicBool::new(false));
    let users: Vec<User> = (0..8).map(|n| server.register(&format!("user{n}"), ANDROID)).collect();
    let dialling: Vec<_> = users.iter().map(|user| redial(&server, user, &first_closed)).collect();
    thread::sleep(Duration::from_millis(200));
    server.terminate();
    assert_eq!(alice.drain_to_close().1, Some(1001));
    first_closed.store(true, Ordering::SeqCst);
    let refused: u32 = dialling.into_iter().map(|thread| thread.join().expect("no 101")).sum();
    eprintln!("{refused} handshakes got 503");
    assert_eq!(server.exit_status().code(), Some(0));
}

#[test]
fn a_pace_that_is_too_low_is_told_before_and_nobody_is_cut() {
    let mut server = Setup::new()
        .set("OPENIM_GATEWAY_CLOSEPERSECOND", 2)
        .set("OPENIM_GATEWAY_DRAINSECONDS", 1)
        .allow("gateway.closePerSecond")
        .start();
    let links: Vec<_> = (0..40).map(|n| server.newcomer(&format!("user{n}"))).collect();
    // The figure of links is brought up to date a few times a second.
    thread::sleep(Duration::from_secs(1));
    server.terminate();
    for mut link in links {
        assert_eq!(link.drain_to_close().1, Some(1001), "{}", link.user.uid);
    }
    assert_eq!(server.exit_status().code(), Some(0));
    server.logged(&["WARN", "gateway.closePerSecond", "links=40", "pace=2"]);
    server.logged(&["INFO", "stopped", "links_moved=40", "links_cut=0"]);
}

/// Bytes that wait for links.
fn waiting_bytes(server: &Server) -> u64 {
    let text = http::call(server.operator(), "GET", "/metrics", &[], b"").text();
    let samples = text.lines().filter(|line| line.starts_with("openim_outbox_bytes{"));
    samples.filter_map(|sample| sample.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// A peer that reads nothing of megabytes that are on their way to it never gets its close frame.
#[test]
fn a_link_that_takes_no_close_frame_counts_as_cut() {
    let mut server = Setup::new().set("OPENIM_GATEWAY_DRAINSECONDS", 1).allow("links_cut").start();
    let alice = server.register("alice", IOS);
    let mut writer = server.connect(&alice);
    let content = "x".repeat(60_000);
    for n in 0..300 {
        writer.say("alice", &format!("m{n}"), &content);
    }
    let mut deaf = server.connect(&User { platform: ANDROID, ..alice });
    let pull = deaf.envelope(1002, &json!({"seqBegin": 1, "seqEnd": 300}));
    deaf.send_text(pull);
    let deadline = Instant::now() + PATIENCE;
    while waiting_bytes(&server) == 0 {
        assert!(Instant::now() < deadline, "the answer waits for who does not read");
        thread::sleep(Duration::from_millis(20));
    }
    let mut other = server.newcomer("bob");
    server.terminate();
    assert_eq!(other.drain_to_close().1, Some(1001));
    assert_eq!(server.exit_status().code(), Some(0));
    server.logged(&["WARN", "stopped", "links_moved=2", "links_cut=1", "gateway.drainSeconds"]);
}
