//! Every route is POST; anything else is not found, and a slash too many is a redirect.

use serde_json::json;

use crate::support::http::call;
use crate::support::server::Server;

#[test]
fn other_methods_and_paths_get_404() {
    let server = Server::start();
    for (method, path) in [
        ("GET", "/auth/user_register"),
        ("PUT", "/auth/user_token"),
        ("DELETE", "/chat/send_msg"),
        ("GET", "/"),
        ("POST", "/"),
        ("POST", "/nowhere"),
        ("POST", "/auth"),
        ("POST", "/AUTH/user_token"),
        ("GET", "/metrics"),
    ] {
        let answer = call(server.rest(), method, path, &[], b"");
        assert_eq!(answer.status, 404, "{method} {path}");
        assert_eq!(answer.text(), "404 page not found", "{method} {path}");
        assert!(
            answer.header("content-type").is_some_and(|value| value.starts_with("text/plain")),
            "{answer:?}"
        );
    }
}

#[test]
fn a_slash_too_many_is_redirected_without_cors_headers() {
    let server = Server::start();
    let body = json!({"secret": "s"}).to_string();
    for path in ["/auth/user_register", "/chat/pull_msg"] {
        let answer = call(server.rest(), "POST", &format!("{path}/"), &[], body.as_bytes());
        assert_eq!(answer.status, 307, "{answer:?}");
        assert_eq!(answer.header("location"), Some(path));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[test]
fn a_query_does_not_change_the_route() {
    let server = Server::start();
    let answer = call(server.rest(), "POST", "/auth/user_token?x=1", &[], b"{}");
    assert_eq!((answer.status, &answer.json()["errCode"]), (400, &json!(400)));
}
