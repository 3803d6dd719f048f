//! `policy.refuseSystemFromClients`: a client cannot send with msgFrom 200; without the policy it can.

use serde_json::json;

use crate::support::link::{group_message, message};
use crate::support::rest::{group_body, op, send_body};
use crate::support::server::{Server, Setup};

const TEXT: &str = "messages of the system cannot be sent by clients";

#[test]
fn claims_to_be_the_system_are_refused_on_both_ways() {
    let server = Setup::new().set("OPENIM_POLICY_REFUSESYSTEMFROMCLIENTS", "true").start();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    let group = server.group(&alice.user, &[&bob.user]);
    let user = alice.user.clone();
    for (data, mut body) in [
        (message("bob", "m", "hello"), send_body(&user, "bob", "m", "hello")),
        (message("alice", "m", "hello"), send_body(&user, "alice", "m", "hello")),
        (group_message(&group, "m", "hello"), group_body(&user, &group, "m", "hello")),
    ] {
        let mut data = data;
        data["msgFrom"] = json!(200);
        body["data"]["msgFrom"] = json!(200);
        let reply = alice.request(1003, &data);
        assert_eq!((&reply["errCode"], &reply["errMsg"]), (&json!(800), &json!(TEXT)), "{reply}");
        assert_eq!(reply["data"]["serverMsgID"], "", "{reply}");
        let answer = server.ask_as(&user, "/chat/send_msg", &body);
        assert_eq!((&answer["errCode"], &answer["errMsg"]), (&json!(800), &json!(TEXT)));
    }
    assert_eq!((alice.newest(), bob.newest()), (0, 0));
    // Its own tips and its clients' own messages go on; so do the tips that SDKs send.
    server.befriend(&alice.user, &bob.user);
    let mut tip = message("bob", "tip", "{}");
    tip["contentType"] = json!(201);
    tip["recvID"] = json!("alice");
    bob.say_data(&tip);
    let change = op(json!({"name": "Renamed"}));
    server.done_as(&bob.user, "/user/update_user_info", &change);
    assert_eq!((alice.newest(), bob.newest()), (4, 4));
}

#[test]
fn by_default_it_is_carried_as_it_is() {
    let server = Server::start();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    let mut data = message("bob", "m", "hello");
    data["msgFrom"] = json!(200);
    alice.say_data(&data);
    assert_eq!(bob.pushed()["msgFrom"], 200);
}
