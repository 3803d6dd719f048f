//! C10: keys are matched whatever their case, unknown ones are ignored, and of equal ones the last wins.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::link::message;
use crate::support::server::Server;

#[test]
fn c10_envelope_keys_in_any_case_are_accepted() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let token = alice.user.token.clone();
    for spelling in [str::to_uppercase as fn(&str) -> String, str::to_lowercase, |key| {
        format!("{}{}", key[..1].to_uppercase(), &key[1..])
    }] {
        let mut envelope = serde_json::Map::new();
        let fields = [
            ("reqIdentifier", json!(1001)),
            ("token", json!(token)),
            ("sendID", json!("alice")),
            ("operationID", json!("op")),
            ("msgIncr", json!(9)),
        ];
        for (key, value) in fields {
            envelope.insert(spelling(key), value);
        }
        let reply = alice.ask(&Value::Object(envelope));
        assert_eq!((&reply["errCode"], &reply["msgIncr"]), (&json!(0), &json!(9)), "{reply}");
    }
}

#[test]
fn c10_data_keys_in_any_case_are_accepted() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let data = message("bob", "m", "loud");
    let loud: serde_json::Map<String, Value> = data
        .as_object()
        .expect("an object")
        .iter()
        .map(|(key, value)| (key.to_uppercase(), value.clone()))
        .collect();
    alice.say_data(&Value::Object(loud));
    assert_eq!(alice.inbox()[0]["content"], "loud");
}

#[test]
fn unknown_keys_are_ignored_and_of_equal_keys_the_last_wins() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let good = alice.envelope(1001, &Value::Null).to_string();
    let text = good.replacen('{', r#"{"unknown":[{"deep":1}],"msgIncr":5,"sendID":"bob","#, 1);
    alice.send(Message::text(text));
    let reply = alice.reply();
    assert_eq!((&reply["errCode"], &reply["msgIncr"]), (&json!(0), &json!(1)), "{reply}");
}
