//! `/group/get_group_members_info`: an element for each uid that is asked for, in that order.

use serde_json::{Value, json};

use super::led;
use crate::support::platform::IOS;
use crate::support::rest::{User, op, registration, with_data};
use crate::support::server::Server;

const ROUTE: &str = "/group/get_group_members_info";

fn found(server: &Server, by: &User, group: &str, uids: &[&str]) -> Value {
    server.ask_as(by, ROUTE, &op(json!({"groupID": group, "memberList": uids})))
}

fn stranger(group: &str, uid: &str) -> Value {
    json!({"groupID": group, "userId": uid, "role": 0, "joinTime": 0, "nickName": "", "faceUrl": ""})
}

/// A member as shown, with the time that the answer gives.
fn member(answer: &Value, at: usize, group: &str, uid: &str, role: i32, face: &str) -> Value {
    let joined = answer["data"][at]["joinTime"].as_u64().filter(|time| *time > 0);
    json!({"groupID": group, "userId": uid, "role": role, "joinTime": joined,
        "nickName": format!("name of {uid}"), "faceUrl": face})
}

#[test]
fn members_and_strangers_in_the_order_of_the_request() {
    let (mut server, [alice, bob, _, carol, _], group) = led();
    server.register("dave", IOS);
    let uids = ["carol", "nobody", "alice", "dave", "bob", "carol", "no body", ""];
    for _ in 0..2 {
        for by in [&alice, &bob, &carol, &server.manager()] {
            let answer = found(&server, by, &group, &uids);
            let shown = |at, uid, role| member(&answer, at, &group, uid, role, "");
            let expected = json!([
                shown(0, "carol", 0),
                stranger(&group, "nobody"),
                shown(2, "alice", 1),
                stranger(&group, "dave"),
                shown(4, "bob", 2),
                stranger(&group, "no body"),
                stranger(&group, ""),
            ]);
            assert_eq!(answer, with_data(0, "", expected), "{}", by.uid);
        }
        server.restart();
    }
    server.kick(&alice, &group, &["carol"]);
    let answer = found(&server, &bob, &group, &["carol"]);
    assert_eq!(answer, with_data(0, "", json!([stranger(&group, "carol")])));
}

#[test]
fn the_face_is_the_one_of_now() {
    let server = Server::start();
    let mut body = registration("alice", IOS);
    body["icon"] = json!("the first face");
    server.post("/auth/user_register", &body);
    let (alice, bob) = (server.login("alice", IOS), server.register("bob", IOS));
    let group = server.group(&alice, &[&bob]);
    let answer = found(&server, &bob, &group, &["alice"]);
    assert_eq!(answer["data"][0]["faceUrl"], "the first face", "{answer}");
    server.done_as(&alice, "/user/update_user_info", &op(json!({"icon": "another face"})));
    let answer = found(&server, &bob, &group, &["alice"]);
    assert_eq!(answer["data"][0]["faceUrl"], "another face", "{answer}");
}

#[test]
fn nobody_is_found_where_nobody_is_asked_for() {
    let (server, [alice, ..], group) = led();
    for body in [
        json!({"groupID": group, "memberList": []}),
        json!({"groupID": group, "memberList": null}),
        json!({"groupID": group}),
    ] {
        assert_eq!(server.ask_as(&alice, ROUTE, &body), with_data(0, "", json!([])), "{body}");
    }
}

#[test]
fn strangers_find_nobody() {
    let (server, [alice, bob, _, carol, _], group) = led();
    let dave = server.register("dave", IOS);
    server.kick(&alice, &group, &["carol"]);
    server.done_as(&bob, "/group/quit_group", &op(json!({ "groupID": group })));
    let refused = with_data(800, "no permission", json!([]));
    for by in [&dave, &carol, &bob] {
        for uids in [&["alice"][..], &[&by.uid], &["nobody"], &[]] {
            assert_eq!(found(&server, by, &group, uids), refused, "{} {uids:?}", by.uid);
        }
    }
    for unknown in ["0123456789abcdef0123456789abcdef", "no group", ""] {
        assert_eq!(found(&server, &alice, unknown, &["alice"]), refused, "{unknown}");
        let answer = found(&server, &server.manager(), unknown, &["alice"]);
        assert_eq!(answer, with_data(0, "", json!([stranger(unknown, "alice")])), "{unknown}");
    }
    assert_eq!(server.ask_as(&alice, ROUTE, &json!({})), refused);
}
