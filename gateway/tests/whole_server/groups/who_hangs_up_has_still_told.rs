//! A client that goes away before the answer leaves nothing undone: what was read whole is carried out, and who is to
//! be told of it is told.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::SockRef;

use crate::support::PATIENCE;
use crate::support::http;
use crate::support::rest::{listed, op};
use crate::support::server::Server;

/// How a client goes.
#[derive(Clone, Copy)]
enum Leaving {
    /// Says that nothing more comes (FIN).
    Close,
    /// Breaks the connection off (RST).
    Reset,
    /// Sends its body a moment after its head, then goes.
    InTwoParts,
}

/// Asks and does not wait for the answer.
fn ask_and_leave(server: &Server, token: &str, route: &str, body: &Value, leaving: Leaving) {
    let body = body.to_string();
    let head = format!(
        "POST {route} HTTP/1.1\r\nHost: a\r\ntoken: {token}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream: TcpStream = http::dial(server.rest());
    match leaving {
        Leaving::InTwoParts => {
            stream.write_all(head.as_bytes()).expect("written");
            thread::sleep(Duration::from_millis(2));
            stream.write_all(body.as_bytes()).expect("written");
        }
        Leaving::Close | Leaving::Reset => {
            stream.write_all(format!("{head}{body}").as_bytes()).expect("written");
        }
    }
    if let Leaving::Reset = leaving {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket of our own");
    }
}

#[test]
fn managers_who_do_not_wait_for_the_answer() {
    let server = Server::start();
    let manager = server.manager();
    let [ann, bob] = server.register_all(["ann", "bob"]);
    let groups: Vec<String> = (0..100).map(|_| server.group(&ann, &[])).collect();
    let ways = [Leaving::Close, Leaving::Reset, Leaving::InTwoParts];
    for (group, leaving) in groups.iter().zip(ways.into_iter().cycle()) {
        let body = op(json!({"groupID": group, "uidList": [bob.uid], "reason": "r"}));
        ask_and_leave(&server, &manager.token, "/group/invite_user_to_group", &body, leaving);
    }
    let deadline = Instant::now() + PATIENCE;
    let joined = |group: &String| server.roles(&ann, group).len() == 2;
    while !groups.iter().all(joined) {
        let missing = groups.iter().filter(|group| !joined(group)).count();
        assert!(Instant::now() < deadline, "{missing} invitations were not carried out");
        thread::sleep(Duration::from_millis(20));
    }
    let mut inbox = server.connect(&ann);
    while inbox.newest() < groups.len() as i64 {
        assert!(Instant::now() < deadline, "told of {} of {}", inbox.newest(), groups.len());
        thread::sleep(Duration::from_millis(20));
    }
    assert!(inbox.inbox().iter().all(|message| message["contentType"] == 510));
}

#[test]
fn whatever_is_asked() {
    let server = Server::start();
    let manager = server.manager();
    let [ann] = server.register_all(["ann"]);
    // Registering, and below a change that tells nobody.
    for number in 0..50 {
        let body = json!({"secret": crate::support::SECRET, "platform": 1,
            "uid": format!("late{number}"), "name": "n"});
        ask_and_leave(&server, "", "/auth/user_register", &body, Leaving::Reset);
    }
    ask_and_leave(
        &server,
        &ann.token,
        "/friend/add_blacklist",
        &op(json!({"uid": "late0"})),
        Leaving::Close,
    );
    let uids: Vec<String> = (0..50).map(|number| format!("late{number}")).collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let body = op(json!({ "userIDList": uids }));
        let answer = server.ask_as(&manager, "/manager/account_check", &body);
        let known = answer["result"].as_array().expect("a list");
        let known = known.iter().filter(|status| status["accountStatus"] == "registered").count();
        let blocked = server.done_as(&ann, "/friend/get_blacklist", &op(json!({})));
        if known == uids.len() && listed(&blocked, "uid") == ["late0"] {
            return;
        }
        assert!(Instant::now() < deadline, "{known} are registered; blocked: {blocked}");
        thread::sleep(Duration::from_millis(20));
    }
}
