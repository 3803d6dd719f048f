//! A store that stalls instead of failing (L7): whoever needs it gets an error in bounded time, and everybody else goes
//! on. What was begun meanwhile is finished when the store comes back, and nobody has forgotten anything.
//!
//! Nothing here is timed: what is answered while the store stalls was answered in spite of it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::groups::post_to;
use crate::support::http::{Answer, call};
use crate::support::link::{Link, group_message};
use crate::support::platform::IOS;
use crate::support::rest::{User, registration};
use crate::support::server::{Server, Setup};

/// A file that makes stores stall.
struct Stall(PathBuf);

impl Stall {
    fn begin(&self, what: &str) {
        // Never seen half written.
        let draft = self.0.with_extension("new");
        fs::write(&draft, what).expect("written");
        fs::rename(&draft, &self.0).expect("renamed");
    }

    fn end(&self) {
        fs::remove_file(&self.0).expect("there since the beginning");
    }
}

fn start() -> (Server, Stall) {
    let setup =
        Setup::new().allow("stall").allow("cannot").set("OPENIM_LIMITS_STORETIMEOUTMS", 3_000);
    let stall = setup.path("stall");
    let server = setup.set("OPENIM_TEST_STALL_FILE", stall.display()).start();
    (server, Stall(stall))
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    let refused = answer.status != 200 || answer.json()["errCode"] != 0;
    assert!(refused, "{} {}", answer.status, answer.text());
}

#[track_caller]
fn assert_counted(server: &Server, kind: &str) {
    let metrics = call(server.operator(), "GET", "/metrics", &[], b"").text();
    let name = format!("openim_store_timeouts_total{{kind=\"{kind}\"}} ");
    let counted = metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok());
    assert!(counted.is_some_and(|counted| counted > 0), "{name}{counted:?} in {metrics}");
}

fn friends(to: SocketAddr, of: &User) -> Answer {
    post_to(to, of, "/friend/get_friend_list", &json!({"operationID": "op"}))
}

fn invite(server: &Server, by: &User, group: &str, uid: &str) -> Answer {
    let body = json!({"operationID": "op", "groupID": group, "uidList": [uid]});
    server.post_as(&by.token, "/group/invite_user_to_group", &body)
}

/// A send to a group, and its push to somebody else.
#[track_caller]
fn arrives(from: &mut Link, group: &str, id: &str, at: &mut Link) {
    from.say_data(&group_message(group, id, "hello"));
    loop {
        let pushed = at.pushed();
        if pushed["clientMsgID"] == id {
            return;
        }
    }
}

fn has(inbox: &[Value], id: &str) -> bool {
    inbox.iter().any(|message| message["clientMsgID"] == id)
}

#[test]
fn questions_end_while_those_who_need_none_go_on() {
    if embedded_only(
        "it stalls the engine inside of the process; components are stalled by scripts/faults",
    ) {
        return;
    }
    let (mut server, stall) = start();
    let [ann, bob, cat, dan] = server.register_all(["ann", "bob", "cat", "dan"]);
    let (pair, three) = (server.group(&ann, &[&bob]), server.group(&ann, &[&bob, &cat]));
    // So that nobody is in memory but who has come since, or got a message.
    server.restart();
    let (mut a, mut b) = (server.connect(&ann), server.connect(&bob));
    for group in [&pair, &three] {
        arrives(&mut a, group, &format!("before {group}"), &mut b);
    }
    let newest = a.newest();

    stall.begin("read");
    assert_eq!(server.refusal(&dan), 503, "a handshake whose user cannot be loaded");
    let ask = json!({"reqIdentifier": 1001, "sendID": "dan", "operationID": "op", "msgIncr": 1});
    assert_refused(&server.post_as(&dan.token, "/chat/newest_seq", &ask));
    let pulled = a.request(1002, &json!({"seqBegin": 1, "seqEnd": newest}));
    assert_ne!(pulled["errCode"], 0, "{pulled}");
    let to = server.rest();
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..24).map(|_| scope.spawn(|| friends(to, &ann))).collect();
        // Meanwhile, though all of them wait.
        for n in 0..3 {
            a.say("bob", &format!("single {n}"), "hello");
            assert_eq!(b.pushed()["clientMsgID"], format!("single {n}"));
            arrives(&mut a, &pair, &format!("pair {n}"), &mut b);
            arrives(&mut a, &three, &format!("three {n}"), &mut b);
        }
        for answer in asked {
            assert_refused(&answer.join().expect("answered"));
        }
    });
    assert_eq!(a.newest(), newest + 9);
    for kind in ["load", "question", "pull"] {
        assert_counted(&server, kind);
    }

    stall.end();
    let deadline = Instant::now() + PATIENCE;
    // Each kind of question is asked again at its own time.
    while friends(to, &ann).status != 200
        || server.post_as(&dan.token, "/chat/newest_seq", &ask).json()["errCode"] != 0
        || a.request(1002, &json!({"seqBegin": 1, "seqEnd": newest}))["errCode"] != 0
    {
        assert!(Instant::now() < deadline, "questions are answered again");
    }
    assert_eq!(server.connect(&dan).newest(), 0);
    let inbox = server.connect(&cat).inbox();
    assert!((0..3).all(|n| has(&inbox, &format!("three {n}"))), "{inbox:?}");
    assert_eq!(a.inbox().len() as i64, newest + 9);
}

