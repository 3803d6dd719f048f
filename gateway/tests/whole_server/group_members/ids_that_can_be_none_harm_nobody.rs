//! Ids that nobody and nothing can have, however long, are unknown: every answer is whole, others' calls go on, and
//! the server starts again.

use serde_json::{Value, json};

use super::{led, roles};
use crate::support::http::call;
use crate::support::platform::IOS;
use crate::support::rest::{User, done_at, op};
use crate::support::server::Server;

fn odd_ids() -> Vec<String> {
    let long = |length| "q".repeat(length);
    let mut odd =
        [" ", "a b", "bob ", " bob", "a\nb", "a\u{0}b", "a\u{3000}b"].map(String::from).to_vec();
    odd.extend([long(65), long(256), long(70_000), "ä".repeat(35_000), "q ".repeat(35_000)]);
    odd
}

fn short(id: &str) -> String {
    format!("{:?} of {}", id.chars().take(8).collect::<String>(), id.len())
}

/// Calls a route; the answer must have a code and a text, and nothing may be `null`.
#[track_caller]
fn ask(server: &Server, by: &User, route: &str, body: &Value, id: &str) -> Value {
    let what = format!("{route} by {} with {}", by.uid, short(id));
    let answer = server.post_as(&by.token, &format!("/group/{route}"), body);
    assert!([200, 400, 500].contains(&answer.status), "{what}: {}", answer.status);
    let json = answer.json();
    assert!(json["errCode"].is_i64() && json["errMsg"].is_string(), "{what}: {json}");
    let whole = json.as_object().is_some_and(|json| json.values().all(|value| !value.is_null()));
    assert!(whole, "{what}: {json}");
    json
}

#[track_caller]
fn assert_goes_on(server: &mut Server, by: &User, group: &str) {
    let expected = ["alice 1", "bea 2", "bob 2", "carol 0", "cleo 0"];
    assert_eq!(roles(server, by, group), expected);
    server.restart();
    assert_eq!(roles(server, by, group), expected);
    let mut link = server.connect(by);
    let text = crate::support::link::group_message(group, "still here", "hello");
    link.say_data(&text);
    server.register("dave", IOS);
    assert_eq!(server.invite(by, group, &["dave"]), [0]);
    assert_eq!(server.kick(by, group, &["dave"]), [0]);
}

#[test]
fn as_ids_of_groups() {
    let (mut server, [alice, ..], group) = led();
    let manager = server.manager();
    for id in odd_ids() {
        for (route, more, code, managers) in [
            ("invite_user_to_group", json!({"uidList": ["bob"]}), 800, 800),
            ("kick_group", json!({"uidListInfo": [{"userId": "bob"}]}), 800, 800),
            ("quit_group", json!({}), 621, 621),
            ("dismiss_group", json!({}), 800, 800),
            ("transfer_group", json!({"uid": "bob"}), 800, 800),
            ("get_group_member_list", json!({"nextSeq": 0}), 800, 0),
            ("get_group_all_member_list", json!({}), 0, 0),
            ("get_group_members_info", json!({"memberList": ["bob"]}), 800, 0),
        ] {
            let mut body = op(more);
            body["groupID"] = json!(id);
            for (by, code) in [(&alice, code), (&manager, managers)] {
                let answer = ask(&server, by, route, &body, &id);
                assert_eq!(answer["errCode"], code, "{route} {} {}", by.uid, short(&id));
            }
        }
    }
    assert_goes_on(&mut server, &alice, &group);
}

#[test]
fn as_uids_of_an_owners_calls() {
    let (mut server, [alice, ..], group) = led();
    for id in odd_ids() {
        let what = short(&id);
        let body = op(json!({"groupID": group, "uidList": [id]}));
        let answer = ask(&server, &alice, "invite_user_to_group", &body, &id);
        assert_eq!(answer["data"], json!([{"uid": id, "result": -1}]), "{what}");
        let body = op(json!({"groupID": group, "uidListInfo": [{"userId": id}]}));
        let answer = ask(&server, &alice, "kick_group", &body, &id);
        assert_eq!(answer["data"], json!([{"uid": id, "result": 0}]), "{what}");
        let body = op(json!({"groupID": group, "uid": id}));
        let answer = ask(&server, &alice, "transfer_group", &body, &id);
        assert_eq!(answer["errMsg"], "record not found", "{what}");
        let body = op(json!({"groupID": group, "memberList": [id, "bob"]}));
        let answer = ask(&server, &alice, "get_group_members_info", &body, &id);
        assert_eq!(answer["data"][0]["userId"], json!(id), "{what}");
        assert_eq!(answer["data"][0]["joinTime"], 0, "{what}");
        assert_eq!(answer["data"][1]["role"], 2, "{what}");
        let body = op(json!({"memberList": [{"uid": id, "setRole": 2}, {"uid": "bob"}]}));
        let answer = ask(&server, &alice, "create_group", &body, &id);
        let made = answer["data"]["groupID"].as_str().unwrap_or_else(|| panic!("{what}: {answer}"));
        assert_eq!(roles(&server, &alice, made), ["alice 1", "bob 0"], "{what}");
    }
    assert_goes_on(&mut server, &alice, &group);
}

