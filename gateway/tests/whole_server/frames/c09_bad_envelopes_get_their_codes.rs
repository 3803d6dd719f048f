//! C09: bad envelopes get 200, 201 and 202 in the small shape, and the connection stays usable.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::link::Link;
use crate::support::platform::{IOS, WEB};
use crate::support::server::Server;
use crate::support::{ACCESS_SECRET, jwt};

#[track_caller]
fn assert_refused(link: &mut Link, frame: &str, code: i64) -> Value {
    link.send(Message::text(frame));
    let reply = link.reply();
    assert_eq!(reply["errCode"], code, "{frame} got {reply}");
    assert!(reply["errMsg"].as_str().is_some_and(|text| !text.is_empty()), "{reply}");
    assert!(reply.get("data").is_none(), "no data in this shape: {reply}");
    reply
}

#[test]
fn c09_what_is_no_json_envelope_gets_200() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let good = alice.envelope(1001, &Value::Null).to_string();
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{good}");
        good.replace(from, to)
    };
    let frames = [
        "{".to_owned(),
        String::new(),
        "hello".to_owned(),
        "[]".to_owned(),
        "7".to_owned(),
        r#"{"reqIdentifier":1001"#.to_owned(),
        format!("{good} x"),
        changed("1001", "1001.0"),
        changed("1001", "\"1001\""),
        changed("1001", "1e3"),
        changed("1001", "99999999999"),
        changed("\"data\":null", "\"data\":[]"),
        changed("\"data\":null", "\"data\":\"text\""),
        changed("\"data\":null", "\"data\":5"),
        changed("\"sendID\":\"alice\"", "\"sendID\":5"),
    ];
    for frame in frames {
        assert_refused(&mut alice, &frame, 200);
    }
    assert_eq!(alice.newest(), 0, "the connection stays usable");
}

#[test]
fn c09_a_missing_field_gets_201() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    assert_refused(&mut alice, "{}", 201);
    assert_refused(&mut alice, "null", 201);
    for (key, empty) in [
        ("reqIdentifier", json!(0)),
        ("token", json!("")),
        ("sendID", json!("")),
        ("operationID", json!("")),
        ("msgIncr", json!(0)),
    ] {
        for missing in [None, Some(Value::Null), Some(empty)] {
            let mut envelope = alice.envelope(1001, &Value::Null);
            let fields = envelope.as_object_mut().expect("an object");
            match missing {
                None => drop(fields.remove(key)),
                Some(value) => drop(fields.insert(key.to_owned(), value)),
            }
            assert_refused(&mut alice, &envelope.to_string(), 201);
        }
    }
    assert_eq!(alice.newest(), 0, "the connection stays usable");
}

#[test]
fn c09_a_token_that_is_not_the_callers_gets_202() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let bob = server.register("bob", IOS);
    let expired = jwt::sign(ACCESS_SECRET, jwt::HS256, &jwt::claims("alice", "IOS", 7200, -3600));
    let own = alice.user.token.clone();
    let cases = [
        ("garbage", "alice"),
        (bob.token.as_str(), "alice"),
        (expired.as_str(), "alice"),
        (own.as_str(), "bob"),
        // A good pair, but not of the user who is connected here.
        (bob.token.as_str(), "bob"),
    ];
    for (token, sender) in cases {
        let mut envelope = alice.envelope(1001, &Value::Null);
        envelope["token"] = json!(token);
        envelope["sendID"] = json!(sender);
        let reply = assert_refused(&mut alice, &envelope.to_string(), 202);
        assert_eq!(reply["errMsg"], "token validate err");
    }
    assert_eq!(alice.newest(), 0, "the connection stays usable");
}

/// Any good token of the user will do, be it of another of his devices.
#[test]
fn another_good_token_of_the_caller_is_accepted() {
    let server = Server::start();
    let mut phone = server.newcomer("alice");
    let web = server.login("alice", WEB);
    let mut envelope = phone.envelope(1001, &Value::Null);
    envelope["token"] = json!(web.token);
    let reply = phone.ask(&envelope);
    assert_eq!(reply["errCode"], 0, "{reply}");
}

/// A client can fail the waiting call when the number it gave is in the refusal.
#[test]
fn a_refusal_names_the_request_when_it_could_be_read() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut envelope = alice.envelope(1001, &Value::Null);
    envelope["token"] = json!("garbage");
    envelope["msgIncr"] = json!(77);
    let reply = assert_refused(&mut alice, &envelope.to_string(), 202);
    assert_eq!((&reply["reqIdentifier"], &reply["msgIncr"]), (&json!(1001), &json!(77)), "{reply}");
}
