//! Requests, answers, members and texts are durable when their calls are answered.

use serde_json::json;

use super::{
    NOT_ANSWERED, Staffed, apply, assert_refused, flagged, flags, requests, respond, roles, shown,
};
use crate::support::link::{column, group_message};
use crate::support::platform::IOS;
use crate::support::rest::{group_body, op, plain};

#[test]
fn everything_is_as_it_was_answered() {
    let Staffed { mut server, owner, admin, group, .. } = Staffed::start();
    let [ann, bob, carol] = ["ann", "bob", "carol"].map(|uid| server.register(uid, IOS));
    for user in [&ann, &bob, &carol] {
        apply(&server, user, &group);
    }
    respond(&server, &owner, &group, "ann", 1);
    respond(&server, &admin, &group, "bob", 0);
    let texts = op(json!({"groupID": group, "groupName": "name", "notification": "told",
        "introduction": "about", "faceUrl": "http://face"}));
    server.done_as(&admin, "/group/set_group_info", &texts);
    let before = (requests(&server, &owner), shown(&server, &owner, &group));
    for _ in 0..2 {
        server.restart();
        assert_eq!((requests(&server, &owner), shown(&server, &owner, &group)), before);
    }
    assert_eq!(before.1["memberCount"], 4);
    let joined = server.done_as(&ann, "/group/get_joined_group_list", &op(json!({})));
    assert_eq!(joined["data"][0]["groupName"], "name", "{joined}");

    // An answer is not given again, an open request is.
    for uid in ["ann", "bob"] {
        assert_refused(&respond(&server, &owner, &group, uid, 1), NOT_ANSWERED);
    }
    assert_eq!(respond(&server, &admin, &group, "carol", 1), plain(0, ""));
    server.restart();
    let expected = [("admin", 2), ("ann", 0), ("carol", 0), ("member", 0), ("owner", 1)];
    assert_eq!(roles(&server, &carol, &group), flagged(&expected));
    assert_eq!(flags(&server, &admin), flagged(&[("ann", 1), ("bob", -1), ("carol", 1)]));

    // Who was let in sends and receives at once; who was refused does not.
    let refused = server.ask_as(&bob, "/chat/send_msg", &group_body(&bob, &group, "b", "no"));
    assert_eq!(refused["errCode"], 800, "{refused}");
    server.done_as(&carol, "/chat/send_msg", &group_body(&carol, &group, "c", "from carol"));
    server.connect(&ann).say_data(&group_message(&group, "a", "from ann"));
    server.restart();
    for user in [&owner, &ann, &carol] {
        let inbox = server.connect(user).inbox();
        assert_eq!(column(&inbox, "content"), ["from carol", "from ann"], "{}", user.uid);
    }
    assert_eq!(server.connect(&bob).newest(), 0);
}

/// A replaced request is not back after a kill, nor is its id taken again.
#[test]
fn what_was_replaced_is_gone() {
    let Staffed { mut server, owner, group, .. } = Staffed::start();
    let ann = server.register("ann", IOS);
    let mut ids = Vec::new();
    for n in 0..4 {
        let body = op(json!({"groupID": group, "message": format!("attempt {n}")}));
        server.done_as(&ann, "/group/join_group", &body);
        server.restart();
        let kept = requests(&server, &owner);
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(kept[0]["reqMsg"], format!("attempt {n}"));
        let id = kept[0]["id"].clone();
        assert!(!ids.contains(&id), "{id} in {ids:?}");
        ids.push(id);
    }
}
