//! A long pull whose link ends in the middle, by another login, a newer link or a drain, ends as an answer that
//! says that it failed: what was cut off never looks like a whole one, and the notice behind it can be read.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::replaced_link_gets_the_kick_notice::assert_kick_notice;
use crate::support::PATIENCE;
use crate::support::http::call;
use crate::support::link::message;
use crate::support::raw::{RawLink, frame};
use crate::support::rest::User;
use crate::support::server::Server;

/// Many times what the sockets between server and client hold.
const COUNT: usize = 250;
const CONTENT_BYTES: usize = 50_000;

#[test]
fn by_another_login() {
    let (frames, code) = cut_short(|server, user| drop(server.login("alice", user.platform)));
    assert_kick_notice(&frames[0], "alice", 303);
    assert_eq!((frames.len(), code), (1, Some(1008)));
}

#[test]
fn by_a_newer_link() {
    let mut newer = None;
    let (frames, code) = cut_short(|server, user| newer = Some(server.connect(user)));
    assert_kick_notice(&frames[0], "alice", 303);
    assert_eq!((frames.len(), code), (1, Some(1008)));
}

#[test]
fn by_a_drain() {
    let (frames, code) = cut_short(|server, _| {
        server.terminate();
        // Who reads on before the drain has come to the link gets the whole answer.
        let deadline = Instant::now() + PATIENCE;
        let figures = || call(server.operator(), "GET", "/metrics", &[], b"").text();
        while !figures().contains("openim_links_closed_total{reason=\"drain\"}") {
            assert!(Instant::now() < deadline, "links are closed in the end");
            sleep(Duration::from_millis(20));
        }
    });
    assert_eq!((frames, code), (Vec::new(), Some(1001)));
}

/// Asks for a long pull, has its link ended when the first part is there, and reads on. Returns what came behind
/// the pull, and the code of the close.
fn cut_short(end: impl FnOnce(&Server, &User)) -> (Vec<Value>, Option<u16>) {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let content = "x".repeat(CONTENT_BYTES);
    for n in 0..COUNT {
        let envelope = alice.envelope(1003, &message("bob", &format!("m{n}"), &content));
        alice.send_text(&envelope);
    }
    for _ in 0..COUNT {
        assert_eq!(alice.reply()["errCode"], 0);
    }
    let pull = alice.envelope(1002, &json!({"seqBegin": 1, "seqEnd": COUNT})).to_string();
    let user = alice.user.clone();
    alice.close();
    // On a cluster the inbox has what was answered a moment later: a pull of the first few of them is over before it can be
    // cut short. A link waits for its own sends, this is another one.
    server.at_rest();
    let mut link = RawLink::open_narrow(server.ws(), &user);
    link.send(&frame(true, 1, pull.as_bytes()));
    let first = link.read().expect("the answer begins");
    assert_eq!((first.fin, first.opcode), (false, 1), "in parts");
    end(&server, &user);
    let (mut texts, mut text) = (Vec::new(), first.payload);
    loop {
        let next = link.read().expect("a close frame comes last");
        if let Some(code) = next.close_code() {
            let json = |text: &Vec<u8>| serde_json::from_slice(text).expect("whole JSON");
            let mut frames: Vec<Value> = texts.iter().map(json).collect();
            let answer = frames.remove(0);
            assert_eq!((&answer["errCode"], &answer["msgIncr"]), (&json!(1), &json!(COUNT + 1)));
            assert!(answer["data"]["single"].is_array(), "the shape of any answer");
            return (frames, Some(code));
        }
        text.extend(next.payload);
        if next.fin {
            texts.push(std::mem::take(&mut text));
        }
    }
}
