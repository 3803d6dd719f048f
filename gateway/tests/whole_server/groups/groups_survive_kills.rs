//! Groups, members and roles are durable when a call is answered.

use serde_json::json;

use crate::support::link::group_message;
use crate::support::platform::IOS;
use crate::support::server::Server;

#[test]
fn membership_and_messages_after_a_kill() {
    let mut server = Server::start();
    let users: Vec<_> = (0..4).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let group = server.group(&users[0], &[&users[1], &users[2]]);
    server.kick(&users[0], &group, &["user1"]);
    server.invite(&users[0], &group, &["user3"]);
    let transfer = json!({"operationID": "op", "groupID": group, "uid": "user2"});
    server.done_as(&users[0], "/group/transfer_group", &transfer);
    server.restart();

    let all = json!({"operationID": "op", "groupID": group});
    let answer = server.done_as(&users[2], "/group/get_group_all_member_list", &all);
    let members: Vec<_> = answer["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|member| (member["userId"].as_str().expect("a uid"), member["role"].as_i64()))
        .collect();
    assert_eq!(members, [("user0", Some(0)), ("user2", Some(1)), ("user3", Some(0))]);
    server.connect(&users[2]).say_data(&group_message(&group, "m", "hello"));
    for (n, count) in [(0, 1), (1, 0), (2, 1), (3, 1)] {
        assert_eq!(server.connect(&users[n]).inbox().len(), count, "user{n}");
    }
}
