//! `/friend/import_friend`: a manager makes users friends of an owner, who is told of each new one.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{User, listed, op, plain};
use crate::support::server::{Server, Setup};

fn import(server: &Server, by: &User, owner: &str, uids: &[&str]) -> Value {
    let body = op(json!({"uidList": uids, "ownerUid": owner}));
    server.ask_as(by, "/friend/import_friend", &body)
}

fn outcome(code: i64, text: &str, failed: &[&str]) -> Value {
    let mut answer = plain(code, text);
    answer["failedUidList"] = json!(failed);
    answer
}

#[test]
fn new_pairs_are_friends_both_ways_and_the_owner_is_told() {
    let server = Server::start();
    let manager = server.manager();
    let [bob, carol] = ["bob", "carol"].map(|uid| server.register(uid, IOS));
    let mut alice = server.newcomer("alice");
    let mut online = server.connect(&carol);
    assert_eq!(import(&server, &manager, "alice", &["bob", "carol"]), outcome(0, "", &[]));
    for (user, friends) in
        [(&alice.user, vec!["bob", "carol"]), (&bob, vec!["alice"]), (&carol, vec!["alice"])]
    {
        let answer = server.done_as(user, "/friend/get_friend_list", &op(json!({})));
        assert_eq!(listed(&answer, "uid"), friends, "{}", user.uid);
    }
    let text = "You have successfully become friends, so start chatting";
    let content = format!("{{\"isDisplay\":1,\"defaultTips\":\"{text}\",\"detail\":\"\"}}");
    for friend in ["bob", "carol"] {
        let push = alice.pushed();
        let seen = json!([
            push["contentType"],
            push["sendID"],
            push["recvID"],
            push["msgFrom"],
            push["sessionType"],
            push["senderPlatformID"],
            push["content"]
        ]);
        assert_eq!(seen, json!([201, friend, "alice", 100, 1, 0, content]), "{push}");
    }
    assert_eq!(alice.inbox().len(), 2);
    assert_eq!(online.pushed()["recvID"], "alice", "the author has it, as of any message");
    assert_eq!(online.newest(), 1);
    // An existing friendship is success, and nobody is told again.
    assert_eq!(import(&server, &manager, "alice", &["bob", "carol"]), outcome(0, "", &[]));
    assert_eq!(import(&server, &manager, "bob", &["alice"]), outcome(0, "", &[]));
    assert_eq!(alice.newest(), 2);
    assert_eq!(import(&server, &manager, "alice", &[]), outcome(0, "", &[]));
}

#[test]
fn what_cannot_be_is_named_and_the_rest_done() {
    let server = Server::start();
    let manager = server.manager();
    let alice = server.register("alice", IOS);
    server.register("bob", IOS);
    let answer = import(&server, &manager, "alice", &["nobody", "bob", "alice", "no body"]);
    let failed = ["nobody", "alice", "no body"];
    assert_eq!(answer, outcome(408, "some uid establish failed", &failed));
    let friends = server.done_as(&alice, "/friend/get_friend_list", &op(json!({})));
    assert_eq!(listed(&friends, "uid"), ["bob"]);
    let answer = import(&server, &manager, "nobody", &["alice", "bob"]);
    let text = "this user not exists,cant not add friend";
    assert_eq!(answer, outcome(606, text, &["alice", "bob"]));
}

#[test]
fn nobody_else_does_it_even_for_oneself() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    for owner in ["alice", "bob", "nobody"] {
        let answer = import(&server, &alice, owner, &["bob", "alice"]);
        assert_eq!(answer, outcome(606, "not authorized", &["bob", "alice"]));
    }
    for user in [&alice, &bob] {
        let friends = server.done_as(user, "/friend/get_friend_list", &op(json!({})));
        assert_eq!(friends["data"], json!([]));
    }
}

#[test]
fn one_missing_side_is_put_back() {
    let server = Server::start();
    let manager = server.manager();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    import(&server, &manager, "alice", &["bob"]);
    server.done_as(&alice, "/friend/delete_friend", &op(json!({"uid": "bob"})));
    assert_eq!(import(&server, &manager, "alice", &["bob"]), outcome(0, "", &[]));
    for (user, other) in [(&alice, "bob"), (&bob, "alice")] {
        let ask = op(json!({ "receive_uid": other }));
        assert_eq!(server.done_as(user, "/friend/is_friend", &ask)["isFriend"], 1, "{other}");
    }
}

#[test]
fn in_the_may_profile_the_tip_is_202() {
    let server = Setup::new().set("OPENIM_WIRE_PROFILE", "may2021").start();
    let manager = server.manager();
    let mut alice = server.newcomer("alice");
    server.register("bob", IOS);
    import(&server, &manager, "alice", &["bob"]);
    let push = alice.pushed();
    assert_eq!((&push["contentType"], &push["sendID"]), (&json!(202), &json!("bob")), "{push}");
}
