//! Groups, as tests of many of their members need them.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::{self, Answer};
use super::platform::IOS;
use super::rest::User;
use super::server::Server;

/// Posts as a user, for threads that cannot share the server.
pub(crate) fn post_to(to: SocketAddr, user: &User, path: &str, body: &Value) -> Answer {
    http::call(to, "POST", path, &[("token", &user.token)], body.to_string().as_bytes())
}

impl Server {
    /// Registers ordinary users with these ids.
    #[track_caller]
    pub(crate) fn register_all<const N: usize>(&self, uids: [&str; N]) -> [User; N] {
        uids.map(|uid| self.register(uid, IOS))
    }

    /// Makes a group as `by`, with the members listed in these roles; its id.
    #[track_caller]
    pub(crate) fn group_of(&self, by: &User, listed: &[(&str, i64)]) -> String {
        let listed: Vec<Value> =
            listed.iter().map(|(uid, role)| json!({"uid": uid, "setRole": role})).collect();
        let body = json!({"operationID": "op", "groupName": "a group", "memberList": listed});
        let answer = self.done_as(by, "/group/create_group", &body);
        answer["data"]["groupID"].as_str().expect("a group id").to_owned()
    }

    /// What `get_groups_info` says of one group.
    #[track_caller]
    pub(crate) fn group_info(&self, reader: &User, group: &str) -> Value {
        let body = json!({"operationID": "op", "groupIDList": [group]});
        self.done_as(reader, "/group/get_groups_info", &body)["data"][0].clone()
    }
}
