//! `/manager/ban_user` and `unban_user`: who is banned gets no token and keeps none, until the ban is over.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::sessions_end_at_once::assert_kicked;
use crate::support::SECRET;
use crate::support::http::Answer;
use crate::support::jwt::now;
use crate::support::platform::{IOS, WEB};
use crate::support::rest::{op, plain, registration};
use crate::support::server::Server;

fn ban(server: &Server, body: Value) {
    server.done_as(&server.manager(), "/manager/ban_user", &op(body));
}

fn ask_for_token(server: &Server, uid: &str) -> Answer {
    server.post("/auth/user_token", &json!({"secret": SECRET, "platform": IOS, "uid": uid}))
}

#[test]
fn links_and_tokens_end_at_once_and_nobody_gets_another() {
    let mut server = Server::start();
    let alice = server.register("alice", IOS);
    let web = server.login("alice", WEB);
    let mut links = [server.connect(&alice), server.connect(&web)];
    for _ in 0..2 {
        ban(&server, json!({"uid": "alice", "reason": "spam"}));
    }
    links.iter_mut().for_each(assert_kicked);
    for _ in 0..2 {
        for user in [&alice, &web] {
            assert_eq!(server.refusal(user), 401);
            let answer = server.ask_as(user, "/friend/get_friend_list", &op(json!({})));
            assert_eq!(answer["errCode"], 200);
        }
        let answer = ask_for_token(&server, "alice");
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.json(), plain(710, "the user is banned: spam"));
        server.restart();
    }
    for _ in 0..2 {
        server.done_as(&server.manager(), "/manager/unban_user", &op(json!({"uid": "alice"})));
    }
    assert_eq!(server.refusal(&alice), 401, "old tokens stay refused");
    assert_eq!(server.connect(&server.login("alice", IOS)).newest(), 0);
    server.restart();
    assert_eq!(server.connect(&server.login("alice", IOS)).newest(), 0);
}

#[test]
fn a_ban_with_an_end_is_over_by_itself() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let until = now() + 4;
    ban(&server, json!({"uid": "alice", "until": until}));
    let answer = ask_for_token(&server, "alice").json();
    // On a machine that stood still for seconds it may be over already.
    if answer["errCode"] != 0 {
        assert_eq!(answer, plain(710, &format!("the user is banned until {until}")));
    }
    let patience = Instant::now() + Duration::from_secs(60);
    while ask_for_token(&server, "alice").status != 200 {
        assert!(Instant::now() < patience, "the ban does not end");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(now() >= until, "it held until then");
    assert_eq!(server.refusal(&alice), 401, "the tokens from before stay ended");
    assert_eq!(server.connect(&server.login("alice", IOS)).newest(), 0);
    // One that is over when it begins ends tokens, and no more.
    ban(&server, json!({"uid": "alice", "until": 1}));
    assert_eq!(ask_for_token(&server, "alice").status, 200);
}

#[test]
fn it_holds_for_who_registers_later_too() {
    let server = Server::start();
    ban(&server, json!({"uid": "mallory", "reason": "known elsewhere"}));
    let answer = server.post("/auth/user_register", &registration("mallory", IOS));
    assert_eq!((answer.status, &answer.json()["errCode"]), (400, &json!(710)));
    assert_eq!(ask_for_token(&server, "mallory").json()["errCode"], 710);
    let delete = op(json!({"deleteUidList": ["mallory"]}));
    server.done_as(&server.manager(), "/manager/delete_user", &delete);
    let answer = server.post("/auth/user_register", &registration("mallory", IOS));
    assert_eq!(answer.json()["errCode"], 710, "no way around it");
    // Who was refused is not half registered: once they may, they can.
    let who = op(json!({"uidList": ["mallory"]}));
    assert_eq!(server.post("/user/get_user_info", &who).json()["data"], json!([]));
    server.done_as(&server.manager(), "/manager/unban_user", &op(json!({"uid": "mallory"})));
    server.register("mallory", IOS);
}

#[test]
fn bodies_are_checked() {
    let server = Server::start();
    let manager = server.manager();
    for wrong in [
        json!({"uid": "no body"}),
        json!({"uid": "alice", "reason": "r".repeat(256)}),
        json!({"uid": "alice", "until": "tomorrow"}),
    ] {
        let answer = server.post_as(&manager.token, "/manager/ban_user", &op(wrong.clone()));
        assert_eq!((answer.status, &answer.json()["errCode"]), (400, &json!(400)), "{wrong}");
    }
    let answer = server.post_as(&manager.token, "/manager/unban_user", &op(json!({"uid": "a b"})));
    assert_eq!(answer.status, 400);
}
