//! C21: a request number nobody knows is passed over in silence and does not close the connection.

use serde_json::{Value, json};

use crate::support::server::Server;

#[test]
fn c21_the_next_reply_is_to_the_next_known_request() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    for request in [1000, 1004, 2001, 9999, -1, i64::from(i32::MAX)] {
        let unknown = alice.envelope(request, &Value::Null);
        alice.send_text(unknown);
    }
    let known = alice.envelope(1001, &Value::Null);
    let reply = alice.ask(&known);
    let expected = json!({"data": reply["data"], "errCode": 0, "errMsg": "", "msgIncr": known["msgIncr"],
        "reqIdentifier": 1001});
    assert_eq!(reply, expected);
}
