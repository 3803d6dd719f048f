//! C11: a binary frame holding JSON gets the reply a text frame gets, and gets it as text.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::link::message;
use crate::support::server::Server;

#[test]
fn c11_requests_in_binary_frames_are_answered_as_text() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let ask = alice.envelope(1001, &Value::Null).to_string();
    let as_text = alice.ask(&serde_json::from_str(&ask).expect("made above"));
    alice.send(Message::binary(ask.into_bytes()));
    assert_eq!(alice.reply(), as_text);
    let send = alice.envelope(1003, &message("bob", "m", "from binary")).to_string();
    alice.send(Message::binary(format!(" \n\t{send}").into_bytes()));
    let reply = alice.reply();
    assert_eq!(
        (&reply["errCode"], &reply["data"]["clientMsgID"]),
        (&json!(0), &json!("m")),
        "{reply}"
    );
    alice.send(Message::binary(b"{".to_vec()));
    assert_eq!(alice.reply()["errCode"], 200);
}
