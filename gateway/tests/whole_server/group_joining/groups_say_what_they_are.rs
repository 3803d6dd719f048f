//! `/group/get_groups_info` and `/group/get_joined_group_list`: names, texts, owner and number of members.

use serde_json::{Value, json};

use super::{Staffed, apply, respond, shown};
use crate::support::platform::IOS;
use crate::support::rest::{User, keys, listed, op, results};
use crate::support::server::{Server, Setup};

fn described(server: &Server, owner: &User) -> String {
    let body = op(json!({"groupName": "<b>\"one\" & 二</b>", "introduction": "about",
        "notification": "told", "faceUrl": "http://group", "ex": "kept", "memberList": []}));
    let answer = server.done_as(owner, "/group/create_group", &body);
    answer["data"]["groupID"].as_str().expect("a group id").to_owned()
}

fn joined(server: &Server, user: &User) -> Value {
    server.done_as(user, "/group/get_joined_group_list", &op(json!({})))
}

#[test]
fn to_anybody_who_knows_the_id() {
    let Staffed { server, owner, member, group, .. } = Staffed::start();
    let eve = server.register("eve", IOS);
    let full = described(&server, &owner);
    let ask = op(json!({"groupIDList": [full, "unknown", group, " ", full, ""]}));
    for reader in [&owner, &member, &eve, &server.manager()] {
        let answer = server.ask_as(reader, "/group/get_groups_info", &ask);
        assert_eq!(keys(&answer), ["data", "errCode", "errMsg"]);
        assert_eq!((&answer["errCode"], &answer["errMsg"]), (&json!(0), &json!("")));
        assert_eq!(listed(&answer, "groupId"), [&*full, &*group], "once, in order");
        let time = &answer["data"][0]["createTime"];
        assert!(time.as_i64().is_some_and(|time| (1_600_000_000..9_999_999_999).contains(&time)));
        let expected = json!({"groupId": full, "groupName": "<b>\"one\" & 二</b>",
            "notification": "told", "introduction": "about", "faceUrl": "http://group",
            "createTime": time, "ownerId": "owner", "memberCount": 1});
        assert_eq!(answer["data"][0], expected);
        // What is empty is left out here.
        let expected = json!({"groupId": group, "groupName": "a group", "ownerId": "owner",
            "createTime": answer["data"][1]["createTime"], "memberCount": 3});
        assert_eq!(answer["data"][1], expected);
    }
    let none = op(json!({"groupIDList": []}));
    let answer = server.ask_as(&eve, "/group/get_groups_info", &none);
    assert_eq!(answer, json!({"data": [], "errCode": 0, "errMsg": ""}));
}

#[test]
fn with_the_keys_in_their_order() {
    let server = Server::start();
    let owner = server.register("owner", IOS);
    let body = op(json!({"groupName": "n", "introduction": "i", "notification": "t",
        "faceUrl": "f"}));
    let answer = server.done_as(&owner, "/group/create_group", &body);
    let id = answer["data"]["groupID"].as_str().expect("a group id");
    let time = shown(&server, &owner, id)["createTime"].clone();
    let begin = format!(
        "{{\"groupId\":\"{id}\",\"groupName\":\"n\",\"notification\":\"t\",\
         \"introduction\":\"i\",\"faceUrl\":\"f\","
    );
    let ask = op(json!({"groupIDList": [id]}));
    let info = server.post_as(&owner.token, "/group/get_groups_info", &ask).text();
    let ends = [
        format!("\"createTime\":{time},\"ownerId\":\"owner\",\"memberCount\":1}}"),
        format!("\"ownerId\":\"owner\",\"createTime\":{time},\"memberCount\":1}}"),
    ];
    assert!(info.contains(&format!("{begin}{}", ends[0])), "{info}");
    let list = server.post_as(&owner.token, "/group/get_joined_group_list", &op(json!({}))).text();
    assert!(list.contains(&format!("{begin}{}", ends[1])), "{list}");
}

#[test]
fn joined_lists_hold_every_key_and_the_callers_groups_alone() {
    let Staffed { server, owner, admin, member, group } = Staffed::start();
    let (ann, eve) = (server.register("ann", IOS), server.register("eve", IOS));
    let nothing = json!({"errCode": 0, "errMsg": "", "data": []});
    for reader in [&ann, &eve, &server.manager()] {
        assert_eq!(joined(&server, reader), nothing, "{}", reader.uid);
    }
    for reader in [&owner, &admin, &member] {
        let answer = joined(&server, reader);
        let expected = json!([{"groupId": group, "groupName": "a group", "notification": "",
            "introduction": "", "faceUrl": "", "ownerId": "owner", "memberCount": 3,
            "createTime": answer["data"][0]["createTime"]}]);
        assert_eq!(answer, json!({"errCode": 0, "errMsg": "", "data": expected}));
    }
    // It follows who comes and goes, and what changes.
    apply(&server, &ann, &group);
    assert_eq!(joined(&server, &ann), nothing, "who asks is not in");
    respond(&server, &owner, &group, "ann", 1);
    assert_eq!(joined(&server, &ann)["data"][0]["memberCount"], 4);
    server.done_as(&member, "/group/quit_group", &op(json!({ "groupID": group })));
    assert_eq!(joined(&server, &member), nothing);
    assert_eq!(server.kick(&owner, &group, &["ann"]), [0]);
    assert_eq!(joined(&server, &ann), nothing);
    let transfer = op(json!({"groupID": group, "uid": "admin"}));
    server.done_as(&owner, "/group/transfer_group", &transfer);
    let change = op(json!({"groupID": group, "groupName": "renamed"}));
    server.done_as(&admin, "/group/set_group_info", &change);
    let entry = joined(&server, &owner)["data"][0].clone();
    assert_eq!((&entry["memberCount"], &entry["ownerId"]), (&json!(2), &json!("admin")));
    assert_eq!(entry["groupName"], "renamed");
}

#[test]
fn a_call_names_no_more_groups_than_allowed() {
    let server = Setup::new().set("OPENIM_LIMITS_IDSPERCALLMAX", 2).start();
    let owner = server.register("owner", IOS);
    let group = server.group(&owner, &[]);
    let ask = |ids: &[&str]| op(json!({ "groupIDList": ids }));
    let over = ask(&[&group, &group, &group]);
    let answer = server.post_as(&owner.token, "/group/get_groups_info", &over);
    assert_eq!(answer.status, 400, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["errCode"], 400, "{answer}");
    assert!(answer["errMsg"].as_str().is_some_and(|text| text.ends_with("'max' tag")), "{answer}");
    let answer = server.done_as(&owner, "/group/get_groups_info", &ask(&[&group, &group]));
    assert_eq!(listed(&answer, "groupId"), [&*group]);
    // The bound is one of lists, not of groups.
    for _ in 0..3 {
        server.group(&owner, &[]);
    }
    assert_eq!(listed(&joined(&server, &owner), "groupId").len(), 4);
    let many = op(json!({"groupID": group, "uidList": ["a", "b"]}));
    let answer = server.done_as(&owner, "/group/invite_user_to_group", &many);
    assert_eq!(results(&answer), [-1, -1]);
}
