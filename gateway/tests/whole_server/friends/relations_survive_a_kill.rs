//! Requests, friends, comments and the blacklist are durable when they are answered.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{User, op};
use crate::support::server::Server;

fn seen(server: &Server, of: &User) -> Vec<Value> {
    ["get_friend_list", "get_blacklist", "get_friend_apply_list", "get_self_apply_list"]
        .iter()
        .map(|route| server.done_as(of, &format!("/friend/{route}"), &op(json!({}))))
        .collect()
}

#[test]
fn what_was_answered_is_there_after_a_kill_and_with_other_shards() {
    let mut server = Server::start();
    let [alice, bob, carol, dave] =
        ["alice", "bob", "carol", "dave"].map(|uid| server.register(uid, IOS));
    server.befriend(&alice, &bob);
    server.befriend(&carol, &alice);
    let comment = op(json!({"uid": "bob", "comment": "kept"}));
    server.done_as(&alice, "/friend/set_friend_comment", &comment);
    server.done_as(&alice, "/friend/add_blacklist", &op(json!({"uid": "dave"})));
    server.done_as(&dave, "/friend/add_friend", &op(json!({"uid": "alice"})));
    server.done_as(&carol, "/friend/delete_friend", &op(json!({"uid": "alice"})));
    let refused = op(json!({"uid": "dave", "flag": -1}));
    server.done_as(&alice, "/friend/add_friend_response", &refused);
    let users = [&alice, &bob, &carol, &dave];
    let before: Vec<_> = users.iter().map(|user| seen(&server, user)).collect();
    assert_eq!(before[0][0]["data"][0]["comment"], "kept");
    server.restart_with(|setup| setup.set("OPENIM_GATEWAY_SHARDS", 3));
    let after: Vec<_> = users.iter().map(|user| seen(&server, user)).collect();
    assert_eq!(after, before);
    // The same answer again is still no second tip.
    let newest = server.connect(&dave).newest();
    server.done_as(&alice, "/friend/add_friend_response", &refused);
    assert_eq!(server.connect(&dave).newest(), newest);
}
