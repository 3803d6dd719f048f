//! C33 in groups: killed in the middle of many sends, the server has what it acknowledged exactly once at every member;
//! and every message that one member has, all have.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::platform::IOS;
use crate::support::rest::{User, group_body, results};
use crate::support::server::Setup;

const SENDERS: usize = 4;
const MEMBERS: usize = 40;
const LIVES: usize = 4;

/// Sends until the server is gone; the acknowledged (client id, server id).
fn send_until_killed(
    to: SocketAddr,
    user: &User,
    groups: &[String],
    life: usize,
    answered: &AtomicUsize,
) -> Vec<(String, String)> {
    let mut acked = Vec::new();
    for n in 0.. {
        let id = format!("{}-{life}-{n}", user.uid);
        let body = group_body(user, &groups[n % groups.len()], &id, "keep me").to_string();
        let Some(answer) = try_post(to, user, &body) else { return acked };
        assert_eq!(answer["errCode"], 0, "{answer}");
        answered.fetch_add(1, Ordering::SeqCst);
        acked.push((id, answer["data"]["serverMsgID"].as_str().expect("an id").to_owned()));
    }
    acked
}

/// Nothing when the server goes away before it has answered.
fn try_post(to: SocketAddr, user: &User, body: &str) -> Option<Value> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let head = format!(
        "POST /chat/send_msg HTTP/1.1\r\nHost: x\r\nConnection: close\r\ntoken: {}\r\nContent-Length: {}\r\n\r\n",
        user.token,
        body.len()
    );
    stream.write_all((head + body).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

#[test]
fn acknowledged_means_everybody_has_it_once() {
    let mut server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 3).allow("cut").start();
    let users: Vec<User> =
        (0..MEMBERS).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let all: Vec<&str> = users.iter().map(|user| &*user.uid).collect();
    let groups: Vec<String> = (0..2).map(|_| server.group(&users[0], &[])).collect();
    for group in &groups {
        let invited = server.invite(&users[0], group, &all[1..]);
        assert!(invited.iter().all(|result| *result == 0));
    }
    let mut acked: BTreeMap<String, String> = BTreeMap::new();
    for life in 0..LIVES {
        let (to, answered, begun) = (server.rest(), AtomicUsize::new(0), Instant::now());
        let of_life: Vec<(String, String)> = std::thread::scope(|scope| {
            let senders: Vec<_> = users[..SENDERS]
                .iter()
                .map(|user| {
                    let (groups, answered) = (&groups, &answered);
                    scope.spawn(move || send_until_killed(to, user, groups, life, answered))
                })
                .collect();
            // In the middle: not before some are answered, and at another moment in each life.
            while answered.load(Ordering::SeqCst) < 10 + 15 * life && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
            server.kill();
            senders.into_iter().flat_map(|sender| sender.join().expect("its checks")).collect()
        });
        acked.extend(of_life);
        server.restart_with(|setup| setup.set("OPENIM_GATEWAY_SHARDS", [2, 5, 1, 3][life]));
        // Repeated, the last one acknowledged is still the same message.
        if let Some((client_id, server_id)) = acked.iter().next_back() {
            let user = users.iter().find(|user| client_id.starts_with(&format!("{}-", user.uid)));
            let n: usize =
                client_id.rsplit('-').next().and_then(|n| n.parse().ok()).expect("a number");
            let user = user.expect("one of the senders");
            let body = group_body(user, &groups[n % groups.len()], client_id, "keep me");
            let answer = server.done_as(user, "/chat/send_msg", &body);
            assert_eq!(answer["data"]["serverMsgID"], **server_id, "{client_id}");
        }
    }
    let mut first: Option<BTreeMap<String, String>> = None;
    for user in &users {
        let inbox = server.connect(user).inbox();
        let mut had = BTreeMap::new();
        for (n, message) in inbox.iter().enumerate() {
            assert_eq!(message["seq"], n as i64 + 1, "{}: dense", user.uid);
            let text = |key: &str| message[key].as_str().expect("a text").to_owned();
            let before = had.insert(text("clientMsgID"), text("serverMsgID"));
            assert!(before.is_none(), "{} has {before:?} twice", user.uid);
        }
        for (client_id, server_id) in &acked {
            assert_eq!(had.get(client_id), Some(server_id), "{client_id} at {}", user.uid);
        }
        let first = first.get_or_insert_with(|| had.clone());
        assert_eq!(*first, had, "{} has what the others have", user.uid);
    }
    assert!(acked.len() > 20, "the load was a load: {}", acked.len());
    // The membership is whole as well.
    let body = serde_json::json!({"operationID": "op", "groupID": groups[1], "uidList": all});
    let again = server.done_as(&users[0], "/group/invite_user_to_group", &body);
    assert_eq!(results(&again), vec![-1; MEMBERS], "all are in");
}
