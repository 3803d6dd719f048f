//! A switch is on when absent or 1, off when 0.

use serde_json::json;

use crate::support::platform::WEB;
use crate::support::server::Server;

#[test]
fn absent_and_one_are_on_and_zero_is_off() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut web = server.connect(&server.login("alice", WEB));
    let cases = [
        ("absent", json!({}), true, true),
        (
            "one",
            json!({"history": 1, "persistent": 1, "senderSync": 1, "offlinePush": 1}),
            true,
            true,
        ),
        ("unknown", json!({"somethingElse": 0}), true, true),
        ("no sync", json!({"senderSync": 0}), true, false),
        ("no offline push", json!({"offlinePush": 0}), true, true),
        ("not persistent", json!({"persistent": 0}), true, true),
    ];
    let mut stored = 0;
    for (name, options, history, sync) in cases {
        let ack = alice.say_with("bob", name, &options);
        stored += i64::from(history);
        assert_eq!(alice.newest(), stored, "{name}");
        if sync {
            assert_eq!(web.pushed()["serverMsgID"], *ack.server_id, "{name}");
        }
    }
}