#[test]
fn changes_end_for_who_asked_and_are_made_all_the_same() {
    if embedded_only(
        "it stalls the engine inside of the process; components are stalled by scripts/faults",
    ) {
        return;
    }
    let (server, stall) = start();
    let [ann, bob, cat] = server.register_all(["ann", "bob", "cat"]);
    let group = server.group(&ann, &[&bob]);
    let (mut a, mut b, mut c) = (server.connect(&ann), server.connect(&bob), server.connect(&cat));
    arrives(&mut a, &group, "before", &mut b);

    stall.begin("write");
    assert_refused(&server.post("/auth/user_register", &registration("dan", IOS)));
    // The second one waits for the group's turn, which the first one keeps.
    assert_refused(&invite(&server, &ann, &group, "cat"));
    assert_refused(&invite(&server, &ann, &group, "cat"));
    arrives(&mut a, &group, "during", &mut b);
    a.say("bob", "single", "hello");
    assert!(has(&b.inbox(), "single"));
    for kind in ["call", "turn"] {
        assert_counted(&server, kind);
    }

    stall.end();
    let deadline = Instant::now() + PATIENCE;
    let list = json!({"operationID": "op", "groupID": group});
    let members = "/group/get_group_all_member_list";
    while !server.post_as(&ann.token, members, &list).text().contains("\"cat\"") {
        assert!(Instant::now() < deadline, "the change is made");
    }
    arrives(&mut a, &group, "after", &mut c);
    assert!(!has(&c.inbox(), "during"), "a change that was not made yet");
    // Registered by then, whatever she was told; or now.
    server.post("/auth/user_register", &registration("dan", IOS));
    while server.post("/auth/user_token", &registration("dan", IOS)).json()["errCode"] != 0 {
        assert!(Instant::now() < deadline, "she can log in");
        server.post("/auth/user_register", &registration("dan", IOS));
    }
    let dan = server.login("dan", IOS);
    assert_eq!(server.connect(&dan).newest(), 0);
}

#[test]
fn history_that_cannot_be_stored_is_read_from_memory_and_log() {
    if embedded_only(
        "it stalls the engine inside of the process; components are stalled by scripts/faults",
    ) {
        return;
    }
    let (server, stall) = start();
    let (mut a, mut b) = (server.newcomer("ann"), server.newcomer("bob"));
    stall.begin("store");
    for n in 0..20 {
        a.say("bob", &format!("m{n}"), "hello");
    }
    let ids = |inbox: Vec<Value>| -> Vec<String> {
        inbox.iter().map(|m| m["clientMsgID"].as_str().expect("an id").to_owned()).collect()
    };
    let expected: Vec<String> = (0..20).map(|n| format!("m{n}")).collect();
    assert_eq!(ids(b.inbox()), expected);
    stall.end();
    assert_eq!(ids(a.inbox()), expected);
}
