//! Who was agreed to sends to the group and receives what is sent from then on; who was refused does neither.

use super::{Staffed, apply, respond};
use crate::support::link::{column, group_message};
use crate::support::platform::IOS;
use crate::support::rest::{group_body, plain};

#[test]
fn over_both_ways_without_a_new_connection() {
    let Staffed { server, owner, admin, group, .. } = Staffed::start();
    let ann = server.register("ann", IOS);
    let (mut link, mut owners) = (server.connect(&ann), server.connect(&owner));
    owners.say_data(&group_message(&group, "before", "before"));
    apply(&server, &ann, &group);
    let refused = link.request(1003, &group_message(&group, "early", "early"));
    assert_eq!(refused["errCode"], 800, "to have asked is not enough: {refused}");
    assert_eq!(respond(&server, &admin, &group, "ann", 1), plain(0, ""));

    let ack = link.say_data(&group_message(&group, "m", "hello"));
    let push = owners.pushed();
    assert_eq!((&push["serverMsgID"], &push["sendID"]), (&ack.server_id.into(), &"ann".into()));
    assert_eq!(push["recvID"], format!("owner {group}"));
    server.done_as(&ann, "/chat/send_msg", &group_body(&ann, &group, "r", "over rest"));
    assert_eq!(owners.pushed()["content"], "over rest");

    owners.say_data(&group_message(&group, "after", "after"));
    let inbox = link.inbox();
    assert_eq!(column(&inbox, "content"), ["hello", "over rest", "after"]);
    assert_eq!(inbox[2]["recvID"], format!("ann {group}"));
}

#[test]
fn the_refused_neither_send_nor_receive() {
    let Staffed { server, owner, group, .. } = Staffed::start();
    let ann = server.register("ann", IOS);
    let mut link = server.connect(&ann);
    apply(&server, &ann, &group);
    assert_eq!(respond(&server, &owner, &group, "ann", 0), plain(0, ""));
    let refused = link.request(1003, &group_message(&group, "m", "hello"));
    assert_eq!((&refused["errCode"], &refused["errMsg"]), (&800.into(), &"no permission".into()));
    let answer = server.ask_as(&ann, "/chat/send_msg", &group_body(&ann, &group, "r", "hello"));
    assert_eq!((&answer["errCode"], &answer["errMsg"]), (&800.into(), &"no permission".into()));
    server.connect(&owner).say_data(&group_message(&group, "m", "among us"));
    assert_eq!(link.newest(), 0);
    // A second request is a new chance.
    apply(&server, &ann, &group);
    assert_eq!(respond(&server, &owner, &group, "ann", 1), plain(0, ""));
    link.say_data(&group_message(&group, "again", "here I am"));
    assert_eq!(column(&link.inbox(), "content"), ["here I am"]);
}

/// Who left may ask again, and is let in again.
#[test]
fn who_left_comes_back_the_same_way() {
    let Staffed { server, owner, member, group, .. } = Staffed::start();
    for round in 0..2 {
        let quit = crate::support::rest::op(serde_json::json!({ "groupID": group }));
        server.done_as(&member, "/group/quit_group", &quit);
        let mut link = server.connect(&member);
        let refused =
            link.request(1003, &group_message(&group, &format!("early {round}"), "hello"));
        assert_eq!(refused["errCode"], 800, "{refused}");
        apply(&server, &member, &group);
        assert_eq!(respond(&server, &owner, &group, "member", 1), plain(0, ""));
        link.say_data(&group_message(&group, &format!("back {round}"), "back"));
    }
}
