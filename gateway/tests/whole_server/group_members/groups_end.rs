//! `/group/dismiss_group`: the owner or a manager ends a group; everybody in it is told, nobody writes to it any
//! more, and what was written stays.

use serde_json::{Value, json};

use super::led;
use crate::support::link::group_message;
use crate::support::platform::IOS;
use crate::support::rest::{User, op, plain};
use crate::support::server::{Server, Setup};

const ROUTE: &str = "/group/dismiss_group";

fn dismiss(server: &Server, by: &User, group: &str) -> Value {
    server.ask_as(by, ROUTE, &op(json!({ "groupID": group })))
}

#[test]
fn its_members_are_told_and_it_is_gone() {
    let (mut server, [alice, bob, bea, carol, cleo], group) = led();
    let mut link = server.connect(&carol);
    server.connect(&alice).say_data(&group_message(&group, "m", "before the end"));
    assert_eq!(link.pushed()["content"], "before the end");
    assert_eq!(dismiss(&server, &alice, &group), plain(0, ""));
    let tip = link.pushed();
    assert_eq!(
        (&tip["contentType"], &tip["msgFrom"], &tip["sendID"], &tip["recvID"]),
        (&json!(513), &json!(200), &json!("alice"), &json!(format!("carol {group}"))),
        "{tip}"
    );
    let content: Value =
        serde_json::from_str(tip["content"].as_str().expect("text")).expect("JSON");
    assert_eq!(content["detail"], json!(group));
    for _ in 0..2 {
        for user in [&alice, &bob, &bea, &carol, &cleo] {
            let joined = server.done_as(user, "/group/get_joined_group_list", &op(json!({})));
            assert_eq!(joined["data"], json!([]), "{}", user.uid);
            let inbox = server.connect(user).inbox();
            let seen: Vec<_> = inbox.iter().map(|message| &message["contentType"]).collect();
            assert_eq!(seen, [&json!(101), &json!(513)], "{}", user.uid);
            let late = group_message(&group, "late", "after the end");
            let refused = server.connect(user).request(1003, &late);
            assert_eq!(refused["errCode"], 800, "{}: {refused}", user.uid);
        }
        let members = op(json!({ "groupID": group }));
        let members = server.ask_as(&bob, "/group/get_group_all_member_list", &members);
        assert_eq!(members["data"], json!([]), "{members}");
        let info = op(json!({ "groupIDList": [group] }));
        assert_eq!(server.done_as(&bob, "/group/get_groups_info", &info)["data"], json!([]));
        for by in [&alice, &server.manager()] {
            let invite = op(json!({"groupID": group, "uidList": ["bob"]}));
            let refused = server.post_as(&by.token, "/group/invite_user_to_group", &invite).json();
            assert_eq!(refused["errCode"], 800, "{refused}");
        }
        // Again: it has ended.
        assert_eq!(dismiss(&server, &alice, &group), plain(0, ""));
        assert_eq!(dismiss(&server, &server.manager(), &group), plain(0, ""));
        server.restart();
    }
    assert_eq!(server.connect(&carol).newest(), 2, "nobody was told again");
}

#[test]
fn nobody_else_ends_it() {
    let (server, [alice, bob, _, carol, _], group) = led();
    let dave = server.register("dave", IOS);
    for by in [&bob, &carol, &dave] {
        assert_eq!(dismiss(&server, by, &group), plain(800, "no permission"), "{}", by.uid);
    }
    for unknown in ["0123456789abcdef0123456789abcdef", "no group"] {
        assert_eq!(dismiss(&server, &alice, unknown), plain(800, "no permission"), "{unknown}");
    }
    let mut garbage = alice.clone();
    garbage.token = "garbage".to_owned();
    assert_eq!(dismiss(&server, &garbage, &group)["errCode"], 200);
    server.connect(&alice).say_data(&group_message(&group, "m", "still here"));
    assert_eq!(dismiss(&server, &server.manager(), &group), plain(0, ""), "a manager does");
    let tip = server.connect(&bob).inbox().pop().expect("a message");
    assert_eq!((&tip["contentType"], &tip["sendID"]), (&json!(513), &json!("openIM123456")));
}

/// More members than are taken out at once, over several shards.
#[test]
fn a_large_one_ends_whole() {
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 3).start();
    let alice = server.register("alice", IOS);
    let others = server.register_many("member", 700);
    let group = server.group(&alice, &[]);
    let uids: Vec<&str> = others.iter().map(|user| user.uid.as_str()).collect();
    assert!(server.invite(&alice, &group, &uids).iter().all(|result| *result == 0));
    assert_eq!(dismiss(&server, &alice, &group), plain(0, ""));
    for user in &others {
        let ask = op(json!({"reqIdentifier": 1001, "sendID": user.uid, "msgIncr": 1}));
        let answer = server.done_as(user, "/chat/newest_seq", &ask);
        assert_eq!(answer["data"]["seq"], 1, "{}", user.uid);
    }
}
