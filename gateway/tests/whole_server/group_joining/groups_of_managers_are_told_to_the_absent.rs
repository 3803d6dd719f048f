//! Tip 502: a group that a manager makes tells its members so, also those who were away; other groups do not.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::op;
use crate::support::server::Server;

fn made(server: &Server, by: &crate::support::rest::User, name: &str, owner: &str) -> String {
    let listed = json!([{"uid": owner, "setRole": 1}, {"uid": "ann", "setRole": 0},
        {"uid": "nobody", "setRole": 0}]);
    let body = op(json!({"groupName": name, "memberList": listed}));
    let answer = server.done_as(by, "/group/create_group", &body);
    answer["data"]["groupID"].as_str().expect("a group id").to_owned()
}

#[test]
fn as_a_message_in_their_inboxes() {
    let mut server = Server::start();
    let (owner, ann) = (server.register("owner", IOS), server.register("ann", IOS));
    let (eve, manager) = (server.register("eve", IOS), server.manager());
    let mut online = server.connect(&owner);
    let group = made(&server, &manager, "the \"team\"", "owner");
    let push = online.pushed();
    server.restart();
    let inbox = server.connect(&ann).inbox();
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    for (tip, uid) in [(&push, "owner"), (&inbox[0], "ann")] {
        assert_eq!((&tip["contentType"], &tip["msgFrom"]), (&json!(502), &json!(200)));
        assert_eq!(tip["sendID"], manager.uid);
        assert_eq!(tip["recvID"], format!("{uid} {group}"));
        assert_eq!((&tip["seq"], &tip["senderPlatformID"]), (&json!(1), &json!(0)));
        assert_eq!((&tip["senderNickName"], &tip["senderFaceUrl"]), (&json!(""), &json!("")));
        let content: Value =
            serde_json::from_str(tip["content"].as_str().expect("a text")).expect("JSON");
        assert_eq!(content["defaultTips"], "the \"team\"");
        assert_eq!(content["detail"], group);
        assert!(content["isDisplay"].is_i64(), "{content}");
    }
    assert_eq!(server.connect(&eve).newest(), 0);
    assert_eq!(server.connect(&server.login("owner", IOS)).newest(), 1);
    // It is one of the group's messages in a pull.
    let mut link = server.connect(&server.login("ann", IOS));
    let pull = link.pull(1, 1);
    assert_eq!(pull["single"], json!([]), "{pull}");
    assert_eq!(pull["group"][0]["id"], group, "{pull}");
}

#[test]
fn members_groups_are_told_by_their_clients() {
    let server = Server::start();
    let (owner, ann) = (server.register("owner", IOS), server.register("ann", IOS));
    made(&server, &owner, "mine", "owner");
    assert_eq!(server.connect(&owner).newest(), 0);
    assert_eq!(server.connect(&ann).newest(), 0);
}
