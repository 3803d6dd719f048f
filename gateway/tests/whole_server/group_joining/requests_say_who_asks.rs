//! `/group/join_group` keeps one request of each applicant, with their name and picture; it tells nobody.

use serde_json::json;

use super::{Staffed, apply, asking, assert_refused, flagged, flags, pictured, requests, respond};
use crate::support::platform::IOS;
use crate::support::rest::{keys, op, plain};
use crate::support::{ACCESS_SECRET, jwt};

const REFUSED: (i64, &str) = (620, "Failed to apply to join the group");

#[test]
fn with_what_they_said_and_how_they_look() {
    let Staffed { server, owner, group, .. } = Staffed::start();
    let ann = pictured(&server, "ann");
    let answer = server.post_as(&ann.token, "/group/join_group", &asking(&group));
    assert_eq!((answer.status, answer.json()), (200, plain(0, "")));
    let kept = requests(&server, &owner);
    assert_eq!(kept.len(), 1, "{kept:?}");
    let entry = &kept[0];
    let expected = json!({
        "id": entry["id"], "groupID": group, "fromUserID": "ann", "toUserID": "0", "flag": 0,
        "reqMsg": "let me in", "handledMsg": "", "createTime": entry["createTime"],
        "fromUserNickName": "name of ann", "toUserNickName": "",
        "fromUserFaceURL": "http://pictures/ann", "toUserFaceURL": "", "handledUser": "",
        // As clients of June 2021 read them.
        "requestMsg": "let me in", "addTime": entry["createTime"],
        "fromUserFaceUrl": "http://pictures/ann", "toUserFaceUrl": "",
        "type": 0, "handleStatus": 0, "handleResult": 0,
    });
    assert_eq!((entry, keys(entry)), (&expected, keys(&expected)));
    let id = entry["id"].as_str().expect("a text");
    assert!(id.parse::<u64>().is_ok(), "{id}");
    assert!(entry["createTime"].as_i64().is_some_and(|time| time > 1_600_000_000), "{entry}");
    assert!(entry["createTime"].as_i64().is_some_and(|time| time < 100_000_000_000), "seconds");
    // The tips about it are the clients' own.
    assert_eq!(server.connect(&owner).newest(), 0);
    assert_eq!(server.connect(&ann).newest(), 0);
}

#[test]
fn once_however_often_they_ask() {
    let Staffed { server, owner, group, .. } = Staffed::start();
    let ann = server.register("ann", IOS);
    for message in ["first", "second", ""] {
        let body = op(json!({"groupID": group, "message": message}));
        assert_eq!(server.ask_as(&ann, "/group/join_group", &body), plain(0, ""));
        let kept = requests(&server, &owner);
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(kept[0]["reqMsg"], message);
    }
    // Without a message, and with one that is null.
    for body in [json!({"groupID": group}), json!({"groupID": group, "message": null})] {
        server.done_as(&ann, "/group/join_group", &op(body));
    }
    assert_eq!(flags(&server, &owner), flagged(&[("ann", 0)]));
    // A refused one may ask again.
    assert_eq!(respond(&server, &owner, &group, "ann", 0), plain(0, ""));
    assert_eq!(flags(&server, &owner), flagged(&[("ann", -1)]));
    apply(&server, &ann, &group);
    let kept = requests(&server, &owner);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!((&kept[0]["flag"], &kept[0]["handledUser"]), (&json!(0), &json!("")));
    assert_eq!(kept[0]["handledMsg"], "");
}

#[test]
fn members_and_unknown_groups_are_refused_with_620() {
    let Staffed { server, owner, admin, member, group } = Staffed::start();
    for user in [&owner, &admin, &member] {
        assert_refused(&server.ask_as(user, "/group/join_group", &asking(&group)), REFUSED);
    }
    let ann = server.register("ann", IOS);
    let upper = group.to_uppercase();
    for unknown in ["nobody's", " ", &format!("{group} "), &format!(" {group}"), &upper] {
        if unknown != group {
            let answer = server.ask_as(&ann, "/group/join_group", &asking(unknown));
            assert_refused(&answer, REFUSED);
        }
    }
    assert_eq!(flags(&server, &owner), []);
}

#[test]
fn messages_are_bounded_in_code_points() {
    let Staffed { server, owner, group, .. } = Staffed::start();
    let ann = server.register("ann", IOS);
    let body = |message: &str| op(json!({"groupID": group, "message": message}));
    let long = "\u{1f600}".repeat(256);
    assert_refused(&server.ask_as(&ann, "/group/join_group", &body(&long)), REFUSED);
    assert_eq!(flags(&server, &owner), []);
    let fits = "\u{1f600}".repeat(255);
    assert_eq!(server.ask_as(&ann, "/group/join_group", &body(&fits)), plain(0, ""));
    assert_eq!(requests(&server, &owner)[0]["reqMsg"], fits);
}

#[test]
fn nobody_asks_who_is_no_user() {
    let Staffed { server, owner, group, .. } = Staffed::start();
    let token = jwt::sign(ACCESS_SECRET, jwt::HS256, &jwt::claims("ghost", "IOS", 0, 7200));
    let answer = server.post_as(&token, "/group/join_group", &asking(&group));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_refused(&answer.json(), (614, "Failed to find user information"));
    // Who was deleted is no user any more, and is one again once registered.
    let ann = server.register("ann", IOS);
    let delete = op(json!({"deleteUidList": ["ann"]}));
    server.done_as(&server.manager(), "/manager/delete_user", &delete);
    let answer = server.ask_as(&ann, "/group/join_group", &asking(&group));
    assert_refused(&answer, (200, "Parse token failed"));
    assert_eq!(flags(&server, &owner), []);
    apply(&server, &server.register("ann", IOS), &group);
    assert_eq!(flags(&server, &owner), flagged(&[("ann", 0)]));
}
