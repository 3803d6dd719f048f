//! C29: a group message reaches every member once; `recvID` is `"<member> <group>"`.

use serde_json::json;

use crate::support::link::{Ack, group_message, messages};
use crate::support::platform::{IOS, WEB};
use crate::support::rest::group_body;
use crate::support::server::Server;

#[test]
fn over_the_websocket_and_over_rest() {
    let server = Server::start();
    let users: Vec<_> = (0..5).map(|n| server.register(&format!("member{n}"), IOS)).collect();
    let group = server.group(&users[0], &users[1..].iter().collect::<Vec<_>>());
    let mut links: Vec<_> = users[..4].iter().map(|user| server.connect(user)).collect();

    let ack = links[0].say_data(&group_message(&group, "m-1", "hello all"));
    let mut body = group_body(&users[1], &group, "m-2", "hello back");
    // As June writes it: in the unit of time of the others.
    body["msgIncr"] = json!(1);
    let answer = server.done_as(&users[1], "/chat/send_msg", &body);
    let second = Ack::from_data(&answer["data"]);
    assert_ne!(ack.server_id, second.server_id);

    for (n, link) in links.iter_mut().enumerate() {
        for (seq, (ack, sender)) in [(&ack, 0), (&second, 1)].into_iter().enumerate() {
            if n == sender {
                continue;
            }
            let push = link.pushed();
            assert_eq!(push["recvID"], format!("member{n} {group}"), "{push}");
            assert_eq!(push["sessionType"], 2, "{push}");
            assert_eq!(push["sendID"], format!("member{sender}"), "{push}");
            assert_eq!(push["serverMsgID"], ack.server_id, "{push}");
            assert_eq!(push["seq"], seq as i64 + 1, "{push}");
            assert_eq!(push["isEmphasize"], false, "{push}");
            assert_eq!(push["sendTime"], ack.send_time, "{push}");
        }
    }
    // Also of who was not connected, and of the senders, every inbox holds both, once.
    for user in &users {
        let mut link = server.connect(&server.login(&user.uid, WEB));
        assert_eq!(link.newest(), 2);
        let data = link.pull(1, 2);
        assert_eq!(data["single"], json!([]));
        assert_eq!(data["group"][0]["id"], group, "{data}");
        let inbox = messages(&data);
        assert_eq!(inbox.len(), 2, "{data}");
        for (message, ack) in inbox.iter().zip([&ack, &second]) {
            assert_eq!(message["recvID"], format!("{} {group}", user.uid));
            assert_eq!(message["serverMsgID"], ack.server_id);
        }
    }
}

#[test]
fn single_and_group_messages_share_one_numbering() {
    let server = Server::start();
    let (ann, bob) = (server.register("ann", IOS), server.register("bob", IOS));
    let group = server.group(&ann, &[&bob]);
    let mut link = server.connect(&ann);
    link.say("bob", "s-1", "to you");
    link.say_data(&group_message(&group, "g-1", "to all"));
    link.say("bob", "s-2", "to you again");
    let mut bob = server.connect(&bob);
    let data = bob.pull(1, 3);
    let inbox = messages(&data);
    let seqs: Vec<_> = inbox.iter().map(|message| message["seq"].as_i64()).collect();
    assert_eq!(seqs, [Some(1), Some(2), Some(3)]);
    assert_eq!(data["single"][0]["list"].as_array().map(Vec::len), Some(2));
    assert_eq!(data["group"][0]["list"].as_array().map(Vec::len), Some(1));
    assert_eq!((data["minSeq"].as_i64(), data["maxSeq"].as_i64()), (Some(1), Some(3)));
}
