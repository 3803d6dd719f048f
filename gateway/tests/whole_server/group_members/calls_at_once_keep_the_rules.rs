//! Calls that come at the same time leave one owner, and no more members than there is room for.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::http;
use crate::support::platform::IOS;
use crate::support::rest::{User, op, results};
use crate::support::server::{Server, Setup};

fn call(to: SocketAddr, by: &User, route: &str, body: &Value) -> Value {
    let headers = [("token", by.token.as_str())];
    let path = format!("/group/{route}");
    http::call(to, "POST", &path, &headers, body.to_string().as_bytes()).json()
}

#[test]
fn one_of_several_transfers_is_done() {
    let mut server = Server::start();
    let users = server.register_many("user", 5);
    let others: Vec<&User> = users[1..].iter().collect();
    let group = server.group(&users[0], &others);
    let rest = server.rest();
    let codes: Vec<i64> = std::thread::scope(|scope| {
        let callers: Vec<_> = others
            .iter()
            .map(|to| {
                let body = op(json!({"groupID": group, "uid": to.uid}));
                let owner = &users[0];
                scope.spawn(move || call(rest, owner, "transfer_group", &body)["errCode"].clone())
            })
            .collect();
        let code = |code: Value| code.as_i64().expect("an integer code");
        callers.into_iter().map(|caller| code(caller.join().expect("it ends"))).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 800).count(), 3, "{codes:?}");
    for _ in 0..2 {
        let roles = server.roles(&users[1], &group);
        assert_eq!(roles.iter().filter(|(_, role)| *role == 1).count(), 1, "{roles:?}");
        assert_ne!(roles[0].1, 1, "{roles:?}");
        server.restart();
    }
}

#[test]
fn a_full_group_stays_full() {
    let mut server = Setup::new().set("OPENIM_LIMITS_GROUPMEMBERSMAX", 6).start();
    let users = server.register_many("user", 21);
    let group = server.group(&users[0], &[]);
    let rest = server.rest();
    let joined: i64 = std::thread::scope(|scope| {
        let callers: Vec<_> = users[1..]
            .chunks(5)
            .map(|part| {
                let (by, group) = (&users[0], &group);
                scope.spawn(move || {
                    let invite = |user: &User| {
                        let body = op(json!({"groupID": group, "uidList": [user.uid]}));
                        results(&call(rest, by, "invite_user_to_group", &body))[0] + 1
                    };
                    part.iter().map(invite).sum::<i64>()
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("it ends")).sum()
    });
    assert_eq!(joined, 5, "the owner has the sixth place");
    for _ in 0..2 {
        assert_eq!(server.roles(&users[0], &group).len(), 6);
        server.restart();
    }
}

#[test]
fn nobody_is_in_more_groups_than_they_may_be() {
    let server = Setup::new().set("OPENIM_LIMITS_GROUPSPERUSERMAX", 3).start();
    let bob = server.register("bob", IOS);
    let owners = server.register_many("user", 8);
    let groups: Vec<String> = owners.iter().map(|owner| server.group(owner, &[])).collect();
    let rest = server.rest();
    let joined: i64 = std::thread::scope(|scope| {
        let callers: Vec<_> = owners
            .iter()
            .zip(&groups)
            .map(|(owner, group)| {
                let body = op(json!({"groupID": group, "uidList": ["bob"]}));
                let invite = move || call(rest, owner, "invite_user_to_group", &body);
                scope.spawn(move || results(&invite())[0] + 1)
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("it ends")).sum()
    });
    assert_eq!(joined, 3);
    let joined = server.done_as(&bob, "/group/get_joined_group_list", &op(json!({})));
    assert_eq!(joined["data"].as_array().map(Vec::len), Some(3));
}

/// The owner hands over to somebody who leaves, or is removed, at the same time: one of the two is done.
#[test]
fn no_group_loses_its_owner() {
    let server = Server::start();
    let [alice, bob] = ["alice", "bob"].map(|uid| server.register(uid, IOS));
    let rest = server.rest();
    for _ in 0..10 {
        let group = server.group(&alice, &[&bob]);
        let quit = op(json!({ "groupID": group }));
        let transfer = op(json!({"groupID": group, "uid": "bob"}));
        let (quit, transfer) = std::thread::scope(|scope| {
            let leaving = scope.spawn(|| call(rest, &bob, "quit_group", &quit));
            let giving = call(rest, &alice, "transfer_group", &transfer);
            (leaving.join().expect("it ends"), giving)
        });
        let codes = (quit["errCode"].as_i64(), transfer["errCode"].as_i64());
        let by = if codes == (Some(0), Some(500)) { &alice } else { &bob };
        assert!([(Some(0), Some(500)), (Some(621), Some(0))].contains(&codes), "{codes:?}");
        let roles = server.roles(by, &group);
        assert_eq!(roles.iter().filter(|(_, role)| *role == 1).count(), 1, "{roles:?}");
    }
}
