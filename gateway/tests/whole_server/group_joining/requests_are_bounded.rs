//! `limits.groupRequestsMax`, `groupMembersMax` and `groupsPerUserMax`: the oldest handled request makes room for
//! a new one, an open one never does; nobody is let into what is full.

use serde_json::json;

use super::{NOT_ANSWERED, Staffed, apply, asking, assert_refused, flagged, flags, respond, roles};
use crate::support::platform::IOS;
use crate::support::rest::{op, plain};
use crate::support::server::Setup;

const FULL: (i64, &str) = (620, "Failed to apply to join the group");

#[test]
fn the_oldest_handled_one_makes_room() {
    let setup = Setup::new().set("OPENIM_LIMITS_GROUPREQUESTSMAX", 3);
    let Staffed { mut server, owner, group, .. } = Staffed::on(setup.start());
    let users: Vec<_> = (0..7).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    for user in &users[..3] {
        apply(&server, user, &group);
    }
    assert_refused(&server.ask_as(&users[3], "/group/join_group", &asking(&group)), FULL);
    // Whose request is there already replaces it.
    apply(&server, &users[1], &group);
    let three = flagged(&[("user0", 0), ("user2", 0), ("user1", 0)]);
    assert_eq!(flags(&server, &owner), three);

    // Handled are user1 first and user2 then; the request of user2 is the older one.
    respond(&server, &owner, &group, "user1", 1);
    respond(&server, &owner, &group, "user2", 0);
    apply(&server, &users[3], &group);
    let three = flagged(&[("user0", 0), ("user1", 1), ("user3", 0)]);
    assert_eq!(flags(&server, &owner), three);
    server.restart();
    apply(&server, &users[4], &group);
    let three = flagged(&[("user0", 0), ("user3", 0), ("user4", 0)]);
    assert_eq!(flags(&server, &owner), three);
    for user in &users[5..] {
        assert_refused(&server.ask_as(user, "/group/join_group", &asking(&group)), FULL);
    }
    // user1 is in all the same; the bound is one of each group.
    assert!(roles(&server, &owner, &group).contains(&("user1".to_owned(), 0)));
    let second = server.group(&owner, &[]);
    apply(&server, &users[5], &second);
    respond(&server, &owner, &group, "user0", 0);
    apply(&server, &users[6], &group);
}

/// Over and over: the count of what is kept does not drift.
#[test]
fn there_is_always_room_when_all_are_handled() {
    let setup = Setup::new().set("OPENIM_LIMITS_GROUPREQUESTSMAX", 2);
    let Staffed { server, owner, group, .. } = Staffed::on(setup.start());
    let users: Vec<_> = (0..5).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    for round in 0..12 {
        let user = &users[round % 5];
        apply(&server, user, &group);
        if round % 3 == 0 {
            apply(&server, user, &group);
        }
        assert_eq!(respond(&server, &owner, &group, &user.uid, 0), plain(0, ""), "{round}");
        assert_eq!(flags(&server, &owner).len(), (round + 1).min(2), "{round}");
    }
    apply(&server, &users[0], &group);
    apply(&server, &users[1], &group);
    assert_refused(&server.ask_as(&users[2], "/group/join_group", &asking(&group)), FULL);
}

#[test]
fn a_full_group_lets_nobody_in_and_keeps_the_request() {
    let setup = Setup::new().set("OPENIM_LIMITS_GROUPMEMBERSMAX", 4);
    let Staffed { server, owner, group, .. } = Staffed::on(setup.start());
    let users = ["ann", "bob"].map(|uid| server.register(uid, IOS));
    for user in &users {
        apply(&server, user, &group);
    }
    assert_eq!(respond(&server, &owner, &group, "ann", 1), plain(0, ""));
    for _ in 0..2 {
        assert_refused(&respond(&server, &owner, &group, "bob", 1), NOT_ANSWERED);
    }
    assert_eq!(flags(&server, &owner), flagged(&[("ann", 1), ("bob", 0)]));
    assert_eq!(roles(&server, &owner, &group).len(), 4);
    // Refusing needs no room, and one who left makes some.
    server.kick(&owner, &group, &["ann"]);
    assert_eq!(respond(&server, &owner, &group, "bob", 1), plain(0, ""));
    apply(&server, &users[0], &group);
    assert_refused(&respond(&server, &owner, &group, "ann", 1), NOT_ANSWERED);
    assert_eq!(respond(&server, &owner, &group, "ann", 0), plain(0, ""));
}

#[test]
fn who_is_in_too_many_groups_joins_no_other() {
    let setup = Setup::new().set("OPENIM_LIMITS_GROUPSPERUSERMAX", 2);
    let Staffed { server, owner, group, .. } = Staffed::on(setup.start());
    let ann = server.register("ann", IOS);
    let own: Vec<_> = (0..2).map(|_| server.group(&ann, &[])).collect();
    apply(&server, &ann, &group);
    assert_refused(&respond(&server, &owner, &group, "ann", 1), NOT_ANSWERED);
    assert_eq!(flags(&server, &owner), flagged(&[("ann", 0)]));
    let bob = server.register("bob", IOS);
    server.invite(&ann, &own[0], &["bob"]);
    let transfer = op(json!({"groupID": own[0], "uid": "bob"}));
    server.done_as(&ann, "/group/transfer_group", &transfer);
    server.kick(&bob, &own[0], &["ann"]);
    assert_eq!(respond(&server, &owner, &group, "ann", 1), plain(0, ""));
}
