//! `/group/group_application_response`: owner and administrators let applicants in or refuse them, once.

use serde_json::{Value, json};

use super::{
    NOT_ANSWERED, Staffed, answering, apply, assert_refused, flagged, flags, pictured, requests,
    respond, roles,
};
use crate::support::platform::IOS;
use crate::support::rest::{op, plain};

const PATH: &str = "/group/group_application_response";

#[test]
fn who_is_agreed_to_is_an_ordinary_member() {
    let Staffed { server, owner, admin, group, .. } = Staffed::start();
    for (leader, uid) in [(&owner, "ann"), (&admin, "bob")] {
        let user = pictured(&server, uid);
        apply(&server, &user, &group);
        let answer = server.post_as(&leader.token, PATH, &answering(&group, uid, 1));
        assert_eq!((answer.status, answer.json()), (200, plain(0, "")), "{uid}");
        let all = op(json!({ "groupID": group }));
        let answer = server.done_as(&user, "/group/get_group_all_member_list", &all);
        let entries = answer["data"].as_array().expect("a list");
        let entry = entries.iter().find(|entry| entry["userId"] == uid).expect("a member");
        let expected = json!({
            "groupID": group, "userId": uid, "role": 0, "joinTime": entry["joinTime"],
            "nickName": format!("name of {uid}"), "faceUrl": format!("http://pictures/{uid}"),
        });
        assert_eq!(entry, &expected);
        assert!(entry["joinTime"].as_i64().is_some_and(|time| time > 1_600_000_000), "{entry}");
    }
    assert_eq!(flags(&server, &owner), flagged(&[("ann", 1), ("bob", 1)]));
    // No tip of the server's.
    assert_eq!(server.connect(&owner).newest(), 0);
    assert_eq!(server.connect(&server.login("ann", IOS)).newest(), 0);
}

#[test]
fn who_is_refused_stays_outside() {
    let Staffed { server, owner, admin, group, .. } = Staffed::start();
    for (leader, uid) in [(&owner, "ann"), (&admin, "bob")] {
        apply(&server, &server.register(uid, IOS), &group);
        assert_eq!(respond(&server, leader, &group, uid, 0), plain(0, ""));
    }
    assert_eq!(flags(&server, &owner), flagged(&[("ann", -1), ("bob", -1)]));
    assert_eq!(roles(&server, &owner, &group).len(), 3);
    assert_eq!(server.connect(&server.login("ann", IOS)).newest(), 0);
}

#[test]
fn nobody_else_answers() {
    let Staffed { server, owner, member, group, .. } = Staffed::start();
    let (ann, eve) = (server.register("ann", IOS), server.register("eve", IOS));
    // Who leads another group leads nothing here.
    server.group(&eve, &[]);
    apply(&server, &ann, &group);
    for other in [&member, &ann, &eve, &server.manager()] {
        for result in [0, 1] {
            assert_refused(&respond(&server, other, &group, "ann", result), NOT_ANSWERED);
        }
    }
    assert_eq!(flags(&server, &owner), flagged(&[("ann", 0)]));
    assert_eq!(requests(&server, &owner)[0]["handledUser"], "");
    assert_eq!(roles(&server, &owner, &group).len(), 3);
}

#[test]
fn an_answer_is_given_once() {
    let Staffed { server, owner, admin, group, .. } = Staffed::start();
    for (uid, first) in [("ann", 1), ("bob", 0)] {
        apply(&server, &server.register(uid, IOS), &group);
        assert_eq!(respond(&server, &owner, &group, uid, first), plain(0, ""));
        for (leader, second) in [(&owner, first), (&admin, first), (&owner, 1 - first)] {
            assert_refused(&respond(&server, leader, &group, uid, second), NOT_ANSWERED);
        }
    }
    assert_eq!(flags(&server, &owner), flagged(&[("ann", 1), ("bob", -1)]));
    let members = roles(&server, &owner, &group);
    assert_eq!(members, flagged(&[("admin", 2), ("ann", 0), ("member", 0), ("owner", 1)]));
}

