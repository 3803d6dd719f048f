//! Requests sent without waiting are answered one by one in their order, whatever they ask.

use serde_json::{Value, json};

use crate::support::link::message;
use crate::support::server::Server;

#[test]
fn pipelined_requests_are_answered_in_order_and_see_their_predecessors() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut asked = Vec::new();
    for n in 0..40 {
        let envelope = match n % 4 {
            3 => alice.envelope(1001, &Value::Null),
            2 => alice.envelope(1002, &json!({"seqBegin": 1, "seqEnd": 1000})),
            _ => {
                alice.envelope(1003, &message(&format!("peer{}", n % 7), &format!("m{n}"), "hello"))
            }
        };
        alice.send_text(&envelope);
        asked.push(envelope);
    }
    let mut sent = 0;
    for envelope in asked {
        let reply = alice.reply();
        let key = |frame: &Value| (frame["reqIdentifier"].clone(), frame["msgIncr"].clone());
        assert_eq!(key(&reply), key(&envelope), "{reply}");
        assert_eq!(reply["errCode"], 0, "{reply}");
        match reply["reqIdentifier"].as_i64() {
            Some(1003) => sent += 1,
            Some(1001) => assert_eq!(reply["data"]["seq"], sent, "{reply}"),
            _ => assert_eq!(reply["data"]["maxSeq"], sent, "{reply}"),
        }
    }
}
