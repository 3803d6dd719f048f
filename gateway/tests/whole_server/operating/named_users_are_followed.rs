//! `log.traceUids`: what a named user does and gets is in the log at level info, and nothing of others. A debug line
//! says what came of each request, by its operationID.

use serde_json::json;

use crate::support::link::message;
use crate::support::platform::IOS;
use crate::support::rest::{op, send_body};
use crate::support::server::Setup;

#[test]
fn logins_links_sends_pushes_and_pulls_of_one_user() {
    let server = Setup::new().set("OPENIM_LOG_TRACEUIDS", "bob").start();
    let mut alice = server.newcomer("alice");
    let mut carol = server.newcomer("carol");
    let mut bob = server.newcomer("bob");
    alice.say("bob", "to-bob", "a-private-content");
    bob.push();
    bob.say("alice", "from-bob", "a-private-content");
    alice.say("carol", "to-carol", "a-private-content");
    carol.push();
    bob.pull(1, 2);
    bob.close();
    let of_bob = |needles: &[&str]| server.logged(&[needles, &["trace", "uid=\"bob\""]].concat());
    of_bob(&["registration"]);
    of_bob(&["link opened", "from=127.0.0.1"]);
    of_bob(&["push", "to-bob", "seq=1", "key="]);
    of_bob(&["send answered", "from-bob", "key="]);
    of_bob(&["pull", "from=1 to=2"]);
    of_bob(&["link closed", "peer"]);
    let log = server.log().join("\n");
    for never in ["to-carol", "a-private-content"] {
        assert!(!log.contains(never), "{never} in {log}");
    }
}

#[test]
fn refused_sends_and_pulls_by_rest_are_followed_too() {
    let server = Setup::new().set("OPENIM_LOG_TRACEUIDS", "bob").start();
    let mut bob = server.newcomer("bob");
    let mut kick = message("alice", "by-link", "hello");
    kick["contentType"] = json!(303);
    assert_eq!(bob.request(1003, &kick)["errCode"], 203);
    let of_bob = |needles: &[&str]| server.logged(&[needles, &["trace", "uid=\"bob\""]].concat());
    of_bob(&["send refused", "by-link", "code=203"]);
    let token = bob.user.token.clone();
    let mut kick = send_body(&bob.user, "alice", "by-rest", "hello");
    kick["data"]["contentType"] = json!(303);
    server.post_as(&token, "/chat/send_msg", &kick);
    of_bob(&["send refused", "by-rest", "code=203"]);
    let pull = json!({
        "reqIdentifier": 1002, "sendID": "bob", "operationID": "op", "msgIncr": 1,
        "data": {"seqBegin": 3, "seqEnd": 9}
    });
    server.post_as(&token, "/chat/pull_msg", &pull);
    of_bob(&["pull", "from=3 to=9"]);
}

#[test]
fn a_debug_line_has_operation_and_outcome() {
    let server = Setup::new().set("OPENIM_LOG_LEVEL", "debug").start();
    let alice = server.register("alice", IOS);
    let mut body = op(json!({"uid": "nobody"}));
    body["operationID"] = json!("an\noperation");
    server.post_as(&alice.token, "/friend/delete_friend", &body);
    // The same name as in the audit and in the bodies of requests.
    let line = server.logged(&["answered", "delete_friend", "operationID=\"an\\noperation\""]);
    for part in ["code=", "status=", "us=", "from=127.0.0.1"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let mut link = server.connect(&alice);
    link.say("bob", "m1", "hello");
    server.logged(&["send taken", "m1", "operationID=\"op"]);
    server.logged(&["send answered", "m1", "code=0"]);
    link.pull(1, 1);
    server.logged(&["pull answered", "operationID=\"op", "us="]);
}
