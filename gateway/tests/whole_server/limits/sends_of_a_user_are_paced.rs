//! `limits.sendsPerSecondPerUser` and `limits.sendsPerSecondToStrangers`: what a user sends over all links and REST is
//! slowed down, and nothing of it is lost; and a profile does not change more often than it may.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::metric::sum;
use crate::support::engine::embedded_only;
use crate::support::link::message;
use crate::support::platform::{IOS, WEB};
use crate::support::rest::{op, send_body};
use crate::support::server::{Server, Setup};

const PER_USER: &str = "OPENIM_LIMITS_SENDSPERSECONDPERUSER";
const TO_STRANGERS: &str = "OPENIM_LIMITS_SENDSPERSECONDTOSTRANGERS";

/// Sends `count` messages to `to` without waiting, from each of alice's two links; all are answered 0.
fn flood(server: &Server, to: &str, count: usize) -> Duration {
    let phone = server.login("alice", IOS);
    let web = server.login("alice", WEB);
    let mut links = [server.connect(&phone), server.connect(&web)];
    let began = Instant::now();
    for (at, link) in links.iter_mut().enumerate() {
        for n in 0..count {
            let data = message(to, &format!("{to}-{at}-{n}"), "hello");
            let frame = link.envelope(1003, &data);
            link.send_text(frame);
        }
    }
    for link in &mut links {
        for _ in 0..count {
            let reply: Value = link.reply();
            assert_eq!(reply["errCode"], 0, "{reply}");
        }
    }
    began.elapsed()
}

#[test]
fn all_links_and_rest_of_a_user_share_one_budget() {
    let server = Setup::new().set(PER_USER, 10).set("OPENIM_GATEWAY_SHARDS", 2).start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    // 20 at once, the other 20 at ten a second.
    let took = flood(&server, "bob", 20);
    assert!(took >= Duration::from_millis(1_500), "{took:?}");
    assert!(sum(&server, "openim_sends_paced_total") > 0);
    let phone = server.login("alice", IOS);
    let began = Instant::now();
    for n in 0..5 {
        let send = send_body(&phone, "bob", &format!("rest{n}"), "hello");
        assert_eq!(server.ask_as(&phone, "/chat/send_msg", &send)["errCode"], 0);
    }
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    let mut inbox = server.connect(&bob);
    assert_eq!(inbox.newest(), 45, "nothing was lost");
    // Others are not slowed down, nor is what a manager sends.
    let manager = server.manager();
    let mut link = server.connect(&manager);
    for n in 0..60 {
        link.say("bob", &format!("m{n}"), "hello");
    }
    drop(alice);
}

#[test]
fn groups_count_too() {
    let server = Setup::new().set(PER_USER, 5).start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    let group = server.group(&alice, &[&bob]);
    let mut link = server.connect(&alice);
    let began = Instant::now();
    for n in 0..15 {
        link.say_data(&crate::support::link::group_message(&group, &format!("m{n}"), "hello"));
    }
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
}

#[test]
fn to_strangers_it_is_less() {
    let server = Setup::new().set(TO_STRANGERS, 5).start();
    let [alice, bob, _] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    server.befriend(&alice, &bob);
    let paced = || sum(&server, "openim_sends_paced_total");
    flood(&server, "bob", 30);
    assert!(paced() == 0, "friends are written to as fast as one likes");
    let took = flood(&server, "carol", 10);
    assert!(took >= Duration::from_millis(1_500), "{took:?}");
    assert!(paced() > 0);
    assert_eq!(server.connect(&server.login("carol", IOS)).newest(), 20);
}

#[test]
fn rest_sends_that_would_wait_for_too_long_get_500() {
    if embedded_only("its time-out is shorter than what the producer of a cluster may take") {
        return;
    }
    let server = Setup::new().set(PER_USER, 1).set("OPENIM_LIMITS_SENDTIMEOUTMS", 200).start();
    let alice = server.register("alice", IOS);
    server.register("bob", IOS);
    let codes: Vec<i64> = (0..4)
        .map(|n| {
            let send = send_body(&alice, "bob", &format!("m{n}"), "hello");
            let answer = server.post_as(&alice.token, "/chat/send_msg", &send);
            answer.json()["errCode"].as_i64().expect("a code")
        })
        .collect();
    assert_eq!(codes[..2], [0, 0], "a burst of two");
    assert!(codes[2..].contains(&500), "{codes:?}");
}

#[test]
fn a_profile_changes_as_often_as_it_may() {
    let server = Setup::new().set("OPENIM_LIMITS_PROFILECHANGESPERMINUTE", 2).start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    server.befriend(&alice, &bob);
    let before = server.connect(&bob).newest();
    let change = |by, n: usize| {
        let body = op(json!({"uid": "alice", "name": format!("name {n}")}));
        server.ask_as(by, "/user/update_user_info", &body)["errCode"].as_i64()
    };
    let codes: Vec<_> = (0..6).map(|n| change(&alice, n)).collect();
    assert_eq!(codes[..4], [Some(0); 4], "twice as many in a burst");
    assert!(codes[4..].contains(&Some(616)), "{codes:?}");
    let told = codes.iter().filter(|code| **code == Some(0)).count();
    assert_eq!(server.connect(&bob).newest(), before + told as i64);
    let manager = server.manager();
    assert_eq!(change(&manager, 9), Some(0));
}
