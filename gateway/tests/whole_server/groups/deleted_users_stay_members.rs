//! `/manager/delete_user` removes the user's row and nothing else: who was in a group is.

use serde_json::json;

use crate::support::link::group_message;
use crate::support::server::Server;

#[test]
fn and_get_what_is_sent() {
    let mut server = Server::start();
    let [ann, bob, cat] = server.register_all(["ann", "bob", "cat"]);
    let icon = json!({"operationID": "op", "icon": "http://bob"});
    server.done_as(&bob, "/user/update_user_info", &icon);
    let group = server.group(&ann, &[&bob, &cat]);
    let manager = server.manager();
    let delete = json!({"operationID": "op", "deleteUidList": ["bob", "ann"]});
    server.done_as(&manager, "/manager/delete_user", &delete);
    let expected = [("ann", 1), ("bob", 0), ("cat", 0)].map(|(uid, role)| (uid.to_owned(), role));
    for life in 0..2 {
        assert_eq!(server.roles(&cat, &group), expected);
        assert_eq!(server.group_info(&cat, &group)["memberCount"], 3);
        let mut online = server.connect(&bob);
        server.connect(&cat).say_data(&group_message(&group, &format!("m{life}"), "to all"));
        assert_eq!(online.pushed()["content"], "to all");
        online.say_data(&group_message(&group, &format!("n{life}"), "still here"));
        for user in [&ann, &bob, &cat] {
            assert_eq!(server.connect(user).inbox().len(), 2 * (life + 1), "{}", user.uid);
        }
        let body = json!({"groupID": group, "memberList": ["bob"]});
        let info = server.done_as(&ann, "/group/get_group_members_info", &body);
        assert_eq!(info["data"][0]["nickName"], "name of bob", "{info}");
        assert_eq!(info["data"][0]["faceUrl"], "", "there is no current icon: {info}");
        server.restart();
    }
    // They may go as any other, but not come back.
    assert_eq!(server.kick(&ann, &group, &["bob"]), [0]);
    assert_eq!(server.invite(&ann, &group, &["bob"]), [-1]);
    let transfer = json!({"operationID": "op", "groupID": group, "uid": "cat"});
    server.done_as(&ann, "/group/transfer_group", &transfer);
    assert_eq!(server.group_info(&cat, &group)["ownerId"], "cat");
}
