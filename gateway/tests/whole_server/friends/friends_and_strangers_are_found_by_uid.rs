//! `/friend/search_friend` and `/friend/get_friends_info`: anybody is found by the exact uid, with what the caller
//! holds of them.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{User, op, plain};
use crate::support::server::Server;

fn search(server: &Server, by: &User, uid: &str) -> Value {
    server.ask_as(by, "/friend/search_friend", &op(json!({ "uid": uid })))
}

fn expected(uid: &str, comment: &str, is_friend: i64, is_blocked: i64) -> Value {
    let data = json!({"uid": uid, "icon": "", "name": format!("name of {uid}"), "gender": 0, "mobile": "",
        "birth": "", "email": "", "ex": "", "comment": comment, "isFriend": is_friend,
        "isInBlackList": is_blocked});
    json!({"data": data, "errCode": 0, "errMsg": ""})
}

#[test]
fn friends_strangers_and_oneself_are_found_and_relations_are_the_callers() {
    let server = Server::start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    server.befriend(&alice, &bob);
    let comment = op(json!({"uid": "bob", "comment": "my friend"}));
    server.done_as(&alice, "/friend/set_friend_comment", &comment);
    server.done_as(&alice, "/friend/add_blacklist", &op(json!({"uid": "carol"})));
    assert_eq!(search(&server, &alice, "bob"), expected("bob", "my friend", 1, 0));
    assert_eq!(search(&server, &alice, "carol"), expected("carol", "", 0, 1));
    assert_eq!(search(&server, &alice, "alice"), expected("alice", "", 0, 0));
    assert_eq!(search(&server, &bob, "alice"), expected("alice", "", 1, 0));
    assert_eq!(search(&server, &carol, "alice"), expected("alice", "", 0, 0));
    server.done_as(&alice, "/friend/add_blacklist", &op(json!({"uid": "bob"})));
    assert_eq!(search(&server, &alice, "bob"), expected("bob", "my friend", 1, 1));
    server.done_as(&alice, "/friend/delete_friend", &op(json!({"uid": "bob"})));
    assert_eq!(search(&server, &alice, "bob"), expected("bob", "", 0, 1));
}

#[test]
fn the_later_route_has_the_same_without_the_two_flags() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.befriend(&alice, &bob);
    let answer = server.ask_as(&alice, "/friend/get_friends_info", &op(json!({"uid": "bob"})));
    let mut wanted = expected("bob", "", 1, 0);
    for key in ["isFriend", "isInBlackList"] {
        wanted["data"].as_object_mut().expect("an object").remove(key);
    }
    assert_eq!(answer, wanted);
}

#[test]
fn the_unknown_get_614() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    server.register("bob", IOS);
    for uid in ["nobody", "BOB", "bo", "b ob", "%"] {
        for route in ["search_friend", "get_friends_info"] {
            let answer =
                server.ask_as(&alice, &format!("/friend/{route}"), &op(json!({ "uid": uid })));
            assert_eq!(answer, plain(614, "Failed to find user information"), "{route} {uid}");
        }
    }
}
