//! A kind of conversation nobody knows, or a group that does not exist, is refused; what is refused leaves nothing.

use serde_json::json;

use crate::support::link::message;
use crate::support::server::Server;

#[test]
fn unknown_kinds_and_groups_get_an_error() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    for kind in [2, 3, 99, -1] {
        let mut data = message("bob", "m", "hello");
        data["sessionType"] = json!(kind);
        let reply = alice.request(1003, &data);
        assert_ne!(reply["errCode"], 0, "sessionType {kind}: {reply}");
        assert_eq!(reply["reqIdentifier"], 1003);
    }
    assert_eq!(alice.newest(), 0);
}
