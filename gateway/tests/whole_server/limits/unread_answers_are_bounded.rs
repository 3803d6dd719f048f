//! Whoever asks for much over REST and reads none of it: the answers under way stay under their bound, so does the memory of
//! the process, and others are answered.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use socket2::{Domain, Socket, Type};

use super::metric;
use crate::support::platform::IOS;
use crate::support::rest::{listed, op, registration};
use crate::support::server::{Server, Setup};
use crate::support::{PATIENCE, http};

const BOUND: u64 = 4 << 20;
const USERS: usize = 300;
const CLIENTS: usize = 150;

fn resident_bytes(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).expect("kB") * 1024
}

/// A client that asks again and again and never reads.
fn greedy(server: &Server, request: &[u8]) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
    socket.connect(&server.rest().into()).expect("the server accepts");
    let mut stream = TcpStream::from(socket);
    stream.set_nonblocking(true).expect("a socket of our own");
    // What the system takes: the answers to these are more than all buffers between.
    for _ in 0..40 {
        if stream.write_all(request).is_err() {
            break;
        }
    }
    stream
}

/// Asks and reads: whether the answer came whole. While others take all the room it may come late, or not.
fn is_served(server: &Server, request: &str) -> bool {
    let mut stream = http::dial(server.rest());
    let head = request.replacen("Host: x\r\n", "Host: x\r\nConnection: close\r\n", 1);
    let mut answer = Vec::new();
    if stream.write_all(head.as_bytes()).is_err() || stream.read_to_end(&mut answer).is_err() {
        return false;
    }
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).unwrap_or_default();
    assert!(matches!(status, "200" | "500" | "503" | ""), "{status}");
    status == "200" && text.ends_with("\r\n0\r\n\r\n") && text.matches("\"uid\":").count() == USERS
}

#[test]
fn the_sum_of_answers_holds_and_others_are_served() {
    let server = Setup::new()
        .set("OPENIM_LIMITS_RESTANSWERSBYTESMAX", BOUND)
        .set("OPENIM_LIMITS_WRITESTALLSECONDS", 600)
        .set("OPENIM_POLICY_PUBLICPROFILE", true)
        .start();
    let uids: Vec<String> = (0..USERS).map(|number| format!("user{number}")).collect();
    for uid in &uids {
        let mut body = registration(uid, IOS);
        body["ex"] = json!("x".repeat(1000));
        assert_eq!(server.post("/auth/user_register", &body).status, 200);
    }
    let body = op(json!({ "uidList": uids })).to_string();
    let request = format!(
        "POST /user/get_user_info HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let before = resident_bytes(&server);
    let mut crowd = Vec::new();
    let deadline = Instant::now() + 3 * PATIENCE;
    let mut served = 0;
    let mut largest = (0, 0);
    while served < 5 {
        if crowd.len() < CLIENTS {
            crowd.extend((0..CLIENTS / 5).map(|_| greedy(&server, request.as_bytes())));
        }
        if is_served(&server, &request) {
            served += 1;
        }
        assert!(Instant::now() < deadline, "others are served; so far {served}");
        let under_way = metric::sum(&server, "openim_rest_answer_bytes");
        assert!(under_way <= BOUND, "{under_way} bytes under way");
        let grown = resident_bytes(&server).saturating_sub(before);
        largest = (largest.0.max(under_way), largest.1.max(grown));
        std::thread::sleep(Duration::from_millis(50));
    }
    eprintln!("most bytes under way {}, process grew by {}", largest.0, largest.1);
    assert!(largest.0 > 0, "answers were under way");
    assert!(largest.1 < 48 << 20, "the process grew by {} bytes", largest.1);
    drop(crowd);
    metric::reaches(&server, "openim_rest_answer_bytes", 0);
}

#[test]
fn an_id_that_is_named_a_thousand_times_is_answered_once() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let manager = server.manager();
    let uids = vec!["alice"; 1000];
    let answer = server.post("/user/get_user_info", &op(json!({ "uidList": uids }))).json();
    assert_eq!(listed(&answer, "uid"), ["alice"]);
    let body = op(json!({ "userIDList": uids[..100] }));
    let answer = server.done_as(&manager, "/manager/account_check", &body);
    let one = json!([{"userID": "alice", "accountStatus": "registered"}]);
    assert_eq!(answer["result"], one);
    let answer = server.done_as(&manager, "/manager/get_users_online_status", &body);
    assert_eq!(answer["successResult"].as_array().map(Vec::len), Some(1), "{answer}");
    let group = server.group(&alice, &[]);
    let answer = server.done_as(
        &manager,
        "/group/get_groups_info",
        &op(json!({"groupIDList": vec![&group; 100]})),
    );
    assert_eq!(answer["data"].as_array().map(Vec::len), Some(1), "{answer}");
    let body = op(json!({"groupID": group, "memberList": uids[..100]}));
    let answer = server.done_as(&alice, "/group/get_group_members_info", &body);
    assert_eq!(answer["data"].as_array().map(Vec::len), Some(1), "{answer}");
}
