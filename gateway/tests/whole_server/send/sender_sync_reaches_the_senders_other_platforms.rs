//! With `senderSync` the sender's other platforms get a copy under the sender's own seq, with its real content type.

use serde_json::json;

use crate::support::platform::{IOS, WEB};
use crate::support::server::Server;

#[test]
fn the_other_platform_gets_a_copy_and_the_sending_one_does_not() {
    let server = Server::start();
    let mut phone = server.newcomer("alice");
    let mut web = server.connect(&server.login("alice", WEB));
    let mut bob = server.newcomer("bob");
    phone.say_with("carol", "apart", &json!({"senderSync": 0}));
    let ack = phone.say("bob", "m", "synced");
    let copy = web.pushed();
    let seen = json!([
        copy["serverMsgID"],
        copy["seq"],
        copy["contentType"],
        copy["sendID"],
        copy["recvID"]
    ]);
    assert_eq!(
        seen,
        json!([ack.server_id, 2, 101, "alice", "bob"]),
        "switched off there, on here: {copy}"
    );
    assert_eq!(copy["senderPlatformID"], IOS);
    assert_eq!(bob.pushed()["seq"], 1, "the receiver's own seq");
    // Nothing was echoed to the phone before the copy of what the other device sends.
    let back = web.say("bob", "w", "from the web");
    assert_eq!(phone.pushed()["serverMsgID"], *back.server_id);
}
