//! C38: the June client needs clientMsgID, serverMsgID and sendTime in seconds from a REST send.

use serde_json::json;

use crate::support::jwt::now;
use crate::support::platform::IOS;
use crate::support::rest::send_body;
use crate::support::server::Server;

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

/// A body of August (a nickname, or no `msgIncr`) is answered in nanoseconds.
#[test]
fn an_august_body_is_answered_in_nanoseconds() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let mut body = send_body(&alice, "bob", "client-1", "hello");
    body.as_object_mut().expect("an object").remove("msgIncr");
    body["senderNickName"] = json!("Alice");
    body["senderFaceUrl"] = json!("https://img.example/a.png");
    let reply = server.post_as(&alice.token, "/chat/send_msg", &body).json();
    let time = reply["data"]["sendTime"].as_i64().expect("an integer");
    assert!(
        ((now() - 60) * 1_000_000_000..(now() + 60) * 1_000_000_000).contains(&time),
        "{reply}"
    );
}
