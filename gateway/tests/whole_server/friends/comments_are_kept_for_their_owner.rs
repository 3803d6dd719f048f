//! `/friend/set_friend_comment`: of at most 255 characters, seen by its owner only, and cleared by an empty one.

use serde_json::json;

use crate::support::platform::IOS;
use crate::support::rest::{User, listed, op, plain};
use crate::support::server::Server;

#[track_caller]
fn assert_comment(server: &Server, of: &User, comment: &str) {
    let answer = server.done_as(of, "/friend/get_friend_list", &op(json!({})));
    assert_eq!(listed(&answer, "comment"), [comment], "{}", of.uid);
}

#[test]
fn it_is_written_read_and_cleared() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.befriend(&alice, &bob);
    let set = |uid: &str, comment: &str| {
        let body = op(json!({"uid": uid, "comment": comment}));
        server.ask_as(&alice, "/friend/set_friend_comment", &body)
    };
    assert_comment(&server, &alice, "");
    let longest = "\u{1f600}".repeat(255);
    for comment in ["from school", "<\"&'\u{2028}>", longest.as_str()] {
        assert_eq!(set("bob", comment), plain(0, ""));
        assert_comment(&server, &alice, comment);
        assert_comment(&server, &bob, "");
    }
    let too_long = plain(617, "set friend comment failed");
    assert_eq!(set("bob", &"c".repeat(256)), too_long);
    assert_comment(&server, &alice, &longest);
    assert_eq!(set("bob", ""), plain(0, ""));
    assert_comment(&server, &alice, "");
    set("bob", "again");
    let absent = op(json!({"uid": "bob"}));
    server.done_as(&alice, "/friend/set_friend_comment", &absent);
    assert_comment(&server, &alice, "");
}

#[test]
fn of_a_stranger_it_is_success_and_nothing() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    server.register("bob", IOS);
    for uid in ["bob", "nobody", "alice"] {
        let body = op(json!({"uid": uid, "comment": "c"}));
        assert_eq!(server.ask_as(&alice, "/friend/set_friend_comment", &body), plain(0, ""));
    }
    let friends = server.done_as(&alice, "/friend/get_friend_list", &op(json!({})));
    assert_eq!(friends["data"], json!([]));
    let found = server.done_as(&alice, "/friend/search_friend", &op(json!({"uid": "bob"})));
    assert_eq!(found["data"]["comment"], "");
}
