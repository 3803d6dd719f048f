//! `/user/get_users_online_status`: for app servers, by the secret and without a token.

use serde_json::{Value, json};

use crate::support::SECRET;
use crate::support::platform::{IOS, WEB};
use crate::support::rest::{op, plain};
use crate::support::server::Server;

const ROUTE: &str = "/user/get_users_online_status";

#[track_caller]
fn status(server: &Server, uids: &[&str]) -> Value {
    let answer = server.post(ROUTE, &op(json!({"userIDList": uids, "secret": SECRET})));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!((&answer["errCode"], &answer["errMsg"]), (&json!(0), &json!("")), "{answer}");
    answer["successResult"].clone()
}

#[test]
fn online_users_have_their_platforms_and_the_others_none() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    server.register("bob", IOS);
    assert_eq!(status(&server, &["alice"]), json!([{"userID": "alice", "status": "offline"}]));
    let phone = server.connect(&alice);
    let web = server.connect(&server.login("alice", WEB));
    let seen = status(&server, &["nobody", "alice", "bob", "alice"]);
    let offline = |uid: &str| json!({"userID": uid, "status": "offline"});
    assert_eq!((&seen[0], &seen[2]), (&offline("nobody"), &offline("bob")), "{seen}");
    assert_eq!(seen.as_array().map(Vec::len), Some(3), "each once, in order");
    assert_eq!((&seen[1]["userID"], &seen[1]["status"]), (&json!("alice"), &json!("online")));
    let details = seen[1]["detailPlatformStatus"].as_array().expect("a list");
    for name in ["IOS", "Web"] {
        assert!(details.contains(&json!({"platform": name, "status": "online"})), "{seen}");
    }
    assert_eq!(details.len(), 2, "{seen}");
    phone.close();
    let left = json!([{"userID": "alice", "status": "online",
        "detailPlatformStatus": [{"platform": "Web", "status": "online"}]}]);
    assert_eq!(status(&server, &["alice"]), left);
    web.close();
    assert_eq!(status(&server, &["alice"]), json!([offline("alice")]));
    assert_eq!(status(&server, &[]), json!([]));
}

#[test]
fn a_wrong_secret_gets_401_and_bad_bodies_400() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let good = op(json!({"userIDList": ["alice"], "secret": SECRET}));
    for secret in ["wrong", "whole-server-test", "Whole-Server-Tests"] {
        let mut body = good.clone();
        body["secret"] = json!(secret);
        let answer = server.post_as(&alice.token, ROUTE, &body);
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.json(), plain(401, "secret failed"));
    }
    server.assert_binds(&alice, ROUTE, &good, &["operationID", "userIDList", "secret"]);
    let uids: Vec<String> = (0..200).map(|number| format!("user{number}")).collect();
    let uids: Vec<&str> = uids.iter().map(String::as_str).collect();
    assert_eq!(status(&server, &uids).as_array().map(Vec::len), Some(200));
    let many = op(json!({"userIDList": vec!["alice"; 201], "secret": SECRET}));
    assert_eq!(server.post(ROUTE, &many).status, 400);
}
