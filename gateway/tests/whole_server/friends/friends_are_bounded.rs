//! `limits.friendsMax`: the friends, the open requests and the blacklist of one user are bounded; who is over it is
//! refused, and others are not.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{User, listed, op, plain};
use crate::support::server::{Server, Setup};

fn bounded() -> Server {
    Setup::new().set("OPENIM_LIMITS_FRIENDSMAX", 2).start()
}

fn friends(server: &Server, of: &User) -> Value {
    server.done_as(of, "/friend/get_friend_list", &op(json!({})))
}

#[test]
fn an_agreement_beyond_it_is_refused_on_either_side() {
    let server = bounded();
    let users: Vec<_> = (0..5).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    server.befriend(&users[0], &users[1]);
    server.befriend(&users[2], &users[0]);
    // Whoever asked, user0 is full.
    let agree = |one: usize, other: usize| {
        let agree = op(json!({"uid": users[one].uid, "flag": 1}));
        server.ask_as(&users[other], "/friend/add_friend_response", &agree)
    };
    for (one, other) in [(0, 3), (4, 0)] {
        let ask = op(json!({"uid": users[other].uid}));
        server.done_as(&users[one], "/friend/add_friend", &ask);
        assert_eq!(agree(one, other), plain(606, "Failed to add friends"));
    }
    assert_eq!(listed(&friends(&server, &users[0]), "uid"), ["user1", "user2"]);
    for user in &users[3..] {
        assert_eq!(friends(&server, user)["data"], json!([]), "{}", user.uid);
    }
    // Room again, for one.
    server.done_as(&users[0], "/friend/delete_friend", &op(json!({"uid": "user1"})));
    assert_eq!(agree(0, 3), plain(0, ""));
    assert_eq!(agree(4, 0), plain(606, "Failed to add friends"));
    assert_eq!(listed(&friends(&server, &users[0]), "uid"), ["user2", "user3"]);
}

#[test]
fn an_import_beyond_it_fails_for_the_rest() {
    let server = bounded();
    let (alice, manager) = (server.register("alice", IOS), server.manager());
    let uids: Vec<String> = (0..4).map(|n| format!("user{n}")).collect();
    for uid in &uids {
        server.register(uid, IOS);
    }
    let import = op(json!({"uidList": uids, "ownerUid": "alice"}));
    let answer = server.ask_as(&manager, "/friend/import_friend", &import);
    assert_eq!((&answer["errCode"], &answer["failedUidList"]), (&json!(408), &json!(uids[2..])));
    assert_eq!(listed(&friends(&server, &alice), "uid"), uids[..2]);
    assert_eq!(server.connect(&alice).newest(), 2, "one tip for each that became a friend");
    // Whose own list is full becomes nobody's friend, not even on one side.
    let bob = server.register("bob", IOS);
    let import = op(json!({"uidList": ["alice"], "ownerUid": "bob"}));
    let answer = server.ask_as(&manager, "/friend/import_friend", &import);
    assert_eq!((&answer["errCode"], &answer["failedUidList"]), (&json!(408), &json!(["alice"])));
    assert_eq!(friends(&server, &bob)["data"], json!([]));
}

#[test]
fn requests_and_blacklists_are_bounded_too() {
    let server = bounded();
    let alice = server.register("alice", IOS);
    for n in 0..4 {
        server.register(&format!("user{n}"), IOS);
    }
    for (n, code) in [(0, 0), (1, 0), (2, 606), (3, 606), (1, 0)] {
        let ask = op(json!({"uid": format!("user{n}")}));
        let answer = server.ask_as(&alice, "/friend/add_friend", &ask);
        assert_eq!(answer["errCode"], code, "request {n}: {answer}");
    }
    for (n, fits) in [(0, true), (1, true), (2, false), (0, true)] {
        let block = op(json!({"uid": format!("user{n}")}));
        let answer = server.ask_as(&alice, "/friend/add_blacklist", &block);
        assert_eq!(answer["errCode"] == 0, fits, "block {n}: {answer}");
    }
    let blocked = server.done_as(&alice, "/friend/get_blacklist", &op(json!({})));
    assert_eq!(listed(&blocked, "uid"), ["user0", "user1"]);
}
