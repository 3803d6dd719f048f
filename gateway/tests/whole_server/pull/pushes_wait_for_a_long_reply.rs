//! A long reply in fragments is not torn apart by what comes meanwhile: pongs may pass it, pushes and replies wait.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::link::{Arrival, message, messages};
use crate::support::server::Server;

#[test]
fn pushes_and_replies_come_whole_and_in_order_after_it() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let content = "x".repeat(50_000);
    for n in 0..200 {
        alice.say_data(&message("carol", &format!("m{n}"), &content));
    }
    let pull = alice.envelope(1002, &json!({"seqBegin": 1, "seqEnd": 200}));
    let newest = alice.envelope(1001, &Value::Null);
    alice.send_text(&pull);
    alice.send_text(&newest);
    alice.send(Message::Ping(b"meanwhile".to_vec().into()));
    for n in 0..20 {
        bob.say("alice", &format!("b{n}"), "meanwhile");
    }
    thread::sleep(Duration::from_millis(300));
    let (mut replies, mut pushes, mut pongs) = (Vec::new(), 0, 0);
    while replies.len() < 2 || pushes < 20 || pongs < 1 {
        match alice.arrival() {
            Arrival::Json(frame) if frame["reqIdentifier"] == 2001 => {
                assert_eq!(frame["data"]["clientMsgID"], format!("b{pushes}"), "{frame}");
                pushes += 1;
            }
            Arrival::Json(frame) => replies.push(frame),
            Arrival::Pong(payload) => {
                assert_eq!(payload, b"meanwhile");
                pongs += 1;
            }
            closed @ Arrival::Closed(_) => panic!("{closed:?}"),
        }
    }
    assert_eq!(replies[0]["msgIncr"], pull["msgIncr"]);
    assert_eq!(messages(&replies[0]["data"]).len(), 200);
    assert_eq!(replies[1]["msgIncr"], newest["msgIncr"]);
    assert!(replies[1]["data"]["seq"].as_i64() >= Some(200), "{}", replies[1]);
}
