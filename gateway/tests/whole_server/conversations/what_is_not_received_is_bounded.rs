//! `limits.unwantedMax`: how many conversations may be without somebody who receives them.

use serde_json::json;

use super::{assert_figure, no_effect, set, try_set};
use crate::support::platform::IOS;
use crate::support::rest::op;
use crate::support::server::Setup;

#[test]
fn one_too_many_is_refused_and_taking_back_makes_room() {
    if no_effect() {
        return;
    }
    let mut server = Setup::new()
        .set("OPENIM_GATEWAY_SHARDS", 2)
        .set("OPENIM_LIMITS_UNWANTEDMAX", 3)
        .allow("limits.unwantedMax are not to be received")
        .start();
    let [ann, bob, cid] = ["ann", "bob", "cid"].map(|uid| server.register(uid, IOS));
    let full =
        json!({"data": [], "errCode": 10003, "errMsg": "too many conversations are not received"});
    set(&server, &bob, 1, &["single_ann", "single_x", "single_bob", "anything"]);
    set(&server, &cid, 1, &["group_1"]);
    assert_figure(&server, "openim_unwanted_conversations", 3);
    assert_eq!(try_set(&server, &cid, 1, &["single_ann"]), full);
    assert_figure(&server, "openim_unwanted_conversations_refused_total", 1);
    // What there is may be said again, and other options have no bound of this kind.
    set(&server, &bob, 1, &["single_ann"]);
    set(&server, &cid, 2, &["single_ann", "single_y"]);
    let (mut from, mut to) = (server.connect(&ann), server.connect(&cid));
    from.say("cid", "m1", "hello");
    assert_eq!(to.pushed()["clientMsgID"], "m1");
    set(&server, &bob, 0, &["single_x"]);
    set(&server, &cid, 1, &["single_ann"]);
    from.say("cid", "m2", "hello");
    assert_eq!(to.newest(), 1);
    assert_eq!(try_set(&server, &cid, 1, &["single_z"]), full);
    // They count again behind a restart; where there are more than may be it says so.
    server.restart();
    assert_figure(&server, "openim_unwanted_conversations", 3);
    assert_eq!(try_set(&server, &cid, 1, &["single_z"]), full);
    server.restart_with(|setup| setup.set("OPENIM_LIMITS_UNWANTEDMAX", 1));
    server.logged(&["2 conversations more than limits.unwantedMax are not to be received"]);
    assert_figure(&server, "openim_unwanted_conversations", 1);
    set(&server, &bob, 0, &["single_ann"]);
    set(&server, &cid, 0, &["single_ann", "group_1"]);
    assert_figure(&server, "openim_unwanted_conversations", 0);
}

#[test]
fn a_deleted_user_leaves_nothing() {
    if no_effect() {
        return;
    }
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).start();
    let bob = server.register("bob", IOS);
    set(&server, &bob, 1, &["single_ann", "single_cid", "group_1"]);
    assert_figure(&server, "openim_unwanted_conversations", 3);
    let body = op(json!({"deleteUidList": ["bob"]}));
    server.done_as(&server.manager(), "/manager/delete_user", &body);
    assert_figure(&server, "openim_unwanted_conversations", 0);
}
