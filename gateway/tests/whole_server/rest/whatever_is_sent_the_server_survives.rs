//! Odd requests get an answer or a close; the next caller notices nothing.

use std::io::{Read, Write};

use serde_json::json;

use crate::support::http::{call, dial, read_answer};
use crate::support::platform::IOS;
use crate::support::server::Server;

#[test]
fn garbage_huge_and_half_requests_hurt_nobody() {
    let server = Server::start();
    for garbage in [
        &b"\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01",
        b"GET\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        &[0; 4096],
    ] {
        for address in [server.rest(), server.ws(), server.operator()] {
            let mut stream = dial(address);
            // The server may close before it has read everything.
            stream.write_all(garbage).ok();
            stream.shutdown(std::net::Shutdown::Write).ok();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).ok();
        }
    }
    let mut half = dial(server.rest());
    half.write_all(b"POST /auth/user_token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        .expect("sent");
    drop(half);
    let huge = json!({"secret": "x".repeat(3 << 20)}).to_string();
    let mut stream = dial(server.rest());
    let head = format!(
        "POST /auth/user_token HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        huge.len()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(huge.as_bytes()).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    if !answer.is_empty() {
        assert!(answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!(r#"{{"secret":"s","unknown":{deep}}}"#);
    assert!(call(server.rest(), "POST", "/auth/user_token", &[], nested.as_bytes()).status >= 400);
    server.register("alice", IOS);
}

#[test]
fn one_connection_serves_request_after_request() {
    let server = Server::start();
    let mut stream = dial(server.rest());
    for _ in 0..3 {
        stream
            .write_all(b"POST /auth/user_token HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            .expect("kept alive");
        assert_eq!(read_answer(&mut stream).status, 400);
    }
}
