//! `wire.profile: may2021`: sync copies have content type 108 in the push and their own type when pulled; the kick
//! notice is 203 with a plain sentence.

use crate::links::replaced_link_gets_the_kick_notice::assert_kick_notice;
use crate::support::link::message;
use crate::support::platform::{ANDROID, WEB};
use crate::support::server::Setup;

#[test]
fn copies_are_108_when_pushed_and_unchanged_when_pulled() {
    let server = Setup::new().set("OPENIM_WIRE_PROFILE", "may2021").start();
    let mut phone = server.newcomer("alice");
    let mut web = server.connect(&server.login("alice", WEB));
    let mut bob = server.newcomer("bob");
    let mut data = message("bob", "m", "hello");
    data["contentType"] = 102.into();
    let ack = phone.say_data(&data);
    let copy = web.pushed();
    assert_eq!(
        (&copy["contentType"], &copy["serverMsgID"]),
        (&108.into(), &ack.server_id.into()),
        "{copy}"
    );
    assert_eq!((&copy["recvID"], &copy["seq"]), (&"bob".into(), &1.into()), "{copy}");
    assert_eq!(bob.pushed()["contentType"], 102, "the receiver sees the real type");
    assert_eq!(web.inbox()[0]["contentType"], 102, "108 is never stored");
}

#[test]
fn the_kick_notice_is_203() {
    let server = Setup::new().set("OPENIM_WIRE_PROFILE", "may2021").start();
    let mut phone = server.newcomer("alice");
    server.login("alice", ANDROID);
    let (frames, _) = phone.drain_to_close();
    assert_eq!(frames.len(), 1, "{frames:?}");
    assert_kick_notice(&frames[0], "alice", 203);
    let content = &frames[0]["data"]["content"];
    assert_eq!(*content, "Your account is already logged on other terminal,please confirm");
}
