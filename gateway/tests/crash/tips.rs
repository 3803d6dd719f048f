//! A change of friends or of a group and the tip that tells of it are one: whatever was answered, each change that is
//! there is in every inbox that it is to be in, once, and nothing is told that is not there.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::accounts::{post, token_of};
use super::support::SECRET;
use super::support::engine::on_cluster;
use super::support::platform::IOS;
use super::support::rest::{MANAGER, User, listed, op};
use super::support::server::Server;

const ASKED: i64 = 202;
const AGREED: i64 = 201;
const CREATED: i64 = 502;
const KICKED: i64 = 509;
const INVITED: i64 = 510;

/// What was tried.
#[derive(Default)]
pub(crate) struct Tips {
    /// Who asked whom, each pair once; the one who was asked agreed, perhaps.
    asked: Vec<(String, String)>,
    /// Who was to own a group of the manager's, each once, and who was let in and taken out again, perhaps.
    managed: Vec<(String, String)>,
}

impl Tips {
    /// Somebody who asks nobody else asks somebody to be friends.
    pub(crate) fn asked(&mut self, one: &str, other: &str) {
        self.asked.push((one.to_owned(), other.to_owned()));
    }

    /// The manager makes a group for a user who owns no other, lets somebody in and takes them out again, as far as it goes.
    pub(crate) fn manage(&mut self, to: SocketAddr, owner: &str, guest: &str) {
        let body = json!({"secret": SECRET, "platform": IOS, "uid": MANAGER});
        let Some(token) = token_of(post(to, "", "/auth/user_token", &body)) else { return };
        let done = |path: &str, body: Value| {
            post(to, &token, path, &op(body)).filter(|answer| answer["errCode"] == 0)
        };
        self.managed.push((owner.to_owned(), guest.to_owned()));
        let members = json!([{"uid": owner, "setRole": 1}]);
        let create = json!({"groupName": "managed", "memberList": members});
        let Some(answer) = done("/group/create_group", create) else { return };
        let group = answer["data"]["groupID"].as_str().expect("a group id");
        let invite = json!({"groupID": group, "uidList": [guest], "reason": "r"});
        if done("/group/invite_user_to_group", invite).is_some() && guest.len().is_multiple_of(2) {
            let kick = json!({"groupID": group, "uidListInfo": [{"userId": guest}], "reason": "r"});
            done("/group/kick_group", kick);
        }
    }

    /// Holds changes against what tells of them.
    pub(crate) fn check(&self, server: &Server, users: &BTreeMap<String, User>) {
        if on_cluster() {
            // There a tip is another record than its change.
            return;
        }
        let inboxes: BTreeMap<&String, Vec<Value>> =
            users.iter().map(|(uid, user)| (uid, server.connect(user).inbox())).collect();
        let count = |of: &String, kind: i64, from: &str, about: &str| {
            let is = |tip: &&Value| {
                let names = |key: &str| tip[key].as_str().is_some_and(|text| text.contains(about));
                tip["contentType"] == kind
                    && tip["sendID"] == *from
                    && (tip["recvID"] == *about || names("content"))
            };
            inboxes[of].iter().filter(is).count()
        };
        let list = |uid: &String, path: &str| {
            let answer = server.done_as(&users[uid], path, &op(json!({})));
            listed(&answer, "uid").into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let mut told = 0;
        for (one, other) in &self.asked {
            let asked = list(other, "/friend/get_friend_apply_list").contains(one);
            let agreed = list(one, "/friend/get_friend_list").contains(other);
            for uid in [one, other] {
                let case = format!("{one} asked {other}: in the inbox of {uid}");
                assert_eq!(count(uid, ASKED, one, other), usize::from(asked), "{case}");
                assert_eq!(count(uid, AGREED, other, one), usize::from(agreed), "{case}");
            }
            told += usize::from(asked) + usize::from(agreed);
        }
        for (owner, guest) in &self.managed {
            let joined =
                server.done_as(&users[owner], "/group/get_joined_group_list", &op(json!({})));
            let groups = joined["data"].as_array().expect("a list").iter();
            let owned = groups
                .filter(|group| group["groupName"] == "managed" && group["ownerId"] == **owner);
            let ids: Vec<&str> =
                owned.map(|group| group["groupId"].as_str().expect("an id")).collect();
            let all = inboxes[owner].iter().filter(|tip| tip["contentType"] == CREATED).count();
            assert!(all == ids.len() && all <= 1, "{owner}: {all} are told of {ids:?}");
            let Some(id) = ids.first() else { continue };
            assert_eq!(count(owner, CREATED, MANAGER, id), 1, "{owner}: {id}");
            let invited = count(owner, INVITED, MANAGER, id);
            let kicked = count(owner, KICKED, MANAGER, id);
            let is_in = server.roles(&users[owner], id).iter().any(|(uid, _)| uid == guest);
            // Let in and taken out, each once, and told to both of them.
            assert!(invited <= 1 && kicked <= invited, "{id}: {invited}, {kicked}");
            assert_eq!(is_in, invited == 1 && kicked == 0, "{id}: {invited}, {kicked}");
            assert_eq!(count(guest, INVITED, MANAGER, id), invited, "{id} at {guest}");
            // To the group they were in, and in person.
            assert_eq!(count(guest, KICKED, MANAGER, id), 2 * kicked, "{id} at {guest}");
            told += 1 + invited + kicked;
        }
        println!("{told} changes are told of, each once");
        assert!(told > 5, "the load was a load: {told}");
    }
}
