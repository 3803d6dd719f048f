//! With room for one group member and one user in memory, everything is as it always is, on any number of shards.

use serde_json::{Value, json};

use crate::support::groups::post_to;
use crate::support::link::group_message;
use crate::support::platform::IOS;
use crate::support::rest::{User, group_body};
use crate::support::server::{Server, Setup};

const MEMBERS: usize = 50;
const GROUPS: usize = 4;

fn crowded_out(shards: usize) -> (Server, Vec<User>, Vec<String>) {
    let server = Setup::new()
        .set("OPENIM_GATEWAY_SHARDS", shards)
        .set("OPENIM_LIMITS_CACHEDUSERSMAX", 1)
        .set("OPENIM_LIMITS_CACHEDPROFILESMAX", 1)
        .set("OPENIM_LIMITS_CACHEDGROUPMEMBERSMAX", 1)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .start();
    let users: Vec<User> =
        (0..MEMBERS).map(|n| server.register(&format!("user{n:02}"), IOS)).collect();
    // Every group has all of them, each another owner.
    let all: Vec<(&str, i64)> = users.iter().map(|user| (&*user.uid, 0)).collect();
    let groups = (0..GROUPS).map(|n| server.group_of(&users[n], &all)).collect();
    (server, users, groups)
}

/// Everybody has every message of `sent` (its server id and group) once, under dense seqs.
#[track_caller]
fn assert_received(server: &Server, users: &[User], sent: &[(String, String)]) {
    for user in users {
        let inbox = server.connect(user).inbox();
        let mut had: Vec<(String, String)> = Vec::new();
        for (n, message) in inbox.iter().enumerate() {
            assert_eq!(message["seq"], n as i64 + 1, "{}", user.uid);
            let (to, group) = message["recvID"]
                .as_str()
                .and_then(|text| text.split_once(' '))
                .expect("two words");
            assert_eq!(to, user.uid);
            let id = message["serverMsgID"].as_str().expect("an id");
            had.push((id.to_owned(), group.to_owned()));
        }
        had.sort();
        let mut expected = sent.to_vec();
        expected.sort();
        assert_eq!(had, expected, "{}", user.uid);
    }
}

fn sends_in_turns(shards: usize) {
    let (mut server, users, groups) = crowded_out(shards);
    let mut sent: Vec<(String, String)> = std::thread::scope(|scope| {
        let senders: Vec<_> = users[..4]
            .iter()
            .map(|user| {
                let (to, groups) = (server.rest(), &groups);
                scope.spawn(move || {
                    let turns = groups.iter().cycle().take(2 * GROUPS).enumerate();
                    let send = |(n, group): (usize, &String)| {
                        let body = group_body(user, group, &format!("{}-{n}", user.uid), "hi");
                        let answer = post_to(to, user, "/chat/send_msg", &body).json();
                        assert_eq!(answer["errCode"], 0, "{answer}");
                        let id = answer["data"]["serverMsgID"].as_str().expect("an id");
                        (id.to_owned(), group.clone())
                    };
                    turns.map(send).collect::<Vec<_>>()
                })
            })
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().expect("it sent")).collect()
    });
    assert_received(&server, &users, &sent);
    server.restart();
    let mut link = server.connect(&users[9]);
    for group in &groups {
        let ack = link.say_data(&group_message(group, &format!("late {group}"), "hello"));
        sent.push((ack.server_id, group.clone()));
    }
    assert_received(&server, &users, &sent);
}

#[test]
fn on_one_shard() {
    sends_in_turns(1);
}

#[test]
fn on_two_shards() {
    sends_in_turns(2);
}

#[test]
fn on_five_shards() {
    sends_in_turns(5);
}

#[test]
fn changes_see_the_latest_membership() {
    let (server, users, groups) = crowded_out(1);
    for (n, group) in groups.iter().enumerate() {
        let owner = &users[n];
        for other in &groups {
            let body = json!({"operationID": "op", "groupID": other});
            server.done_as(owner, "/group/get_group_member_list", &body);
        }
        assert_eq!(server.kick(owner, group, &["user10"]), [0]);
        let body = json!({"operationID": "op", "groupID": group});
        server.done_as(&users[11], "/group/quit_group", &body);
    }
    for (n, group) in groups.iter().enumerate() {
        assert_eq!(server.invite(&users[12], group, &["user10", "user12"]), [0, -1]);
        let body = json!({"operationID": "op", "groupID": group, "uid": "user20"});
        server.done_as(&users[n], "/group/transfer_group", &body);
    }
    let mut gone = server.connect(&users[11]);
    for (n, group) in groups.iter().enumerate() {
        let body = group_body(&users[11], group, "m", "let me");
        assert_eq!(server.ask_as(&users[11], "/chat/send_msg", &body)["errCode"], 800);
        let tip = json!({"isDisplay": 1, "defaultTips": "", "detail": group}).to_string();
        let mut data = group_message(group, &format!("bye{n}"), &tip);
        data["contentType"] = json!(505);
        gone.say_data(&data);
        let roles = server.roles(&users[0], group);
        assert_eq!(roles.len(), MEMBERS - 1);
        let leaders: Vec<&(String, i64)> = roles.iter().filter(|(_, role)| *role != 0).collect();
        assert_eq!(leaders, [&("user20".to_owned(), 1)]);
    }
    let of = |user: &User| -> Vec<Value> { server.connect(user).inbox() };
    assert_eq!(of(&users[10]).len(), GROUPS, "back in every group");
    assert_eq!(of(&users[11]).len(), GROUPS, "their own tips");
}
