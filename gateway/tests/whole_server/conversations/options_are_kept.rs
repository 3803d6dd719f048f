//! What a user set for a conversation is read back, by that user only, and survives a kill.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::{User, op};
use crate::support::server::Server;

#[track_caller]
fn set(server: &Server, user: &User, option: i64, conversations: &[&str]) {
    let body = op(json!({"option": option, "conversationIdList": conversations}));
    let answer = server.ask_as(user, "/conversation/set_receive_message_opt", &body);
    let data: Vec<_> =
        conversations.iter().map(|id| json!({"conversationId": id, "result": 0})).collect();
    assert_eq!(answer, json!({"errCode": 0, "errMsg": "", "data": data}));
}

#[track_caller]
fn assert_options(server: &Server, user: &User, expected: &[(&str, i64)]) {
    let ids: Vec<&str> = expected.iter().map(|(id, _)| *id).collect();
    let body = op(json!({ "conversationIdList": ids }));
    let answer = server.ask_as(user, "/conversation/get_receive_message_opt", &body);
    assert_eq!(answer, json!({"errCode": 0, "errMsg": "", "data": elements(expected)}));
}

fn elements(options: &[(&str, i64)]) -> Vec<Value> {
    options.iter().map(|(id, option)| json!({"conversationId": id, "result": option})).collect()
}

#[track_caller]
fn assert_all(server: &Server, user: &User, expected: &[(&str, i64)]) {
    let answer =
        server.ask_as(user, "/conversation/get_all_conversation_message_opt", &op(json!({})));
    let mut data = answer["data"].as_array().expect("a list").clone();
    data.sort_by_key(|element| element["conversationId"].as_str().expect("an id").to_owned());
    assert_eq!(data, elements(expected));
    assert_eq!((&answer["errCode"], &answer["errMsg"]), (&json!(0), &json!("")));
}

#[test]
fn each_user_has_their_own_also_after_a_kill() {
    let mut server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    assert_all(&server, &alice, &[]);
    assert_options(&server, &alice, &[("single_bob", 0)]);
    set(&server, &alice, 1, &["single_bob", "group_g1"]);
    set(&server, &alice, 2, &["single_carol", "group_g1"]);
    set(&server, &bob, 2, &["single_bob"]);
    let kept = [("group_g1", 2), ("single_bob", 1), ("single_carol", 2)];
    for _ in 0..2 {
        assert_all(&server, &alice, &kept);
        assert_all(&server, &bob, &[("single_bob", 2)]);
        // In the order of the request, 0 where nothing is set.
        let asked = [("single_carol", 2), ("other", 0), ("group_g1", 2)];
        assert_options(&server, &alice, &asked);
        server.restart();
    }
    let ids: Vec<&str> = kept.iter().map(|(id, _)| *id).collect();
    set(&server, &alice, 0, &ids[..2]);
    assert_options(&server, &alice, &[("group_g1", 0), ("single_bob", 0), ("single_carol", 2)]);
}

#[test]
fn empty_lists_are_answered_with_empty_lists() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    set(&server, &alice, 1, &[]);
    assert_options(&server, &alice, &[]);
    assert_all(&server, &alice, &[]);
}

/// More than a page of the store.
#[test]
fn many_conversations_come_whole() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let ids: Vec<String> = (0..700).map(|n| format!("single_{n:04}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    set(&server, &alice, 2, &ids);
    let all: Vec<(&str, i64)> = ids.iter().map(|id| (*id, 2)).collect();
    assert_all(&server, &alice, &all);
    assert_options(&server, &alice, &all);
}

#[test]
fn ids_are_opaque() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let ids = ["", " ", "a b", "\u{1f600}", "<'\"&\u{2028}>", "SINGLE_bob", "single_bob"];
    for (n, id) in ids.iter().enumerate() {
        set(&server, &alice, n as i64 % 3, &[id]);
    }
    let expected: Vec<_> = ids.iter().enumerate().map(|(n, id)| (*id, n as i64 % 3)).collect();
    assert_options(&server, &alice, &expected);
}
