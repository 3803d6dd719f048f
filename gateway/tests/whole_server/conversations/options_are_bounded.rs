//! `limits.conversationsMax`: how many conversations of one user can have an option.

use serde_json::{Value, json};

use crate::support::http::call;
use crate::support::platform::IOS;
use crate::support::rest::{User, done_at, listed, op};
use crate::support::server::{Server, Setup};

fn set(server: &Server, user: &User, option: i64, conversations: &[&str]) -> Value {
    let body = op(json!({"option": option, "conversationIdList": conversations}));
    server.ask_as(user, "/conversation/set_receive_message_opt", &body)
}

#[test]
fn one_too_many_gets_10003_and_known_ones_still_change() {
    let server = Setup::new().set("OPENIM_LIMITS_CONVERSATIONSMAX", 2).start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    assert_eq!(set(&server, &alice, 1, &["a", "b"])["errCode"], 0);
    let answer = set(&server, &alice, 1, &["c"]);
    assert_eq!((&answer["errCode"], &answer["data"]), (&json!(10003), &json!([])), "{answer}");
    assert_eq!(set(&server, &alice, 2, &["b"])["errCode"], 0);
    let all = "/conversation/get_all_conversation_message_opt";
    let answer = server.done_as(&alice, all, &op(json!({})));
    assert_eq!(listed(&answer, "conversationId"), ["a", "b"]);
    assert_eq!(answer["data"][1]["result"], 2);
    assert_eq!(set(&server, &bob, 1, &["c", "d"])["errCode"], 0, "it is a bound of each user");
    assert_eq!(set(&server, &bob, 1, &["e", "f", "g"])["errCode"], 10003);
}

/// An id too long for the store is refused; that is no failure of the store, and others' options are kept.
#[test]
fn an_id_of_any_length_is_answered_and_harms_nobody() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    let rest = server.rest();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let long = "c".repeat(70_000);
            let body = op(json!({"option": 1, "conversationIdList": [long]})).to_string();
            let headers = [("token", alice.token.as_str())];
            for _ in 0..40 {
                let route = "/conversation/set_receive_message_opt";
                let answer = call(rest, "POST", route, &headers, body.as_bytes()).json();
                assert_ne!(answer["errCode"], 0, "{answer}");
            }
        });
        for n in 0..40 {
            let body = op(json!({"option": 1, "conversationIdList": [format!("c{n}")]}));
            done_at(rest, &bob.token, "/conversation/set_receive_message_opt", &body);
        }
    });
}
