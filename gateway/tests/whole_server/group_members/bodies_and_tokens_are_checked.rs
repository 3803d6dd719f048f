//! Every route checks its body, then its token; a refused call changes nothing.

use serde_json::{Value, json};

use super::roles;
use crate::support::http::Answer;
use crate::support::platform::IOS;
use crate::support::rest::{op, plain, with_data};
use crate::support::server::{Server, Setup};

type Route = (&'static str, Value, &'static [&'static str]);

/// The routes with a body each and the fields that it needs.
fn routes(group: &str) -> Vec<Route> {
    vec![
        (
            "create_group",
            op(json!({"memberList": [{"uid": "bob", "setRole": 0}]})),
            &["operationID"],
        ),
        (
            "invite_user_to_group",
            op(json!({"groupID": group, "uidList": ["dave"]})),
            &["operationID", "groupID", "uidList"],
        ),
        (
            "kick_group",
            op(json!({"groupID": group, "uidListInfo": [{"userId": "bob"}]})),
            &["operationID", "uidListInfo"],
        ),
        ("quit_group", op(json!({"groupID": group})), &["operationID", "groupID"]),
        (
            "transfer_group",
            op(json!({"groupID": group, "uid": "bob"})),
            &["operationID", "groupID", "uid"],
        ),
        ("get_group_member_list", op(json!({"groupID": group, "filter": 0, "nextSeq": 0})), &[]),
        ("get_group_all_member_list", op(json!({"groupID": group})), &[]),
        ("get_group_members_info", op(json!({"groupID": group, "memberList": ["bob"]})), &[]),
    ]
}

#[track_caller]
fn assert_unbound(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 400, "{what}: {}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["errCode"], 400, "{what}: {answer}");
    assert_eq!(answer.as_object().map(serde_json::Map::len), Some(2), "{what}: {answer}");
}

#[test]
fn bodies_are_checked_before_tokens() {
    let server = Server::start();
    let mut alice = server.register("alice", IOS);
    let bob = server.register("bob", IOS);
    let group = server.group(&alice, &[&bob]);
    for token in [alice.token.clone(), "garbage".to_owned()] {
        alice.token = token;
        for (route, good, required) in routes(&group) {
            let path = format!("/group/{route}");
            server.assert_binds(&alice, &path, &good, required);
            for key in good.as_object().expect("an object").keys() {
                let mut body = good.clone();
                body[key] = json!({"no": "such thing"});
                let answer = server.post_as(&alice.token, &path, &body);
                assert_unbound(&answer, &format!("{route} {body}"));
            }
        }
    }
    assert_eq!(roles(&server, &bob, &group), ["alice 1", "bob 0"]);
}

#[test]
fn elements_and_numbers_are_of_their_type() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let group = server.group(&alice, &[]);
    let mut bodies = Vec::new();
    for role in [json!("1"), json!(1.0), json!(2_147_483_648_i64), json!(true)] {
        let member = json!([{"uid": "bob", "setRole": role}]);
        bodies.push(("create_group", json!({"memberList": member})));
        bodies.push(("get_group_member_list", json!({"groupID": group, "nextSeq": role})));
        bodies.push(("get_group_member_list", json!({"groupID": group, "filter": role})));
    }
    for element in [json!(1), json!("bob"), json!({"uid": 1}), json!({"userId": 1}), json!([])] {
        if element != json!({"userId": 1}) {
            bodies.push(("create_group", json!({"memberList": [element]})));
        }
        if element != json!({"uid": 1}) {
            let body = json!({"groupID": group, "uidListInfo": [element]});
            bodies.push(("kick_group", body));
        }
        if element != json!("bob") {
            let body = json!({"groupID": group, "uidList": [element]});
            bodies.push(("invite_user_to_group", body));
            let body = json!({"groupID": group, "memberList": [element]});
            bodies.push(("get_group_members_info", body));
        }
    }
    for (route, body) in bodies {
        let body = op(body);
        let answer = server.post_as(&alice.token, &format!("/group/{route}"), &body);
        assert_unbound(&answer, &format!("{route} {body}"));
    }
    let joined = server.done_as(&alice, "/group/get_joined_group_list", &op(json!({})));
    assert_eq!(joined["data"].as_array().map(Vec::len), Some(1), "nothing else was made");
}

#[test]
fn keys_match_in_any_case_and_what_follows_is_not_read() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    let group = server.group(&alice, &[]);
    let body = json!({"OPERATIONID": "op", "groupid": group, "UIDLIST": ["bob"], "more": [1]});
    let body = format!("{body} and more");
    let headers = [("token", alice.token.as_str())];
    let path = "/group/invite_user_to_group";
    let answer = crate::support::http::call(server.rest(), "POST", path, &headers, body.as_bytes());
    let done = json!([{"uid": "bob", "result": 0}]);
    assert_eq!(answer.json(), with_data(0, "ok", done), "{}", answer.text());
    assert_eq!(roles(&server, &bob, &group), ["alice 1", "bob 0"]);
}

