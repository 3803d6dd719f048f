//! However many change a group at once, it has one owner, and all that counts its members agrees.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::groups::post_to;
use crate::support::link::group_message;
use crate::support::platform::IOS;
use crate::support::rest::User;
use crate::support::server::{Server, Setup};

const USERS: usize = 12;
const CHANGES: usize = 40;

/// One of many who change the group at random; every answer is one that the rules allow.
fn change_at_random(to: SocketAddr, me: &User, group: &str, mut seed: u64) {
    let mut below = |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    for _ in 0..CHANGES {
        let other = format!("user{}", below(USERS as u64));
        let third = format!("user{}", below(USERS as u64));
        let (route, body, codes): (&str, Value, &[i64]) = match below(8) {
            0 | 1 => ("invite_user_to_group", json!({"uidList": [other, third]}), &[0, 800]),
            2 => {
                let list = json!([{"userId": other}, {"userId": third}]);
                ("kick_group", json!({"uidListInfo": list}), &[0, 800])
            }
            3 | 4 => ("transfer_group", json!({"uid": other}), &[0, 800, 500]),
            5 => ("quit_group", json!({}), &[0, 621]),
            6 => ("join_group", json!({}), &[0, 620]),
            _ => {
                let body = json!({"fromUserID": other, "toUserID": "0", "handleResult": 1});
                ("group_application_response", body, &[0, 702])
            }
        };
        let mut whole = json!({"operationID": "op", "groupID": group});
        for (key, value) in body.as_object().expect("an object") {
            whole[key] = value.clone();
        }
        let answer = post_to(to, me, &format!("/group/{route}"), &whole).json();
        let code = answer["errCode"].as_i64().expect("a code");
        assert!(codes.contains(&code), "{route} {whole}: {answer}");
    }
}

/// Everything that tells who is in the group tells the same; who is.
#[track_caller]
fn assert_consistent(
    server: &Server,
    users: &[User],
    group: &str,
    client_id: &str,
) -> BTreeSet<String> {
    let manager = server.manager();
    let roles = server.roles(&manager, group);
    let owners: Vec<&String> =
        roles.iter().filter(|(_, role)| *role == 1).map(|(uid, _)| uid).collect();
    assert_eq!(owners.len(), 1, "{roles:?}");
    let members: BTreeSet<String> = roles.iter().map(|(uid, _)| uid.clone()).collect();
    assert_eq!(members.len(), roles.len(), "each once");
    let info = server.group_info(&manager, group);
    assert_eq!(info["ownerId"], *owners[0], "{info}");
    assert_eq!(info["memberCount"], members.len(), "{info}");
    let body = json!({"operationID": "op", "groupID": group});
    let page = server.done_as(&manager, "/group/get_group_member_list", &body);
    let shown: BTreeSet<String> =
        page["data"].as_array().expect("a list").iter().map(uid).collect();
    assert_eq!(shown, members);
    let owner = users.iter().find(|user| user.uid == *owners[0]).expect("one of them");
    let before: Vec<i64> = users.iter().map(|user| server.connect(user).newest()).collect();
    server.connect(owner).say_data(&group_message(group, client_id, "who is in?"));
    for (user, before) in users.iter().zip(before) {
        let is_in = members.contains(&user.uid);
        let body = json!({"operationID": "op"});
        let joined = server.done_as(user, "/group/get_joined_group_list", &body);
        assert_eq!(joined["data"].as_array().map(Vec::len), Some(is_in.into()), "{}", user.uid);
        let newest = server.connect(user).newest();
        assert_eq!(newest - before, i64::from(is_in), "{} of {members:?}", user.uid);
    }
    members
}

fn uid(member: &Value) -> String {
    member["userId"].as_str().expect("a uid").to_owned()
}

#[test]
fn and_everybody_agrees_who_is_in() {
    let mut server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 3).start();
    let users: Vec<User> = (0..USERS).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &users[1..6].iter().collect::<Vec<_>>());
    for round in 0..3 {
        std::thread::scope(|scope| {
            for (n, user) in users.iter().enumerate().take(8) {
                let (to, group) = (server.rest(), &group);
                scope.spawn(move || change_at_random(to, user, group, (round * 100 + n) as u64));
            }
        });
        let members = assert_consistent(&server, &users, &group, &format!("m{round}"));
        server.restart();
        let after = assert_consistent(&server, &users, &group, &format!("n{round}"));
        assert_eq!(after, members);
    }
}

#[test]
fn of_two_transfers_at_once_one_is_done() {
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).start();
    let users: Vec<User> = (0..3).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &users[1..].iter().collect::<Vec<_>>());
    let mut owner = 0;
    for _ in 0..25 {
        let targets: Vec<usize> = (0..3).filter(|n| *n != owner).collect();
        let codes: Vec<Value> = std::thread::scope(|scope| {
            let calls: Vec<_> = targets
                .iter()
                .map(|&n| {
                    let (to, owner, uid) = (server.rest(), &users[owner], &users[n].uid);
                    let body = json!({"operationID": "op", "groupID": group, "uid": uid});
                    scope.spawn(move || post_to(to, owner, "/group/transfer_group", &body).json())
                })
                .collect();
            calls
                .into_iter()
                .map(|call| call.join().expect("answered")["errCode"].clone())
                .collect()
        });
        let done: Vec<usize> = (0..2).filter(|&n| codes[n] == 0).collect();
        assert_eq!(done.len(), 1, "{codes:?}");
        assert_eq!(codes[1 - done[0]], 800, "{codes:?}");
        owner = targets[done[0]];
        let owners = server.roles(&users[0], &group).into_iter().filter(|(_, role)| *role == 1);
        assert_eq!(owners.map(|(uid, _)| uid).collect::<Vec<_>>(), [users[owner].uid.clone()]);
    }
}

#[test]
fn also_when_callers_do_not_wait_for_the_answer() {
    use std::io::Write;
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).start();
    let users: Vec<User> = (0..USERS).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &[]);
    for round in 0..40 {
        let (route, body) = match round % 2 {
            0 => {
                let uids: Vec<&str> = users[1..].iter().map(|user| &*user.uid).collect();
                (
                    "invite_user_to_group",
                    json!({"operationID": "op", "groupID": group, "uidList": uids}),
                )
            }
            _ => {
                let list: Vec<Value> =
                    users[round % 4 + 1..].iter().map(|user| json!({"userId": user.uid})).collect();
                ("kick_group", json!({"operationID": "op", "groupID": group, "uidListInfo": list}))
            }
        };
        let body = body.to_string();
        let mut stream = crate::support::http::dial(server.rest());
        let head = format!(
            "POST /group/{route} HTTP/1.1\r\nHost: x\r\ntoken: {}\r\nContent-Length: {}\r\n\r\n",
            users[0].token,
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).expect("sent");
        if round % 3 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        drop(stream);
        if round % 5 == 4 {
            // In the group's turn: what was begun before is finished or was never begun.
            assert_eq!(server.invite(&users[0], &group, &["user1"]).len(), 1);
        }
    }
    // Nobody says when the last one is done: once nothing has changed for many looks.
    let (mut members, mut same) = (server.roles(&users[0], &group), 0);
    while same < 8 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let again = server.roles(&users[0], &group);
        same = if again == members { same + 1 } else { 0 };
        members = again;
    }
    assert_consistent(&server, &users, &group, "m");
}
