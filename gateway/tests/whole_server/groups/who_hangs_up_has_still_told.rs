//! A client that goes away before the answer leaves no half of a change: who is to be told of it is told.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::PATIENCE;
use crate::support::http;
use crate::support::rest::op;
use crate::support::server::Server;

#[test]
fn managers_who_do_not_wait_for_the_answer() {
    let server = Server::start();
    let manager = server.manager();
    let [ann, bob] = server.register_all(["ann", "bob"]);
    let groups: Vec<String> = (0..30).map(|_| server.group(&ann, &[])).collect();
    for group in &groups {
        let body = op(json!({"groupID": group, "uidList": [bob.uid], "reason": "r"})).to_string();
        let request = format!(
            "POST /group/invite_user_to_group HTTP/1.1\r\nHost: a\r\ntoken: {}\r\nContent-Length: {}\r\n\r\n{body}",
            manager.token,
            body.len()
        );
        let mut stream = http::dial(server.rest());
        stream.write_all(request.as_bytes()).expect("written");
    }
    let deadline = Instant::now() + PATIENCE;
    let joined = |group: &String| server.roles(&ann, group).len() == 2;
    while !groups.iter().all(joined) {
        assert!(Instant::now() < deadline, "every invitation is carried out");
        thread::sleep(Duration::from_millis(20));
    }
    let mut inbox = server.connect(&ann);
    while inbox.newest() < groups.len() as i64 {
        assert!(Instant::now() < deadline, "told of {} of {}", inbox.newest(), groups.len());
        thread::sleep(Duration::from_millis(20));
    }
    assert!(inbox.inbox().iter().all(|message| message["contentType"] == 510));
}
