//! `/manager/account_check` says of each uid, in order and once, whether it is registered.

use serde_json::json;

use crate::support::platform::IOS;
use crate::support::rest::op;
use crate::support::server::Server;

#[test]
fn each_has_its_status_in_the_order_of_the_request() {
    let server = Server::start();
    server.register("alice", IOS);
    let asked = ["nobody", "alice", "ALICE", "openIM654321", "", "no body"];
    let with_repeats = [&asked[..], &asked[..]].concat();
    let body = op(json!({ "userIDList": with_repeats }));
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
