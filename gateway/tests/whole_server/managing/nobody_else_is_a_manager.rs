//! Every `/manager` route checks its body, then its token, then that a manager calls; a refused call does nothing.

use serde_json::{Value, json};

use crate::support::http::Answer;
use crate::support::platform::IOS;
use crate::support::rest::{op, plain};
use crate::support::server::{Server, Setup};

/// The routes, a body each, the fields that it needs.
fn routes() -> Vec<(&'static str, Value, &'static [&'static str])> {
    let message = json!({"sendID": "alice", "recvID": "bob", "content": {"text": "hello"}, "contentType": 101,
        "sessionType": 1});
    const SEND: &[&str] =
        &["operationID", "sendID", "recvID", "content", "contentType", "sessionType"];
    let uids = || op(json!({"userIDList": ["alice", "bob"]}));
    vec![
        (
            "delete_user",
            op(json!({"deleteUidList": ["alice", "bob"]})),
            &["operationID", "deleteUidList"],
        ),
        ("force_logout", op(json!({"uid": "alice"})), &["operationID", "uid"]),
        ("ban_user", op(json!({"uid": "alice"})), &["operationID", "uid"]),
        ("unban_user", op(json!({"uid": "alice"})), &["operationID", "uid"]),
        ("why", op(json!({"uid": "alice", "message": "m"})), &["operationID", "uid", "message"]),
        ("get_all_users_uid", op(json!({})), &["operationID"]),
        ("account_check", uids(), &["operationID", "userIDList"]),
        ("get_users_online_status", uids(), &["operationID", "userIDList"]),
        ("send_msg", op(message), SEND),
    ]
}

/// Checks the answer of `route` to who is not let in.
#[track_caller]
fn assert_not_let_in(route: &str, answer: &Answer, reason: Option<&str>) {
    let with_list = |key: &str, list: Value| {
        let mut expected = match reason {
            Some(reason) => plain(200, reason),
            None => plain(401, "not authorized"),
        };
        expected[key] = list;
        (200, expected)
    };
    let expected = match route {
        "delete_user" => with_list("failedUidList", json!(["alice", "bob"])),
        "force_logout" | "ban_user" | "unban_user" | "why" => match reason {
            Some(reason) => (200, plain(200, reason)),
            None => (200, plain(401, "not authorized")),
        },
        "get_all_users_uid" => with_list("uidList", json!([])),
        "account_check" => with_list("result", json!([])),
        "get_users_online_status" => match reason {
            Some(reason) => (400, plain(401, reason)),
            None => (400, plain(402, "not authorized")),
        },
        _ => {
            let text = if reason.is_some() { "parse token failed" } else { "not authorized" };
            (400, json!({"errCode": 400, "errMsg": text, "sendTime": 0, "MsgID": ""}))
        }
    };
    assert_eq!((answer.status, answer.json()), expected, "{route}");
}

#[test]
fn bad_tokens_are_told_why() {
    let server = Server::start();
    server.manager();
    // No login of a manager ends another's token.
    let bad = server.bad_tokens("openIM123456").into_iter();
    for (token, reason) in bad.filter(|(_, reason)| *reason != "token has been invalidated") {
        for (route, good, _) in routes() {
            let answer = server.post_as(&token, &format!("/manager/{route}"), &good);
            assert_not_let_in(route, &answer, Some(reason));
        }
    }
    for (route, good, _) in routes() {
        let answer = server.post(&format!("/manager/{route}"), &good);
        assert_not_let_in(route, &answer, Some("that's not even a token"));
    }
}

#[test]
fn who_is_no_manager_is_told_so_and_nothing_happens() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    for user in [&alice, &bob] {
        for (route, good, _) in routes() {
            let answer = server.post_as(&user.token, &format!("/manager/{route}"), &good);
            assert_not_let_in(route, &answer, None);
        }
    }
    let answer = server.post("/user/get_user_info", &op(json!({"uidList": ["alice", "bob"]})));
    assert_eq!(answer.json()["data"].as_array().map(Vec::len), Some(2), "nobody was deleted");
    assert_eq!((server.connect(&alice).newest(), server.connect(&bob).newest()), (0, 0));
}

#[test]
fn bodies_are_checked_before_tokens() {
    let server = Server::start();
    let (mut manager, mut alice) = (server.manager(), server.register("alice", IOS));
    alice.token = "garbage".to_owned();
    for user in [&mut manager, &mut alice] {
        for (route, good, required) in routes() {
            server.assert_binds(user, &format!("/manager/{route}"), &good, required);
        }
    }
}

#[test]
fn lists_are_bounded() {
    let server = Server::start();
    let manager = server.manager();
    for (route, key, most) in [
        ("delete_user", "deleteUidList", 1000),
        ("account_check", "userIDList", 100),
        ("get_users_online_status", "userIDList", 200),
    ] {
        for (count, status) in [(most, 200), (most + 1, 400)] {
            let body = op(json!({ key: vec!["nobody"; count] }));
            let answer = server.post_as(&manager.token, &format!("/manager/{route}"), &body);
            assert_eq!(answer.status, status, "{route} {count}: {}", answer.text());
        }
    }
    let server = Setup::new().set("OPENIM_LIMITS_IDSPERCALLMAX", 2).start();
    let manager = server.manager();
    let mut body = routes().pop().expect("send_msg is the last").1;
    for (count, status) in [(2, 200), (3, 400)] {
        body["forceList"] = json!(vec!["nobody"; count]);
        let answer = server.post_as(&manager.token, "/manager/send_msg", &body);
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}
