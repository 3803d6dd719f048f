//! `/group/transfer_group`: only the owner makes another member the owner, and is an ordinary one from then on.

use serde_json::{Value, json};

use super::roles;
use crate::support::platform::IOS;
use crate::support::rest::{User, op, plain};
use crate::support::server::Server;

const ROUTE: &str = "/group/transfer_group";

fn body(group: &str, to: &str) -> Value {
    op(json!({"groupID": group, "uid": to}))
}

/// alice owns the group, bob is an administrator, carol ordinary.
fn group_of_three() -> (Server, [User; 3], String) {
    let server = Server::start();
    let users = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    let listed = json!([{"uid": "bob", "setRole": 2}, {"uid": "carol", "setRole": 0}]);
    let made =
        server.done_as(&users[0], "/group/create_group", &op(json!({ "memberList": listed })));
    let group = made["data"]["groupID"].as_str().expect("a group id").to_owned();
    (server, users, group)
}

#[test]
fn owner_and_member_change_places() {
    let (mut server, [alice, bob, carol], group) = group_of_three();
    assert_eq!(server.ask_as(&alice, ROUTE, &body(&group, "carol")), plain(0, ""));
    assert_eq!(roles(&server, &alice, &group), ["alice 0", "bob 2", "carol 1"]);
    // Again: it is not alice's any more.
    let refused = server.ask_as(&alice, ROUTE, &body(&group, "carol"));
    assert_eq!(refused, plain(800, "no permission"));
    assert_eq!(server.ask_as(&carol, ROUTE, &body(&group, "bob")), plain(0, ""));
    assert_eq!(roles(&server, &alice, &group), ["alice 0", "bob 1", "carol 0"]);
    let info = op(json!({ "groupIDList": [group] }));
    let groups = server.done_as(&alice, "/group/get_groups_info", &info);
    assert_eq!(groups["data"][0]["ownerId"], "bob", "{groups}");
    server.restart();
    assert_eq!(roles(&server, &alice, &group), ["alice 0", "bob 1", "carol 0"]);
    let refused = server.ask_as(&carol, ROUTE, &body(&group, "alice"));
    assert_eq!(refused, plain(800, "no permission"));
    assert_eq!(server.ask_as(&bob, ROUTE, &body(&group, "alice")), plain(0, ""));
}

#[test]
fn nobody_else_does() {
    let (server, [_, bob, carol], group) = group_of_three();
    let (stranger, manager) = (server.register("dave", IOS), server.manager());
    for caller in [&bob, &carol, &stranger, &manager] {
        for to in ["carol", "bob", "nobody"] {
            let answer = server.ask_as(caller, ROUTE, &body(&group, to));
            assert_eq!(answer, plain(800, "no permission"), "{} to {to}", caller.uid);
        }
    }
    assert_eq!(roles(&server, &bob, &group), ["alice 1", "bob 2", "carol 0"]);
}

#[test]
fn who_is_no_member_gets_nothing() {
    let (server, [alice, ..], group) = group_of_three();
    server.register("dave", IOS);
    for (to, text) in [
        ("dave", "record not found"),
        ("nobody", "record not found"),
        ("no body", "record not found"),
        ("alice", "the self"),
    ] {
        let answer = server.post_as(&alice.token, ROUTE, &body(&group, to));
        assert_eq!(answer.status, 500, "{to}: {}", answer.text());
        assert_eq!(answer.json(), plain(500, text), "{to}");
    }
    // Who has left is no member either.
    assert_eq!(server.kick(&alice, &group, &["carol"]), [0]);
    let answer = server.post_as(&alice.token, ROUTE, &body(&group, "carol"));
    assert_eq!((answer.status, answer.json()), (500, plain(500, "record not found")));
    assert_eq!(roles(&server, &alice, &group), ["alice 1", "bob 2"]);
}

/// Users deleted by an older release are members still.
#[test]
fn who_is_deleted_gets_nothing() {
    let (server, [alice, bob, _], group) = group_of_three();
    let delete = op(json!({"deleteUidList": ["carol"]}));
    server.done_as(&server.manager(), "/manager/delete_user", &delete);
    let answer = server.post_as(&alice.token, ROUTE, &body(&group, "carol"));
    assert_eq!((answer.status, answer.json()), (500, plain(500, "record not found")));
    let answer = server.post_as(&bob.token, ROUTE, &body(&group, "carol"));
    assert_eq!(answer.json(), plain(800, "no permission"));
    let groups = op(json!({ "groupIDList": [group] }));
    let groups = server.done_as(&alice, "/group/get_groups_info", &groups);
    assert_eq!(groups["data"][0]["ownerId"], "alice", "{groups}");
}

#[test]
fn of_an_unknown_group_nobody_is_the_owner() {
    let (server, [alice, ..], _) = group_of_three();
    for group in ["0123456789abcdef0123456789abcdef", "no group", "x"] {
        let answer = server.ask_as(&alice, ROUTE, &body(group, "bob"));
        assert_eq!(answer, plain(800, "no permission"), "{group}");
    }
}

#[test]
fn the_new_owner_leads_and_the_old_one_may_go() {
    let (server, [alice, bob, carol], group) = group_of_three();
    server.done_as(&alice, ROUTE, &body(&group, "carol"));
    assert_eq!(server.kick(&carol, &group, &["bob"]), [0]);
    let quit = op(json!({ "groupID": group }));
    let refused = server.ask_as(&carol, "/group/quit_group", &quit);
    assert_eq!(refused, plain(621, "Failed to quit the group"));
    assert_eq!(server.ask_as(&alice, "/group/quit_group", &quit), plain(0, ""));
    assert_eq!(roles(&server, &carol, &group), ["carol 1"]);
    let answer = server.ask_as(&bob, "/group/quit_group", &quit);
    assert_eq!(answer, plain(621, "Failed to quit the group"));
}
