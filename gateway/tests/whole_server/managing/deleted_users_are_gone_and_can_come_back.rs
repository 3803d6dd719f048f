//! `/manager/delete_user` takes the profile away and nothing else; it can be repeated, and the uid registered again.

use serde_json::{Value, json};

use crate::support::SECRET;
use crate::support::platform::IOS;
use crate::support::rest::op;
use crate::support::server::Server;

#[track_caller]
fn delete(server: &Server, uids: &[&str]) {
    let body = op(json!({ "deleteUidList": uids }));
    let answer = server.ask_as(&server.manager(), "/manager/delete_user", &body);
    assert_eq!(answer, json!({"errCode": 0, "errMsg": "", "failedUidList": []}));
}

fn profiles(server: &Server, uids: &[&str]) -> Value {
    let answer = server.post("/user/get_user_info", &op(json!({ "uidList": uids }))).json();
    answer["data"].clone()
}

#[test]
fn every_route_sees_at_once_that_they_are_gone() {
    let mut server = Server::start();
    let [_, _, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    assert_eq!(profiles(&server, &["alice", "bob"]).as_array().map(Vec::len), Some(2));
    delete(&server, &["alice", "nobody", "alice", "no body"]);
    delete(&server, &["alice"]);
    delete(&server, &[]);
    for _ in 0..2 {
        assert_eq!(profiles(&server, &["alice"]), json!([]));
        assert_eq!(profiles(&server, &["bob", "carol"]).as_array().map(Vec::len), Some(2));
        let check = op(json!({"userIDList": ["alice", "bob"]}));
        let answer = server.done_as(&server.manager(), "/manager/account_check", &check);
        let status = |n: usize| answer["result"][n]["accountStatus"].clone();
        assert_eq!((status(0), status(1)), (json!("unregistered"), json!("registered")));
        let answer =
            server.done_as(&server.manager(), "/manager/get_all_users_uid", &op(json!({})));
        let left = json!(["bob", "carol", "openIM123456", "openIM654321"]);
        assert_eq!(answer["uidList"], left);
        let found = server.ask_as(&carol, "/friend/search_friend", &op(json!({"uid": "alice"})));
        assert_eq!(found["errCode"], 614, "{found}");
        let login = json!({"secret": SECRET, "platform": 1, "uid": "alice"});
        let answer = server.post("/auth/user_token", &login);
        assert_eq!((answer.status, &answer.json()["errCode"]), (500, &json!(500)));
        server.restart();
    }
}

#[test]
fn tokens_friends_groups_and_inboxes_stay() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.befriend(&alice, &bob);
    let group = server.group(&bob, &[&alice]);
    delete(&server, &["alice"]);
    let mut link = server.connect(&alice);
    assert_eq!(link.newest(), 2, "the inbox is there");
    link.say("bob", "m", "still here");
    let ask = op(json!({"receive_uid": "alice"}));
    assert_eq!(server.done_as(&bob, "/friend/is_friend", &ask)["isFriend"], 1);
    let ask = op(json!({ "groupID": group }));
    let members = server.done_as(&bob, "/group/get_group_all_member_list", &ask);
    assert_eq!(members["data"].as_array().map(Vec::len), Some(2), "{members}");
    // Who registers again has what was kept.
    let again = server.register("alice", IOS);
    assert_eq!(profiles(&server, &["alice"])[0]["name"], "name of alice");
    assert_eq!(server.connect(&again).newest(), 3);
}
