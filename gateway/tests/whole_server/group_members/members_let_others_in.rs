//! `/group/invite_user_to_group`: whoever is in a group lets others in, at once and as ordinary members.

use serde_json::{Value, json};

use super::{led, roles};
use crate::support::platform::IOS;
use crate::support::rest::{User, listed, op, with_data};
use crate::support::server::{Server, Setup};

const UNKNOWN_GROUP: &str = "0123456789abcdef0123456789abcdef";

fn invite(server: &Server, by: &User, group: &str, uids: &[&str]) -> Value {
    let body = op(json!({"groupID": group, "uidList": uids, "reason": "because"}));
    server.ask_as(by, "/group/invite_user_to_group", &body)
}

fn each(results: &[(&str, i64)]) -> Value {
    let results: Vec<Value> =
        results.iter().map(|(uid, result)| json!({"uid": uid, "result": result})).collect();
    with_data(0, "ok", json!(results))
}

fn refused() -> Value {
    with_data(800, "no permission", json!([]))
}

#[test]
fn members_of_any_role_do() {
    let (mut server, [alice, bob, bea, carol, cleo], group) = led();
    for (n, by) in [&alice, &bob, &carol].into_iter().enumerate() {
        let uid = format!("new{n}");
        let user = server.register(&uid, IOS);
        assert_eq!(invite(&server, by, &group, &[&uid]), each(&[(&uid, 0)]), "{}", by.uid);
        let joined = server.done_as(&user, "/group/get_joined_group_list", &op(json!({})));
        assert_eq!(listed(&joined, "groupId"), [&group]);
    }
    let expected = ["alice 1", "bea 2", "bob 2", "carol 0", "cleo 0", "new0 0", "new1 0", "new2 0"];
    for user in [&alice, &bea, &cleo] {
        assert_eq!(roles(&server, user, &group), expected);
    }
    server.restart();
    assert_eq!(roles(&server, &cleo, &group), expected);
    let info = op(json!({ "groupIDList": [group] }));
    let info = server.done_as(&cleo, "/group/get_groups_info", &info);
    assert_eq!(info["data"][0]["memberCount"], 8, "{info}");
}

#[test]
fn each_is_answered_for_in_order() {
    let (server, [alice, bob, ..], group) = led();
    for uid in ["dave", "dora"] {
        server.register(uid, IOS);
    }
    let uids = ["nobody", "dora", "bob", "no body", "alice", "dave", "dora", ""];
    let failed = |uid| (uid, -1);
    let expected = [
        failed("nobody"),
        ("dora", 0),
        failed("bob"),
        failed("no body"),
        failed("alice"),
        ("dave", 0),
        failed("dora"),
        failed(""),
    ];
    assert_eq!(invite(&server, &alice, &group, &uids), each(&expected));
    // Again: all of them are members, or nobody.
    let again: Vec<(&str, i64)> = uids.iter().map(|uid| (*uid, -1)).collect();
    assert_eq!(invite(&server, &alice, &group, &uids), each(&again));
    assert_eq!(invite(&server, &alice, &group, &[]), each(&[]));
    let expected = ["alice 1", "bea 2", "bob 2", "carol 0", "cleo 0", "dave 0", "dora 0"];
    assert_eq!(roles(&server, &bob, &group), expected, "nobody's role changed");
}

#[test]
fn strangers_do_not() {
    let (server, [alice, _, _, carol, _], group) = led();
    let dave = server.register("dave", IOS);
    server.register("dora", IOS);
    for uids in [&["dora"][..], &["dave"], &["nobody"], &[]] {
        assert_eq!(invite(&server, &dave, &group, uids), refused(), "{uids:?}");
    }
    // Nor does who has gone.
    server.kick(&alice, &group, &["carol"]);
    assert_eq!(invite(&server, &carol, &group, &["carol"]), refused());
    assert_eq!(roles(&server, &alice, &group), ["alice 1", "bea 2", "bob 2", "cleo 0"]);
    // Who was removed may be let in again.
    assert_eq!(invite(&server, &alice, &group, &["carol"]), each(&[("carol", 0)]));
    assert_eq!(invite(&server, &carol, &group, &["dora"]), each(&[("dora", 0)]));
}

#[test]
fn nobody_is_let_into_an_unknown_group() {
    let (server, [alice, ..], _) = led();
    let manager = server.manager();
    for by in [&alice, &manager] {
        for group in [UNKNOWN_GROUP, "no group"] {
            assert_eq!(invite(&server, by, group, &["bob"]), refused(), "{} {group}", by.uid);
        }
    }
}

#[test]
fn managers_do_without_being_members() {
    let (server, [alice, ..], group) = led();
    let manager = server.manager();
    server.register("dave", IOS);
    let answer = invite(&server, &manager, &group, &["dave", "bob"]);
    assert_eq!(answer, each(&[("dave", 0), ("bob", -1)]));
    let expected = ["alice 1", "bea 2", "bob 2", "carol 0", "cleo 0", "dave 0"];
    assert_eq!(roles(&server, &alice, &group), expected);
}

#[test]
fn there_is_room_for_so_many() {
    let mut server = Setup::new().set("OPENIM_LIMITS_GROUPMEMBERSMAX", 3).start();
    let [alice, bob] = ["alice", "bob"].map(|uid| server.register(uid, IOS));
    for uid in ["carol", "dave"] {
        server.register(uid, IOS);
    }
    let group = server.group(&alice, &[&bob]);
    let answer = invite(&server, &bob, &group, &["nobody", "carol", "dave"]);
    assert_eq!(answer, each(&[("nobody", -1), ("carol", 0), ("dave", -1)]));
    assert_eq!(invite(&server, &server.manager(), &group, &["dave"]), each(&[("dave", -1)]));
    server.restart();
    assert_eq!(invite(&server, &alice, &group, &["dave"]), each(&[("dave", -1)]));
    // Room again, for one.
    server.done_as(&bob, "/group/quit_group", &op(json!({ "groupID": group })));
    assert_eq!(
        invite(&server, &alice, &group, &["dave", "bob"]),
        each(&[("dave", 0), ("bob", -1)])
    );
    assert_eq!(roles(&server, &alice, &group), ["alice 1", "carol 0", "dave 0"]);
}

#[test]
fn nobody_is_in_more_groups_than_so_many() {
    let mut server = Setup::new().set("OPENIM_LIMITS_GROUPSPERUSERMAX", 2).start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    let groups = [&alice, &alice, &carol].map(|owner| server.group(owner, &[]));
    for (group, by, result) in
        [(&groups[0], &alice, 0), (&groups[1], &alice, 0), (&groups[2], &carol, -1)]
    {
        assert_eq!(invite(&server, by, group, &["bob"]), each(&[("bob", result)]));
    }
    server.restart();
    assert_eq!(invite(&server, &carol, &groups[2], &["bob"]), each(&[("bob", -1)]));
    server.done_as(&bob, "/group/quit_group", &op(json!({ "groupID": groups[0] })));
    assert_eq!(invite(&server, &carol, &groups[2], &["bob"]), each(&[("bob", 0)]));
    assert_eq!(invite(&server, &alice, &groups[0], &["bob"]), each(&[("bob", -1)]));
    let joined = server.done_as(&bob, "/group/get_joined_group_list", &op(json!({})));
    assert_eq!(listed(&joined, "groupId").len(), 2);
}
