//! Every `/friend` route checks its body, then its token; a refused call changes nothing.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{op, plain};
use crate::support::server::{Server, Setup};

/// The routes whose caller acts for themselves, with a body each and the fields that it needs.
fn routes() -> Vec<(&'static str, Value, &'static [&'static str])> {
    const UID: &[&str] = &["operationID", "uid"];
    const BARE: &[&str] = &["operationID"];
    let uid = || op(json!({"uid": "bob"}));
    vec![
        ("search_friend", uid(), UID),
        ("get_friends_info", uid(), UID),
        ("add_friend", op(json!({"uid": "bob", "reqMessage": "hello"})), UID),
        (
            "add_friend_response",
            op(json!({"uid": "bob", "flag": 1})),
            &["operationID", "uid", "flag"],
        ),
        ("get_friend_apply_list", op(json!({})), BARE),
        ("get_self_apply_list", op(json!({})), BARE),
        ("get_friend_list", op(json!({})), BARE),
        ("add_blacklist", uid(), UID),
        ("get_blacklist", op(json!({})), BARE),
        ("remove_blacklist", uid(), UID),
        ("delete_friend", uid(), UID),
        ("set_friend_comment", op(json!({"uid": "bob", "comment": "c"})), UID),
        ("is_friend", op(json!({"receive_uid": "bob"})), BARE),
    ]
}

#[test]
fn bodies_are_checked_before_tokens() {
    let server = Server::start();
    let mut alice = server.register("alice", IOS);
    for token in [alice.token.clone(), "garbage".to_owned()] {
        alice.token = token;
        for (route, good, required) in routes() {
            server.assert_binds(&alice, &format!("/friend/{route}"), &good, required);
        }
        let import = op(json!({"uidList": ["bob"], "ownerUid": "alice"}));
        let required = ["operationID", "uidList", "ownerUid"];
        server.assert_binds(&alice, "/friend/import_friend", &import, &required);
    }
    for flag in [json!(0), json!("1"), json!(1.0), json!(4_294_967_296i64)] {
        let body = op(json!({"uid": "bob", "flag": flag}));
        let answer = server.post_as(&alice.token, "/friend/add_friend_response", &body);
        assert_eq!(answer.status, 400, "{flag}: {}", answer.text());
    }
}

#[test]
fn no_route_acts_for_a_token_that_is_not_good() {
    let server = Server::start();
    server.register("alice", IOS);
    let bob = server.register("bob", IOS);
    server.done_as(&bob, "/friend/add_friend", &op(json!({"uid": "alice"})));
    let inbox = server.connect(&bob).newest();
    for (token, _) in server.bad_tokens("alice") {
        for (route, good, _) in routes() {
            let answer = server.post_as(&token, &format!("/friend/{route}"), &good);
            assert_eq!(answer.status, 200, "{route}: {}", answer.text());
            assert_eq!(answer.json(), plain(200, "Parse token failed"), "{route}");
        }
        let import = op(json!({"uidList": ["bob", "carol"], "ownerUid": "alice"}));
        let answer = server.post_as(&token, "/friend/import_friend", &import);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut expected = plain(606, "Parse token failed");
        expected["failedUidList"] = json!(["bob", "carol"]);
        assert_eq!(answer.json(), expected);
    }
    for (route, good, _) in routes() {
        let answer = server.post(&format!("/friend/{route}"), &good);
        assert_eq!(answer.json(), plain(200, "Parse token failed"), "{route}");
    }
    let alice = server.login("alice", IOS);
    let all = op(json!({}));
    for route in ["get_friend_list", "get_blacklist", "get_self_apply_list"] {
        let answer = server.done_as(&alice, &format!("/friend/{route}"), &all);
        assert_eq!(answer["data"], json!([]), "{route}");
    }
    let applied = server.done_as(&alice, "/friend/get_friend_apply_list", &all);
    assert_eq!(applied["data"][0]["flag"], 0, "not answered: {applied}");
    assert_eq!(server.connect(&bob).newest(), inbox, "nobody was told anything");
}

#[test]
fn the_list_of_an_import_is_bounded() {
    let server = Setup::new().set("OPENIM_LIMITS_IDSPERCALLMAX", 2).start();
    let manager = server.manager();
    server.register("alice", IOS);
    let body = op(json!({"uidList": ["a", "b", "c"], "ownerUid": "alice"}));
    let answer = server.post_as(&manager.token, "/friend/import_friend", &body);
    assert_eq!(answer.status, 400, "{}", answer.text());
}