#[test]
fn who_came_in_otherwise_is_agreed_to_without_effect() {
    let Staffed { server, owner, admin, group, .. } = Staffed::start();
    for (uid, result, flag) in [("ann", 1, 1), ("bob", 0, -1)] {
        apply(&server, &server.register(uid, IOS), &group);
        assert_eq!(server.invite(&admin, &group, &[uid]), [0]);
        assert_eq!(respond(&server, &owner, &group, uid, result), plain(0, ""), "{uid}");
        let open = requests(&server, &owner);
        let entry = open.iter().find(|entry| entry["fromUserID"] == uid).expect("it is kept");
        assert_eq!(entry["flag"], flag, "{entry}");
    }
    // Neither answer changes who is in.
    let members = roles(&server, &owner, &group);
    let expected = [("admin", 2), ("ann", 0), ("bob", 0), ("member", 0), ("owner", 1)];
    assert_eq!(members, flagged(&expected));
    // Who led meanwhile keeps the role.
    let carol = server.register("carol", IOS);
    apply(&server, &carol, &group);
    server.invite(&owner, &group, &["carol"]);
    let transfer = op(json!({"groupID": group, "uid": "carol"}));
    server.done_as(&owner, "/group/transfer_group", &transfer);
    assert_eq!(respond(&server, &carol, &group, "carol", 1), plain(0, ""));
    assert!(roles(&server, &carol, &group).contains(&("carol".to_owned(), 1)));
}

#[test]
fn what_is_no_open_request_is_not_answered() {
    let Staffed { server, owner, group, .. } = Staffed::start();
    let second = server.group(&owner, &[]);
    let ann = server.register("ann", IOS);
    server.register("bob", IOS);
    apply(&server, &ann, &group);
    let change = |key: &str, value: Value| {
        let mut body = answering(&group, "ann", 1);
        body[key] = value;
        body
    };
    for body in [
        change("fromUserID", json!("bob")),
        change("fromUserID", json!("nobody")),
        change("fromUserID", json!("member")),
        change("fromUserID", json!("ann ")),
        change("toUserID", json!("ann")),
        change("toUserID", json!("owner")),
        change("toUserID", json!("00")),
        change("groupID", json!(second)),
        change("groupID", json!("unknown")),
        change("handleResult", json!(2)),
        change("handleResult", json!(-1)),
        change("handleResult", json!(i32::MAX)),
        change("handledMsg", json!("\u{e9}".repeat(256))),
    ] {
        assert_refused(&server.ask_as(&owner, PATH, &body), NOT_ANSWERED);
    }
    assert_eq!(flags(&server, &owner), flagged(&[("ann", 0)]));
    let fits = change("handledMsg", json!("\u{e9}".repeat(255)));
    assert_eq!(server.ask_as(&owner, PATH, &fits), plain(0, ""));
    assert_eq!(requests(&server, &owner)[0]["handledMsg"], "\u{e9}".repeat(255));
}

/// Everything but ids, message and result is of no effect, and the result is 0 where it is left out.
#[test]
fn the_request_says_who_joins_not_the_answer() {
    let Staffed { server, owner, group, .. } = Staffed::start();
    for uid in ["ann", "bob"] {
        apply(&server, &server.register(uid, IOS), &group);
    }
    let mut body = answering(&group, "ann", 1);
    for key in ["fromUserNickName", "fromUserFaceUrl", "toUserNickName", "toUserFaceUrl"] {
        body[key] = json!("somebody else");
    }
    for (key, value) in [("addTime", 5), ("type", 1), ("handleStatus", 2)] {
        body[key] = json!(value);
    }
    body["requestMsg"] = json!("never said");
    assert_eq!(server.ask_as(&owner, PATH, &body), plain(0, ""));
    let bare = op(json!({"groupID": group, "fromUserID": "bob", "toUserID": "0"}));
    assert_eq!(server.ask_as(&owner, PATH, &bare), plain(0, ""));
    assert_eq!(flags(&server, &owner), flagged(&[("ann", 1), ("bob", -1)]));
    let entry = &requests(&server, &owner)[0];
    assert_eq!((&entry["reqMsg"], &entry["type"]), (&json!("let me in"), &json!(0)));
    assert_eq!(entry["fromUserNickName"], "name of ann");
    let all = op(json!({ "groupID": group, "memberList": ["ann"] }));
    let answer = server.done_as(&owner, "/group/get_group_members_info", &all);
    assert_eq!(answer["data"][0]["nickName"], "name of ann", "{answer}");
}
