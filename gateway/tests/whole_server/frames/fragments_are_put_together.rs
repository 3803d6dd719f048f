//! A message in fragments is the message, also with control frames between them.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::raw::{BINARY, CONTINUATION, PING, PONG, RawLink, TEXT, frame};
use crate::support::rest::User;
use crate::support::server::Server;

fn newest_request(user: &User, incr: i64) -> Vec<u8> {
    json!({"reqIdentifier": 1001, "token": user.token, "sendID": user.uid, "operationID": "ö\u{1f600}",
        "msgIncr": incr})
    .to_string()
    .into_bytes()
}

#[track_caller]
fn assert_answered(link: &mut RawLink, incr: i64) {
    let answer = link.read().expect("an open link");
    assert!(answer.fin && answer.opcode == TEXT, "{answer:?}");
    let reply: Value = serde_json::from_slice(&answer.payload).expect("JSON");
    assert_eq!((&reply["errCode"], &reply["msgIncr"]), (&json!(0), &json!(incr)), "{reply}");
}

#[test]
fn fragments_of_any_size_are_one_message() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let mut link = RawLink::open(server.ws(), &alice);
    for (incr, size) in [(1, 1), (2, 7), (3, 100)] {
        let request = newest_request(&alice, incr);
        let last = request.len().div_ceil(size) - 1;
        for (n, piece) in request.chunks(size).enumerate() {
            let opcode = if n == 0 { [TEXT, BINARY][size % 2] } else { CONTINUATION };
            link.send(&frame(n == last, opcode, piece));
        }
        assert_answered(&mut link, incr);
    }
}

#[test]
fn pings_and_empty_fragments_between_are_handled_at_once() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let mut link = RawLink::open(server.ws(), &alice);
    let request = newest_request(&alice, 4);
    let (head, tail) = request.split_at(request.len() / 2);
    link.send(&frame(false, TEXT, b""));
    link.send(&frame(false, CONTINUATION, head));
    link.send(&frame(true, PING, b"between"));
    let pong = link.read().expect("an open link");
    assert_eq!((pong.opcode, pong.payload.as_slice()), (PONG, &b"between"[..]));
    link.send(&frame(false, CONTINUATION, tail));
    link.send(&frame(true, CONTINUATION, b""));
    assert_answered(&mut link, 4);
}

#[test]
fn a_frame_dripping_in_byte_by_byte_is_one_frame() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let mut link = RawLink::open(server.ws(), &alice);
    for byte in frame(true, TEXT, &newest_request(&alice, 5)) {
        link.send(&[byte]);
    }
    assert_answered(&mut link, 5);
}
