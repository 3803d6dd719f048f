//! REST requests of one address above the configured rate get 429, whoever asks; a second later there is room again.
//! Behind a trusted proxy the address that it forwards counts.

use std::time::{Duration, Instant};

use crate::support::http::{Answer, call};
use crate::support::server::{Server, Setup};
use crate::support::{PATIENCE, SECRET};

fn guess(server: &Server, headers: &[(&str, &str)]) -> Answer {
    let body = br#"{"secret": "guessed", "platform": 1, "uid": "alice"}"#;
    call(server.rest(), "POST", "/auth/user_token", headers, body)
}

#[test]
fn guessing_secrets_is_bounded() {
    let server = Setup::new().set("OPENIM_LIMITS_REQUESTSPERSECONDPERADDRESS", 3).start();
    let mut statuses = Vec::new();
    while statuses.len() < 100 && statuses.last() != Some(&429) {
        statuses.push(guess(&server, &[]).status);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert!(statuses[..statuses.len() - 1].iter().all(|status| *status == 400), "{statuses:?}");
    let good = format!(r#"{{"secret": "{SECRET}", "platform": 1, "uid": "bob", "name": "Bob"}}"#);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = call(server.rest(), "POST", "/auth/user_register", &[], good.as_bytes());
        if answer.status == 200 {
            return;
        }
        assert_eq!(answer.status, 429, "{}", answer.text());
        assert_eq!(answer.json()["errCode"], 500);
        assert!(Instant::now() < deadline, "there is room in another second");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn addresses_from_a_trusted_proxy_count_each_for_itself() {
    let server = Setup::new()
        .set("OPENIM_LIMITS_REQUESTSPERSECONDPERADDRESS", 1)
        .set("OPENIM_LIMITS_TRUSTEDPROXIES", "127.0.0.1,10.0.0.0/8")
        .start();
    for number in 1..30 {
        let forwarded = format!("6.6.6.6, 192.0.2.{number}, 10.0.0.{number}");
        assert_eq!(guess(&server, &[("X-Forwarded-For", &forwarded)]).status, 400, "{forwarded}");
    }
}

#[test]
fn the_description_of_the_routes_counts_too() {
    let server = Setup::new().set("OPENIM_LIMITS_REQUESTSPERSECONDPERADDRESS", 1).start();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match call(server.rest(), "GET", "/openapi.json", &[], b"").status {
            429 => return,
            status => assert_eq!(status, 200),
        }
        assert!(Instant::now() < deadline, "nothing was refused");
    }
}
