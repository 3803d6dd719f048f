//! Whoever gives several wrong secrets waits longer each time; the right one of another address does not, and that of
//! the same address is accepted after its wait. Where so many wait that calls are refused, a line says so.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::platform::IOS;
use crate::support::server::{Server, Setup};
use crate::support::{ACCESS_SECRET, PATIENCE, SECRET, http};

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

#[test]
fn an_address_that_is_refused_for_its_crowd_is_named_once() {
    let server = Setup::new()
        .set("OPENIM_GATEWAY_SHARDS", 1)
        .allow("logins from this address are refused")
        .start();
    server.register("alice", IOS);
    let body = json!({"secret": "wrong", "platform": IOS, "uid": "alice"}).to_string();
    let request = format!(
        "POST /auth/user_token HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut guessing = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    // Calls that wait are never taken back: with each the crowd grows.
    while !server.log().iter().any(|line| line.contains("limits.trustedProxies")) {
        assert!(Instant::now() < deadline, "nobody is told");
        let mut stream = http::dial(server.rest());
        stream.write_all(request.as_bytes()).expect("the server reads");
        guessing.push(stream);
        std::thread::sleep(Duration::from_millis(20));
    }
    let line = server.logged(&["WARN", "limits.trustedProxies"]);
    assert!(line.contains("127.0.0.1"), "{line}");
    let told = server.log().iter().filter(|line| line.contains("limits.trustedProxies")).count();
    assert_eq!(told, 1);
}
