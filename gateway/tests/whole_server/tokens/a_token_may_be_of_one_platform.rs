//! `policy.tokenPlatform: strict`: a token opens links, speaks in frames and sends over REST on the platform it was
//! issued for only. Without it a token is good on all of them.

use serde_json::{Value, json};

use crate::support::platform::{ANDROID, IOS, WEB};
use crate::support::rest::{User, send_body};
use crate::support::server::{Server, Setup};
use crate::support::{ACCESS_SECRET, jwt};

fn on(user: &User, platform: i64) -> User {
    User { platform, ..user.clone() }
}

fn sent(server: &Server, user: &User) -> Value {
    let body = send_body(user, "bob", &format!("m{}", user.platform), "hello");
    server.post_as(&user.token, "/chat/send_msg", &body).json()
}

#[test]
fn strict_holds_for_links_frames_and_rest() {
    let server = Setup::new().set("OPENIM_POLICY_TOKENPLATFORM", "strict").start();
    let alice = server.register("alice", IOS);
    for platform in 2..=7 {
        assert_eq!(server.refusal(&on(&alice, platform)), 401, "{platform}");
        assert_eq!(sent(&server, &on(&alice, platform))["errCode"], 400, "{platform}");
    }
    assert_eq!(sent(&server, &alice)["errCode"], 0);
    let mut link = server.connect(&alice);
    assert_eq!(link.newest(), 1);
    // Another good token of the same user, for another platform, in a frame.
    let web = server.login("alice", WEB);
    let mut envelope = link.envelope(1001, &Value::Null);
    envelope["token"] = json!(web.token);
    assert_eq!(link.ask(&envelope)["errCode"], 202);
    assert_eq!(link.newest(), 1, "the link itself stays");
    // A request that names no platform.
    let ask = json!({"reqIdentifier": 1001, "sendID": "alice", "operationID": "op", "msgIncr": 1});
    assert_eq!(server.post_as(&web.token, "/chat/newest_seq", &ask).json()["errCode"], 0);
    // Of an issuer that names a platform nobody knows.
    let token = jwt::sign(ACCESS_SECRET, jwt::HS256, &jwt::claims("alice", "Toaster", 0, 600));
    assert_eq!(server.refusal(&User { token, ..alice.clone() }), 401);
}

#[test]
fn by_default_a_token_is_good_everywhere() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    for (sent_before, platform) in (0..).zip([IOS, ANDROID, WEB]) {
        let user = on(&alice, platform);
        assert_eq!(server.connect(&user).newest(), sent_before, "{platform}");
        assert_eq!(sent(&server, &user)["errCode"], 0, "{platform}");
    }
}

/// A clock that was set back a little, or the clock of another issuer.
#[test]
fn a_token_from_a_minute_ahead_is_good() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    for (ahead, good) in [(30, true), (600, false)] {
        let claims = jwt::claims("alice", "IOS", -ahead, 3_600);
        let token = jwt::sign(ACCESS_SECRET, jwt::HS256, &claims);
        let user = User { token, ..alice.clone() };
        match good {
            true => drop(server.connect(&user)),
            false => assert_eq!(server.refusal(&user), 401, "{ahead}"),
        }
    }
}
