//! The REST calls the tests need, and the users they yield.

use serde_json::{Value, json};

use super::SECRET;
use super::http::{self, Answer};
use super::server::Server;

/// Somebody with a token for one platform.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) uid: String,
    pub(crate) token: String,
    pub(crate) platform: i64,
}

impl User {
    /// The query that opens a websocket as this user.
    pub(crate) fn query(&self) -> String {
        format!("?sendID={}&token={}&platformID={}", self.uid, self.token, self.platform)
    }
}

/// The body of a registration, every required field set.
pub(crate) fn registration(uid: &str, platform: i64) -> Value {
    json!({"secret": SECRET, "platform": platform, "uid": uid, "name": format!("name of {uid}")})
}

/// The body of a June `send_msg` to one user.
pub(crate) fn send_body(from: &User, to: &str, client_id: &str, content: &str) -> Value {
    json!({
        "reqIdentifier": 1003, "sendID": from.uid, "operationID": "op", "platformID": from.platform, "msgIncr": 1,
        "data": {"sessionType": 1, "msgFrom": 100, "contentType": 101, "recvID": to, "forceList": null,
            "content": content, "options": {}, "clientMsgID": client_id, "offlineInfo": {}, "ext": null}
    })
}

impl Server {
    /// Posts JSON without a token.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        http::call(self.rest(), "POST", path, &[], body.to_string().as_bytes())
    }

    /// Posts JSON with `token` in the header of that name.
    pub(crate) fn post_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        http::call(self.rest(), "POST", path, &[("token", token)], body.to_string().as_bytes())
    }

    /// Registers a user and takes the token that comes with it.
    #[track_caller]
    pub(crate) fn register(&self, uid: &str, platform: i64) -> User {
        self.user_from(
            &self.post("/auth/user_register", &registration(uid, platform)),
            uid,
            platform,
        )
    }

    /// A fresh token for a registered user.
    #[track_caller]
    pub(crate) fn login(&self, uid: &str, platform: i64) -> User {
        let body = json!({"secret": SECRET, "platform": platform, "uid": uid});
        self.user_from(&self.post("/auth/user_token", &body), uid, platform)
    }

    #[track_caller]
    fn user_from(&self, answer: &Answer, uid: &str, platform: i64) -> User {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let token = answer.json()["data"]["token"].as_str().expect("a token").to_owned();
        User { uid: uid.to_owned(), token, platform }
    }

    /// Sends over REST and returns the reply's `data`.
    #[track_caller]
    pub(crate) fn rest_send(&self, from: &User, to: &str, client_id: &str, content: &str) -> Value {
        let answer =
            self.post_as(&from.token, "/chat/send_msg", &send_body(from, to, client_id, content));
        let reply = answer.json();
        assert_eq!(reply["errCode"], 0, "{reply}");
        reply["data"].clone()
    }

    /// Calls a route as `user`; the answer must be status 200.
    #[track_caller]
    pub(crate) fn ask_as(&self, user: &User, path: &str, body: &Value) -> Value {
        let answer = self.post_as(&user.token, path, body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Calls a route as `user`; it must succeed.
    #[track_caller]
    pub(crate) fn done_as(&self, user: &User, path: &str, body: &Value) -> Value {
        let answer = self.ask_as(user, path, body);
        assert_eq!(answer["errCode"], 0, "{path}: {answer}");
        answer
    }

    /// Makes a group that `owner` owns, with these ordinary members; its id.
    #[track_caller]
    pub(crate) fn group(&self, owner: &User, members: &[&User]) -> String {
        let listed: Vec<Value> =
            members.iter().map(|member| json!({"uid": member.uid, "setRole": 0})).collect();
        let body = json!({"operationID": "op", "groupName": "a group", "memberList": listed});
        let answer = self.done_as(owner, "/group/create_group", &body);
        answer["data"]["groupID"].as_str().expect("a group id").to_owned()
    }

    /// Removes members as `by`; the result of each.
    #[track_caller]
    pub(crate) fn kick(&self, by: &User, group: &str, uids: &[&str]) -> Vec<i64> {
        let listed: Vec<Value> = uids.iter().map(|uid| json!({"userId": uid})).collect();
        let body = json!({"operationID": "op", "groupID": group, "uidListInfo": listed});
        results(&self.done_as(by, "/group/kick_group", &body))
    }

    /// Lets users in as `by`; the result of each.
    #[track_caller]
    pub(crate) fn invite(&self, by: &User, group: &str, uids: &[&str]) -> Vec<i64> {
        let body = json!({"operationID": "op", "groupID": group, "uidList": uids});
        results(&self.done_as(by, "/group/invite_user_to_group", &body))
    }
}

/// The results of an answer with one for each uid: 0 done, -1 not.
#[track_caller]
pub(crate) fn results(answer: &Value) -> Vec<i64> {
    let each = answer["data"].as_array().unwrap_or_else(|| panic!("a list in {answer}"));
    each.iter().map(|result| result["result"].as_i64().expect("an integer result")).collect()
}

/// The body of a June `send_msg` to a group.
pub(crate) fn group_body(from: &User, group: &str, client_id: &str, content: &str) -> Value {
    let mut body = send_body(from, group, client_id, content);
    body["data"]["sessionType"] = json!(2);
    body
}
