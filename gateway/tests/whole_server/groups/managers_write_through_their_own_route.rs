//! A manager who is no member chats in no group; `/manager/send_msg` and the server's tips need no membership.

use serde_json::json;

use crate::support::link::group_message;
use crate::support::rest::group_body;
use crate::support::server::Server;

#[test]
fn and_not_through_that_of_members() {
    let server = Server::start();
    let manager = server.manager();
    let [ann, bob] = server.register_all(["ann", "bob"]);
    let group = server.group(&ann, &[&bob]);
    let mut link = server.connect(&manager);
    let refused = link.request(1003, &group_message(&group, "m", "hello"));
    assert_eq!(refused["errCode"], 800, "{refused}");
    let body = group_body(&manager, &group, "m", "hello");
    assert_eq!(server.ask_as(&manager, "/chat/send_msg", &body)["errCode"], 800);
    let mut online = server.connect(&bob);
    let body = json!({"operationID": "op", "sendID": manager.uid, "recvID": group,
        "content": {"text": "hear ye"}, "contentType": 101, "sessionType": 2});
    server.done_as(&manager, "/manager/send_msg", &body);
    let push = online.pushed();
    assert_eq!(push["content"], "hear ye", "{push}");
    assert_eq!(push["recvID"], format!("bob {group}"), "{push}");
    assert_eq!(server.connect(&ann).inbox().len(), 1);
    // The sender's own inbox holds it, and they are no member for it.
    assert_eq!(link.inbox().len(), 1);
    assert_eq!(server.group_info(&ann, &group)["memberCount"], 2);
    let refused = link.request(1003, &group_message(&group, "n", "hello"));
    assert_eq!(refused["errCode"], 800, "{refused}");
}

#[test]
fn and_every_tip_is_one_of_its_own_also_after_a_restart() {
    let mut server = Server::start();
    let [ann, bob, _] = server.register_all(["ann", "bob", "cat"]);
    let group = server.group(&ann, &[&bob]);
    for life in 0..3 {
        let manager = server.manager();
        for _ in 0..2 {
            assert_eq!(server.invite(&manager, &group, &["cat"]), [0]);
            assert_eq!(server.kick(&manager, &group, &["cat"]), [0]);
        }
        let inbox = server.connect(&bob).inbox();
        let kinds: Vec<i64> =
            inbox.iter().map(|message| message["contentType"].as_i64().expect("a type")).collect();
        assert_eq!(kinds, [510, 509].repeat(2 * (life + 1)));
        server.restart();
    }
}
