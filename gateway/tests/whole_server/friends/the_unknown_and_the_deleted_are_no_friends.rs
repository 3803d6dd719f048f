//! Nobody becomes a friend of who is not registered, never was or no more; anybody can be blocked (spec, REST 1.8), but
//! nobody blocks who is not registered, and what was done to a deleted user is nothing to who has the uid later.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{User, listed, op, plain};
use crate::support::server::Server;

fn friend(server: &Server, by: &User, route: &str, body: Value) -> Value {
    server.ask_as(by, &format!("/friend/{route}"), &op(body))
}

fn list(server: &Server, of: &User, route: &str) -> Vec<String> {
    let answer = server.done_as(of, &format!("/friend/{route}"), &op(json!({})));
    listed(&answer, "uid").into_iter().map(str::to_owned).collect()
}

#[test]
fn nor_are_they_asked_imported_or_agreed_with() {
    let server = Server::start();
    let [alice, bob, gone] = ["alice", "bob", "gone"].map(|uid| server.register(uid, IOS));
    let manager = server.manager();
    friend(&server, &gone, "add_friend", json!({"uid": "alice", "reqMessage": "hello"}));
    server.befriend(&gone, &bob);
    server.done_as(&manager, "/manager/delete_user", &op(json!({"deleteUidList": ["gone"]})));
    for uid in ["gone", "nobody"] {
        let asked = friend(&server, &alice, "add_friend", json!({"uid": uid, "reqMessage": ""}));
        assert_eq!(asked, plain(606, "Can't find the user information"), "{uid}");
        let agreed = friend(&server, &alice, "add_friend_response", json!({"uid": uid, "flag": 1}));
        assert_eq!(agreed, plain(607, "Failed to agree application"), "{uid}");
        let import = json!({"uidList": [uid, "bob"], "ownerUid": "alice"});
        let imported = friend(&server, &manager, "import_friend", import);
        assert_eq!(
            (&imported["errCode"], &imported["failedUidList"]),
            (&json!(408), &json!([uid]))
        );
        let import = json!({"uidList": ["alice"], "ownerUid": uid});
        let imported = friend(&server, &manager, "import_friend", import);
        assert_eq!(imported["errMsg"], "this user not exists,cant not add friend", "{imported}");
    }
    assert_eq!(list(&server, &alice, "get_friend_list"), ["bob"]);
    assert_eq!(list(&server, &bob, "get_friend_list"), ["alice"]);
    let again = server.register("gone", IOS);
    for route in
        ["get_friend_list", "get_friend_apply_list", "get_self_apply_list", "get_blacklist"]
    {
        assert_eq!(list(&server, &again, route), [] as [&str; 0], "{route}");
    }
}

#[test]
fn anybody_can_be_blocked_and_nobody_blocks_for_nobody() {
    let server = Server::start();
    let [alice, _] = ["alice", "gone"].map(|uid| server.register(uid, IOS));
    let manager = server.manager();
    server.done_as(&manager, "/manager/delete_user", &op(json!({"deleteUidList": ["gone"]})));
    for uid in ["gone", "nobody"] {
        let blocked = friend(&server, &alice, "add_blacklist", json!({"uid": uid}));
        assert_eq!(blocked, plain(0, ""), "{uid}");
        let block = json!({"uid": "alice", "ownerUid": uid});
        assert_eq!(friend(&server, &manager, "add_blacklist", block), plain(100, ""), "{uid}");
        let later = server.register(uid, IOS);
        assert_eq!(list(&server, &later, "get_blacklist"), [] as [&str; 0], "{uid}");
    }
    assert_eq!(list(&server, &alice, "get_blacklist"), ["gone", "nobody"]);
}
