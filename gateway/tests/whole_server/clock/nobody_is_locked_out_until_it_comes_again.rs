//! Tokens that were ended while the clock was ahead, by less than is doubted: the user logs in again at once, and not
//! when the clock gets there for the second time.

use serde_json::json;

use super::{figure, shift, wrong_clock};
use crate::support::engine::embedded_only;
use crate::support::jwt::{now, read_claims};
use crate::support::platform::{IOS, WEB};
use crate::support::rest::{User, op, send_body};
use crate::support::server::Server;

/// Believed, and long.
const AHEAD_S: i64 = 20 * 3_600;

#[test]
fn after_a_forced_logout_a_ban_or_a_deletion() {
    if embedded_only("times are those of the log, whose clock is the brokers'") {
        return;
    }
    let (setup, clock) = wrong_clock();
    shift(&clock, AHEAD_S);
    let mut server = setup.start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    let carol = server.register("carol", IOS);
    let ahead = read_claims(&alice.token)["iat"].as_i64().expect("a time") - now();
    assert!(ahead > AHEAD_S / 2, "it is believed: {ahead}");
    server.connect(&server.login("alice", WEB)).close();
    shift(&clock, 0);
    server.restart();
    assert_eq!(figure(&server, "openim_clock_in_doubt"), 0.0);

    let manager = server.manager();
    let act = |server: &Server, route: &str, uid: &str| {
        server.done_as(&manager, route, &op(json!({"uid": uid, "reason": "a test"})));
    };
    for _ in 0..2 {
        act(&server, "/manager/force_logout", "alice");
        act(&server, "/manager/ban_user", "bob");
        act(&server, "/manager/unban_user", "bob");
        for old in [&alice, &bob] {
            assert_eq!(server.refusal(old), 401);
        }
        for platform in [IOS, WEB] {
            works(&mut server, "alice", platform);
        }
        works(&mut server, "bob", IOS);
    }
    let ended = server.login("alice", IOS);
    act(&server, "/manager/force_logout", "alice");
    assert_eq!(server.refusal(&ended), 401, "and an end is an end");

    server.done_as(&manager, "/manager/delete_user", &op(json!({"deleteUidList": ["carol"]})));
    let again = server.register("carol", IOS);
    assert_eq!(server.refusal(&carol), 401);
    assert_eq!(server.connect(&again).newest(), 0);
}

/// A new token opens a link and calls, also after a restart.
fn works(server: &mut Server, uid: &str, platform: i64) {
    let user: User = server.login(uid, platform);
    for _ in 0..2 {
        server.connect(&user).close();
        let send = send_body(&user, "dave", &format!("{uid} {platform}"), "hello");
        let answer = server.post_as(&user.token, "/chat/send_msg", &send).json();
        assert_eq!(answer["errCode"], 0, "{answer}");
        server.restart();
    }
}
