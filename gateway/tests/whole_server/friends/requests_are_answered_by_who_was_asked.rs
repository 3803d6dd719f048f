//! A request is seen by the two it is between, and answered by who was asked; nobody else can.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{User, listed, op, plain};
use crate::support::server::Server;

fn requests(server: &Server, user: &User, route: &str) -> Value {
    server.done_as(user, &format!("/friend/{route}"), &op(json!({})))
}

fn answer(server: &Server, by: &User, of: &str, flag: i64) -> Value {
    server.ask_as(by, "/friend/add_friend_response", &op(json!({"uid": of, "flag": flag})))
}

#[test]
fn only_the_two_see_a_request() {
    let server = Server::start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    server.done_as(&alice, "/friend/add_friend", &op(json!({"uid": "bob"})));
    for (user, received, sent) in
        [(&alice, vec![], vec!["bob"]), (&bob, vec!["alice"], vec![]), (&carol, vec![], vec![])]
    {
        let seen = requests(&server, user, "get_friend_apply_list");
        assert_eq!(listed(&seen, "uid"), received, "received by {}", user.uid);
        let seen = requests(&server, user, "get_self_apply_list");
        assert_eq!(listed(&seen, "uid"), sent, "sent by {}", user.uid);
    }
}

#[test]
fn who_was_not_asked_cannot_agree() {
    let server = Server::start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    server.done_as(&alice, "/friend/add_friend", &op(json!({"uid": "bob"})));
    let failed = plain(607, "Failed to agree application");
    for (by, of) in [(&carol, "alice"), (&carol, "bob"), (&alice, "bob"), (&bob, "carol")] {
        for flag in [1, -1, 7] {
            assert_eq!(answer(&server, by, of, flag), failed, "{} of {of}: {flag}", by.uid);
        }
    }
    assert_eq!(answer(&server, &alice, "alice", 1), failed);
    assert_eq!(answer(&server, &bob, "nobody", 1), failed);
    for user in [&alice, &bob, &carol] {
        let friends = requests(&server, user, "get_friend_list");
        assert_eq!(friends["data"], json!([]), "{}", user.uid);
    }
    let seen = requests(&server, &bob, "get_friend_apply_list");
    assert_eq!(seen["data"][0]["flag"], 0, "it is still open");
    assert_eq!(server.connect(&alice).newest(), 1, "no tip but that of the request");
}

#[test]
fn any_other_flag_is_stored_and_refuses() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.done_as(&alice, "/friend/add_friend", &op(json!({"uid": "bob"})));
    for flag in [-1, 7, i64::from(i32::MIN), 1] {
        assert_eq!(answer(&server, &bob, "alice", flag), plain(0, ""), "{flag}");
        let received = requests(&server, &bob, "get_friend_apply_list");
        let sent = requests(&server, &alice, "get_self_apply_list");
        assert_eq!(
            (&received["data"][0]["flag"], &sent["data"][0]["flag"]),
            (&json!(flag), &json!(flag))
        );
        let friends = requests(&server, &alice, "get_friend_list");
        assert_eq!(listed(&friends, "uid").len(), usize::from(flag == 1), "{flag}");
    }
}

#[test]
fn nobody_asks_oneself_or_the_unknown_or_without_a_row() {
    let server = Server::start();
    let (alice, manager) = (server.register("alice", IOS), server.manager());
    server.register("bob", IOS);
    let ask =
        |by: &User, uid: &str| server.ask_as(by, "/friend/add_friend", &op(json!({ "uid": uid })));
    let unknown = plain(606, "Can't find the user information");
    assert_eq!(ask(&alice, "alice"), plain(606, "Failed to add friends"));
    assert_eq!(ask(&alice, "nobody"), unknown);
    assert_eq!(ask(&alice, "no body"), unknown);
    let long = op(json!({"uid": "bob", "reqMessage": "r".repeat(256)}));
    let answer = server.ask_as(&alice, "/friend/add_friend", &long);
    assert_eq!(answer, plain(606, "Failed to add friends"), "longer than its column");
    server.done_as(&manager, "/manager/delete_user", &op(json!({"deleteUidList": ["alice"]})));
    assert_eq!(ask(&alice, "bob"), plain(200, "Parse token failed"));
    assert_eq!(server.connect(&server.login("bob", IOS)).newest(), 0);
}
