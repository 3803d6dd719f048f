//! Inside `data`, numeric strings are numbers, `null` and absence are zero, and what cannot be converted is 203.

use serde_json::{Value, json};

use crate::support::link::{Link, message};
use crate::support::server::Server;

/// Sends `data` that must be refused and checks the whole reply of a send.
#[track_caller]
fn assert_send_refused(alice: &mut Link, data: &Value, code: i64) {
    let envelope = alice.envelope(1003, data);
    let reply = alice.ask(&envelope);
    assert_eq!(reply["errCode"], code, "{data} got {reply}");
    assert_eq!(
        (&reply["reqIdentifier"], &reply["msgIncr"]),
        (&json!(1003), &envelope["msgIncr"]),
        "{reply}"
    );
    let ids = (&reply["data"]["clientMsgID"], &reply["data"]["serverMsgID"]);
    assert_eq!(ids, (&json!(""), &json!("")), "{reply}");
}

#[test]
fn numeric_strings_are_accepted_and_overflow_is_203() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut data = message("bob", "m", "hello");
    data["platformID"] = json!("1");
    data["contentType"] = json!("102");
    alice.say_data(&data);
    let stored = alice.inbox();
    assert_eq!(stored[0]["contentType"], 102);
    let reply = alice.request(1002, &json!({"seqBegin": "1", "seqEnd": "1"}));
    assert_eq!(reply["data"]["single"][0]["list"].as_array().map(Vec::len), Some(1), "{reply}");
    for wrong in
        [json!(99_999_999_999i64), json!("99999999999"), json!("abc"), json!([1]), json!({})]
    {
        let mut data = message("bob", "m2", "hello");
        data["contentType"] = wrong;
        assert_send_refused(&mut alice, &data, 203);
    }
    for (key, wrong) in [
        ("content", json!({})),
        ("recvID", json!(["bob"])),
        ("options", json!("text")),
        ("offlineInfo", json!(5)),
        ("forceList", json!([{}])),
    ] {
        let mut data = message("bob", "m3", "hello");
        data[key] = wrong;
        assert_send_refused(&mut alice, &data, 203);
    }
    assert_eq!(alice.newest(), 1, "a refused send leaves nothing");
}

#[test]
fn what_a_send_needs_and_lacks_is_204() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    for (key, zero) in [
        ("platformID", json!(0)),
        ("sessionType", json!(0)),
        ("contentType", json!(0)),
        ("recvID", json!("")),
        ("content", json!("")),
        ("clientMsgID", json!("")),
    ] {
        for wrong in [None, Some(Value::Null), Some(zero)] {
            let mut data = message("bob", "m", "hello");
            let fields = data.as_object_mut().expect("an object");
            match wrong {
                None => drop(fields.remove(key)),
                Some(value) => drop(fields.insert(key.to_owned(), value)),
            }
            assert_send_refused(&mut alice, &data, 204);
        }
    }
    assert_send_refused(&mut alice, &Value::Null, 204);
    assert_eq!(alice.newest(), 0, "a refused send leaves nothing");
}
