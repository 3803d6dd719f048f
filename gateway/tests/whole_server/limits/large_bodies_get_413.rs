//! A REST body above the byte limit gets 413 in JSON; one within it is read.

use std::io::Write as _;

use serde_json::json;

use crate::support::http;
use crate::support::platform::IOS;
use crate::support::rest::registration;
use crate::support::server::Setup;

const LIMIT: usize = 2048;

#[test]
fn the_limit_is_exact_and_the_answer_is_json() {
    let server = Setup::new().set("OPENIM_LIMITS_REQUESTBODYBYTESMAX", LIMIT).start();
    let mut body = registration("alice", IOS);
    body["unknown"] = json!("");
    let padding = LIMIT - body.to_string().len();
    body["unknown"] = json!("x".repeat(padding + 1));
    assert_eq!(body.to_string().len(), LIMIT + 1);
    let answer = server.post("/auth/user_register", &body);
    assert_eq!(answer.status, 413, "{}", answer.text());
    let told = answer.json();
    assert!(told["errCode"].as_i64().is_some_and(|code| code != 0), "{told}");
    assert!(told["errMsg"].as_str().is_some_and(|text| !text.is_empty()), "{told}");
    body["unknown"] = json!("x".repeat(padding));
    let answer = server.post("/auth/user_register", &body);
    assert_eq!((answer.status, &answer.json()["errCode"]), (200, &json!(0)), "{}", answer.text());
}

#[test]
fn a_size_that_is_announced_is_answered_before_the_body_comes() {
    let server = Setup::new().set("OPENIM_LIMITS_REQUESTBODYBYTESMAX", LIMIT).start();
    let mut stream = http::dial(server.rest());
    let head = "POST /auth/user_token HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n{";
    stream.write_all(head.as_bytes()).expect("written");
    assert_eq!(http::read_answer(&mut stream).status, 413);
}
