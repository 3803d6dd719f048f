//! `/user/update_user_info` says why a token is refused (REST 2.3), after the body and before the operation.

use serde_json::json;

use crate::support::platform::IOS;
use crate::support::rest::{listed, op, plain};
use crate::support::server::Server;

const ROUTE: &str = "/user/update_user_info";

#[test]
fn every_reason_has_its_text_and_nothing_changes() {
    let server = Server::start();
    server.register("alice", IOS);
    let change = op(json!({"name": "changed"}));
    let refused = |answer: crate::support::http::Answer, reason: &str| {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json(), plain(200, reason));
    };
    refused(server.post(ROUTE, &change), "that's not even a token");
    for (token, reason) in server.bad_tokens("alice") {
        refused(server.post_as(&token, ROUTE, &change), reason);
        // The token is looked at before the length of what it would change.
        refused(server.post_as(&token, ROUTE, &op(json!({"name": "n".repeat(65)}))), reason);
    }
    let ask = op(json!({"uidList": ["alice"]}));
    let answer = server.post("/user/get_user_info", &ask).json();
    assert_eq!(listed(&answer, "name"), ["name of alice"]);
}

#[test]
fn the_body_is_looked_at_before_the_token() {
    let server = Server::start();
    let mut alice = server.register("alice", IOS);
    let good = op(json!({"name": "changed"}));
    server.assert_binds(&alice, ROUTE, &good, &["operationID"]);
    alice.token = "garbage".to_owned();
    server.assert_binds(&alice, ROUTE, &good, &["operationID"]);
    for wrong in [json!({"name": 1}), json!({"gender": "1"}), json!({"gender": 1.0})] {
        let answer = server.post_as(&alice.token, ROUTE, &op(wrong.clone()));
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
    }
}
