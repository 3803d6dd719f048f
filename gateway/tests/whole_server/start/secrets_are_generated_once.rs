//! Without configured secrets the first start makes them, keeps them to the owner, says where, and later starts
//! use them again.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::engine::embedded_only;
use crate::support::server::Setup;

#[test]
fn secrets_are_private_and_outlive_a_restart() {
    if embedded_only("secrets of a cluster are set for all its processes, and none is made") {
        return;
    }
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

#[test]
fn a_secret_that_is_missing_beside_data_is_not_replaced() {
    if embedded_only("secrets of a cluster are set for all its processes, and none is made") {
        return;
    }
    let server =
        Setup::new().unset("OPENIM_SECRET").unset("OPENIM_TOKENPOLICY_ACCESSSECRET").start();
    let secret = fs::read_to_string(server.data_dir().join("secret")).expect("text");
    let body = json!({"secret": secret.trim(), "platform": 1, "uid": "alice", "name": "Alice"});
    assert_eq!(server.post("/auth/user_register", &body).status, 200);
    let data_dir = server.data_dir().to_owned();
    let setup = server.into_setup();
    for (name, key) in [("secret", "set secret"), ("access_secret", "tokenpolicy.accessSecret")] {
        let (file, aside) = (data_dir.join(name), data_dir.join("aside"));
        fs::rename(&file, &aside).expect("our own file");
        let path = file.to_str().expect("UTF-8");
        setup.clone().refused().assert_one_line_with(&[path, "is missing", "backup", key]);
        assert!(!file.exists(), "{path} was made anew");
        fs::rename(&aside, &file).expect("our own file");
    }
    drop(setup.start());
}
