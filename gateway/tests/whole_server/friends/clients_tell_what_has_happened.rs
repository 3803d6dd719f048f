//! Clients act on content types alone: a client cannot send the kick notice, nor a tip about friends or groups unless
//! it tells what has happened, by websocket or REST; `policy.clientTips: allow` takes all of them.

use serde_json::{Value, json};

use crate::support::link::{group_message, message};
use crate::support::platform::{IOS, WEB};
use crate::support::rest::{User, group_body, op, send_body};
use crate::support::server::{Server, Setup};

/// The errCode of a tip that a client sends: the same on both ways.
#[track_caller]
fn tell(server: &Server, from: &User, to: (i64, &str), kind: i64, content: &str) -> i64 {
    let id = format!("{kind}-{}", content.len());
    let mut frame = match to.0 {
        1 => message(to.1, &id, content),
        _ => group_message(to.1, &id, content),
    };
    frame["contentType"] = json!(kind);
    let reply = server.connect(from).request(1003, &frame);
    let mut body = match to.0 {
        1 => send_body(from, to.1, &id, content),
        _ => group_body(from, to.1, &id, content),
    };
    body["data"]["contentType"] = json!(kind);
    let answer = server.ask_as(from, "/chat/send_msg", &body);
    assert_eq!(reply["errCode"], answer["errCode"], "{kind}: {reply} {answer}");
    reply["errCode"].as_i64().expect("a code")
}

fn notice(detail: &str) -> String {
    json!({"isDisplay": 1, "defaultTips": "", "detail": detail}).to_string()
}

#[test]
fn nobody_sends_the_kick_notice_or_what_only_the_server_tells() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.befriend(&alice, &bob);
    let group = server.group(&alice, &[&bob]);
    let mut victim = server.connect(&bob);
    let before = victim.newest();
    for kind in [303, 204, 503, 511, 512, 513] {
        assert_eq!(tell(&server, &alice, (1, "bob"), kind, "{}"), 203, "{kind}");
        assert_eq!(tell(&server, &alice, (2, &group), kind, &notice(&group)), 203, "{kind}");
    }
    for kind in [201, 202, 203, 504, 508] {
        assert_eq!(tell(&server, &alice, (2, &group), kind, &notice("x,y")), 203, "{kind}");
    }
    for kind in [501, 502, 505, 506, 507, 509, 510] {
        assert_eq!(tell(&server, &alice, (1, "bob"), kind, &notice(&group)), 203, "{kind}");
    }
    // Not to oneself either: the other devices would act.
    assert_eq!(tell(&server, &alice, (1, "alice"), 303, "{}"), 203);
    assert_eq!(victim.newest(), before);
    // A repeat is refused like the first, and what clients do send goes through.
    for kind in [101, 106, 110, 111, 112, 113, 205, 206, 300, 400, 600] {
        assert_eq!(tell(&server, &alice, (1, "bob"), kind, "[]"), 0, "{kind}");
    }
}

#[test]
fn friends_tell_of_requests_and_answers_that_are_there() {
    let server = Server::start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    for kind in [201, 202, 203] {
        assert_eq!(tell(&server, &alice, (1, "bob"), kind, "{}"), 203, "{kind}");
    }
    server.done_as(&alice, "/friend/add_friend", &op(json!({"uid": "bob", "reqMessage": ""})));
    assert_eq!(tell(&server, &alice, (1, "bob"), 202, "{}"), 0);
    assert_eq!(tell(&server, &bob, (1, "alice"), 202, "{}"), 203, "the other has asked");
    for kind in [201, 203] {
        assert_eq!(tell(&server, &bob, (1, "alice"), kind, "{}"), 203, "not answered yet");
    }
    let answer = |flag: i64| {
        let answer = op(json!({"uid": "alice", "flag": flag}));
        server.done_as(&bob, "/friend/add_friend_response", &answer);
    };
    answer(-1);
    assert_eq!(tell(&server, &bob, (1, "alice"), 203, "{}"), 0);
    assert_eq!(tell(&server, &bob, (1, "alice"), 201, "{}"), 203);
    answer(1);
    assert_eq!(tell(&server, &bob, (1, "alice"), 201, "{}"), 0);
    assert_eq!(tell(&server, &alice, (1, "bob"), 201, "{}"), 203, "who asked has not agreed");
    assert_eq!(tell(&server, &carol, (1, "alice"), 201, "{}"), 203);
}

