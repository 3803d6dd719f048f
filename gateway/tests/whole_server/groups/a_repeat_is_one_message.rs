//! L4 in groups: a repeated send gets the first receipt and creates nothing, also after a kill.

use std::slice;

use serde_json::json;

use crate::support::engine::assert_same_receipts;
use crate::support::link::{Ack, group_message};
use crate::support::platform::IOS;
use crate::support::rest::group_body;
use crate::support::server::Server;

#[test]
fn over_both_ways_and_after_a_kill() {
    let mut server = Server::start();
    let (ann, bob) = (server.register("ann", IOS), server.register("bob", IOS));
    let group = server.group(&ann, &[&bob]);
    let first = server.connect(&ann).say_data(&group_message(&group, "same", "hello"));
    let over_rest = |server: &Server| {
        let mut body = group_body(&ann, &group, "same", "hello");
        // As June writes it: in the same unit of time as the frame before.
        body["msgIncr"] = json!(1);
        Ack::from_data(&server.done_as(&ann, "/chat/send_msg", &body)["data"])
    };
    assert_eq!(over_rest(&server), first);
    server.restart();
    let again = over_rest(&server);
    assert_same_receipts(slice::from_ref(&again), slice::from_ref(&first));
    let again = server.connect(&ann).say_data(&group_message(&group, "same", "hello"));
    assert_same_receipts(&[again], &[first]);
    for user in [&ann, &bob] {
        assert_eq!(server.connect(user).inbox().len(), 1, "{}", user.uid);
    }
}
