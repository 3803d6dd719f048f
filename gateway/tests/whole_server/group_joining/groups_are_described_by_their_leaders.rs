//! `/group/set_group_info`: owner and administrators change what is given; managers are no members.

use serde_json::{Value, json};

use super::{Staffed, assert_refused, shown};
use crate::support::link::{column, group_message};
use crate::support::platform::IOS;
use crate::support::rest::{op, plain};

const PATH: &str = "/group/set_group_info";
const FAILED: (i64, &str) = (622, "Failed to set group info");
const TEXTS: [&str; 4] = ["groupName", "notification", "introduction", "faceUrl"];

fn all_of(group: &str, text: &str) -> Value {
    let mut body = op(json!({"groupID": group, "ex": "of no effect"}));
    for key in TEXTS {
        body[key] = json!(format!("{key} {text}"));
    }
    body
}

#[test]
fn what_is_given_changes_and_nothing_else() {
    let Staffed { server, owner, admin, member, group } = Staffed::start();
    let before = shown(&server, &owner, &group);
    assert_eq!(before["groupName"], "a group");
    let mut expected = before;
    for (leader, text) in [(&owner, "of the owner"), (&admin, "of the administrator")] {
        let answer = server.post_as(&leader.token, PATH, &all_of(&group, text));
        assert_eq!((answer.status, answer.json()), (200, plain(0, "")));
        for key in TEXTS {
            expected[key] = json!(format!("{key} {text}"));
        }
        assert_eq!(shown(&server, &member, &group), expected);
    }
    for key in TEXTS {
        // Each alone; in the spelling of the spec and of the SDKs.
        for id in ["groupId", "groupID"] {
            let body = op(json!({id: group, key: format!("{key} by {id}")}));
            assert_eq!(server.ask_as(&owner, PATH, &body), plain(0, ""));
            expected[key] = json!(format!("{key} by {id}"));
            assert_eq!(shown(&server, &owner, &group), expected);
        }
        // What is empty or null stays.
        for nothing in [json!(""), Value::Null] {
            let body = op(json!({"groupId": group, key: nothing}));
            assert_eq!(server.ask_as(&owner, PATH, &body), plain(0, ""));
            assert_eq!(shown(&server, &owner, &group), expected);
        }
    }
    let nothing = op(json!({"groupId": group}));
    assert_eq!(server.ask_as(&admin, PATH, &nothing), plain(0, ""));
    assert_eq!(shown(&server, &owner, &group), expected);
}

#[test]
fn nobody_else_may() {
    let Staffed { server, owner, member, group, .. } = Staffed::start();
    let eve = server.register("eve", IOS);
    server.group(&eve, &[]);
    let before = shown(&server, &owner, &group);
    assert_refused(&server.ask_as(&member, PATH, &all_of(&group, "x")), (622, "no permission"));
    for other in [&eve, &server.manager()] {
        assert_refused(&server.ask_as(other, PATH, &all_of(&group, "x")), FAILED);
    }
    assert_refused(&server.ask_as(&owner, PATH, &all_of("unknown", "x")), FAILED);
    assert_refused(&server.ask_as(&owner, PATH, &all_of(" ", "x")), FAILED);
    assert_eq!(shown(&server, &owner, &group), before);
    // Who owned the group before is an ordinary member.
    let transfer = op(json!({"groupID": group, "uid": "member"}));
    server.done_as(&owner, "/group/transfer_group", &transfer);
    assert_refused(&server.ask_as(&owner, PATH, &all_of(&group, "x")), (622, "no permission"));
    assert_eq!(server.ask_as(&member, PATH, &all_of(&group, "x")), plain(0, ""));
}

/// A manager may once they are in it and lead it.
#[test]
fn managers_may_as_leaders_alone() {
    let Staffed { server, owner, group, .. } = Staffed::start();
    let manager = server.manager();
    assert_eq!(server.invite(&owner, &group, &[&manager.uid]), [0]);
    let refused = server.ask_as(&manager, PATH, &all_of(&group, "x"));
    assert_refused(&refused, (622, "no permission"));
    let transfer = op(json!({"groupID": group, "uid": manager.uid}));
    server.done_as(&owner, "/group/transfer_group", &transfer);
    assert_eq!(server.ask_as(&manager, PATH, &all_of(&group, "x")), plain(0, ""));
    assert_eq!(shown(&server, &owner, &group)["groupName"], "groupName x");
    assert_eq!(server.connect(&owner).newest(), 0, "no tip of the server's");
}

#[test]
fn texts_are_bounded_in_code_points() {
    let Staffed { server, owner, group, .. } = Staffed::start();
    for key in TEXTS {
        let before = shown(&server, &owner, &group);
        let mut body = all_of(&group, "fits");
        body[key] = json!("\u{1f600}".repeat(256));
        assert_refused(&server.ask_as(&owner, PATH, &body), FAILED);
        assert_eq!(shown(&server, &owner, &group), before, "{key}: all or nothing");
        let fits = "\u{1f600}".repeat(255);
        let body = op(json!({"groupID": group, key: fits}));
        assert_eq!(server.ask_as(&owner, PATH, &body), plain(0, ""), "{key}");
        assert_eq!(shown(&server, &owner, &group)[key], fits);
    }
}

/// The clients tell the group themselves: 506, as a message like others.
#[test]
fn the_server_tells_nobody_and_passes_on_what_clients_tell() {
    let Staffed { server, owner, member, group, .. } = Staffed::start();
    server.done_as(&owner, PATH, &all_of(&group, "new"));
    let mut away = server.connect(&member);
    assert_eq!(away.newest(), 0);
    away.close();
    let content = json!({"isDisplay": 1, "defaultTips": "Group Info has been changed",
        "detail": json!({"groupID": group, "groupName": "groupName new"}).to_string()});
    for (kind, id) in [(502, "created"), (506, "changed")] {
        let mut tip = group_message(&group, id, &content.to_string());
        tip["contentType"] = json!(kind);
        server.connect(&owner).say_data(&tip);
    }
    let inbox = server.connect(&member).inbox();
    assert_eq!(column(&inbox, "contentType"), [502, 506]);
    for tip in &inbox {
        assert_eq!((&tip["sendID"], &tip["msgFrom"]), (&json!("owner"), &json!(100)));
        assert_eq!(tip["content"], content.to_string());
    }
}
