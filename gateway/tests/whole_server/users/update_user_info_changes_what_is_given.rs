//! `/user/update_user_info` changes the given fields of one row: the caller's, or for a manager anybody's.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{MANAGER, op, plain};
use crate::support::server::{Server, Setup};

const ROUTE: &str = "/user/update_user_info";

/// One that shows whole profiles to everybody.
fn open_server() -> Server {
    Setup::new().set("OPENIM_POLICY_PUBLICPROFILE", true).start()
}

#[track_caller]
fn row(server: &Server, uid: &str) -> Value {
    let answer = server.post("/user/get_user_info", &op(json!({ "uidList": [uid] }))).json();
    answer["data"][0].clone()
}

#[test]
fn what_is_not_given_stays() {
    let server = open_server();
    let alice = server.register("alice", IOS);
    let mut expected = row(&server, "alice");
    let changes = [
        json!({"name": "Alice"}),
        json!({"icon": "http://a", "mobile": "1"}),
        json!({"gender": 9}),
        json!({"birth": "1999", "email": "a@b", "ex": "{}"}),
        // Nothing of these is a change.
        json!({"name": "", "icon": null, "gender": 0}),
        json!({}),
        json!({"platform": 2, "uidList": ["bob"]}),
    ];
    for change in changes {
        assert_eq!(server.ask_as(&alice, ROUTE, &op(change.clone())), plain(0, ""), "{change}");
        for (key, value) in change.as_object().expect("an object") {
            let is_set = !value.is_null() && *value != "" && *value != 0;
            if is_set && !matches!(key.as_str(), "platform" | "uidList") {
                expected[key] = value.clone();
            }
        }
        assert_eq!(row(&server, "alice"), expected, "{change}");
    }
}

#[test]
fn a_field_too_long_is_refused_and_nothing_changes() {
    let server = open_server();
    let alice = server.register("alice", IOS);
    let wide = |count: usize| "\u{4f60}".repeat(count);
    let before = row(&server, "alice");
    let lengths =
        [("name", 64), ("icon", 1024), ("mobile", 32), ("birth", 16), ("email", 64), ("ex", 1024)];
    for (key, length) in lengths {
        // The other field is sound, and stays as it is.
        let other = if key == "email" { "mobile" } else { "email" };
        let body = op(json!({key: wide(length + 1), other: "other"}));
        let answer = server.ask_as(&alice, ROUTE, &body);
        assert_eq!(answer, plain(616, "update user some attribute failed"), "{key}");
        assert_eq!(row(&server, "alice"), before, "{key}");
    }
    let answer = server.ask_as(&alice, ROUTE, &op(json!({"name": "new", "gender": -1})));
    assert_eq!(answer, plain(616, "update user some attribute failed"));
    assert_eq!(row(&server, "alice"), before);
    for (key, length) in lengths {
        server.done_as(&alice, ROUTE, &op(json!({ key: wide(length) })));
        assert_eq!(row(&server, "alice")[key], wide(length));
    }
}

#[test]
fn a_manager_changes_anybody_and_others_only_themselves() {
    let server = Server::start();
    let (alice, manager) = (server.register("alice", IOS), server.manager());
    server.register("bob", IOS);
    server.done_as(&manager, ROUTE, &op(json!({"uid": "bob", "name": "Bob by the manager"})));
    assert_eq!(row(&server, "bob")["name"], "Bob by the manager");
    assert_eq!(row(&server, MANAGER)["name"], "AppManager1", "its own row is untouched");
    server.done_as(&manager, ROUTE, &op(json!({"icon": "http://m"})));
    assert_eq!(row(&server, MANAGER)["icon"], "http://m", "without uid its own");

    server.done_as(&alice, ROUTE, &op(json!({"uid": "bob", "name": "By Alice"})));
    assert_eq!(row(&server, "bob")["name"], "Bob by the manager");
    assert_eq!(row(&server, "alice")["name"], "By Alice", "who is no manager changes its own");
    let answer = server.ask_as(&manager, ROUTE, &op(json!({"uid": "bob", "name": "n".repeat(65)})));
    assert_eq!(answer["errCode"], 616, "{answer}");
}

#[test]
fn who_has_no_row_changes_nothing_and_makes_none() {
    let server = Server::start();
    let (alice, manager) = (server.register("alice", IOS), server.manager());
    let gone = op(json!({"deleteUidList": ["alice"]}));
    server.done_as(&manager, "/manager/delete_user", &gone);
    let change = op(json!({"name": "ghost"}));
    let refused = plain(200, "token has been invalidated");
    assert_eq!(server.ask_as(&alice, ROUTE, &change), refused);
    let change = op(json!({"uid": "nobody", "name": "ghost"}));
    assert_eq!(server.ask_as(&manager, ROUTE, &change), plain(0, ""));
    for uid in ["alice", "nobody"] {
        assert_eq!(row(&server, uid), Value::Null, "{uid}");
    }
}
