//! C27: a push has errCode 0 and its documented keys, and no other text frame is ever sent.

use serde_json::{Value, json};

use crate::support::platform::WEB;
use crate::support::server::Server;

#[test]
fn c27_a_push_has_the_documented_keys_and_types() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let ack = alice.say("bob", "client-1", "hello");
    let mut push = bob.push();
    let fields = push["data"].as_object_mut().expect("an object");
    for key in ["senderNickName", "senderFaceUrl"] {
        assert!(
            fields.remove(key).is_none_or(|value| value.is_string()),
            "{key} is a string if there"
        );
    }
    let expected = json!({"errCode": 0, "errMsg": "", "reqIdentifier": 2001, "data": {
        "content": "hello", "contentType": 101, "isEmphasize": false, "msgFrom": 100, "recvID": "bob",
        "sendID": "alice", "sendTime": ack.send_time, "senderPlatformID": 1, "seq": 1,
        "serverMsgID": ack.server_id, "sessionType": 1, "clientMsgID": "client-1"}});
    assert_eq!(push, expected);
}

#[test]
fn c27_a_busy_link_sees_its_replies_and_pushes_and_nothing_else() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut web = server.connect(&server.login("alice", WEB));
    let mut bob = server.newcomer("bob");
    for n in 0..10 {
        alice.say("bob", &format!("a{n}"), "out");
        web.say("bob", &format!("w{n}"), "from the other device");
        bob.say("alice", &format!("b{n}"), "in");
    }
    for (mut link, pushes) in [(alice, 20), (web, 20), (bob, 20)] {
        for _ in 0..pushes {
            let push = link.push();
            assert_eq!(
                (&push["reqIdentifier"], &push["errCode"]),
                (&json!(2001), &json!(0)),
                "{push}"
            );
        }
        let fence = link.envelope(1001, &Value::Null);
        let reply = link.ask(&fence);
        assert_eq!(reply["msgIncr"], fence["msgIncr"], "{reply}");
        assert_eq!(reply["data"]["seq"], 30, "{reply}");
        link.close();
    }
}
