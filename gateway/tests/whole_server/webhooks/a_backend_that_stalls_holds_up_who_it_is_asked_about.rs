//! A backend that takes questions and answers none: only messages that it is asked about wait for it, and so many at once.

use serde_json::json;

use crate::limits::metric::{reaches, sum};
use crate::support::backend::Backend;
use crate::support::link::message;
use crate::support::server::Setup;

/// With a time far above the patience of this test's clients.
#[test]
fn others_go_on() {
    let backend = Backend::start();
    let setup = backend
        .asked_by(Setup::new())
        .set("OPENIM_GATEWAY_SHARDS", 1)
        .set("OPENIM_MESSAGECALLBACK_CONTENTTYPES", "101,106");
    let server = setup.start();
    let mut alice = server.newcomer("alice");
    let mut carol = server.newcomer("carol");
    let envelope = alice.envelope(1003, &message("bob", "m1", "hello"));
    alice.send_text(envelope);
    let stalled = backend.post();
    for number in 0..50 {
        let mut data = message("bob", &format!("picture-{number}"), "a picture");
        data["contentType"] = json!(102);
        carol.say_data(&data);
    }
    assert!(backend.early().is_none());
    stalled.allow();
    assert_eq!(alice.reply()["errCode"], 0);
}

#[test]
fn questions_under_way_are_bounded_and_who_finds_no_place_falls_back() {
    const COMPLAINT: &str = "no answer of the app's backend about a message";
    let backend = Backend::start();
    let setup = backend
        .asked_by(Setup::new())
        .set("OPENIM_GATEWAY_SHARDS", 1)
        .set("OPENIM_MESSAGECALLBACK_INFLIGHTMAX", 1)
        .set("OPENIM_MESSAGECALLBACK_CALLBACKTIMEOUT", 2)
        .allow(COMPLAINT);
    let server = setup.start();
    let mut links = ["alice", "carol", "dave"].map(|uid| server.newcomer(uid));
    for link in &mut links {
        let envelope = link.envelope(1003, &message("bob", "m1", "hello"));
        link.send_text(envelope);
    }
    for link in &mut links {
        assert_eq!(link.reply()["errCode"], 500);
    }
    assert_eq!(sum(&server, "openim_callbacks_total"), 3);
    // Each has given its place up.
    reaches(&server, "openim_callbacks_in_flight", 0);
}
