//! The SDK of June 2021 (websocket spec 5.1 to 5.3): its websocket only receives; it asks, pulls and sends over REST.

use serde_json::{Value, json};

use crate::support::jwt::now;
use crate::support::link::{Link, messages};
use crate::support::platform::{ANDROID, IOS};
use crate::support::rest::{User, listed};
use crate::support::server::Server;

/// One client: what it stores, by its own rules.
struct Sdk<'a> {
    server: &'a Server,
    user: User,
    socket: Option<Link>,
    /// The highest seq it has.
    local_max: i64,
    stored: Vec<Value>,
}

fn operation_id() -> String {
    now().to_string()
}

impl<'a> Sdk<'a> {
    /// Table 5.1, steps 2 to 5, and the dial that goes on beside them.
    fn login(server: &'a Server, user: &User) -> Sdk<'a> {
        let mut sdk =
            Sdk { server, user: user.clone(), socket: None, local_max: 0, stored: Vec::new() };
        sdk.newest();
        sdk.dial();
        for route in ["get_friend_list", "get_blacklist", "get_friend_apply_list"] {
            let answer = sdk.friend(route, json!({}));
            assert!(answer["data"].is_array(), "{route}: {answer}");
        }
        let body = json!({"uidList": [sdk.user.uid], "operationID": operation_id()});
        let answer = sdk.post("/user/get_user_info", &body);
        assert_eq!(listed(&answer, "uid"), [sdk.user.uid.as_str()]);
        // It closes once more, abruptly, and dials again.
        sdk.dial();
        sdk
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        self.server.done_as(&self.user, path, body)
    }

    #[track_caller]
    fn friend(&self, route: &str, mut body: Value) -> Value {
        body["operationID"] = json!(operation_id());
        self.post(&format!("/friend/{route}"), &body)
    }

    fn newest(&self) -> i64 {
        let body = json!({"reqIdentifier": 1001, "operationID": operation_id(), "sendID": self.user.uid,
            "msgIncr": 1});
        let answer = self.post("/chat/newest_seq", &body);
        answer["data"]["seq"].as_i64().expect("an unquoted seq")
    }

    /// Opens the websocket, dropping an open one without a close frame, and catches up.
    fn dial(&mut self) {
        self.socket = None;
        self.socket = Some(self.server.connect(&self.user));
        self.sync();
    }

    /// Step S.
    fn sync(&mut self) {
        let newest = self.newest();
        if newest > self.local_max {
            self.pull(self.local_max + 1, newest);
        }
    }

    fn pull(&mut self, begin: i64, end: i64) {
        let incr = 0x7abc_def0_1234_5678_i64;
        let body = json!({"reqIdentifier": 1002, "operationID": operation_id(), "sendID": self.user.uid,
            "msgIncr": incr, "data": {"seqBegin": begin, "seqEnd": end}});
        let answer = self.post("/chat/pull_msg", &body);
        assert_eq!(answer["msgIncr"], incr);
        let pulled = messages(&answer["data"]);
        let seqs: Vec<_> = pulled.iter().map(|message| message["seq"].as_i64()).collect();
        assert_eq!(seqs, (begin..=end).map(Some).collect::<Vec<_>>(), "the range comes whole");
        pulled.into_iter().for_each(|message| self.store(message));
    }

    fn store(&mut self, message: Value) {
        let is_known = |known: &Value| known["serverMsgID"] == message["serverMsgID"];
        self.local_max = self.local_max.max(message["seq"].as_i64().expect("an unquoted seq"));
        if !self.stored.iter().any(is_known) {
            self.stored.push(message);
        }
    }

    /// Takes the next push as 5.2 says: nothing that is known, a gap before it first.
    #[track_caller]
    fn receive(&mut self) -> Value {
        let push = self.socket.as_mut().expect("it dialled").pushed();
        let seq = push["seq"].as_i64().expect("an unquoted seq");
        assert!(push["sendTime"].is_i64() && push["contentType"].is_i64(), "{push}");
        if seq > self.local_max + 1 {
            self.pull(self.local_max + 1, seq - 1);
        }
        if seq > self.local_max {
            self.store(push.clone());
        }
        push
    }

    /// Sends a text; the id under which it is stored from then on.
    #[track_caller]
    fn say(&self, session: i64, to: &str, client_id: &str, text: &str) -> String {
        let body = json!({"reqIdentifier": 1003, "platformID": self.user.platform, "sendID": self.user.uid,
            "operationID": operation_id(), "msgIncr": 1,
            "data": {"sessionType": session, "msgFrom": 100, "contentType": 101, "recvID": to,
                "forceList": null, "content": text, "options": {}, "clientMsgID": client_id,
                "offlineInfo": {}, "ext": null}});
        let answer = self.post("/chat/send_msg", &body);
        let data = &answer["data"];
        assert_eq!(data["clientMsgID"], client_id);
        let time = data["sendTime"].as_i64().expect("an unquoted time");
        assert!((now() - 60..now() + 60).contains(&time), "seconds: {answer}");
        data["serverMsgID"].as_str().expect("an id").to_owned()
    }
}

#[test]
fn a_fresh_user_logs_in() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let sdk = Sdk::login(&server, &alice);
    assert_eq!((sdk.local_max, sdk.stored.len()), (0, 0));
}

