//! The SDKs of August to October 2021 (websocket spec 5.4): a websocket that only receives, as in June, and times
//! in nanoseconds. They sort what they have by one column, whether a time came with a receipt, a push or a pull: one
//! in seconds puts a message before all others. Here with clients of June, which read seconds.

use serde_json::{Value, json};

use crate::support::jwt::now;
use crate::support::link::{Link, messages};
use crate::support::platform::{ANDROID, IOS, WEB};
use crate::support::rest::User;
use crate::support::server::{Server, Setup};

/// A generation, and what it shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generation {
    June,
    August,
}
use Generation::{August, June};

/// One client, which notes every time it was told.
struct Sdk<'a> {
    server: &'a Server,
    user: User,
    generation: Generation,
    socket: Link,
    times: Vec<i64>,
}

impl<'a> Sdk<'a> {
    /// Asks for the newest seq, pulls what there is, and dials.
    fn login(server: &'a Server, user: &User, generation: Generation) -> Sdk<'a> {
        newest(server, user, generation);
        let socket = server.connect(user);
        let mut sdk = Sdk { server, user: user.clone(), generation, socket, times: Vec::new() };
        sdk.sync();
        sdk
    }

    /// As after a lost link: the dial comes first.
    fn dial(&mut self) {
        self.socket = self.server.connect(&self.user);
        self.sync();
    }

    fn sync(&mut self) {
        let newest = newest(self.server, &self.user, self.generation);
        if newest > 0 {
            self.pull(1, newest);
        }
    }

    #[track_caller]
    fn pull(&mut self, begin: i64, end: i64) {
        let mut body = json!({"reqIdentifier": 1002, "operationID": self.generation.operation_id(),
            "sendID": self.user.uid, "data": {"seqBegin": begin, "seqEnd": end}});
        if self.generation == June {
            body["msgIncr"] = json!(7);
        }
        let answer = self.server.done_as(&self.user, "/chat/pull_msg", &body);
        for message in messages(&answer["data"]) {
            self.note(&message);
        }
    }

    #[track_caller]
    fn say(&mut self, session: i64, to: &str, client_id: &str) {
        let mut body = json!({"reqIdentifier": 1003, "platformID": self.user.platform,
            "sendID": self.user.uid, "operationID": self.generation.operation_id(),
            "data": {"sessionType": session, "msgFrom": 100, "contentType": 101, "recvID": to,
                "forceList": null, "content": client_id, "options": {}, "clientMsgID": client_id,
                "offlineInfo": {}, "ext": null}});
        match self.generation {
            June => body["msgIncr"] = json!(1),
            August => {
                body["senderNickName"] = json!(self.user.uid);
                body["senderFaceUrl"] = json!("");
            }
        }
        let answer = self.server.done_as(&self.user, "/chat/send_msg", &body);
        self.note(&answer["data"]);
    }

    #[track_caller]
    fn receive(&mut self, client_id: &str) {
        let push = self.socket.pushed();
        assert_eq!(push["clientMsgID"], client_id, "{push}");
        self.note(&push);
    }

    /// Every time is one of the generation's unit.
    #[track_caller]
    fn note(&mut self, told: &Value) {
        let time = told["sendTime"].as_i64().expect("an unquoted time");
        let unit = match self.generation {
            June => 1,
            August => 1_000_000_000,
        };
        let near = (now() - 600) * unit..(now() + 600) * unit;
        assert!(near.contains(&time), "{:?} was told {told}", self.generation);
        self.times.push(time);
    }
}

impl Generation {
    /// Both make it of the present time.
    fn operation_id(self) -> String {
        match self {
            June => now().to_string(),
            August => (now() * 1_000_000_000 + 123_456).to_string(),
        }
    }
}

#[track_caller]
fn newest(server: &Server, user: &User, generation: Generation) -> i64 {
    let body = json!({"reqIdentifier": 1001, "operationID": generation.operation_id(),
        "sendID": user.uid, "msgIncr": 1});
    let answer = server.done_as(user, "/chat/newest_seq", &body);
    answer["data"]["seq"].as_i64().expect("an unquoted seq")
}

#[test]
fn each_generation_is_told_times_in_its_own_unit_only() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", ANDROID));
    let group = server.group(&alice, &[&bob]);
    let mut alice = Sdk::login(&server, &alice, August);
    let mut bob = Sdk::login(&server, &bob, June);
    // The first thing either is told is a push: nothing but the login has shown what they are.
    bob.say(1, "alice", "b1");
    alice.receive("b1");
    alice.say(1, "bob", "a1");
    bob.receive("a1");
    alice.say(2, &group, "a2");
    bob.receive("a2");
    bob.say(2, &group, "b2");
    alice.receive("b2");
    alice.sync();
    bob.sync();
    assert_eq!((alice.times.len(), bob.times.len()), (8, 8));
}

