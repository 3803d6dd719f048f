//! Issuing a token supersedes the older one of its class, within the same second too: everywhere and at once.

use serde_json::{Value, json};

use crate::support::platform::{ANDROID, IOS};
use crate::support::rest::send_body;
use crate::support::server::Server;

#[test]
fn connect_frames_and_rest_refuse_the_older_token() {
    let server = Server::start();
    let old = server.register("alice", IOS);
    let new = server.login("alice", IOS);
    assert_eq!(server.refusal(&old), 401);
    let mut link = server.connect(&new);
    let mut envelope = link.envelope(1001, &Value::Null);
    envelope["token"] = json!(old.token);
    let reply = link.ask(&envelope);
    assert_eq!(
        (&reply["errCode"], &reply["errMsg"]),
        (&json!(202), &json!("token validate err")),
        "{reply}"
    );
    let answer =
        server.post_as(&old.token, "/chat/send_msg", &send_body(&old, "bob", "m", "hello"));
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.json(), json!({"errCode": 400, "errMsg": "token validate err"}));
    assert_eq!(link.newest(), 0, "nothing was sent, and the link is good with its own token");
}

#[test]
fn it_stays_superseded_after_kill_and_restart() {
    let mut server = Server::start();
    let old = server.register("alice", IOS);
    let new = server.login("alice", ANDROID);
    server.restart();
    assert_eq!(server.refusal(&old), 401);
    assert_eq!(server.connect(&new).newest(), 0);
}
