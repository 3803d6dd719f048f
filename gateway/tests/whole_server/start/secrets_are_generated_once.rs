//! Without configured secrets the first start makes them, keeps them to the owner, says where, and later starts
//! use them again.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::server::Setup;

#[test]
fn secrets_are_private_and_outlive_a_restart() {
    let mut server =
        Setup::new().unset("OPENIM_SECRET").unset("OPENIM_TOKENPOLICY_ACCESSSECRET").start();
    let read = |name: &str| {
        let path = server.data_dir().join(name);
        let mode = fs::metadata(&path).expect("the file is there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
        fs::read_to_string(path).expect("text").trim().to_owned()
    };
    let (secret, access_secret) = (read("secret"), read("access_secret"));
    assert!(
        secret.len() >= 16 && secret.len() <= 32,
        "long enough to be safe, short enough for the wire"
    );
    assert!(access_secret.len() >= 32);
    let said = server.banner().iter().any(|line| line.contains("data/secret"));
    assert!(said, "it says where the secrets are");
    let body = json!({"secret": secret, "platform": 1, "uid": "alice", "name": "Alice"});
    let answer = server.post("/auth/user_register", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let token = answer.json()["data"]["token"].as_str().expect("a token").to_owned();
    server.restart();
    let ask = json!({"reqIdentifier": 1001, "sendID": "alice", "operationID": "op", "msgIncr": 1});
    assert_eq!(
        server.post_as(&token, "/chat/newest_seq", &ask).status,
        200,
        "the token is still good"
    );
    let again =
        server.post("/auth/user_token", &json!({"secret": secret, "platform": 1, "uid": "alice"}));
    assert_eq!(again.status, 200, "the secret is still good");
}
