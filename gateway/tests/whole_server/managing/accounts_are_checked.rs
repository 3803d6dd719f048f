//! `/manager/account_check` says of each uid, in order, whether it is registered.

use serde_json::json;

use crate::support::platform::IOS;
use crate::support::rest::op;
use crate::support::server::Server;

#[test]
fn each_has_its_status_in_the_order_of_the_request() {
    let server = Server::start();
    server.register("alice", IOS);
    let asked = ["nobody", "alice", "ALICE", "openIM654321", "", "alice", "no body"];
    let body = op(json!({ "userIDList": asked }));
    let answer = server.ask_as(&server.manager(), "/manager/account_check", &body);
    let known = |uid: &str| ["alice", "openIM654321"].contains(&uid);
    let status = |uid: &str| if known(uid) { "registered" } else { "unregistered" };
    let result: Vec<_> =
        asked.iter().map(|uid| json!({"userID": uid, "accountStatus": status(uid)})).collect();
    assert_eq!(answer, json!({"errCode": 0, "errMsg": "", "result": result}));
}

#[test]
fn of_nobody_the_result_is_empty() {
    let server = Server::start();
    let body = op(json!({"userIDList": []}));
    let answer = server.ask_as(&server.manager(), "/manager/account_check", &body);
    assert_eq!(answer, json!({"errCode": 0, "errMsg": "", "result": []}));
}
