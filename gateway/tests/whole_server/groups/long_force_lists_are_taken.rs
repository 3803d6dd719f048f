//! A `forceList` of a thousand, with duplicates and people from elsewhere, emphasises whom it names, once.

use serde_json::json;

use crate::support::link::{group_message, messages};
use crate::support::rest::group_body;
use crate::support::server::Setup;

#[test]
fn whoever_is_in_them() {
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 3).start();
    let [ann, bob, cat, eve] = server.register_all(["ann", "bob", "cat", "eve"]);
    let group = server.group(&ann, &[&bob, &cat]);
    let (mut bob, mut cat) = (server.connect(&bob), server.connect(&cat));
    let mut forced: Vec<String> = (0..990).map(|n| format!("nobody{}", n / 2)).collect();
    forced.extend(
        ["bob", "bob", "eve", "", " ", "bob ", "BOB", "ann", "zzz", "\0"].map(str::to_owned),
    );
    assert_eq!(forced.len(), 1000);
    let mut data = group_message(&group, "m", "look");
    data["forceList"] = json!(forced);
    let mut link = server.connect(&ann);
    link.say_data(&data);
    let mut body = group_body(&ann, &group, "n", "look again");
    body["data"]["forceList"] = json!(forced);
    server.done_as(&ann, "/chat/send_msg", &body);
    for _ in 0..2 {
        assert_eq!(bob.pushed()["isEmphasize"], true);
        assert_eq!(cat.pushed()["isEmphasize"], false);
    }
    for link in [&mut bob, &mut cat, &mut link] {
        let newest = link.newest();
        assert_eq!((newest, messages(&link.pull(1, 2)).len()), (2, 2), "{}", link.user.uid);
    }
    assert_eq!(server.connect(&eve).newest(), 0, "a stranger is not let in by it");
    // Emphasis belongs to its message, not to the group.
    link.say_data(&group_message(&group, "o", "never mind"));
    assert_eq!(bob.pushed()["isEmphasize"], false);
}

#[test]
fn one_more_than_allowed_is_refused() {
    let server = Setup::new().set("OPENIM_LIMITS_IDSPERCALLMAX", 3).start();
    let [ann, bob] = server.register_all(["ann", "bob"]);
    let group = server.group(&ann, &[&bob]);
    let mut body = group_body(&ann, &group, "m", "look");
    body["data"]["forceList"] = json!(vec!["bob"; 3]);
    server.done_as(&ann, "/chat/send_msg", &body);
    body["data"]["forceList"] = json!(vec!["bob"; 4]);
    body["data"]["clientMsgID"] = json!("n");
    assert_eq!(server.post_as(&ann.token, "/chat/send_msg", &body).status, 400);
}
