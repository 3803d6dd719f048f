//! The lists of `/friend`: every key of every element, in the order of uids, without those that have no profile.

use serde_json::{Value, json};

use crate::support::jwt::now;
use crate::support::platform::IOS;
use crate::support::rest::{User, keys, listed, op};
use crate::support::server::Server;

fn list(server: &Server, of: &User, route: &str) -> Value {
    server.done_as(of, &format!("/friend/{route}"), &op(json!({})))
}

fn profile(uid: &str) -> Value {
    json!({"uid": uid, "name": format!("name of {uid}"), "icon": "", "gender": 0, "mobile": "", "birth": "",
        "email": "", "ex": ""})
}

#[test]
fn empty_ones_are_empty_lists() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    for route in
        ["get_friend_list", "get_blacklist", "get_friend_apply_list", "get_self_apply_list"]
    {
        let answer = list(&server, &alice, route);
        assert_eq!(answer, json!({"data": [], "errCode": 0, "errMsg": ""}), "{route}");
    }
}

#[test]
fn friends_have_comment_and_blacklist_flag() {
    let server = Server::start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    server.befriend(&alice, &carol);
    server.befriend(&bob, &alice);
    server.done_as(&alice, "/friend/add_blacklist", &op(json!({"uid": "carol"})));
    let comment = op(json!({"uid": "bob", "comment": "b"}));
    server.done_as(&alice, "/friend/set_friend_comment", &comment);
    let (mut first, mut second) = (profile("bob"), profile("carol"));
    first["comment"] = json!("b");
    first["isInBlackList"] = json!(0);
    second["comment"] = json!("");
    second["isInBlackList"] = json!(1);
    let answer = list(&server, &alice, "get_friend_list");
    assert_eq!(answer["data"], json!([first, second]));
    // Who is blocked does not learn it.
    let answer = list(&server, &carol, "get_friend_list");
    assert_eq!(answer["data"][0]["isInBlackList"], 0);
}

#[test]
fn requests_have_message_time_and_flag() {
    let server = Server::start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    let before = now();
    for (by, message) in [(&carol, "hi <b>"), (&bob, "")] {
        let body = op(json!({"uid": "alice", "reqMessage": message}));
        server.done_as(by, "/friend/add_friend", &body);
    }
    let refuse = op(json!({"uid": "bob", "flag": -1}));
    server.done_as(&alice, "/friend/add_friend_response", &refuse);
    let mut received = list(&server, &alice, "get_friend_apply_list");
    assert_eq!(listed(&received, "uid"), ["bob", "carol"]);
    let elements = received["data"].as_array_mut().expect("a list");
    for ((element, uid), (message, flag)) in
        elements.iter_mut().zip(["bob", "carol"]).zip([("", -1), ("hi <b>", 0)])
    {
        let time = element.as_object_mut().expect("an object").remove("applyTime").expect("a time");
        let time: i64 = time.as_str().expect("a string").parse().expect("of seconds");
        assert!((before - 1..=now() + 1).contains(&time), "{time}");
        let mut expected = profile(uid);
        expected["reqMessage"] = json!(message);
        expected["flag"] = json!(flag);
        assert_eq!(*element, expected);
    }
    let sent = list(&server, &carol, "get_self_apply_list");
    let element = &sent["data"][0];
    assert_eq!((&element["uid"], &element["name"]), (&json!("alice"), &json!("name of alice")));
    assert_eq!((&element["reqMessage"], &element["flag"]), (&json!("hi <b>"), &json!(0)));
    let mut wanted = keys(&profile("alice")).into_iter().map(str::to_owned).collect::<Vec<_>>();
    wanted.extend(["applyTime", "flag", "reqMessage"].map(str::to_owned));
    wanted.sort();
    assert_eq!(keys(element), wanted);
}

#[test]
fn who_has_no_profile_any_more_is_left_out() {
    let server = Server::start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    let manager = server.manager();
    for other in [&bob, &carol] {
        server.befriend(&alice, other);
        server.befriend(other, &alice);
        server.done_as(&alice, "/friend/add_blacklist", &op(json!({"uid": other.uid})));
    }
    server.done_as(&manager, "/manager/delete_user", &op(json!({"deleteUidList": ["bob"]})));
    for route in
        ["get_friend_list", "get_blacklist", "get_friend_apply_list", "get_self_apply_list"]
    {
        assert_eq!(listed(&list(&server, &alice, route), "uid"), ["carol"], "{route}");
    }
    // Who registers again under the uid is somebody else.
    let bob = server.register("bob", IOS);
    for user in [&alice, &bob] {
        for route in
            ["get_friend_list", "get_blacklist", "get_friend_apply_list", "get_self_apply_list"]
        {
            let others = listed(&list(&server, user, route), "uid").len();
            assert_eq!(others, usize::from(user.uid == "alice"), "{} {route}", user.uid);
        }
    }
}
