//! C01: three parameters and a valid token open a websocket on any path, with any origin, with nothing negotiated.

use crate::support::platform::IOS;
use crate::support::raw::{UPGRADE, upgrade};
use crate::support::server::Server;

#[test]
fn c01_any_path_and_any_origin_get_101_without_extension_or_subprotocol() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    for path in ["/", "/ws", "/a/b/c", "/auth/user_register"] {
        let mut headers = UPGRADE.to_vec();
        headers.push(("Origin", "https://elsewhere.example"));
        headers.push(("Sec-WebSocket-Protocol", "chat, superchat"));
        headers.push(("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"));
        let answer = upgrade(server.ws(), "GET", &format!("{path}{}", alice.query()), &headers);
        assert_eq!(answer.status, 101, "{path}: {answer:?}");
        assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(
            answer.header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
        );
        assert!(
            answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade"))
        );
        assert_eq!(answer.header("sec-websocket-extensions"), None);
        assert_eq!(answer.header("sec-websocket-protocol"), None);
    }
}

/// The published clients use the empty path, put the parameters in any order, and send headers in their own spelling.
#[test]
fn c01_parameters_come_in_any_order_and_headers_in_any_case() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let headers = [
        ("CONNECTION", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("SEC-WEBSOCKET-KEY", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let target =
        format!("/?extra=1&platformID=1&token={}&sendID=alice&sendID=somebody", alice.token);
    let answer = upgrade(server.ws(), "GET", &target, &headers);
    assert_eq!(answer.status, 101, "the first of repeated values wins: {answer:?}");
}
