//! Every `/conversation` route checks its body, then its token; a refused call changes nothing.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{op, plain};
use crate::support::server::Server;

/// The routes, a body each, the fields that it needs. (`option` may be 0: see below.)
fn routes() -> Vec<(&'static str, Value, &'static [&'static str])> {
    let ids = json!({"conversationIdList": ["single_bob"]});
    let mut set = ids.clone();
    set["option"] = json!(1);
    const LIST: &[&str] = &["operationID", "conversationIdList"];
    vec![
        ("set_receive_message_opt", op(set), &["operationID", "conversationIdList", "option"]),
        ("get_receive_message_opt", op(ids), LIST),
        ("get_all_conversation_message_opt", op(json!({})), &["operationID"]),
    ]
}

#[test]
fn bodies_are_checked_before_tokens() {
    let server = Server::start();
    let mut alice = server.register("alice", IOS);
    for token in [alice.token.clone(), "garbage".to_owned()] {
        alice.token = token;
        for (route, good, required) in routes() {
            server.assert_binds(&alice, &format!("/conversation/{route}"), &good, required);
        }
    }
}

#[test]
fn options_other_than_the_three_are_refused() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let route = "/conversation/set_receive_message_opt";
    let mut body = routes().swap_remove(0).1;
    for option in [json!(3), json!(-1), json!("1"), json!(1.0), json!(4_294_967_297i64)] {
        body["option"] = option.clone();
        let answer = server.post_as(&alice.token, route, &body);
        assert_eq!(answer.status, 400, "{option}: {}", answer.text());
        let answer = answer.json();
        assert_eq!(answer["errCode"], 400, "{option}: {answer}");
        let text = answer["errMsg"].as_str().expect("a text");
        assert!(text.starts_with("bind json failed "), "{text}");
    }
    let all = "/conversation/get_all_conversation_message_opt";
    assert_eq!(server.done_as(&alice, all, &op(json!({})))["data"], json!([]));
    for option in [0, 1, 2] {
        body["option"] = json!(option);
        server.done_as(&alice, route, &body);
    }
}

#[test]
fn lists_are_bounded() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    for (route, mut body, _) in routes().into_iter().take(2) {
        for (count, status) in [(1000, 200), (1001, 400)] {
            body["conversationIdList"] = json!(vec!["single_bob"; count]);
            let answer = server.post_as(&alice.token, &format!("/conversation/{route}"), &body);
            assert_eq!(answer.status, status, "{route} {count}: {}", answer.text());
        }
    }
}

#[test]
fn bad_tokens_get_401_with_the_reason() {
    let server = Server::start();
    server.register("alice", IOS);
    for (token, reason) in server.bad_tokens("alice") {
        for (route, good, _) in routes() {
            let answer = server.post_as(&token, &format!("/conversation/{route}"), &good);
            assert_eq!(answer.status, 400, "{route}: {}", answer.text());
            assert_eq!(answer.json(), plain(401, &format!("ParseToken failed, {reason}")));
        }
    }
    let alice = server.login("alice", IOS);
    let all = "/conversation/get_all_conversation_message_opt";
    assert_eq!(server.done_as(&alice, all, &op(json!({})))["data"], json!([]));
}
