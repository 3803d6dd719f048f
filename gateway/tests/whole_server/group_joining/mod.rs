//! `/group`: asking to join, being let in, and what groups say of themselves (spec, REST 7.4, 7.6, 7.13).

mod answers_at_once_count_once;
mod bodies_and_tokens_are_checked;
mod groups_are_described_by_their_leaders;
mod groups_of_managers_are_told_to_the_absent;
mod groups_say_what_they_are;
mod ids_that_can_be_none_join_nothing;
mod joined_and_refused_survive_a_kill;
mod leaders_see_the_requests;
mod members_alone_send_over_rest;
mod requests_are_answered_by_leaders;
mod requests_are_bounded;
mod requests_say_who_asks;
mod who_is_let_in_writes_at_once;

use serde_json::{Value, json};

use crate::support::http::Answer;
use crate::support::platform::IOS;
use crate::support::rest::{User, op};
use crate::support::server::Server;

/// What `/group/group_application_response` says of everything it does not do.
const NOT_ANSWERED: (i64, &str) = (702, "rpc GroupApplicationResponse failed");

/// The body that asks to join.
fn asking(group: &str) -> Value {
    op(json!({"groupID": group, "message": "let me in"}))
}

/// The body that answers an applicant: 0 refuses, 1 agrees.
fn answering(group: &str, from: &str, result: i64) -> Value {
    op(json!({"groupID": group, "fromUserID": from, "toUserID": "0", "handledMsg": "so be it",
        "handleResult": result}))
}

/// Asks to join; it must succeed.
#[track_caller]
fn apply(server: &Server, user: &User, group: &str) {
    server.done_as(user, "/group/join_group", &asking(group));
}

/// Answers an applicant.
#[track_caller]
fn respond(server: &Server, by: &User, group: &str, from: &str, result: i64) -> Value {
    server.ask_as(by, "/group/group_application_response", &answering(group, from, result))
}

/// The requests that `by` sees.
#[track_caller]
fn requests(server: &Server, by: &User) -> Vec<Value> {
    let answer = server.done_as(by, "/group/get_group_applicationList", &op(json!({})));
    answer["data"]["user"].as_array().unwrap_or_else(|| panic!("a list in {answer}")).clone()
}

/// Who asked and the flag of each request that `by` sees.
#[track_caller]
fn flags(server: &Server, by: &User) -> Vec<(String, i64)> {
    let of = |entry: &Value| {
        let from = entry["fromUserID"].as_str().expect("a uid").to_owned();
        (from, entry["flag"].as_i64().expect("a flag"))
    };
    requests(server, by).iter().map(of).collect()
}

/// [`flags`] as written in a test.
fn flagged(flags: &[(&str, i64)]) -> Vec<(String, i64)> {
    flags.iter().map(|(uid, flag)| ((*uid).to_owned(), *flag)).collect()
}

/// The members of a group with their roles, as `by` reads them.
#[track_caller]
fn roles(server: &Server, by: &User, group: &str) -> Vec<(String, i64)> {
    let all = op(json!({ "groupID": group }));
    let answer = server.done_as(by, "/group/get_group_all_member_list", &all);
    let of = |entry: &Value| {
        let uid = entry["userId"].as_str().expect("a uid").to_owned();
        (uid, entry["role"].as_i64().expect("a role"))
    };
    answer["data"].as_array().expect("a list").iter().map(of).collect()
}

/// What a group says of itself, to `by`.
#[track_caller]
fn shown(server: &Server, by: &User, group: &str) -> Value {
    let answer =
        server.done_as(by, "/group/get_groups_info", &op(json!({ "groupIDList": [group] })));
    assert_eq!(answer["data"].as_array().map(Vec::len), Some(1), "{answer}");
    answer["data"][0].clone()
}

/// A body of an answer with errCode and text alone, and status 200.
#[track_caller]
fn assert_refused(answer: &Value, (code, text): (i64, &str)) {
    assert_eq!(answer, &json!({"errCode": code, "errMsg": text}));
}

/// A user with a picture.
#[track_caller]
fn pictured(server: &Server, uid: &str) -> User {
    let mut body = crate::support::rest::registration(uid, IOS);
    body["icon"] = json!(format!("http://pictures/{uid}"));
    let answer: Answer = server.post("/auth/user_register", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    server.login(uid, IOS)
}

/// A group of `owner` with one administrator and one ordinary member.
struct Staffed {
    server: Server,
    owner: User,
    admin: User,
    member: User,
    group: String,
}

impl Staffed {
    fn on(server: Server) -> Staffed {
        let [owner, admin, member] =
            ["owner", "admin", "member"].map(|uid| server.register(uid, IOS));
        let listed = json!([{"uid": "admin", "setRole": 2}, {"uid": "member", "setRole": 0}]);
        let body = op(json!({"groupName": "a group", "memberList": listed}));
        let answer = server.done_as(&owner, "/group/create_group", &body);
        let group = answer["data"]["groupID"].as_str().expect("a group id").to_owned();
        Staffed { server, owner, admin, member, group }
    }

    fn start() -> Staffed {
        Staffed::on(Server::start())
    }
}
