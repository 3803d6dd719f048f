//! Browsers of any origin may call: the same six headers on every answer but the redirect.

use serde_json::json;

use crate::support::http::{Answer, call};
use crate::support::platform::IOS;
use crate::support::rest::registration;
use crate::support::server::Server;

const CORS: [(&str, &str); 6] = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "*"),
    ("Access-Control-Allow-Headers", "*"),
    (
        "Access-Control-Expose-Headers",
        "Content-Length, Access-Control-Allow-Origin, Access-Control-Allow-Headers,Cache-Control,\
         Content-Language,Content-Type,Expires,Last-Modified,Pragma,FooBar",
    ),
    ("Access-Control-Max-Age", "172800"),
    ("Access-Control-Allow-Credentials", "false"),
];

#[track_caller]
fn assert_cors(answer: &Answer) {
    for (name, value) in CORS {
        assert_eq!(answer.header(name), Some(value), "{name} in {answer:?}");
    }
}

#[test]
fn answers_good_and_bad_have_the_headers_and_the_exact_content_type() {
    let server = Server::start();
    let good = server.post("/auth/user_register", &registration("alice", IOS));
    let bad = server.post("/auth/user_register", &json!({}));
    let duplicate = server.post("/auth/user_register", &registration("alice", IOS));
    let no_token = server.post(
        "/chat/newest_seq",
        &json!({"reqIdentifier": 1001, "sendID": "alice", "operationID": "o", "msgIncr": 1}),
    );
    for (answer, status) in [(good, 200), (bad, 400), (duplicate, 500), (no_token, 400)] {
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_cors(&answer);
    }
    assert_cors(&call(server.rest(), "GET", "/nowhere", &[], b""));
}

#[test]
fn options_is_answered_on_any_path() {
    let server = Server::start();
    for path in ["/auth/user_register", "/chat/send_msg", "/nowhere", "/"] {
        let answer =
            call(server.rest(), "OPTIONS", path, &[("Origin", "https://elsewhere.example")], b"");
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "\"Options Request!\""),
            "{path}"
        );
        assert_cors(&answer);
    }
}
