//! C19: `forceList: []` and `options: {}` are enough on the websocket; the June body with `forceList: null` on REST.

use crate::support::link::message;
use crate::support::platform::IOS;
use crate::support::server::Server;

#[test]
fn c19_websocket_accepts_empty_and_rest_accepts_null() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let data = message("bob", "m1", "hello");
    assert!(data["forceList"].is_array() && data["options"].is_object());
    alice.say_data(&data);
    let bob = server.register("bob", IOS);
    server.rest_send(&bob, "alice", "m2", "hello back");
    assert_eq!(alice.pushed()["content"], "hello back");
}