#[test]
fn members_tell_of_what_they_have_done() {
    let server = Server::start();
    let [ann, bob, cat, dan] = ["ann", "bob", "cat", "dan"].map(|uid| server.register(uid, IOS));
    let group = server.group(&ann, &[&bob, &cat]);
    let to = (2, group.as_str());
    let uids = |uids: &[&str]| notice(&json!({"groupID": group, "uidList": uids}).to_string());
    let removed = |uids: &[&str]| {
        let listed: Vec<Value> = uids.iter().map(|uid| json!({"userId": uid})).collect();
        notice(&json!({"groupID": group, "uidListInfo": listed}).to_string())
    };
    let handed = |uid: &str| notice(&json!({"GroupID": group, "NewOwner": uid}).to_string());
    for (kind, by_owner) in [(502, 0), (506, 0), (507, 0), (505, 203)] {
        assert_eq!(tell(&server, &ann, to, kind, &notice(&group)), by_owner, "{kind}");
        assert_eq!(tell(&server, &bob, to, kind, &notice(&group)), 203, "{kind}");
    }
    assert_eq!(tell(&server, &ann, to, 510, &uids(&["dan"])), 203, "dan is not in");
    assert_eq!(tell(&server, &ann, to, 509, &removed(&["cat"])), 203, "cat is still in");
    assert_eq!(tell(&server, &ann, to, 501, &handed("bob")), 203, "bob does not own it");
    // Dan asks; is turned down; is let in; cat is removed; bob gets the group; ann goes.
    let applied = notice(&format!("{group},please"));
    assert_eq!(tell(&server, &dan, (1, "ann"), 504, &applied), 203);
    let ask = op(json!({"groupID": group, "message": "please"}));
    server.done_as(&dan, "/group/join_group", &ask);
    assert_eq!(tell(&server, &dan, (1, "ann"), 504, &applied), 0);
    let handling = notice(&json!({"info": {"groupID": group}, "handUserID": "ann"}).to_string());
    assert_eq!(tell(&server, &ann, (1, "dan"), 508, &handling), 203);
    let refuse = json!({"groupID": group, "fromUserID": "dan", "toUserID": "0", "fromUserNickName": "",
        "fromUserFaceUrl": "", "toUserNickName": "", "toUserFaceUrl": "", "addTime": 1, "requestMsg": "",
        "handledMsg": "", "type": 0, "handleStatus": 2, "handleResult": 0});
    server.done_as(&ann, "/group/group_application_response", &op(refuse));
    assert_eq!(tell(&server, &ann, (1, "dan"), 508, &handling), 0);
    assert_eq!(tell(&server, &bob, (1, "dan"), 508, &handling), 203, "bob did not");
    assert_eq!(server.invite(&bob, &group, &["dan"]), [0]);
    assert_eq!(tell(&server, &bob, to, 510, &uids(&["dan"])), 0);
    assert_eq!(server.kick(&ann, &group, &["cat"]), [0]);
    assert_eq!(tell(&server, &ann, to, 509, &removed(&["cat"])), 0);
    assert_eq!(tell(&server, &bob, to, 509, &removed(&["cat"])), 203, "bob leads nothing");
    let transfer = op(json!({"groupID": group, "uid": "bob"}));
    server.done_as(&ann, "/group/transfer_group", &transfer);
    assert_eq!(tell(&server, &ann, to, 501, &handed("bob")), 0);
    server.done_as(&ann, "/group/quit_group", &op(json!({"groupID": group})));
    let mut farewell = group_message(&group, "bye", &notice(&group));
    farewell["contentType"] = json!(505);
    assert_eq!(server.connect(&ann).request(1003, &farewell)["errCode"], 0);
}

/// Clients act on the group that a tip names: who leads one could tell its members that they are out of another.
#[test]
fn a_group_is_not_told_of_another_one() {
    let server = Server::start();
    let [ann, bob, cat] = ["ann", "bob", "cat"].map(|uid| server.register(uid, IOS));
    let own = server.group(&ann, &[&bob, &cat]);
    let other = server.group(&cat, &[&bob]);
    assert_eq!(server.kick(&ann, &own, &["bob"]), [0]);
    let mut victim = server.connect(&bob);
    let before = victim.newest();
    let of = |kind: i64, group: &str| {
        let named = match kind {
            501 => json!({"GroupID": group, "OldOwner": "cat", "NewOwner": "ann"}),
            507 => json!({"info": {"groupID": group, "fromUserID": "cat"}, "handUserID": "ann"}),
            509 => json!({"groupID": group, "uidListInfo": [{"userId": "bob"}], "reason": ""}),
            510 => json!({"groupID": group, "uidList": ["cat"], "reason": ""}),
            _ => json!({"groupID": group, "groupName": "new"}),
        };
        match kind {
            502 | 505 => notice(group),
            _ => notice(&named.to_string()),
        }
    };
    for kind in [501, 502, 505, 506, 507, 509, 510] {
        assert_eq!(tell(&server, &ann, (2, &own), kind, &of(kind, &other)), 203, "{kind}");
    }
    let june = json!({"groupID": other, "groupName": "new"}).to_string();
    assert_eq!(tell(&server, &ann, (2, &own), 506, &june), 203);
    assert_eq!(victim.newest(), before);
    for kind in [502, 506, 507, 509, 510] {
        assert_eq!(tell(&server, &ann, (2, &own), kind, &of(kind, &own)), 0, "{kind}");
    }
}

#[test]
fn where_it_is_allowed_everything_passes_and_managers_pass_anyway() {
    let server = Setup::new().set("OPENIM_POLICY_CLIENTTIPS", "allow").start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", WEB));
    for kind in [201, 202, 203, 204, 303, 501, 513] {
        assert_eq!(tell(&server, &alice, (1, "bob"), kind, "{}"), 0, "{kind}");
    }
    drop((server, bob));
    let server = Server::start();
    server.register("bob", IOS);
    let manager = server.manager();
    for kind in [204, 303, 510] {
        assert_eq!(tell(&server, &manager, (1, "bob"), kind, "{}"), 0, "{kind}");
    }
}

/// In May the numbers meant something else.
#[test]
fn the_may_profile_has_its_own_numbers() {
    let server = Setup::new().set("OPENIM_WIRE_PROFILE", "may2021").start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.befriend(&alice, &bob);
    assert_eq!(tell(&server, &alice, (1, "bob"), 203, "kicked"), 203);
    assert_eq!(tell(&server, &alice, (1, "bob"), 201, "asked"), 0);
    assert_eq!(tell(&server, &bob, (1, "alice"), 202, "agreed"), 0);
    assert_eq!(tell(&server, &alice, (1, "bob"), 202, "agreed"), 203);
}