#[test]
fn a_user_may_have_devices_of_both() {
    let server = Server::start();
    let phone = server.register("alice", IOS);
    let web = server.login("alice", WEB);
    let mut phone = Sdk::login(&server, &phone, June);
    let mut web = Sdk::login(&server, &web, August);
    let mut bob = Sdk::login(&server, &server.register("bob", ANDROID), August);
    bob.say(1, "alice", "b1");
    phone.receive("b1");
    web.receive("b1");
    phone.say(1, "bob", "a1");
    web.receive("a1");
    web.say(1, "bob", "a2");
    phone.receive("a2");
    bob.receive("a1");
    bob.receive("a2");
}

/// What was learned does not outlive the process; the SDK asks for the newest seq after each dial.
#[test]
fn a_restart_is_caught_up_with_by_the_next_sync() {
    let mut server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", ANDROID));
    drop(Sdk::login(&server, &alice, August));
    server.kill();
    server.restart();
    let mut sdk = Sdk::login(&server, &alice, August);
    sdk.dial();
    let mut bob = Sdk::login(&server, &bob, August);
    bob.say(1, "alice", "b1");
    sdk.receive("b1");
}

/// Another client on the same platform: the login forgets what the one before it was.
#[test]
fn a_device_may_change_its_generation() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let mut bob = Sdk::login(&server, &server.register("bob", ANDROID), June);
    let mut before = Sdk::login(&server, &alice, June);
    before.say(1, "bob", "a1");
    bob.receive("a1");
    drop(before);
    let mut after = Sdk::login(&server, &server.login("alice", IOS), August);
    bob.say(1, "alice", "b1");
    after.receive("b1");
}

/// On the websocket too: acknowledgement and pull are in the unit of its pushes.
#[test]
fn frames_are_answered_in_the_unit_of_the_device() {
    let server = Server::start();
    let mut sdk = Sdk::login(&server, &server.register("alice", IOS), August);
    let acknowledged = sdk.socket.say("bob", "w1", "hello").send_time;
    let pulled = sdk.socket.inbox()[0]["sendTime"].clone();
    assert_eq!(pulled, acknowledged);
    assert_eq!(acknowledged.to_string().len(), 19, "{acknowledged}");
}

#[test]
fn a_unit_may_be_fixed_for_all() {
    for (unit, digits) in [("seconds", 10), ("nanoseconds", 19)] {
        let server = Setup::new().set("OPENIM_WIRE_TIMEUNIT", unit).start();
        let mut alice = server.newcomer("alice");
        let mut bob = server.newcomer("bob");
        // An August body, then a June one.
        for (number, more) in
            [json!({"senderNickName": "a"}), json!({"msgIncr": 1})].iter().enumerate()
        {
            let mut body = json!({"reqIdentifier": 1003, "platformID": 1, "sendID": "alice", "operationID": "op",
                "data": {"sessionType": 1, "msgFrom": 100, "contentType": 101, "recvID": "bob",
                    "content": "x", "clientMsgID": format!("c{number}")}});
            for (key, value) in more.as_object().expect("an object") {
                body[key] = value.clone();
            }
            let answer = server.done_as(&alice.user, "/chat/send_msg", &body);
            let pushed = bob.pushed();
            assert_eq!(pushed["sendTime"], answer["data"]["sendTime"], "{unit}");
            assert_eq!(pushed["sendTime"].to_string().len(), digits, "{unit}: {pushed}");
        }
        assert_eq!(alice.inbox()[0]["sendTime"].to_string().len(), digits);
    }
}
