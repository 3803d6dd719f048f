//! Registration and token issue: shapes, claims, and refusals that leak nothing of what is behind.

use serde_json::{Value, json};

use crate::support::http::Answer;
use crate::support::jwt::{now, read_claims, read_head};
use crate::support::platform::{IOS, WEB};
use crate::support::rest::registration;
use crate::support::server::Server;
use crate::support::{SECRET, platform};

#[track_caller]
fn assert_token_answer(answer: &Answer, uid: &str, platform: &str) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let token = body["data"]["token"].as_str().expect("a token").to_owned();
    let claims = read_claims(&token);
    let expected = json!({"data": {"uid": uid, "token": token, "expiredTime": claims["exp"]}, "errCode": 0,
        "errMsg": ""});
    assert_eq!(body, expected);
    assert_eq!(read_head(&token), json!({"alg": "HS256", "typ": "JWT"}));
    assert_eq!((&claims["UID"], &claims["Platform"]), (&json!(uid), &json!(platform)));
    assert_eq!(claims["iat"], claims["nbf"]);
    let life = claims["exp"].as_i64().expect("an integer") - now();
    assert!((604_800 - 600..=604_800).contains(&life), "seven days by default: {claims}");
    token
}

#[test]
fn register_and_token_answer_alike_and_the_token_connects() {
    let server = Server::start();
    let answer = server.post("/auth/user_register", &registration("alice", IOS));
    assert_token_answer(&answer, "alice", "IOS");
    for (id, name) in [
        (1, "IOS"),
        (2, "Android"),
        (3, "Windows"),
        (4, "OSX"),
        (5, "Web"),
        (6, "MiniWeb"),
        (7, "Linux"),
    ] {
        let answer = server
            .post("/auth/user_token", &json!({"secret": SECRET, "platform": id, "uid": "alice"}));
        assert_token_answer(&answer, "alice", name);
    }
    let mut alice = server.connect(&server.login("alice", WEB));
    assert_eq!(alice.newest(), 0);
}

#[test]
fn optional_fields_of_a_registration_are_accepted() {
    let server = Server::start();
    let mut body = registration("alice", platform::ANDROID);
    for (key, value) in [
        ("icon", "https://img.example/a.png"),
        ("mobile", "123"),
        ("birth", "1990-01-01"),
        ("email", "a@b.example"),
        ("ex", "extra"),
    ] {
        body[key] = json!(value);
    }
    body["gender"] = json!(2);
    assert_token_answer(&server.post("/auth/user_register", &body), "alice", "Android");
}

#[test]
fn a_second_registration_fails_with_500_and_changes_nothing() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let answer = server.post("/auth/user_register", &registration("alice", WEB));
    assert_refusal_of_500(&answer);
    assert_eq!(server.connect(&alice).newest(), 0, "the first token is still good");
}

#[test]
fn a_token_for_an_unknown_uid_fails_with_500() {
    let server = Server::start();
    let answer =
        server.post("/auth/user_token", &json!({"secret": SECRET, "platform": 1, "uid": "nobody"}));
    assert_refusal_of_500(&answer);
}

#[track_caller]
fn assert_refusal_of_500(answer: &Answer) {
    assert_eq!(answer.status, 500, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["errCode"], 500);
    assert!(body.get("data").is_none(), "{body}");
    let text = body["errMsg"].as_str().expect("a text");
    assert!(!text.is_empty());
    for leak in ["rpc", "1062", "PRIMARY", "record not found", "fjall", "storage", "src/"] {
        assert!(!text.contains(leak), "{leak:?} tells of the inside: {text}");
    }
}

#[test]
fn racing_registrations_of_one_uid_have_one_winner() {
    let server = Server::start();
    let rest = server.rest();
    let racers: Vec<_> = (0..8)
        .map(|n| {
            std::thread::spawn(move || {
                let body = registration("alice", 1 + n % 7).to_string();
                crate::support::http::call(
                    rest,
                    "POST",
                    "/auth/user_register",
                    &[],
                    body.as_bytes(),
                )
                .status
            })
        })
        .collect();
    let statuses: Vec<u16> =
        racers.into_iter().map(|racer| racer.join().expect("an answer")).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 500).count(), 7, "{statuses:?}");
}

/// A uid with whitespace would break the two-word ids of groups.
#[test]
fn uids_with_whitespace_are_refused() {
    let server = Server::start();
    for uid in ["a b", " ", "a\tb", "a\nb", " a", "a ", "a\u{a0}b", "a\u{3000}b"] {
        let answer = server.post("/auth/user_register", &registration(uid, IOS));
        let body: Value = answer.json();
        assert!(answer.status >= 400 && body["errCode"] != 0, "{uid:?}: {body}");
    }
}
