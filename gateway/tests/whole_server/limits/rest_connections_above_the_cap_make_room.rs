//! At the configured number of REST connections, one that waits for its client makes room for the next, who has waited for
//! longest first; if the server works for all of them, the next gets 503 at once.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::http::{dial, read_answer};
use crate::support::platform::IOS;
use crate::support::rest::{User, send_body};
use crate::support::server::{Server, Setup};

const REQUEST: &[u8] = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";

fn capped(connections: usize) -> Setup {
    Setup::new()
        .set("OPENIM_GATEWAY_SHARDS", 1)
        .set("OPENIM_LIMITS_RESTCONNECTIONSMAX", connections)
}

/// Asks on an open connection and expects to be served.
#[track_caller]
fn ask(stream: &mut TcpStream) {
    stream.write_all(REQUEST).expect("the server reads");
    assert_eq!(read_answer(stream).status, 404, "served and kept open");
}

/// Whether the server has closed a connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).expect("a non-zero time-out");
    match stream.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn the_longest_idle_goes_for_the_next() {
    let server = capped(3).start();
    let mut idle: Vec<TcpStream> = (0..3).map(|_| dial(server.rest())).collect();
    idle.iter_mut().for_each(ask);
    // The first has asked again meanwhile: now the second has waited for longest.
    ask(&mut idle[0]);
    ask(&mut dial(server.rest()));
    assert!(is_closed(&mut idle[1]));
    ask(&mut idle[0]);
    ask(&mut idle[2]);
}

#[test]
fn silent_and_half_sent_requests_keep_nobody_out() {
    let server = capped(8).start();
    let beginnings: [&[u8]; 5] = [
        b"",
        b"POST /auth/user_tok",
        b"POST /auth/user_token HTTP/1.1\r\nHost: x\r\n",
        b"POST /auth/user_token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
        b"POST /auth/user_token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"secret\": ",
    ];
    let mut crowd = Vec::new();
    for round in 0..20 {
        for beginning in beginnings {
            let mut stream = dial(server.rest());
            stream.write_all(beginning).expect("the system takes it");
            crowd.push(stream);
        }
        server.register(&format!("user{round}"), IOS);
    }
    assert!(is_closed(&mut crowd[0]), "the first made room long ago");
}

#[test]
fn unread_answers_keep_nobody_out() {
    let server = capped(4).start();
    let mut crowd = Vec::new();
    for round in 0..6 {
        for _ in 0..4 {
            let mut stream = narrow(&server);
            // More than the socket's buffers take, all asked at once.
            stream.write_all(&b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(80)).ok();
            crowd.push(stream);
        }
        server.register(&format!("user{round}"), IOS);
    }
}

/// A connection that takes little before it must be read.
fn narrow(server: &Server) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    socket.set_recv_buffer_size(8 * 1024).expect("a small buffer");
    socket.connect(&server.rest().into()).expect("the server accepts");
    socket.into()
}

#[test]
fn while_the_server_works_for_all_the_next_gets_503() {
    let setup = capped(2).allow("stall").allow("log").set("OPENIM_LIMITS_SENDTIMEOUTMS", 20_000);
    let stall = setup.path("stall");
    let server = setup.set("OPENIM_TEST_STALL_FILE", stall.display()).start();
    let alice = server.register("alice", IOS);
    std::fs::write(&stall, "").expect("written");
    let mut working: Vec<TcpStream> = (0..2).map(|n| send(&server, &alice, n)).collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut next = dial(server.rest());
        next.write_all(REQUEST).ok();
        let answer = read_answer(&mut next);
        if answer.status == 503 {
            assert_eq!(answer.json()["errCode"], 500, "{}", answer.text());
            break;
        }
        assert!(Instant::now() < deadline, "the sends are under way: {}", answer.status);
        std::thread::sleep(Duration::from_millis(50));
    }
    std::fs::remove_file(&stall).expect("written above");
    for stream in &mut working {
        let answer = read_answer(stream);
        assert_eq!(answer.json()["errCode"], 0, "who was in is answered: {}", answer.text());
    }
}

/// Asks for a send, which waits for the log.
fn send(server: &Server, from: &User, number: usize) -> TcpStream {
    let body = send_body(from, "bob", &format!("message{number}"), "hello").to_string();
    let mut stream = dial(server.rest());
    let head = format!(
        "POST /chat/send_msg HTTP/1.1\r\nHost: x\r\ntoken: {}\r\nContent-Length: {}\r\n\r\n{body}",
        from.token,
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("the server reads");
    stream
}

#[test]
fn connections_of_one_address_are_bounded() {
    let server = Setup::new().set("OPENIM_LIMITS_CONNECTIONSPERADDRESS", 2).start();
    let mut kept: Vec<TcpStream> = (0..2).map(|_| dial(server.rest())).collect();
    kept.iter_mut().for_each(ask);
    let mut third = dial(server.rest());
    third.write_all(REQUEST).ok();
    assert_eq!(read_answer(&mut third).status, 503);
    ask(&mut kept[0]);
    drop(kept);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut next = dial(server.rest());
        next.write_all(REQUEST).ok();
        match read_answer(&mut next).status {
            404 => return,
            status => assert_eq!(status, 503),
        }
        assert!(Instant::now() < deadline, "those who left make room");
        std::thread::sleep(Duration::from_millis(20));
    }
}
