//! L9 while every group is pushed out of memory by the next one, over and over, in the middle of changes and sends.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::groups::post_to;
use crate::support::platform::IOS;
use crate::support::rest::{User, group_body};
use crate::support::server::Setup;

const GROUPS: usize = 6;
const ROUNDS: usize = 40;

#[track_caller]
fn result(to: SocketAddr, user: &User, route: &str, body: &Value) {
    let answer = post_to(to, user, &format!("/group/{route}"), body).json();
    assert_eq!(answer["data"][0]["result"], 0, "{route}: {answer}");
}

#[track_caller]
fn send(to: SocketAddr, user: &User, group: &str, id: &str, content: &str) {
    let body = group_body(user, group, id, content);
    let answer = post_to(to, user, "/chat/send_msg", &body).json();
    assert_eq!(answer["errCode"], 0, "{answer}");
}

/// Removes `user7`, writes, lets them in, writes; in between writes to a group that others change.
fn take_turns(to: SocketAddr, users: &[User], groups: &[String], n: usize) {
    let (owner, group, next) = (&users[n], &groups[n], &groups[(n + 1) % GROUPS]);
    let body = json!({"operationID": "op", "groupID": group, "uidListInfo": [{"userId": "user7"}],
        "uidList": ["user7"]});
    for round in 0..ROUNDS {
        result(to, owner, "kick_group", &body);
        send(to, owner, group, &format!("out{n}-{round}"), "out");
        send(to, owner, next, &format!("any{n}-{round}"), "any");
        result(to, owner, "invite_user_to_group", &body);
        send(to, owner, group, &format!("in{n}-{round}"), "in");
    }
}

#[test]
fn on_one_shard_and_on_three() {
    for shards in [1, 3] {
        let server = Setup::new()
            .set("OPENIM_GATEWAY_SHARDS", shards)
            .set("OPENIM_LIMITS_CACHEDUSERSMAX", 1)
            .set("OPENIM_LIMITS_CACHEDGROUPMEMBERSMAX", 1)
            .start();
        let users: Vec<User> = (0..8).map(|n| server.register(&format!("user{n}"), IOS)).collect();
        let everybody: Vec<&User> = users.iter().collect();
        let groups: Vec<String> =
            users[..GROUPS].iter().map(|owner| server.group(owner, &everybody)).collect();
        std::thread::scope(|scope| {
            for n in 0..GROUPS {
                let (to, users, groups) = (server.rest(), &users, &groups);
                scope.spawn(move || take_turns(to, users, groups, n));
            }
        });
        let inbox = server.connect(&users[7]).inbox();
        let of = |content: &str| inbox.iter().filter(|one| one["content"] == content).count();
        assert_eq!((of("out"), of("in")), (0, GROUPS * ROUNDS));
        for user in &users[..GROUPS] {
            assert_eq!(server.connect(user).inbox().len(), 3 * GROUPS * ROUNDS, "{}", user.uid);
        }
        for (owner, group) in users.iter().zip(&groups) {
            assert_eq!(server.roles(owner, group).len(), 8);
            assert_eq!(server.group_info(owner, group)["memberCount"], 8);
        }
    }
}
