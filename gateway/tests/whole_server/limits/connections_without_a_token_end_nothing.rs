//! However many connections strangers open, the log, the index and the operators' port have the files they need: messages
//! flow while segments change, links stay, health is told, and whoever comes is let in or refused at once.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::engine::embedded_only;
use crate::support::http::{self, dial, read_answer};
use crate::support::link::Link;
use crate::support::platform::IOS;
use crate::support::server::{Server, Setup};

/// Open files of the server: some hundred more than it keeps for itself.
const FILES: u64 = 640;

fn tight() -> Setup {
    Setup::new()
        .open_files(FILES)
        .set("OPENIM_LIMITS_REQUESTBODYBYTESMAX", 65_536)
        .set("OPENIM_EMBEDDED_SEGMENTBYTES", 1 << 20)
}

/// Connections that say `beginning` and nothing more.
fn strangers(to: SocketAddr, count: usize, beginning: &[u8]) -> Vec<TcpStream> {
    (0..count)
        .map(|_| {
            let mut stream = dial(to);
            stream.write_all(beginning).ok();
            stream
        })
        .collect()
}

/// Connections at once to each port: more than there are files.
const CROWD: usize = 500;

fn ask_operator(server: &Server, path: &str) -> http::Answer {
    http::call(server.operator(), "GET", path, &[], b"")
}

fn segments(server: &Server) -> usize {
    std::fs::read_dir(server.data_dir().join("log")).expect("the log's folder").count()
}

#[test]
fn messages_flow_and_segments_change_in_a_crowd_of_strangers() {
    if embedded_only("its log is in the data directory") {
        return;
    }
    let server = tight().start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let content = "x".repeat(40_000);
    let before = segments(&server);
    let mut crowd = Vec::new();
    for round in 0..4 {
        crowd.extend(strangers(server.rest(), CROWD / 4, b""));
        crowd.extend(strangers(server.ws(), CROWD / 4, b"GET / HTTP/1.1\r\nHost: x\r\n"));
        crowd.extend(strangers(server.operator(), 100, b"GET /metr"));
        for number in 0..20 {
            let id = format!("message{round}-{number}");
            alice.say("bob", &id, &content);
            assert_eq!(bob.pushed()["clientMsgID"], *id);
        }
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(ask_operator(&server, path).status, 200, "{path}");
        }
        // Whoever speaks is let in: the silent make room.
        let carol = server.register(&format!("carol{round}"), IOS);
        let mut link = server.connect(&carol);
        assert_eq!(link.newest(), 0);
    }
    assert!(segments(&server) > before + 1, "segments changed");
    assert_eq!(bob.newest(), 80);
    drop(crowd);
}

#[test]
fn the_maximum_of_links_that_is_announced_holds() {
    let server = tight().start();
    let announced = server.logged(&["open files allow this many links"]);
    let announced = announced.split("links=").nth(1).expect("a number");
    let announced: String = announced.chars().take_while(char::is_ascii_digit).collect();
    let announced: usize = announced.parse().expect("a number");
    let mut links = Vec::new();
    for number in 0..FILES {
        let user = server.register(&format!("user{number}"), IOS);
        match Link::open(server.ws(), &user) {
            Ok(link) => links.push((user, link)),
            Err(_) => {
                assert_eq!(server.refusal(&user), 503);
                break;
            }
        }
    }
    assert_eq!(links.len(), announced);
    // A full house still takes calls, tells its health, and refuses at once.
    let (user, link) = &mut links[0];
    assert_eq!(link.newest(), 0);
    assert_eq!(server.rest_send(user, "somebody", "one", "hello")["clientMsgID"], "one");
    assert_eq!(ask_operator(&server, "/readyz").status, 200);
    let (user, last) = links.pop().expect("a full house");
    last.close();
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while Link::open(server.ws(), &user).is_err() {
        assert!(std::time::Instant::now() < deadline, "who leaves makes room");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn too_few_files_are_told_at_the_start() {
    if embedded_only("clients of components need more open files than the test leaves") {
        return;
    }
    let refusal = Setup::new().open_files(256).refused();
    refusal.assert_one_line_with(&["open files is 256", "LimitNOFILE"]);
}

#[test]
fn handshakes_at_the_limit_are_refused_or_served_never_left_waiting() {
    let server = tight().set("OPENIM_LIMITS_HANDSHAKESINFLIGHTMAX", 10).start();
    let alice = server.register("alice", IOS);
    let crowd = strangers(server.ws(), 200, b"GET / HTTP/1.1\r\nHost: x\r\n");
    let mut link = server.connect(&alice);
    assert_eq!(link.newest(), 0);
    let mut late = dial(server.ws());
    late.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("the server listens");
    assert_eq!(read_answer(&mut late).status, 401);
    drop(crowd);
}
