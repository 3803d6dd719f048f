//! A token that expires is refused from that moment on: at connect, in frames of a live link, and over REST.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::PATIENCE;
use crate::support::link::Arrival;
use crate::support::platform::IOS;
use crate::support::server::Setup;

#[test]
fn a_live_link_gets_202_or_its_end_connects_401_and_rest_400() {
    let server = Setup::new().set("OPENIM_TOKENPOLICY_ACCESSEXPIRE", 3).start();
    let alice = server.register("alice", IOS);
    let mut link = server.connect(&alice);
    let mut asked = link.envelope(1001, &Value::Null);
    let deadline = Instant::now() + PATIENCE;
    let refusal = loop {
        assert!(Instant::now() < deadline, "the token should have expired");
        // A write to a link that was just closed fails or not; what arrives tells.
        link.try_send(Message::text(asked.to_string())).ok();
        match link.arrival() {
            Arrival::Json(reply) if reply["errCode"] == 0 => {
                asked = link.envelope(1001, &Value::Null);
                std::thread::sleep(Duration::from_millis(200));
            }
            Arrival::Json(reply) => break Some(reply),
            // The link of an expired token may as well be closed before it asks.
            Arrival::Closed(_) => break None,
            other => panic!("a refusal, not {other:?}"),
        }
    };
    if let Some(refusal) = refusal {
        assert_eq!(refusal["errCode"], 202, "{refusal}");
        assert_eq!(refusal["errMsg"], "token validate err", "{refusal}");
    }
    assert_eq!(server.refusal(&alice), 401);
    let ask = json!({"reqIdentifier": 1001, "sendID": "alice", "operationID": "op", "msgIncr": 1});
    assert_eq!(server.post_as(&alice.token, "/chat/newest_seq", &ask).status, 400);
}
