//! An agreement makes both friends; unfriending ends one side, and an old agreement does not bring it back.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{User, listed, op, plain};
use crate::support::server::Server;

fn is_friend(server: &Server, of: &User, uid: &str) -> Value {
    server.ask_as(of, "/friend/is_friend", &op(json!({ "receive_uid": uid })))
}

fn whether(yes: i64) -> Value {
    json!({"errCode": 0, "errMsg": "", "isFriend": yes})
}

#[test]
fn both_have_each_other_once() {
    let server = Server::start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    // Each asked the other; both agree.
    for (one, other) in [(&alice, &bob), (&bob, &alice)] {
        server.done_as(one, "/friend/add_friend", &op(json!({"uid": other.uid})));
    }
    for (one, other) in [(&alice, &bob), (&bob, &alice)] {
        let agree = op(json!({"uid": other.uid, "flag": 1}));
        server.done_as(one, "/friend/add_friend_response", &agree);
    }
    for (user, friends) in [(&alice, vec!["bob"]), (&bob, vec!["alice"]), (&carol, vec![])] {
        let answer = server.done_as(user, "/friend/get_friend_list", &op(json!({})));
        assert_eq!(listed(&answer, "uid"), friends, "{}", user.uid);
    }
    assert_eq!(is_friend(&server, &alice, "bob"), whether(1));
    assert_eq!(is_friend(&server, &bob, "alice"), whether(1));
    for uid in ["carol", "nobody", "alice", ""] {
        assert_eq!(is_friend(&server, &alice, uid), whether(0), "{uid:?}");
    }
    assert_eq!(is_friend(&server, &carol, "bob"), whether(0));
    let absent = server.ask_as(&alice, "/friend/is_friend", &op(json!({})));
    assert_eq!(absent, whether(0), "receive_uid is optional");
}

#[test]
fn unfriending_ends_one_side_and_the_old_request_agrees_to_nothing() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.befriend(&alice, &bob);
    let before = (server.connect(&alice).newest(), server.connect(&bob).newest());
    for uid in ["bob", "bob", "nobody", "alice"] {
        let body = op(json!({ "uid": uid }));
        assert_eq!(server.ask_as(&alice, "/friend/delete_friend", &body), plain(0, ""), "{uid}");
    }
    assert_eq!(is_friend(&server, &alice, "bob"), whether(0));
    assert_eq!(is_friend(&server, &bob, "alice"), whether(1), "the other side stays");
    let again = op(json!({"uid": "alice", "flag": 1}));
    let answer = server.ask_as(&bob, "/friend/add_friend_response", &again);
    assert_eq!(answer, plain(607, "Failed to agree application"));
    assert_eq!(is_friend(&server, &alice, "bob"), whether(0));
    let after = (server.connect(&alice).newest(), server.connect(&bob).newest());
    assert_eq!(after, before, "nobody is told of an end");
}
