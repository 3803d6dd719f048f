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
}