#[test]
fn no_route_acts_for_a_token_that_is_not_good() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.register("dave", IOS);
    let group = server.group(&alice, &[&bob]);
    let mut tokens = server.bad_tokens("alice");
    tokens.push((format!("{}x", bob.token), "another signature"));
    for (token, why) in tokens {
        for (route, good, _) in routes(&group) {
            let answer = server.post_as(&token, &format!("/group/{route}"), &good);
            let (status, mut json) = (answer.status, answer.json());
            let expected = match route {
                "create_group" | "quit_group" => (200, plain(200, "Parse token failed")),
                "transfer_group" => (400, plain(400, "token validate err")),
                _ => (200, with_data(200, "Parse token failed", json!([]))),
            };
            if route == "get_group_member_list" {
                let next = json.as_object_mut().and_then(|answer| answer.remove("nextSeq"));
                assert!(next.is_none_or(|next| next == 0), "{route}");
            }
            assert_eq!((status, json), expected, "{route}, {why}");
        }
    }
    for (route, good, _) in routes(&group) {
        let answer = server.post(&format!("/group/{route}"), &good).json();
        let code = if route == "transfer_group" { 400 } else { 200 };
        assert_eq!(answer["errCode"], code, "{route} without a token: {answer}");
    }
    assert_eq!(roles(&server, &bob, &group), ["alice 1", "bob 0"]);
    let joined = server.done_as(&bob, "/group/get_joined_group_list", &op(json!({})));
    assert_eq!(joined["data"].as_array().map(Vec::len), Some(1), "no group was made");
}

/// It is the token that says who calls: a body that names somebody else changes nothing.
#[test]
fn somebody_elses_token_acts_for_them_alone() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    let carol = server.register("carol", IOS);
    let group = server.group(&alice, &[&bob]);
    let posing = |mut body: Value| {
        for key in ["ownerUid", "fromUserID", "sendID", "ownerId", "opUserID"] {
            body[key] = json!("alice");
        }
        op(body)
    };
    let transfer = posing(json!({"groupID": group, "uid": "carol"}));
    let answer = server.ask_as(&bob, "/group/transfer_group", &transfer);
    assert_eq!(answer, plain(800, "no permission"));
    let quit = posing(json!({"groupID": group, "uid": "bob", "userId": "bob"}));
    let answer = server.ask_as(&carol, "/group/quit_group", &quit);
    assert_eq!(answer, plain(621, "Failed to quit the group"));
    assert_eq!(roles(&server, &alice, &group), ["alice 1", "bob 0"]);
    let made = server.done_as(&carol, "/group/create_group", &posing(json!({"memberList": null})));
    let made = made["data"]["groupID"].as_str().expect("a group id").to_owned();
    assert_eq!(roles(&server, &carol, &made), ["carol 1"]);
}

#[test]
fn lists_of_ids_are_bounded() {
    let server = Setup::new().set("OPENIM_LIMITS_IDSPERCALLMAX", 2).start();
    let alice = server.register("alice", IOS);
    let uids = ["a", "b", "c"];
    for uid in uids {
        server.register(uid, IOS);
    }
    let group = server.group(&alice, &[]);
    let requests = |count: usize| {
        let listed: Vec<Value> = uids.map(|uid| json!({"uid": uid, "userId": uid}))[..count].into();
        let named = |key: &str| {
            let mut body = op(json!({"groupID": group}));
            body[key] = json!(uids[..count]);
            body
        };
        [
            ("invite_user_to_group", named("uidList")),
            ("get_group_members_info", named("memberList")),
            ("kick_group", op(json!({"groupID": group, "uidListInfo": listed}))),
            ("create_group", op(json!({"memberList": listed}))),
        ]
    };
    for (route, body) in requests(3) {
        let answer = server.post_as(&alice.token, &format!("/group/{route}"), &body);
        assert_unbound(&answer, route);
        assert!(answer.text().contains("failed on the 'max' tag"), "{}", answer.text());
    }
    assert_eq!(roles(&server, &alice, &group), ["alice 1"]);
    for (route, body) in requests(2) {
        server.done_as(&alice, &format!("/group/{route}"), &body);
    }
}
