//! `/group/get_group_applicationList` shows the requests of all groups that the caller leads, handled ones too.

use std::collections::HashSet;

use serde_json::json;

use super::{Staffed, apply, asking, flagged, flags, requests, respond};
use crate::support::platform::IOS;
use crate::support::rest::{done_at, keys, op, plain};
use crate::support::server::Server;

const PATH: &str = "/group/get_group_applicationList";

#[test]
fn to_owner_and_administrator_and_nobody_else() {
    let Staffed { server, owner, admin, member, group } = Staffed::start();
    let (ann, eve) = (server.register("ann", IOS), server.register("eve", IOS));
    apply(&server, &ann, &group);
    for leader in [&owner, &admin] {
        assert_eq!(flags(&server, leader), flagged(&[("ann", 0)]), "{}", leader.uid);
    }
    let nothing = json!({"data": {"count": 0, "user": []}, "errCode": 0, "errMsg": ""});
    for other in [&member, &ann, &eve, &server.manager()] {
        let answer = server.ask_as(other, PATH, &op(json!({})));
        assert_eq!(answer, nothing, "{}", other.uid);
    }
    // Who leads no more sees no more; who leads now does.
    let transfer = op(json!({"groupID": group, "uid": "member"}));
    server.done_as(&owner, "/group/transfer_group", &transfer);
    assert_eq!(flags(&server, &owner), []);
    assert_eq!(flags(&server, &member), flagged(&[("ann", 0)]));
    server.kick(&member, &group, &["admin"]);
    assert_eq!(flags(&server, &admin), []);
}

#[test]
fn with_the_keys_in_their_order() {
    let Staffed { server, owner, group, .. } = Staffed::start();
    apply(&server, &server.register("ann", IOS), &group);
    let answer = server.post_as(&owner.token, PATH, &op(json!({})));
    let (text, answer) = (answer.text(), answer.json());
    assert_eq!(keys(&answer), ["data", "errCode", "errMsg"]);
    assert_eq!(keys(&answer["data"]), ["count", "user"]);
    let entry = &answer["data"]["user"][0];
    let written = format!(
        "{{\"id\":{0},\"groupID\":\"{group}\",\"fromUserID\":\"ann\",\"toUserID\":\"0\",\"flag\":0,\
         \"reqMsg\":\"let me in\",\"requestMsg\":\"let me in\",\"handledMsg\":\"\",\
         \"createTime\":{1},\"addTime\":{1},\
         \"fromUserNickName\":\"name of ann\",\"toUserNickName\":\"\",\"fromUserFaceURL\":\"\",\
         \"toUserFaceURL\":\"\",\"fromUserFaceUrl\":\"\",\"toUserFaceUrl\":\"\",\"handledUser\":\"\",\"type\":0,\"handleStatus\":0,\"handleResult\":0}}",
        entry["id"], entry["createTime"]
    );
    assert!(text.contains(&written), "{written} in {text}");
}

#[test]
fn open_ones_counted_and_handled_ones_kept() {
    let Staffed { server, owner, admin, group, .. } = Staffed::start();
    let users = ["ann", "bob", "carol"].map(|uid| server.register(uid, IOS));
    for user in &users {
        apply(&server, user, &group);
    }
    assert_eq!(respond(&server, &owner, &group, "ann", 1), plain(0, ""));
    assert_eq!(respond(&server, &admin, &group, "bob", 0), plain(0, ""));
    // As each of the two sees it: status 2 is what they handled themselves.
    for (reader, statuses) in [(&owner, [2, 1, 0]), (&admin, [1, 2, 0])] {
        let answer = server.done_as(reader, PATH, &op(json!({})));
        assert_eq!(answer["data"]["count"], 1, "{answer}");
        let entries = answer["data"]["user"].as_array().expect("a list");
        assert_eq!(entries.len(), 3, "{answer}");
        let expected = [
            ("ann", 1, "so be it", "owner", 1),
            ("bob", -1, "so be it", "admin", 0),
            ("carol", 0, "", "", 0),
        ];
        for ((uid, flag, said, by, result), status) in expected.into_iter().zip(statuses) {
            let entry = entries
                .iter()
                .find(|entry| entry["fromUserID"] == uid)
                .unwrap_or_else(|| panic!("{uid} in {answer}"));
            assert_eq!((&entry["flag"], &entry["handleResult"]), (&json!(flag), &json!(result)));
            assert_eq!((&entry["handledMsg"], &entry["handledUser"]), (&json!(said), &json!(by)));
            assert_eq!(entry["handleStatus"], status, "{uid} for {}", reader.uid);
            assert_eq!((&entry["type"], &entry["reqMsg"]), (&json!(0), &json!("let me in")));
        }
    }
}

#[test]
fn of_every_group_they_lead() {
    let Staffed { server, owner, member, group, .. } = Staffed::start();
    let ann = server.register("ann", IOS);
    let second = server.group(&owner, &[]);
    let others = server.group(&member, &[&owner]);
    for group in [&group, &second, &others] {
        apply(&server, &ann, group);
    }
    let of = |reader| {
        let all = requests(&server, reader);
        let groups = all.iter().map(|entry| entry["groupID"].as_str().expect("an id").to_owned());
        groups.collect::<HashSet<_>>()
    };
    assert_eq!(of(&owner), HashSet::from([group, second]));
    assert_eq!(of(&member), HashSet::from([others]));
}

/// An id is the key of one request, whatever group it belongs to (spec, REST 7.5).
#[test]
fn each_under_an_id_of_its_own() {
    let Staffed { server, owner, group, .. } = Staffed::start();
    let second = server.group(&owner, &[]);
    for uid in ["ann", "bob"] {
        let user = server.register(uid, IOS);
        apply(&server, &user, &group);
        apply(&server, &user, &second);
    }
    let all = requests(&server, &owner);
    let ids: HashSet<_> = all.iter().map(|entry| entry["id"].as_str().expect("a text")).collect();
    assert_eq!(ids.len(), 4, "{all:#?}");
}

#[test]
fn whole_however_many_there_are() {
    let server = Server::start();
    let owner = server.register("owner", IOS);
    let group = server.group(&owner, &[]);
    // More groups than one page of the store, with the requests in the first and the last.
    let groups: Vec<String> = (0..260).map(|_| server.group(&owner, &[])).collect();
    let users = server.register_many("user", 520);
    std::thread::scope(|scope| {
        for part in users.chunks(65) {
            let (rest, ask) = (server.rest(), asking(&group));
            scope.spawn(move || {
                for user in part {
                    done_at(rest, &user.token, "/group/join_group", &ask);
                }
            });
        }
    });
    let (first, last) = (groups.iter().min(), groups.iter().max());
    for group in [first, last].into_iter().flatten() {
        apply(&server, &users[0], group);
    }
    let answer = server.done_as(&owner, PATH, &op(json!({})));
    assert_eq!(answer["data"]["count"], 522);
    let entries = answer["data"]["user"].as_array().expect("a list");
    let each: HashSet<_> = entries
        .iter()
        .map(|entry| (entry["groupID"].as_str(), entry["fromUserID"].as_str()))
        .collect();
    assert_eq!((entries.len(), each.len()), (522, 522));
    let joined = server.done_as(&owner, "/group/get_joined_group_list", &op(json!({})));
    assert_eq!(joined["data"].as_array().map(Vec::len), Some(261));
}
