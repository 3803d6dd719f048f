//! Applying again replaces the request: it is open again, has the new message, and is told again.

use serde_json::json;

use crate::support::link::column;
use crate::support::platform::IOS;
use crate::support::rest::{User, op};
use crate::support::server::Server;

fn ask(server: &Server, by: &User, message: &str) {
    let body = op(json!({"uid": "bob", "reqMessage": message}));
    server.done_as(by, "/friend/add_friend", &body);
}

#[track_caller]
fn assert_request(server: &Server, bob: &User, message: &str, flag: i64) {
    let answer = server.done_as(bob, "/friend/get_friend_apply_list", &op(json!({})));
    assert_eq!(answer["data"].as_array().map(Vec::len), Some(1), "{answer}");
    let seen = &answer["data"][0];
    assert_eq!((&seen["reqMessage"], &seen["flag"]), (&json!(message), &json!(flag)), "{answer}");
}

#[test]
fn after_a_refusal_an_agreement_and_while_it_is_open() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    let respond = |flag: i64| {
        let body = op(json!({"uid": "alice", "flag": flag}));
        server.done_as(&bob, "/friend/add_friend_response", &body);
    };
    ask(&server, &alice, "first");
    respond(-1);
    assert_request(&server, &bob, "first", -1);
    ask(&server, &alice, "second");
    assert_request(&server, &bob, "second", 0);
    ask(&server, &alice, "third");
    assert_request(&server, &bob, "third", 0);
    respond(-1);
    respond(1);
    assert_request(&server, &bob, "third", 1);
    ask(&server, &alice, "fourth");
    assert_request(&server, &bob, "fourth", 0);
    respond(1);

    let inbox = server.connect(&alice).inbox();
    let types = column(&inbox, "contentType");
    assert_eq!(types, [202, 203, 202, 202, 203, 201, 202, 201].iter().collect::<Vec<_>>());
}

#[test]
fn after_one_side_unfriended_the_request_makes_both_friends_again() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.befriend(&alice, &bob);
    server.done_as(&alice, "/friend/delete_friend", &op(json!({"uid": "bob"})));
    server.befriend(&alice, &bob);
    for (user, friend) in [(&alice, "bob"), (&bob, "alice")] {
        let ask = op(json!({ "receive_uid": friend }));
        assert_eq!(server.done_as(user, "/friend/is_friend", &ask)["isFriend"], 1);
    }
}
