//! Whoever gives several wrong secrets waits longer each time; the right one of another address does not, and that of
//! the same address is accepted after its wait.

use serde_json::{Value, json};

use crate::support::http;
use crate::support::platform::IOS;
use crate::support::server::{Server, Setup};
use crate::support::{ACCESS_SECRET, SECRET};

fn login_from(server: &Server, address: &str, secret: &str) -> Value {
    let body = json!({"secret": secret, "platform": IOS, "uid": "alice"}).to_string();
    let forwarded = [("X-Forwarded-For", address)];
    http::call(server.rest(), "POST", "/auth/user_token", &forwarded, body.as_bytes()).json()
}

fn slowed(server: &Server) -> u64 {
    let text = http::call(server.operator(), "GET", "/metrics", &[], b"").text();
    let sample = text.lines().find_map(|line| line.strip_prefix("openim_secrets_slowed_total "));
    sample.expect("the counter").parse().expect("a number")
}

#[test]
fn by_address_and_never_shut_out() {
    let server = Setup::new()
        .set("OPENIM_LIMITS_TRUSTEDPROXIES", "127.0.0.1")
        .set("OPENIM_GATEWAY_SHARDS", 1)
        .start();
    server.register("alice", IOS);
    for _ in 0..5 {
        assert_eq!(login_from(&server, "192.0.2.1", "wrong")["errCode"], 401);
    }
    assert_eq!(slowed(&server), 0, "slips are free");
    assert_eq!(login_from(&server, "192.0.2.1", ACCESS_SECRET)["errCode"], 401);
    assert_eq!(slowed(&server), 1);
    assert_eq!(login_from(&server, "192.0.2.2", SECRET)["errCode"], 0);
    assert_eq!(slowed(&server), 1, "another address does not wait");
    assert_eq!(login_from(&server, "192.0.2.1", SECRET)["errCode"], 0, "late, but in");
    assert_eq!(slowed(&server), 2);
}
