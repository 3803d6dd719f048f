//! Tokens, secrets and message bodies are never logged, at whatever level.

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::rest::registration;
use crate::support::server::Setup;
use crate::support::{ACCESS_SECRET, SECRET};

#[test]
fn the_most_talkative_log_holds_no_token_secret_or_content() {
    let mut server = Setup::new().set("OPENIM_LOG_LEVEL", "trace").start();
    let mut alice = server.newcomer("alice");
    let bob = server.register("bob", IOS);
    alice.say("bob", "m1", "a-very-private-content");
    server.rest_send(&bob, "alice", "m2", "a-very-private-content");
    alice.push();
    alice.inbox();
    let mut foreign = alice.envelope(1001, &Value::Null);
    foreign["token"] = json!(bob.token);
    alice.ask(&foreign);
    server.post("/auth/user_register", &registration("alice", IOS));
    let mut wrong = registration("carol", IOS);
    wrong["secret"] = json!("a-wrong-secret");
    server.post("/auth/user_register", &wrong);
    let mut other = bob.clone();
    other.uid = "alice".to_owned();
    assert_eq!(server.refusal(&other), 401);
    let tokens = [alice.user.token.clone(), bob.token];
    alice.close();
    server.kill();
    for line in server.log() {
        for secret in [
            SECRET,
            ACCESS_SECRET,
            "a-wrong-secret",
            "a-very-private-content",
            &tokens[0],
            &tokens[1],
        ] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}
