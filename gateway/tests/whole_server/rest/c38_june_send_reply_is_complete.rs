//! C38: the June client needs clientMsgID, serverMsgID and sendTime in seconds from a REST send.

use serde_json::json;

use crate::support::jwt::now;
use crate::support::platform::IOS;
use crate::support::rest::send_body;
use crate::support::server::{Server, Setup};

#[test]
fn c38_the_reply_has_both_ids_and_the_time_in_seconds() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let before = now();
    let answer = server.post_as(
        &alice.token,
        "/chat/send_msg",
        &send_body(&alice, "bob", "client-1", "hello"),
    );
    assert_eq!(answer.status, 200);
    let reply = answer.json();
    let data = &reply["data"];
    let time = data["sendTime"].as_i64().expect("an integer");
    assert!((before - 1..=now() + 1).contains(&time), "unix seconds: {reply}");
    assert!(data["serverMsgID"].as_str().is_some_and(|id| !id.is_empty()), "{reply}");
    let expected = json!({"data": {"clientMsgID": "client-1", "serverMsgID": data["serverMsgID"], "sendTime": time},
        "errCode": 0, "errMsg": "", "msgIncr": 1, "reqIdentifier": 1003});
    assert_eq!(reply, expected);
}

/// Under `wire.timeUnit: nanoseconds` REST counts as the websocket does.
#[test]
fn the_time_unit_holds_for_rest() {
    let server = Setup::new().set("OPENIM_WIRE_TIMEUNIT", "nanoseconds").start();
    let alice = server.register("alice", IOS);
    let mut bob = server.newcomer("bob");
    let sent = server.rest_send(&alice, "bob", "client-1", "hello");
    let time = sent["sendTime"].as_i64().expect("an integer");
    assert!(((now() - 60) * 1_000_000_000..(now() + 60) * 1_000_000_000).contains(&time), "{sent}");
    assert_eq!(bob.pushed()["sendTime"], time);
}
