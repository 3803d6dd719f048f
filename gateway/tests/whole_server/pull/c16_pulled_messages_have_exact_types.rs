//! C16: a pulled message has the nine keys of May with their types, and the three of August beside them.

use serde_json::json;

use crate::support::jwt::now;
use crate::support::link::message;
use crate::support::platform::WEB;
use crate::support::server::Server;

#[test]
fn c16_nine_keys_with_exact_types_and_values() {
    let server = Server::start();
    let mut alice = server.connect(&server.register("alice", WEB));
    let mut data = message("bob", "client-1", "hello");
    data["platformID"] = json!(WEB);
    data["contentType"] = json!(110);
    let before = now();
    let ack = alice.say_data(&data);
    let pulled = alice.pull(1, 1);
    assert_eq!(pulled["single"][0]["id"], "bob", "the other party: {pulled}");
    assert_eq!(pulled["group"], json!([]));
    let mut stored = pulled["single"][0]["list"][0].clone();
    let send_time = stored["sendTime"].as_i64().expect("an unquoted integer");
    assert!((before - 1..=now() + 1).contains(&send_time), "unix seconds: {stored}");
    let fields = stored.as_object_mut().expect("an object");
    for key in ["senderNickName", "senderFaceUrl"] {
        assert!(
            fields.remove(key).is_none_or(|value| value.is_string()),
            "{key} is a string if there"
        );
    }
    let expected = json!({"sendID": "alice", "recvID": "bob", "msgFrom": 100, "contentType": 110,
        "serverMsgID": ack.server_id, "content": "hello", "seq": 1, "sendTime": ack.send_time,
        "senderPlatformID": WEB, "clientMsgID": "client-1"});
    assert_eq!(stored, expected);
}

#[test]
fn messages_are_grouped_by_the_other_party() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    alice.say("bob", "1", "to bob");
    bob.say("alice", "2", "from bob");
    alice.push();
    alice.say("carol", "3", "to carol");
    let data = alice.pull(1, 3);
    let mut groups: Vec<(String, Vec<i64>)> = Vec::new();
    for entry in data["single"].as_array().expect("a list") {
        let list = entry["list"].as_array().expect("a list");
        let seqs = list.iter().filter_map(|message| message["seq"].as_i64()).collect();
        groups.push((entry["id"].as_str().expect("an id").to_owned(), seqs));
    }
    groups.sort();
    assert_eq!(groups, [("bob".to_owned(), vec![1, 2]), ("carol".to_owned(), vec![3])]);
}
