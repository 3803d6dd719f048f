//! C20: a send without content is refused with 204 and both ids empty.

use serde_json::json;

use crate::support::link::message;
use crate::support::server::Server;

#[test]
fn c20_the_refusal_has_the_full_shape() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let reply = alice.request(1003, &message("bob", "m", ""));
    assert_eq!(reply["errCode"], 204);
    assert!(reply["errMsg"].as_str().is_some_and(|text| !text.is_empty()), "{reply}");
    let ids = (&reply["data"]["clientMsgID"], &reply["data"]["serverMsgID"]);
    assert_eq!(ids, (&json!(""), &json!("")), "{reply}");
    assert_eq!(reply["reqIdentifier"], 1003);
    assert_eq!(alice.newest(), 0);
}
