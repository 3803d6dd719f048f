//! The groups of June 2021: its clients name members and groups in their own way, read application lists by other
//! keys, and send no tips: the server does, for everyone who is concerned (REST spec 7.7). Clients from August on
//! send them themselves, and are not doubled.

use serde_json::{Value, json};

use crate::support::jwt::now;
use crate::support::link::Link;
use crate::support::platform::IOS;
use crate::support::rest::{User, results};
use crate::support::server::{Server, Setup};

/// A client that has logged in as one of its generation does: by a trace id of the present time.
fn client(server: &Server, uid: &str, operation_id: &str) -> Link {
    let user = server.register(uid, IOS);
    let body =
        json!({"reqIdentifier": 1001, "operationID": operation_id, "sendID": uid, "msgIncr": 1});
    server.done_as(&user, "/chat/newest_seq", &body);
    server.connect(&user)
}

fn june(server: &Server, uid: &str) -> Link {
    client(server, uid, &now().to_string())
}

#[track_caller]
fn call(server: &Server, user: &User, route: &str, mut body: Value) -> Value {
    body["operationID"] = json!("1624882739");
    server.done_as(user, &format!("/group/{route}"), &body)
}

/// The next push, which must be this tip; its sender, receiver and content.
#[track_caller]
fn tip(link: &mut Link, content_type: i64, msg_from: i64) -> (String, String, Value) {
    let push = link.pushed();
    assert_eq!(
        (&push["contentType"], &push["msgFrom"]),
        (&json!(content_type), &json!(msg_from)),
        "{push}"
    );
    assert_eq!(push["sendTime"].to_string().len(), 10, "seconds: {push}");
    let text = |key: &str| push[key].as_str().expect("a text").to_owned();
    let content = serde_json::from_str(&text("content")).expect("JSON in a text");
    (text("sendID"), text("recvID"), content)
}

/// Makes a group as June's clients do; everybody's first tip is taken.
#[track_caller]
fn group(server: &Server, owner: &mut Link, members: &mut [&mut Link]) -> String {
    let listed: Vec<Value> =
        members.iter().map(|link| json!({"uid": link.user.uid, "setRole": 0})).collect();
    let body = json!({"memberList": listed, "name": "Climbers"});
    let answer = call(server, &owner.user.clone(), "create_group", body);
    let group = answer["data"]["groupID"].as_str().expect("an id").to_owned();
    let owner_uid = owner.user.uid.clone();
    for link in std::iter::once(owner).chain(members.iter_mut().map(|link| &mut **link)) {
        let uid = link.user.uid.clone();
        let (from, to, content) = tip(link, 502, 200);
        assert_eq!((from, to), (owner_uid.clone(), format!("{uid} {group}")));
        assert_eq!((&content["isDisplay"], &content["text"]), (&json!(0), &json!("Climbers")));
    }
    group
}

#[test]
fn a_new_group_has_the_name_of_june_and_everybody_in_it_is_told() {
    let server = Server::start();
    let [mut alice, mut bob] = ["alice", "bob"].map(|uid| june(&server, uid));
    let group = group(&server, &mut alice, &mut [&mut bob]);
    let info = call(&server, &bob.user, "get_groups_info", json!({"groupIDList": [group]}));
    assert_eq!(info["data"][0]["groupName"], "Climbers");
}

#[test]
fn members_are_removed_by_their_list_of_june_and_told_so() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = ["alice", "bob", "carol"].map(|uid| june(&server, uid));
    let stranger = server.newcomer("dave");
    let group = group(&server, &mut alice, &mut [&mut bob, &mut carol]);
    let body = json!({"groupID": group, "uidList": ["bob", "dave"], "reason": "too loud"});
    let answer = call(&server, &alice.user, "kick_group", body);
    assert_eq!(results(&answer), [0, 0]);
    let (from, to, content) = tip(&mut carol, 509, 100);
    assert_eq!((from.as_str(), to), ("alice", format!("carol {group}")));
    let expected = json!([group, ["bob"], "too loud"]);
    assert_eq!(json!([content["groupID"], content["uidList"], content["reason"]]), expected);
    // Bob is told by himself; who never was a member is told nothing.
    let (_, to, content) = tip(&mut bob, 509, 100);
    assert_eq!((to.as_str(), &content["uidList"]), ("bob", &json!(["bob"])));
    drop(stranger);
    let mut stranger = server.connect(&server.login("dave", IOS));
    assert_eq!(stranger.newest(), 0);
    // L9 holds as ever.
    let removed = bob.newest();
    let refused = server.post_as(
        &bob.user.token,
        "/chat/send_msg",
        &crate::support::rest::group_body(&bob.user, &group, "b1", "still here"),
    );
    assert_ne!(refused.json()["errCode"], 0);
    assert_eq!(bob.newest(), removed);
    // A list of neither generation is refused, an empty one as ever.
    let bad = json!({"operationID": "1", "groupID": group});
    assert_eq!(server.post_as(&alice.user.token, "/group/kick_group", &bad).status, 400);
    let empty = json!({"operationID": "1", "groupID": group, "uidList": []});
    assert_eq!(
        server.post_as(&alice.user.token, "/group/kick_group", &empty).json()["errCode"],
        700
    );
}

