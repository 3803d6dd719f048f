//! What somebody does not receive of a conversation (receive option 1) they do not receive of the server that comes in place of theirs.

use serde_json::json;

use super::{durable, setup, until_followed};
use crate::support::engine::embedded_only;
use crate::support::platform::IOS;
use crate::support::rest::op;

#[test]
fn as_on_the_one_before() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let mut old = setup().start();
    let [ann, bob, cid] = ["ann", "bob", "cid"].map(|uid| old.register(uid, IOS));
    let mut standby = setup().standby_of(&old).start();
    let set = |option: i64, conversations: &[&str]| {
        let body = op(json!({"option": option, "conversationIdList": conversations}));
        old.done_as(&bob, "/conversation/set_receive_message_opt", &body);
    };
    set(1, &["single_ann", "single_cid"]);
    let mut from = old.connect(&ann);
    from.say("bob", "m1", "hello");
    set(0, &["single_cid"]);
    old.connect(&cid).say("bob", "m2", "hello");
    let before = old.connect(&bob).inbox();
    assert_eq!(before.len(), 1);
    until_followed(&standby, durable(&old));
    old.kill();
    standby.promote();
    let mut to = standby.connect(&bob);
    assert_eq!(to.inbox(), before);
    standby.connect(&ann).say("bob", "m3", "hello");
    standby.connect(&cid).say("bob", "m4", "hello");
    assert_eq!(to.pushed()["clientMsgID"], "m4");
    assert_eq!(to.newest(), 2);
}
