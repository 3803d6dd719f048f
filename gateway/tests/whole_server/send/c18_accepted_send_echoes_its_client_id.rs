//! C18: an accepted send returns its client id byte for byte and a server id of its own.

use std::collections::HashSet;

use serde_json::json;

use crate::support::link::message;
use crate::support::server::Server;

#[test]
fn c18_client_ids_come_back_and_server_ids_are_unique() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let client_ids =
        ["plain", "6f1c0e7a\"quoted\"\\", "<&>\u{2028}", "emoji \u{1f600}", " spaces ", "0"];
    let mut server_ids = HashSet::new();
    for client_id in client_ids {
        let envelope = alice.envelope(1003, &message("bob", client_id, "hello"));
        let reply = alice.ask(&envelope);
        assert_eq!(reply["data"]["clientMsgID"], client_id);
        let server_id = reply["data"]["serverMsgID"].as_str().expect("a server id").to_owned();
        assert!(!server_id.is_empty() && server_id.len() <= 128, "{server_id}");
        assert!(server_ids.insert(server_id), "{reply}");
        assert!(reply["data"]["sendTime"].as_i64().is_some_and(|time| time > 0), "{reply}");
        let keys: Vec<&str> =
            reply.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, ["data", "errCode", "errMsg", "msgIncr", "reqIdentifier"]);
        let rest =
            (&reply["errCode"], &reply["errMsg"], &reply["msgIncr"], &reply["reqIdentifier"]);
        assert_eq!(rest, (&json!(0), &json!(""), &envelope["msgIncr"], &json!(1003)));
    }
}
