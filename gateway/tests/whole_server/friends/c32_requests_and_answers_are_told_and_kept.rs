//! C32: a request is pushed to who is asked and its acceptance to who asked, in the numbers of the profile; both are
//! in both inboxes.

use serde_json::{Value, json};

use crate::support::link::Link;
use crate::support::platform::IOS;
use crate::support::rest::{done_at, op, plain};
use crate::support::server::{Server, Setup};

/// What tips are compared by.
const SHOWN: [&str; 6] =
    ["contentType", "sendID", "recvID", "msgFrom", "senderPlatformID", "content"];

fn shown(message: &Value) -> Value {
    SHOWN.iter().map(|key| message[key].clone()).collect()
}

/// Checks that both users were pushed the same tips and have them in their inboxes, and nothing else.
#[track_caller]
fn assert_told(links: [&mut Link; 2], copies: [&[i64]; 2], expected: &[Value]) {
    for (link, pushed_types) in links.into_iter().zip(copies) {
        let pulled = link.inbox();
        let seen: Vec<Value> = pulled.iter().map(shown).collect();
        assert_eq!(seen, expected, "pulled by {}", link.user.uid);
        for (place, (kept, content_type)) in pulled.iter().zip(pushed_types).enumerate() {
            let push = link.pushed();
            assert_eq!(push["contentType"], *content_type, "{push}");
            assert_eq!(push["sessionType"], 1, "{push}");
            assert_eq!(push["seq"], place as i64 + 1, "{push}");
            for key in ["serverMsgID", "content", "msgFrom", "sendTime", "sendID", "recvID"] {
                assert_eq!(push[key], kept[key], "{key}: {push}");
            }
        }
    }
}

fn text(is_display: i64, text: &str) -> String {
    format!("{{\"isDisplay\":{is_display},\"id\":\"\",\"text\":\"{text}\"}}")
}

fn answer(server: &Server, by: &Link, of: &str, flag: i64) {
    let body = op(json!({"uid": of, "flag": flag}));
    assert_eq!(server.ask_as(&by.user, "/friend/add_friend_response", &body), plain(0, ""));
}

fn ask(server: &Server, by: &Link, whom: &str) {
    let body = op(json!({"uid": whom, "reqMessage": "let me in"}));
    assert_eq!(server.ask_as(&by.user, "/friend/add_friend", &body), plain(0, ""));
}

#[test]
fn c32_june_requests_are_202_and_agreements_201() {
    let server = Server::start();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    ask(&server, &alice, "bob");
    answer(&server, &bob, "alice", 1);
    let asked = text(0, "name of alice asked to add you as a friend");
    let agreed = text(1, "name of bob agreed to add you as a friend.");
    let expected =
        [json!([202, "alice", "bob", 200, 0, asked]), json!([201, "bob", "alice", 200, 0, agreed])];
    assert_told([&mut alice, &mut bob], [&[202, 201], &[202, 201]], &expected);
}

#[test]
fn c32_may_requests_are_201_and_agreements_202() {
    let server = Setup::new().set("OPENIM_WIRE_PROFILE", "may2021").start();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    ask(&server, &alice, "bob");
    answer(&server, &bob, "alice", 1);
    let expected = [
        json!([201, "alice", "bob", 200, 0, "name of alice asked to add you as a friend"]),
        json!([202, "bob", "alice", 200, 0, "name of bob agreed to add you as a friend."]),
    ];
    // The author's own connections get it as a copy.
    assert_told([&mut alice, &mut bob], [&[108, 202], &[201, 108]], &expected);
}

#[test]
fn a_refusal_is_told_in_june_and_not_in_may() {
    let server = Server::start();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    ask(&server, &alice, "bob");
    answer(&server, &bob, "alice", -1);
    let asked = text(0, "name of alice asked to add you as a friend");
    let refused = text(0, "name of bob refuse to add you as a friend.");
    let expected = [
        json!([202, "alice", "bob", 200, 0, asked]),
        json!([203, "bob", "alice", 100, 0, refused]),
    ];
    assert_told([&mut alice, &mut bob], [&[202, 203], &[202, 203]], &expected);

    let server = Setup::new().set("OPENIM_WIRE_PROFILE", "may2021").start();
    let (mut alice, bob) = (server.newcomer("alice"), server.newcomer("bob"));
    ask(&server, &alice, "bob");
    answer(&server, &bob, "alice", -1);
    assert_eq!(alice.newest(), 1, "only the request");
}

#[test]
fn names_are_told_as_they_are() {
    let server = Server::start();
    let (alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    let name = "Ann \"the\" <b>\u{2028}\\ \u{1f600}";
    server.done_as(&alice.user, "/user/update_user_info", &op(json!({ "name": name })));
    ask(&server, &alice, "bob");
    let push = bob.pushed();
    let content: Value = serde_json::from_str(push["content"].as_str().expect("a text"))
        .expect("the content is JSON");
    let text = format!("{name} asked to add you as a friend");
    assert_eq!(content, json!({"isDisplay": 0, "id": "", "text": text}));
}

#[test]
fn the_same_answer_again_is_no_second_tip() {
    let server = Server::start();
    let (mut alice, bob) = (server.newcomer("alice"), server.newcomer("bob"));
    ask(&server, &alice, "bob");
    for _ in 0..3 {
        answer(&server, &bob, "alice", 1);
    }
    assert_eq!(alice.newest(), 2, "the request and one agreement");
    let (mut carol, dave) = (server.newcomer("carol"), server.newcomer("dave"));
    ask(&server, &carol, "dave");
    for _ in 0..3 {
        answer(&server, &dave, "carol", -1);
    }
    assert_eq!(carol.newest(), 2, "the request and one refusal");
}

/// Requests of one user to many, made at once: each of them is told.
#[test]
fn requests_made_in_the_same_moment_are_all_told() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let others: Vec<_> = (0..24).map(|n| server.register(&format!("other{n}"), IOS)).collect();
    std::thread::scope(|scope| {
        for part in others.chunks(6) {
            let (rest, alice) = (server.rest(), &alice.user);
            scope.spawn(move || {
                for other in part {
                    let body = op(json!({"uid": other.uid}));
                    done_at(rest, &alice.token, "/friend/add_friend", &body);
                }
            });
        }
    });
    for other in &others {
        let inbox = server.connect(other).inbox();
        assert_eq!(inbox.len(), 1, "{} was told", other.uid);
        assert_eq!(inbox[0]["recvID"], other.uid);
    }
    assert_eq!(alice.newest(), 24);
}

#[test]
fn agreeing_from_several_devices_at_once_is_told_once() {
    let server = Server::start();
    let (mut alice, bob) = (server.newcomer("alice"), server.newcomer("bob"));
    ask(&server, &alice, "bob");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (rest, bob) = (server.rest(), &bob.user);
            scope.spawn(move || {
                let body = op(json!({"uid": "alice", "flag": 1}));
                done_at(rest, &bob.token, "/friend/add_friend_response", &body);
            });
        }
    });
    assert_eq!(alice.newest(), 2, "the request and one agreement");
}
