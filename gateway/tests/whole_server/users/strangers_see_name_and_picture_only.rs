//! Of a stranger everybody sees uid, name, picture and gender; the rest of a profile is for its user, for those
//! who are friends of theirs, and for managers, on whatever route it comes.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{User, op, registration};
use crate::support::server::{Server, Setup};

const PRIVATE: [&str; 4] = ["mobile", "birth", "email", "ex"];

/// Registers a user with a full profile.
fn register(server: &Server, uid: &str) -> User {
    let mut body = registration(uid, IOS);
    for (key, value) in [("icon", "http://icon"), ("mobile", "+49 1"), ("birth", "1984")] {
        body[key] = json!(value);
    }
    body["email"] = json!("a@example.org");
    body["ex"] = json!("{}");
    body["gender"] = json!(2);
    assert_eq!(server.post("/auth/user_register", &body).status, 200);
    server.login(uid, IOS)
}

/// Whether a profile is shown whole; it is an error if it is neither that nor what strangers see.
#[track_caller]
fn whole(profile: &Value) -> bool {
    assert_eq!((&profile["icon"], &profile["gender"]), (&json!("http://icon"), &json!(2)));
    let shown = PRIVATE.iter().filter(|key| profile[**key] != "").count();
    assert!(shown == 0 || shown == PRIVATE.len(), "{profile}");
    shown > 0
}

#[track_caller]
fn info(server: &Server, token: &str, uids: &[&str]) -> Vec<bool> {
    let ask = op(json!({ "uidList": uids }));
    let answer = server.post_as(token, "/user/get_user_info", &ask).json();
    let data = answer["data"].as_array().unwrap_or_else(|| panic!("a list in {answer}"));
    data.iter().map(whole).collect()
}

#[test]
fn get_user_info_tells_them_apart() {
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 3).start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| register(&server, uid));
    server.befriend(&alice, &bob);
    let all = ["alice", "bob", "carol"];
    assert_eq!(info(&server, "", &all), [false; 3], "without a token");
    assert_eq!(info(&server, "garbage", &all), [false; 3]);
    assert_eq!(info(&server, &alice.token, &all), [true, true, false]);
    assert_eq!(info(&server, &carol.token, &all), [false, false, true]);
    assert_eq!(info(&server, &server.manager().token, &all), [true; 3]);
    // Whoever removes a friend is a stranger to them from then on; not the other way round.
    server.done_as(&alice, "/friend/delete_friend", &op(json!({"uid": "bob"})));
    assert_eq!(info(&server, &bob.token, &["alice", "bob"]), [false, true]);
    assert_eq!(info(&server, &alice.token, &["alice", "bob"]), [true, true]);
}

#[test]
fn so_do_search_and_lists() {
    let server = Server::start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| register(&server, uid));
    server.befriend(&alice, &bob);
    for route in ["search_friend", "get_friends_info"] {
        let found = |by: &User, uid: &str| {
            let ask = op(json!({ "uid": uid }));
            whole(&server.done_as(by, &format!("/friend/{route}"), &ask)["data"])
        };
        assert!(found(&alice, "bob") && found(&alice, "alice"), "{route}");
        assert!(!found(&alice, "carol") && !found(&carol, "alice"), "{route}");
    }
    let list = |by: &User, route: &str| {
        let answer = server.done_as(by, &format!("/friend/{route}"), &op(json!({})));
        let data = answer["data"].as_array().expect("a list").clone();
        data.iter().map(|found| (found["uid"].clone(), whole(found))).collect::<Vec<_>>()
    };
    assert_eq!(list(&alice, "get_friend_list"), [(json!("bob"), true)]);
    server.done_as(&carol, "/friend/add_friend", &op(json!({"uid": "alice", "reqMessage": ""})));
    let asked = [(json!("carol"), false)];
    assert_eq!(list(&alice, "get_friend_apply_list"), asked, "who asks is a stranger");
    assert_eq!(list(&carol, "get_self_apply_list"), [(json!("alice"), false)]);
    for uid in ["bob", "carol"] {
        server.done_as(&alice, "/friend/add_blacklist", &op(json!({ "uid": uid })));
    }
    let blocked = [(json!("bob"), true), (json!("carol"), false)];
    assert_eq!(list(&alice, "get_blacklist"), blocked);
    server.done_as(&bob, "/friend/delete_friend", &op(json!({"uid": "alice"})));
    assert_eq!(list(&alice, "get_friend_list"), [(json!("bob"), false)]);
}
