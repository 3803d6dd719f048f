//! Ids that nobody can have, however long or blank, are unknown: every call about them is answered, and others' go on.

use serde_json::{Value, json};

use super::{Staffed, answering, apply, flagged, flags, roles};
use crate::support::http::call;
use crate::support::link::group_message;
use crate::support::platform::IOS;
use crate::support::rest::{done_at, group_body, op, plain};
use crate::support::server::Setup;

fn odd() -> Vec<String> {
    let long = |text: &str| text.repeat(70_000 / text.len());
    let mut ids: Vec<String> =
        [" ", "a b", " ann", "ann ", "a\tb", "a\nb", "a\0b", "\u{3000}"].map(str::to_owned).into();
    ids.extend([long("q"), long("a b "), long("\u{0}"), long("\u{1f600}"), "q".repeat(65)]);
    ids
}

#[test]
fn every_route_answers() {
    let Staffed { mut server, owner, group, .. } = Staffed::start();
    let ann = server.register("ann", IOS);
    apply(&server, &ann, &group);
    for id in odd() {
        let shown: String = id.chars().take(8).collect();
        let of = |more: Value| {
            let mut body = op(more);
            body["groupID"] = json!(id);
            body
        };
        for (route, body, expected) in [
            ("join_group", of(json!({})), plain(620, "Failed to apply to join the group")),
            (
                "set_group_info",
                of(json!({"groupName": "n"})),
                plain(622, "Failed to set group info"),
            ),
            (
                "group_application_response",
                answering(&id, "ann", 1),
                plain(702, "rpc GroupApplicationResponse failed"),
            ),
            (
                "group_application_response",
                answering(&group, &id, 1),
                plain(702, "rpc GroupApplicationResponse failed"),
            ),
            (
                "group_application_response",
                {
                    let mut body = answering(&group, "ann", 1);
                    body["toUserID"] = json!(id);
                    body
                },
                plain(702, "rpc GroupApplicationResponse failed"),
            ),
            (
                "get_groups_info",
                op(json!({"groupIDList": [id, id]})),
                json!({"data": [], "errCode": 0, "errMsg": ""}),
            ),
            ("quit_group", of(json!({})), plain(621, "Failed to quit the group")),
        ] {
            let answer = server.ask_as(&owner, &format!("/group/{route}"), &body);
            assert_eq!(answer, expected, "{route} {shown:?} of {}", id.len());
        }
    }
    assert_eq!(flags(&server, &owner), flagged(&[("ann", 0)]));
    server.restart();
    assert_eq!(flags(&server, &owner), flagged(&[("ann", 0)]));
    assert_eq!(roles(&server, &owner, &group).len(), 3);
}

#[test]
fn members_cannot_be_made_of_them() {
    let Staffed { mut server, owner, group, .. } = Staffed::start();
    let ids = odd();
    let uids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(server.invite(&owner, &group, &uids), vec![-1; ids.len()]);
    server.kick(&owner, &group, &uids);
    let listed: Vec<Value> = ids.iter().map(|uid| json!({"uid": uid, "setRole": 2})).collect();
    let body = op(json!({ "memberList": listed }));
    let answer = server.done_as(&owner, "/group/create_group", &body);
    let second = answer["data"]["groupID"].as_str().expect("a group id").to_owned();
    server.restart();
    assert_eq!(roles(&server, &owner, &group).len(), 3);
    assert_eq!(roles(&server, &owner, &second), flagged(&[("owner", 1)]));
    server.connect(&owner).say_data(&group_message(&group, "m", "hello"));
}

#[test]
fn sends_to_them_are_refused_and_the_link_goes_on() {
    // Frames in which the longest of them fits.
    let setup = Setup::new().set("OPENIM_LONGCONNSVR_WEBSOCKETMAXMSGLEN", 1 << 20);
    let Staffed { mut server, owner, member, group, .. } = Staffed::on(setup.start());
    let mut link = server.connect(&owner);
    for (n, id) in odd().iter().enumerate() {
        let answer =
            server.post_as(&owner.token, "/chat/send_msg", &group_body(&owner, id, "m", "x"));
        let answer = answer.json();
        assert_eq!(answer["errCode"], 800, "{n}: {answer}");
        let reply = link.request(1003, &group_message(id, "w", "x"));
        assert_eq!(reply["errCode"], 800, "{n}: {reply}");
        let mut data = group_message(&group, &format!("force {n}"), "named");
        data["forceList"] = json!([id]);
        link.say_data(&data);
        let mut body = group_body(&owner, &group, &format!("rest {n}"), "named");
        body["data"]["forceList"] = json!([id]);
        server.done_as(&owner, "/chat/send_msg", &body);
    }
    let count = odd().len() * 2;
    server.restart();
    let inbox = server.connect(&member).inbox();
    assert_eq!(inbox.len(), count);
    assert!(inbox.iter().all(|message| message["content"] == "named"));
}

/// Changes of several groups are made together; one of them that cannot be made fails alone.
#[test]
fn others_calls_are_answered_all_the_while() {
    let Staffed { mut server, owner, group, .. } = Staffed::start();
    let attacker = server.register("attacker", IOS);
    let users = server.register_many("user", 20);
    let rest = server.rest();
    std::thread::scope(|scope| {
        let (token, known) = (&attacker.token, &group);
        scope.spawn(move || {
            let ask = |body: Value| {
                let (headers, body) = ([("token", token.as_str())], body.to_string());
                let answer = call(rest, "POST", "/group/join_group", &headers, body.as_bytes());
                assert_eq!(answer.status, 200, "{}", answer.text());
            };
            for id in odd() {
                ask(op(json!({ "groupID": id })));
                ask(op(json!({"groupID": known, "message": id})));
            }
        });
        for part in users.chunks(10) {
            let (owner, group) = (&owner, &group);
            scope.spawn(move || {
                for user in part {
                    let ask = op(json!({ "groupID": group }));
                    done_at(rest, &user.token, "/group/join_group", &ask);
                    let path = "/group/group_application_response";
                    done_at(rest, &owner.token, path, &answering(group, &user.uid, 1));
                }
            });
        }
    });
    server.restart();
    assert_eq!(roles(&server, &owner, &group).len(), 23);
}