/// A manager's calls are told to whom they name: to nobody, here.
#[test]
fn as_uids_of_a_managers_calls() {
    let (mut server, [alice, ..], group) = led();
    let manager = server.manager();
    for id in odd_ids() {
        let what = short(&id);
        let body = op(json!({"groupID": group, "uidList": [id]}));
        let answer = ask(&server, &manager, "invite_user_to_group", &body, &id);
        assert_eq!(answer["data"], json!([{"uid": id, "result": -1}]), "{what}");
        let body = op(json!({"groupID": group, "uidListInfo": [{"userId": id}]}));
        let answer = ask(&server, &manager, "kick_group", &body, &id);
        assert_eq!(answer["data"], json!([{"uid": id, "result": 0}]), "{what}");
        let body = op(json!({"memberList": [{"uid": id, "setRole": 1}]}));
        let answer = ask(&server, &manager, "create_group", &body, &id);
        assert_eq!(answer["errCode"], 619, "{what}");
    }
    assert_goes_on(&mut server, &alice, &group);
}

/// Of several who are removed at once, one that can be nobody does not keep the others from being told.
#[test]
fn beside_members_that_a_manager_removes() {
    let (mut server, [alice, ..], group) = led();
    let (manager, erin) = (server.manager(), server.register("erin", IOS));
    for (n, id) in odd_ids().iter().enumerate() {
        server.invite(&alice, &group, &["erin"]);
        let before = server.connect(&erin).newest();
        let listed = json!([{"userId": id}, {"userId": "erin"}]);
        let body = op(json!({"groupID": group, "uidListInfo": listed}));
        let answer = ask(&server, &manager, "kick_group", &body, id);
        let done = json!([{"uid": id, "result": 0}, {"uid": "erin", "result": 0}]);
        assert_eq!(answer["data"], done, "{n}: {}", short(id));
        let told = server.connect(&erin).newest() - before;
        assert_eq!(told, 2, "{n}: {}", short(id));
    }
    assert_goes_on(&mut server, &alice, &group);
}

#[test]
fn as_trace_ids_and_reasons() {
    let (mut server, [alice, ..], group) = led();
    let manager = server.manager();
    server.register("erin", IOS);
    for id in odd_ids() {
        for by in [&alice, &manager] {
            for (route, more) in [
                ("invite_user_to_group", json!({"uidList": ["erin"]})),
                ("kick_group", json!({"uidListInfo": [{"userId": "erin"}]})),
                ("get_group_member_list", json!({})),
                ("get_group_all_member_list", json!({})),
                ("get_group_members_info", json!({"memberList": ["bob"]})),
            ] {
                let mut body = more;
                body["groupID"] = json!(group);
                let tells = matches!(route, "invite_user_to_group" | "kick_group");
                for (trace, reason) in [("op", id.as_str()), (id.as_str(), "why")] {
                    body["operationID"] = json!(trace);
                    body["reason"] = json!(reason);
                    let answer = ask(&server, by, route, &body, &id);
                    // Both are bounded, a reason where it is told; apart from that they may be anything.
                    let fits = trace.len() <= 255 && (!tells || reason.chars().count() <= 255);
                    let code = if fits { 0 } else { 400 };
                    assert_eq!(answer["errCode"], code, "{route} {} {}", by.uid, short(&id));
                }
            }
        }
    }
    assert_goes_on(&mut server, &alice, &group);
}

/// Changes of several groups are made together; one of them that cannot be made fails alone.
#[test]
fn others_changes_are_made_all_the_while() {
    let (mut server, [alice, ..], group) = led();
    let (attacker, users) = (server.register("attacker", IOS), server.register_many("user", 4));
    let manager = server.manager();
    let (rest, long) = (server.rest(), "q".repeat(70_000));
    let theirs = server.group(&attacker, &[]);
    let attacks = [&attacker, &manager].map(|by| {
        let group = if by.uid == "attacker" { &theirs } else { &group };
        let kick = op(json!({"groupID": group, "uidListInfo": [{"userId": long}]}));
        let invite = op(json!({"groupID": long, "uidList": [long]}));
        (by, [("kick_group", kick), ("invite_user_to_group", invite)])
    });
    std::thread::scope(|scope| {
        for (by, bodies) in &attacks {
            scope.spawn(move || {
                let headers = [("token", by.token.as_str())];
                for (route, body) in bodies.iter().cycle().take(40) {
                    let (path, body) = (format!("/group/{route}"), body.to_string());
                    call(rest, "POST", &path, &headers, body.as_bytes());
                }
            });
        }
        for user in &users {
            scope.spawn(move || {
                for _ in 0..20 {
                    let body = op(json!({"memberList": [{"uid": "cleo"}]}));
                    let made = done_at(rest, &user.token, "/group/create_group", &body);
                    let listed = json!([{"userId": "cleo"}]);
                    let body =
                        op(json!({"groupID": made["data"]["groupID"], "uidListInfo": listed}));
                    done_at(rest, &user.token, "/group/kick_group", &body);
                }
            });
        }
    });
    assert_goes_on(&mut server, &alice, &group);
}