#[test]
fn what_was_missed_is_pulled_at_login_in_one_request() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", ANDROID));
    let other = Sdk::login(&server, &bob);
    let ids: Vec<_> =
        (0..120).map(|n| other.say(1, "alice", &format!("m{n}"), "while away")).collect();
    let sdk = Sdk::login(&server, &alice);
    let seen: Vec<_> = sdk.stored.iter().map(|m| m["serverMsgID"].as_str()).collect();
    assert_eq!(seen, ids.iter().map(|id| Some(id.as_str())).collect::<Vec<_>>());
    assert_eq!(sdk.local_max, 120);
}

#[test]
fn a_gap_is_pulled_and_own_messages_come_with_it() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", ANDROID));
    let (mut sdk, mut other) = (Sdk::login(&server, &alice), Sdk::login(&server, &bob));
    let own = [sdk.say(1, "bob", "a1", "hello"), sdk.say(1, "bob", "a2", "are you there")];
    let first = other.receive();
    assert_eq!((&first["serverMsgID"], &first["seq"]), (&json!(own[0]), &json!(1)));
    other.receive();
    let back = other.say(1, "alice", "b1", "yes");
    // Her own two have seqs 1 and 2 and were not pushed to her: the push of seq 3 shows the gap.
    let push = sdk.receive();
    assert_eq!((&push["serverMsgID"], &push["seq"]), (&json!(back), &json!(3)));
    let seen: Vec<_> = sdk.stored.iter().map(|m| m["serverMsgID"].clone()).collect();
    assert_eq!(seen, [json!(own[0]), json!(own[1]), json!(back)]);
    assert_eq!(sdk.local_max, sdk.newest());
    // A redial has nothing to catch up with.
    sdk.dial();
    assert_eq!(sdk.stored.len(), 3);
}

#[test]
fn friends_are_made_and_groups_talk() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", ANDROID));
    let (mut sdk, mut other) = (Sdk::login(&server, &alice), Sdk::login(&server, &bob));
    sdk.friend("add_friend", json!({"uid": "bob", "reqMessage": "hello"}));
    // 202: it reads the applications again and shows them.
    let tip = other.receive();
    assert_eq!((&tip["contentType"], &tip["sendID"]), (&json!(202), &json!("alice")), "{tip}");
    let content: Value =
        serde_json::from_str(tip["content"].as_str().expect("a text")).expect("of JSON");
    assert!(content["isDisplay"].is_i64() && content["text"].is_string(), "{content}");
    let applications = other.friend("get_friend_apply_list", json!({}));
    assert_eq!(listed(&applications, "reqMessage"), ["hello"]);
    other.friend("add_friend_response", json!({"uid": "alice", "flag": 1}));
    // 201: it reads the friend list again. Before it came the copy of her own request.
    let types = [sdk.receive(), sdk.receive()].map(|push| push["contentType"].clone());
    assert_eq!(types, [json!(202), json!(201)]);
    assert_eq!(listed(&sdk.friend("get_friend_list", json!({})), "uid"), ["bob"]);
    // 204: it reads the profile again.
    let change = json!({"name": "Alice", "operationID": operation_id()});
    sdk.post("/user/update_user_info", &change);
    other.receive();
    assert_eq!(other.receive()["contentType"], 204);

    let group = server.group(&alice, &[&bob]);
    for client in [&mut sdk, &mut other] {
        assert_eq!(client.receive()["contentType"], 502, "the server tells of the new group");
    }
    let id = sdk.say(2, &group, "g1", "hello all");
    let push = other.receive();
    assert_eq!(push["recvID"], format!("bob {group}"), "two words");
    assert_eq!((&push["serverMsgID"], &push["sessionType"]), (&json!(id), &json!(2)));
    for client in [&mut sdk, &mut other] {
        client.sync();
        assert_eq!(client.local_max, client.newest());
        assert_eq!(client.stored.len() as i64, client.local_max, "no holes");
    }
}