#[test]
fn requests_are_told_listed_and_answered() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = ["alice", "bob", "carol"].map(|uid| june(&server, uid));
    let group = group(&server, &mut alice, &mut []);
    for link in [&mut bob, &mut carol] {
        call(&server, &link.user, "join_group", json!({"groupID": group, "message": "please"}));
        tip(link, 504, 200); // Its own copy.
        let (from, to, content) = tip(&mut alice, 504, 200);
        assert_eq!((from, to.as_str()), (link.user.uid.clone(), "alice"));
        assert_eq!(json!([content["groupID"], content["message"]]), json!([group, "please"]));
    }
    let listed = call(&server, &alice.user, "get_group_applicationList", json!({}));
    let entry = &listed["data"]["user"][0];
    for (june, later) in [
        ("requestMsg", "reqMsg"),
        ("addTime", "createTime"),
        ("fromUserFaceUrl", "fromUserFaceURL"),
        ("toUserFaceUrl", "toUserFaceURL"),
    ] {
        assert!(!entry[june].is_null(), "{june}: {entry}");
        assert_eq!(entry[june], entry[later], "{entry}");
    }
    for (link, result, number) in [(&mut bob, 1, 511), (&mut carol, 0, 512)] {
        let uid = link.user.uid.clone();
        let answer = json!({"groupID": group, "fromUserID": uid, "toUserID": "0", "addTime": 1_624_882_700,
            "requestMsg": "please", "handledMsg": "because", "type": 0, "handleStatus": 0,
            "handleResult": result});
        call(&server, &alice.user, "group_application_response", answer);
        let (from, to, content) = tip(link, number, 200);
        assert_eq!((from.as_str(), to), ("alice", uid.clone()));
        let told =
            json!([content["groupID"], content["userId"], content["role"], content["reason"]]);
        assert_eq!(told, json!([group, "alice", 1, "because"]));
        assert!(content["joinTime"].as_i64().is_some_and(|time| time > 0), "{content}");
    }
    tip(&mut alice, 511, 200);
    for link in [&mut alice, &mut bob] {
        let (_, _, content) = tip(link, 507, 200);
        let told = json!([
            content["GroupID"],
            content["FromUserID"],
            content["ToUserID"],
            content["AddTime"]
        ]);
        assert_eq!(told, json!([group, "bob", "0", 1_624_882_700]));
        assert_eq!(content["FromUserNickName"], "name of bob");
    }
}

#[test]
fn changes_invitations_and_departures_are_told() {
    let server = Server::start();
    let [mut alice, mut bob, mut carol] = ["alice", "bob", "carol"].map(|uid| june(&server, uid));
    let group = group(&server, &mut alice, &mut [&mut bob]);
    call(
        &server,
        &alice.user,
        "set_group_info",
        json!({"groupID": group, "notification": "at noon"}),
    );
    for link in [&mut alice, &mut bob] {
        let (_, _, content) = tip(link, 506, 200);
        let told = json!([content["groupID"], content["groupName"], content["notification"]]);
        assert_eq!(told, json!([group, "Climbers", "at noon"]));
    }
    let body = json!({"groupID": group, "uidList": ["carol", "nobody"], "reason": "why not"});
    assert_eq!(results(&call(&server, &bob.user, "invite_user_to_group", body)), [0, -1]);
    for link in [&mut alice, &mut bob, &mut carol] {
        let (from, _, content) = tip(link, 510, 100);
        assert_eq!(from, "bob");
        assert_eq!(json!([content["uidList"], content["reason"]]), json!([["carol"], "why not"]));
    }
    call(&server, &alice.user, "transfer_group", json!({"groupID": group, "uid": "bob"}));
    for link in [&mut alice, &mut bob, &mut carol] {
        let (_, _, content) = tip(link, 501, 100);
        let told = json!([content["GroupID"], content["OldOwner"], content["NewOwner"]]);
        assert_eq!(told, json!([group, "alice", "bob"]));
    }
    call(&server, &alice.user, "quit_group", json!({"groupID": group}));
    for link in [&mut bob, &mut carol] {
        let (from, _, content) = tip(link, 505, 200);
        assert_eq!((from.as_str(), &content["groupID"]), ("alice", &json!(group)));
    }
    // The last one's departure ends the group, which nobody is left to be told of.
    call(&server, &carol.user, "quit_group", json!({"groupID": group}));
    assert_eq!(tip(&mut bob, 505, 200).0, "carol");
    call(&server, &bob.user, "quit_group", json!({"groupID": group}));
}

/// The later spelling tells nothing of the generation; the trace id at login does.
#[test]
fn clients_of_august_and_unknown_ones_are_not_spoken_for() {
    let server = Server::start();
    let mut bob = june(&server, "bob");
    let nanoseconds = (now() * 1_000_000_000).to_string();
    let (august, unknown) = (client(&server, "alice", &nanoseconds), server.newcomer("eve"));
    for link in [&august, &unknown] {
        let group = server.group(&link.user, &[&bob.user]);
        server.kick(&link.user, &group, &["bob"]);
    }
    assert_eq!(bob.newest(), 0, "no tip");
    // What the call itself shows is enough.
    let body = json!({"memberList": [{"uid": "bob", "setRole": 0}], "name": "Climbers"});
    call(&server, &unknown.user, "create_group", body);
    assert_eq!(tip(&mut bob, 502, 200).0, "eve");
}

#[test]
fn a_fixed_unit_says_of_which_generation_all_are() {
    for (unit, tips) in [("seconds", 1), ("nanoseconds", 0)] {
        let server = Setup::new().set("OPENIM_WIRE_TIMEUNIT", unit).start();
        let (alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
        server.group(&alice.user, &[&bob.user]);
        assert_eq!(bob.newest(), tips, "{unit}");
    }
    let server = Setup::new().set("OPENIM_WIRE_PROFILE", "may2021").start();
    let (alice, mut bob) = (june(&server, "alice"), june(&server, "bob"));
    server.group(&alice.user, &[&bob.user]);
    assert_eq!(bob.newest(), 0, "May had no groups");
}
