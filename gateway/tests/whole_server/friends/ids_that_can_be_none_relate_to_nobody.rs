//! Uids that nobody can have, however long, are unknown: they are no failure of the store, and harm nobody else.

use serde_json::json;

use crate::support::platform::IOS;
use crate::support::rest::{done_at, listed, op};
use crate::support::server::Server;

#[test]
fn every_route_answers_and_nothing_is_kept_of_them() {
    let server = Server::start();
    let (alice, manager) = (server.register("alice", IOS), server.manager());
    for length in [65, 256, 70_000] {
        let uid = "q".repeat(length);
        for (route, code) in [
            ("search_friend", Some(614)),
            ("get_friends_info", Some(614)),
            ("add_friend", Some(606)),
            ("add_friend_response", Some(607)),
            ("set_friend_comment", Some(0)),
            ("delete_friend", Some(0)),
            ("remove_blacklist", Some(0)),
            // Whether it can be blocked is nobody's concern.
            ("add_blacklist", None),
        ] {
            let body = op(json!({"uid": uid, "flag": 1, "comment": "c"}));
            let answer = server.ask_as(&alice, &format!("/friend/{route}"), &body);
            assert!(
                code.is_none_or(|code| answer["errCode"] == code),
                "{route} {length}: {answer}"
            );
        }
        let ask = op(json!({ "receive_uid": uid }));
        assert_eq!(server.done_as(&alice, "/friend/is_friend", &ask)["isFriend"], 0);
        let import = op(json!({"uidList": [uid], "ownerUid": "alice"}));
        let answer = server.ask_as(&manager, "/friend/import_friend", &import);
        assert_eq!((&answer["errCode"], &answer["failedUidList"]), (&json!(408), &json!([uid])));
    }
    for route in
        ["get_friend_list", "get_blacklist", "get_friend_apply_list", "get_self_apply_list"]
    {
        let answer = server.done_as(&alice, &format!("/friend/{route}"), &op(json!({})));
        assert_eq!(answer["data"], json!([]), "{route}");
    }
}

/// Changes of several users are made together; one of them that cannot be made fails alone.
#[test]
fn others_changes_are_made_all_the_while() {
    let server = Server::start();
    let attacker = server.register("attacker", IOS);
    let users = server.register_many("user", 4);
    let rest = server.rest();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (server, attacker) = (server.rest(), &attacker);
            scope.spawn(move || {
                let body = op(json!({"uid": "q".repeat(70_000)})).to_string();
                let headers = [("token", attacker.token.as_str())];
                for _ in 0..40 {
                    let route = "/friend/add_blacklist";
                    crate::support::http::call(server, "POST", route, &headers, body.as_bytes());
                }
            });
        }
        for user in &users {
            scope.spawn(move || {
                for n in 0..40 {
                    let body = op(json!({"uid": format!("peer{n}")}));
                    done_at(rest, &user.token, "/friend/add_blacklist", &body);
                }
            });
        }
    });
}

/// Rows of one user are not those of another whose uid begins alike.
#[test]
fn uids_that_begin_alike_are_kept_apart() {
    let server = Server::start();
    let users = ["a", "aa", "ab", "a:b", "a\u{10ffff}"].map(|uid| server.register(uid, IOS));
    for user in &users[1..] {
        server.done_as(user, "/friend/add_blacklist", &op(json!({"uid": "a"})));
        let option = op(json!({"option": 1, "conversationIdList": [user.uid]}));
        server.done_as(user, "/conversation/set_receive_message_opt", &option);
    }
    server.befriend(&users[1], &users[2]);
    for (n, user) in users.iter().enumerate() {
        let blocked = server.done_as(user, "/friend/get_blacklist", &op(json!({})));
        assert_eq!(listed(&blocked, "uid").len(), usize::from(n > 0), "{}", user.uid);
        let friends = server.done_as(user, "/friend/get_friend_list", &op(json!({})));
        assert_eq!(listed(&friends, "uid").len(), usize::from(matches!(n, 1 | 2)), "{}", user.uid);
        let all = "/conversation/get_all_conversation_message_opt";
        let options = server.done_as(user, all, &op(json!({})));
        assert_eq!(listed(&options, "conversationId").len(), usize::from(n > 0), "{}", user.uid);
    }
}
