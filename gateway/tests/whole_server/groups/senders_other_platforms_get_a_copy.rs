//! The sender's inbox gets a copy, the sender's other platforms the sync push, unless switched off.

use serde_json::json;

use crate::support::link::group_message;
use crate::support::platform::{IOS, WEB};
use crate::support::server::{Server, Setup};

#[test]
fn with_the_senders_own_seq_and_the_real_content_type() {
    let server = Server::start();
    let (ann, bob) = (server.register("ann", IOS), server.register("bob", IOS));
    let group = server.group(&ann, &[&bob]);
    let (mut phone, mut web) = (server.connect(&ann), server.connect(&server.login("ann", WEB)));
    let ack = phone.say_data(&group_message(&group, "m-1", "hello"));
    let copy = web.pushed();
    assert_eq!(copy["serverMsgID"], ack.server_id);
    assert_eq!((copy["seq"].as_i64(), copy["contentType"].as_i64()), (Some(1), Some(101)));
    assert_eq!(copy["recvID"], format!("ann {group}"));
    let mut data = group_message(&group, "m-2", "unseen");
    data["options"] = json!({"senderSync": 0});
    phone.say_data(&data);
    phone.say_data(&group_message(&group, "m-3", "seen"));
    assert_eq!(web.pushed()["content"], "seen", "m-2 was not synced");
    assert_eq!(phone.newest(), 3);
}

#[test]
fn under_108_in_the_may_profile() {
    let server = Setup::new().set("OPENIM_WIRE_PROFILE", "may2021").start();
    let (ann, bob) = (server.register("ann", IOS), server.register("bob", IOS));
    let group = server.group(&ann, &[&bob]);
    let (mut phone, mut web) = (server.connect(&ann), server.connect(&server.login("ann", WEB)));
    let mut bob = server.connect(&bob);
    phone.say_data(&group_message(&group, "m-1", "hello"));
    assert_eq!(web.pushed()["contentType"], 108);
    assert_eq!(bob.pushed()["contentType"], 101);
}
