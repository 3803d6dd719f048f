//! The REST calls the tests need, and the users they yield.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::{self, Answer};
use super::server::Server;
use super::{SECRET, engine};

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
        self.called(path, &[], body)
    }

    /// Posts JSON with `token` in the header of that name.
    pub(crate) fn post_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.called(path, &[("token", token)], body)
    }

    fn called(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let asks = ["/chat/newest_seq", "/chat/pull_msg", "/chat/pull_msg_by_seq"].contains(&path);
        // Nobody answers what has not come.
        if asks || path == "/friend/add_friend_response" {
            self.at_rest();
        }
        let answer = http::call(self.rest(), "POST", path, headers, body.to_string().as_bytes());
        if asks {
            engine::asked(self.rest());
        }
        answer
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

/// The body of a `send_msg` to a group, as clients from August 2021 write it: they send the tips about groups
/// themselves, so the server adds none.
pub(crate) fn group_body(from: &User, group: &str, client_id: &str, content: &str) -> Value {
    let mut body = send_body(from, group, client_id, content);
    body["data"]["sessionType"] = json!(2);
    body.as_object_mut().expect("an object").remove("msgIncr");
    body
}

/// The first of the managers of a server that names none itself.
pub(crate) const MANAGER: &str = "openIM123456";

/// `members` with the `operationID` every route wants.
pub(crate) fn op(mut members: Value) -> Value {
    members["operationID"] = json!("op");
    members
}

/// A whole answer without data.
pub(crate) fn plain(code: i64, text: &str) -> Value {
    json!({"errCode": code, "errMsg": text})
}

/// Posts to the server at `to`, from any thread; it must succeed.
#[track_caller]
pub(crate) fn done_at(to: SocketAddr, token: &str, path: &str, body: &Value) -> Value {
    let answer = http::call(to, "POST", path, &[("token", token)], body.to_string().as_bytes());
    let answer = answer.json();
    assert_eq!(answer["errCode"], 0, "{path}: {answer}");
    answer
}

/// The keys of an object, sorted.
#[track_caller]
pub(crate) fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> =
        object.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// The strings under `key` of the elements of an answer's `data`.
#[track_caller]
pub(crate) fn listed<'a>(answer: &'a Value, key: &str) -> Vec<&'a str> {
    let data = answer["data"].as_array().unwrap_or_else(|| panic!("a list in {answer}"));
    let text = |element: &'a Value| element[key].as_str();
    data.iter()
        .map(|element| text(element).unwrap_or_else(|| panic!("{key} in {element}")))
        .collect()
}

impl Server {
    /// The first manager, logged in.
    #[track_caller]
    pub(crate) fn manager(&self) -> User {
        self.login(MANAGER, super::platform::IOS)
    }

    /// Makes two users friends: the first asks, the second agrees.
    #[track_caller]
    pub(crate) fn befriend(&self, one: &User, other: &User) {
        let ask = op(json!({"uid": other.uid, "reqMessage": "hello"}));
        self.done_as(one, "/friend/add_friend", &ask);
        let agree = op(json!({"uid": one.uid, "flag": 1}));
        self.done_as(other, "/friend/add_friend_response", &agree);
    }

    /// Registers `<prefix>0`, `<prefix>1`, … a few at a time; in this order.
    pub(crate) fn register_many(&self, prefix: &str, count: usize) -> Vec<User> {
        const AT_ONCE: usize = 8;
        let (rest, platform) = (self.rest(), super::platform::IOS);
        let register = |n: usize| {
            let uid = format!("{prefix}{n}");
            let answer = done_at(rest, "", "/auth/user_register", &registration(&uid, platform));
            let token = answer["data"]["token"].as_str().expect("a token").to_owned();
            User { uid, token, platform }
        };
        let mut users: Vec<(usize, User)> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE)
                .map(|first| {
                    scope.spawn(move || {
                        let numbers = (first..count).step_by(AT_ONCE);
                        numbers.map(|n| (n, register(n))).collect::<Vec<_>>()
                    })
                })
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().expect("all register")).collect()
        });
        users.sort_by_key(|(number, _)| *number);
        users.into_iter().map(|(_, user)| user).collect()
    }

    /// Headers that do not authenticate a registered user, each with the reason (REST 2.3).
    #[track_caller]
    pub(crate) fn bad_tokens(&self, uid: &str) -> Vec<(String, &'static str)> {
        use super::{ACCESS_SECRET, jwt};
        let claims = |age, life| jwt::claims(uid, "IOS", age, life);
        let signed = |key, claims: &Value| jwt::sign(key, jwt::HS256, claims);
        let mut early = claims(0, 7200);
        early["nbf"] = json!(jwt::now() + 3600);
        let superseded = self.login(uid, 1).token;
        let newest = self.login(uid, 1).token;
        vec![
            (String::new(), "that's not even a token"),
            ("garbage".to_owned(), "that's not even a token"),
            (format!("Bearer {newest}"), "that's not even a token"),
            (
                signed(ACCESS_SECRET, &claims(7200, -3600)),
                "token is timed out, please log in again",
            ),
            (signed(ACCESS_SECRET, &early), "token not active yet"),
            (signed("another key", &claims(0, 7200)), "couldn't handle this token"),
            (superseded, "token has been invalidated"),
        ]
    }

    /// Checks that `good` without one of `required`, or with a wrong one, is no body of a route.
    #[track_caller]
    pub(crate) fn assert_binds(&self, by: &User, path: &str, good: &Value, required: &[&str]) {
        let assert_unbound = |body: &Value| {
            let answer = self.post_as(&by.token, path, body);
            assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text());
            let answer = answer.json();
            assert_eq!(keys(&answer), ["errCode", "errMsg"], "{path} {body}: {answer}");
            assert_eq!(answer["errCode"], 400, "{path} {body}: {answer}");
            let text = answer["errMsg"].as_str().expect("a text");
            let begin = if path.starts_with("/conversation/") { "bind json failed " } else { "" };
            assert!(text.starts_with(begin) && text.len() > begin.len(), "{path} {body}: {answer}");
        };
        assert_unbound(&json!([good]));
        for key in required {
            let mut body = good.clone();
            body.as_object_mut().expect("an object").remove(*key);
            assert_unbound(&body);
            let mut wrong = vec![Value::Null, json!(true)];
            if good[key].is_string() {
                wrong.push(json!(""));
            }
            for value in wrong {
                body[key] = value;
                assert_unbound(&body);
            }
        }
    }
}

/// A whole answer of a route whose answer is a list.
pub(crate) fn with_data(code: i64, text: &str, data: Value) -> Value {
    json!({"errCode": code, "errMsg": text, "data": data})
}

impl Server {
    /// Everybody in a group with their role, as `by` sees them.
    #[track_caller]
    pub(crate) fn roles(&self, by: &User, group: &str) -> Vec<(String, i64)> {
        let body = op(json!({ "groupID": group }));
        let answer = self.done_as(by, "/group/get_group_all_member_list", &body);
        let roles = answer["data"].as_array().unwrap_or_else(|| panic!("a list in {answer}"));
        let role = |member: &Value| member["role"].as_i64().expect("an integer role");
        listed(&answer, "userId")
            .into_iter()
            .zip(roles)
            .map(|(uid, member)| (uid.to_owned(), role(member)))
            .collect()
    }
}
