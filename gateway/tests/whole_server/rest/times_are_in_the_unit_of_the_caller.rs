//! Times are seconds for clients of June 2021. Bodies that only later clients send, without `msgIncr` or with
//! `senderNickName`, are answered in nanoseconds, which those clients read (websocket 7.5).

use serde_json::{Value, json};

use crate::support::link::messages;
use crate::support::rest::send_body;
use crate::support::server::{Server, Setup};

/// Digits of a unix time in seconds, and in nanoseconds.
const SECONDS: usize = 10;
const NANOSECONDS: usize = 19;

#[track_caller]
fn assert_unit(data: &Value, digits: usize) {
    assert_eq!(data["sendTime"].to_string().len(), digits, "{data}");
}

fn pull(more: &Value) -> Value {
    let mut body = json!({"reqIdentifier": 1002, "sendID": "alice", "operationID": "op",
        "data": {"seqBegin": 1, "seqEnd": 10}});
    for (key, value) in more.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

fn pulled(server: &Server, token: &str, path: &str, body: &Value) -> Value {
    let answer = server.post_as(token, path, body).json();
    messages(&answer["data"]).swap_remove(0)
}

#[test]
fn by_what_the_body_has() {
    let server = Server::start();
    let alice = server.newcomer("alice");
    let (user, token) = (alice.user.clone(), alice.user.token.clone());
    let june = send_body(&user, "bob", "m-1", "hello");
    assert_unit(&server.post_as(&token, "/chat/send_msg", &june).json()["data"], SECONDS);
    let mut later = send_body(&user, "bob", "m-2", "hello");
    later["senderNickName"] = json!("Alice");
    assert_unit(&server.post_as(&token, "/chat/send_msg", &later).json()["data"], NANOSECONDS);
    let mut without = send_body(&user, "bob", "m-3", "hello");
    without.as_object_mut().expect("an object").remove("msgIncr");
    assert_unit(&server.post_as(&token, "/chat/send_msg", &without).json()["data"], NANOSECONDS);

    let june = pull(&json!({"msgIncr": 1}));
    assert_unit(&pulled(&server, &token, "/chat/pull_msg", &june), SECONDS);
    assert_unit(&pulled(&server, &token, "/chat/pull_msg", &pull(&json!({}))), NANOSECONDS);
    let by_seq =
        json!({"reqIdentifier": 1005, "sendID": "alice", "operationID": "op", "seqList": [1]});
    assert_unit(&pulled(&server, &token, "/chat/pull_msg_by_seq", &by_seq), NANOSECONDS);
}

#[test]
fn nanoseconds_for_all_when_configured() {
    let server = Setup::new().set("OPENIM_WIRE_TIMEUNIT", "nanoseconds").start();
    let alice = server.newcomer("alice");
    let body = send_body(&alice.user, "bob", "m-1", "hello");
    let answer = server.post_as(&alice.user.token, "/chat/send_msg", &body).json();
    assert_unit(&answer["data"], NANOSECONDS);
}
