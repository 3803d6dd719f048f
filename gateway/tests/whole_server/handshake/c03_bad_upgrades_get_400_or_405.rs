//! C03: a known caller with a wrong upgrade gets 400, with a wrong method 405.

use std::io::Write as _;

use crate::support::http::{dial, read_answer};
use crate::support::platform::IOS;
use crate::support::raw::{UPGRADE, upgrade};
use crate::support::server::Server;

#[test]
fn heads_that_could_be_read_in_two_ways_get_400() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let target = format!("/{}", alice.query());
    let fields = |fields: &[(&str, &str)]| -> String {
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
    };
    let good = format!("Host: a\r\n{}", fields(&UPGRADE));
    let keyless = format!("Host: a\r\n{}", fields(&UPGRADE[..3]));
    let key =
        |key: &str| format!("GET {target} HTTP/1.1\r\n{keyless}Sec-WebSocket-Key: {key}\r\n\r\n");
    let with = |more: &str| format!("GET {target} HTTP/1.1\r\n{good}{more}\r\n");
    for head in [
        with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        key("dGhlIHNhbXBsZSBub25jZQ="),
        key("dGhlIHNhbXBsZSBub25jZQ==="),
        key("dGhlIHNhbXBsZSBub25jZQA="),
        key("this is no base64 at all"),
        with("").replace("\r\n", "\n"),
        with("X: a\nY: b\r\n"),
        with("").replace("HTTP/1.1", "HTTP/1.0"),
        with("Host: b\r\n"),
        with("Upgrade: websocket\r\n"),
        with("Sec-WebSocket-Version: 13\r\n"),
        with("X: a\r\n b\r\n"),
        with("X: a\0b\r\n"),
        with("X : a\r\n"),
        with("Content-Length: 4\r\n"),
        with("Transfer-Encoding: chunked\r\n"),
        with("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
    ] {
        let mut stream = dial(server.ws());
        stream.write_all(head.as_bytes()).expect("the server listens");
        let answer = read_answer(&mut stream);
        assert_eq!((answer.status, answer.text()), (400, "Bad Request\n".to_owned()), "{head:?}");
    }
    let long = with("").replace("GET /", &format!("GET /{}", "x".repeat(9000)));
    let mut stream = dial(server.ws());
    stream.write_all(long.as_bytes()).expect("the server listens");
    assert_eq!(read_answer(&mut stream).status, 431);
    let absolute = with("").replace("GET /", "GET http://im.example/");
    let mut stream = dial(server.ws());
    stream.write_all(absolute.as_bytes()).expect("the server listens");
    assert_eq!(read_answer(&mut stream).status, 101, "a server must take these targets");
}

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
