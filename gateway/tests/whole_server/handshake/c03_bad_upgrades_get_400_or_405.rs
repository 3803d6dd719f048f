//! C03: a known caller with a wrong upgrade gets 400, with a wrong method 405.

use crate::support::platform::IOS;
use crate::support::raw::{UPGRADE, upgrade};
use crate::support::server::Server;

#[test]
fn c03_each_missing_piece_of_the_upgrade_is_answered_with_its_status() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let target = format!("/{}", alice.query());
    let without = |name: &str| -> Vec<(&str, &str)> {
        UPGRADE.iter().filter(|(key, _)| *key != name).copied().collect()
    };
    let with = |name: &'static str, value: &'static str| {
        let mut headers = without(name);
        headers.push((name, value));
        headers
    };
    let cases = [
        ("GET", Vec::new(), 400),
        ("GET", without("Connection"), 400),
        ("GET", without("Upgrade"), 400),
        ("GET", without("Sec-WebSocket-Key"), 400),
        ("GET", with("Sec-WebSocket-Key", ""), 400),
        ("GET", without("Sec-WebSocket-Version"), 400),
        ("GET", with("Sec-WebSocket-Version", "12"), 400),
        ("POST", UPGRADE.to_vec(), 405),
        ("GET", UPGRADE.to_vec(), 101),
    ];
    for (method, headers, status) in cases {
        let answer = upgrade(server.ws(), method, &target, &headers);
        assert_eq!(answer.status, status, "{method} {headers:?}");
        if status != 101 {
            assert_eq!(answer.header("sec-websocket-version"), Some("13"), "{method} {headers:?}");
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
        let body = match status {
            400 => "Bad Request\n",
            405 => "Method Not Allowed\n",
            _ => continue,
        };
        assert_eq!(answer.text(), body);
    }
}
