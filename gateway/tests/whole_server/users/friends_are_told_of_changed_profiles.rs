//! Tip 204: whose profile has changed, their friends are told so, whoever changed it; in the June profile only.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::op;
use crate::support::server::{Server, Setup};

const ROUTE: &str = "/user/update_user_info";

/// The messages of content type 204.
fn tips(inbox: Vec<Value>) -> Vec<Value> {
    inbox.into_iter().filter(|message| message["contentType"] == 204).collect()
}

#[test]
fn friends_get_it_online_and_offline_and_strangers_do_not() {
    let server = Server::start();
    let [alice, bob, carol, dave] =
        ["alice", "bob", "carol", "dave"].map(|uid| server.register(uid, IOS));
    server.befriend(&alice, &bob);
    server.befriend(&carol, &alice);
    server.done_as(&alice, ROUTE, &op(json!({"icon": "http://a"})));
    let mut online = server.connect(&bob);
    let before = online.newest();
    let mut own = server.connect(&alice);
    server.done_as(&alice, ROUTE, &op(json!({"birth": "1999"})));

    let push = online.pushed();
    let seen = json!([
        push["contentType"],
        push["sendID"],
        push["recvID"],
        push["msgFrom"],
        push["sessionType"],
        push["senderPlatformID"],
        push["content"],
        push["seq"],
        push["senderNickName"],
        push["senderFaceUrl"]
    ]);
    let content = "alice's info has changed";
    let expected =
        json!([204, "alice", "bob", 200, 1, 0, content, before + 1, "name of alice", "http://a"]);
    assert_eq!(seen, expected, "{push}");
    let mut offline = server.connect(&carol);
    let told = tips(offline.inbox());
    assert_eq!(told.len(), 2, "one for each change");
    assert_eq!((&told[1]["content"], &told[1]["sendID"]), (&json!(content), &json!("alice")));
    assert_ne!(told[0]["serverMsgID"], told[1]["serverMsgID"]);
    assert_eq!(tips(online.inbox())[1]["serverMsgID"], push["serverMsgID"]);
    assert_eq!(server.connect(&dave).newest(), 0, "a stranger is told nothing");
    // Who has many friends is not pushed as many copies: the next push is another message.
    server.connect(&dave).say("alice", "m", "hello");
    assert_eq!(own.pushed()["contentType"], 101);
}

#[test]
fn a_managers_change_is_told_to_the_friends_of_who_was_changed() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    let (manager, friend) = (server.manager(), server.register("friend", IOS));
    server.befriend(&alice, &bob);
    server.befriend(&friend, &manager);
    let before = server.connect(&friend).newest();
    server.done_as(&manager, ROUTE, &op(json!({"uid": "alice", "name": "Renamed"})));
    let told = tips(server.connect(&bob).inbox());
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["sendID"], &told[0]["recvID"]), (&json!("alice"), &json!("bob")));
    assert_eq!(server.connect(&friend).newest(), before, "the manager's friends are not told");
}

#[test]
fn what_changes_nothing_is_not_told() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.befriend(&alice, &bob);
    let before = server.connect(&bob).newest();
    server.done_as(&alice, ROUTE, &op(json!({})));
    server.done_as(&alice, ROUTE, &op(json!({"name": "", "gender": 0})));
    let refused = server.ask_as(&alice, ROUTE, &op(json!({"name": "n".repeat(65)})));
    assert_eq!(refused["errCode"], 616);
    let answer = server.post_as("garbage", ROUTE, &op(json!({"name": "new"}))).json();
    assert_eq!(answer["errCode"], 200);
    assert_eq!(server.connect(&bob).newest(), before);
}

#[test]
fn the_may_profile_has_no_such_tip() {
    let server = Setup::new().set("OPENIM_WIRE_PROFILE", "may2021").start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.befriend(&alice, &bob);
    let before = server.connect(&bob).newest();
    server.done_as(&alice, ROUTE, &op(json!({"name": "Renamed"})));
    assert_eq!(server.connect(&bob).newest(), before);
}

#[test]
fn who_unfriended_the_other_is_not_told_but_the_list_decides() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.befriend(&alice, &bob);
    server.done_as(&alice, "/friend/delete_friend", &op(json!({"uid": "bob"})));
    let before = server.connect(&bob).newest();
    server.done_as(&alice, ROUTE, &op(json!({"name": "Renamed"})));
    assert_eq!(server.connect(&bob).newest(), before, "bob is no friend of alice's any more");
    let before = server.connect(&alice).newest();
    server.done_as(&bob, ROUTE, &op(json!({"name": "Renamed"})));
    assert_eq!(server.connect(&alice).newest(), before + 1, "alice still is one of bob's");
}

/// More than a page of the store and more than are told at once.
#[test]
fn every_one_of_many_friends_is_told_once() {
    let server = Server::start();
    let (alice, manager) = (server.register("alice", IOS), server.manager());
    let friends = server.register_many("friend", 300);
    let uids: Vec<&str> = friends.iter().map(|friend| friend.uid.as_str()).collect();
    let import = op(json!({"uidList": uids, "ownerUid": "alice"}));
    server.done_as(&manager, "/friend/import_friend", &import);
    server.done_as(&alice, ROUTE, &op(json!({"name": "Renamed"})));
    for friend in &friends {
        let ask = op(json!({"reqIdentifier": 1001, "sendID": friend.uid, "msgIncr": 1}));
        let answer = server.done_as(friend, "/chat/newest_seq", &ask);
        assert_eq!(answer["data"]["seq"], 2, "the import's tip and this one: {}", friend.uid);
    }
    assert_eq!(server.connect(&alice).newest(), 600);
}
