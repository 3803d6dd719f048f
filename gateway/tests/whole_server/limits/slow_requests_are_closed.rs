//! A head has its time, a body must make progress, and neither has to do with how long an idle connection is kept.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::http::{dial, read_answer};
use crate::support::server::Setup;

const REQUEST: &[u8] = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends `drip` again and again until the server ends the connection; what it answered.
#[track_caller]
fn drip_to_the_end(stream: &mut TcpStream, drip: &[u8]) -> Vec<u8> {
    let deadline = Instant::now() + PATIENCE;
    stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a non-zero time-out");
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        assert!(Instant::now() < deadline, "still open");
        stream.write_all(drip).ok();
        match stream.read(&mut chunk) {
            Ok(0) => return answer,
            Ok(count) => answer.extend_from_slice(&chunk[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return answer,
        }
    }
}

#[test]
fn heads_and_bodies_that_drip_are_ended_while_idle_connections_stay() {
    let server = Setup::new()
        .set("OPENIM_LIMITS_HEADSECONDS", 1)
        .set("OPENIM_LIMITS_BODYSECONDS", 1)
        .start();
    let mut idle = dial(server.rest());
    idle.write_all(REQUEST).expect("the server reads");
    assert_eq!(read_answer(&mut idle).status, 404);
    let mut silent = dial(server.rest());
    assert_eq!(drip_to_the_end(&mut silent, b""), b"");
    let mut head = dial(server.rest());
    head.write_all(b"GET /nothing HTTP/1.1\r\n").expect("the server reads");
    assert_eq!(drip_to_the_end(&mut head, b"X: y\r\n"), b"");
    // The second request of a connection has no more time for its head.
    let mut second = dial(server.rest());
    second.write_all(REQUEST).expect("the server reads");
    assert_eq!(read_answer(&mut second).status, 404);
    assert_eq!(drip_to_the_end(&mut second, b"G"), b"");
    let mut body = dial(server.rest());
    body.write_all(b"POST /auth/user_token HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        .expect("the server reads");
    let answer = drip_to_the_end(&mut body, b" ");
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    idle.write_all(REQUEST).expect("the server reads");
    assert_eq!(read_answer(&mut idle).status, 404, "it has its keep-alive time");
}

#[test]
fn a_large_body_at_a_fair_pace_is_read() {
    let server = Setup::new().set("OPENIM_LIMITS_BODYSECONDS", 1).start();
    let mut stream = dial(server.rest());
    let parts = 12;
    let head = format!(
        "POST /auth/user_token HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        parts * 16 * 1024
    );
    stream.write_all(head.as_bytes()).expect("the server reads");
    for _ in 0..parts {
        stream.write_all(&[b' '; 16 * 1024]).expect("the server reads");
        std::thread::sleep(Duration::from_millis(250));
    }
    assert_eq!(read_answer(&mut stream).status, 400, "read whole, and no JSON");
}
