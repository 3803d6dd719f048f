//! The SDKs v1.0.x (websocket spec 5.5) with JSON over REST: the lists at login, the sync by seqs in hundreds, and
//! the tips they send themselves.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Value, json};

use crate::support::jwt::now;
use crate::support::link::{Link, messages};
use crate::support::platform::{ANDROID, IOS};
use crate::support::rest::{User, keys, listed, op};
use crate::support::server::{Server, Setup};

fn server() -> Server {
    Setup::new().set("OPENIM_WIRE_TIMEUNIT", "nanoseconds").start()
}

/// One client: what it stores, by its own rules.
struct Sdk<'a> {
    server: &'a Server,
    user: User,
    socket: Link,
    stored: BTreeMap<i64, Value>,
}

impl<'a> Sdk<'a> {
    /// Dials first, then reads the lists, then syncs.
    fn login(server: &'a Server, user: &User) -> Sdk<'a> {
        let socket = server.connect(user);
        let mut sdk = Sdk { server, user: user.clone(), socket, stored: BTreeMap::new() };
        for route in [
            "/friend/get_friend_list",
            "/friend/get_blacklist",
            "/friend/get_friend_apply_list",
            "/friend/get_self_apply_list",
        ] {
            assert!(sdk.post(route, json!({}))["data"].is_array(), "{route}");
        }
        let answer = sdk.post("/user/get_user_info", json!({"uidList": [user.uid]}));
        assert_eq!(listed(&answer, "uid"), [user.uid.as_str()]);
        let joined = sdk.post("/group/get_joined_group_list", json!({}));
        let applications = sdk.post("/group/get_group_applicationList", json!({}));
        assert!(applications["data"]["user"].is_array(), "{applications}");
        assert!(applications["data"]["count"].is_i64(), "{applications}");
        for group in listed(&joined, "groupId") {
            let members = sdk.members(group);
            assert!(members.contains(&user.uid), "{members:?}");
        }
        let route = "/conversation/get_all_conversation_message_opt";
        assert!(sdk.post(route, json!({}))["data"].is_array());
        sdk.sync();
        sdk
    }

    #[track_caller]
    fn post(&self, path: &str, body: Value) -> Value {
        self.server.done_as(&self.user, path, &op(body))
    }

    /// Who is in a group, as far as this user may know.
    fn members(&self, group: &str) -> Vec<String> {
        let answer = self.post("/group/get_group_all_member_list", json!({ "groupID": group }));
        listed(&answer, "userId").into_iter().map(str::to_owned).collect()
    }

    /// Asks for every seq it has not, a hundred at a time.
    #[track_caller]
    fn sync(&mut self) {
        let body = json!({"reqIdentifier": 1001, "sendID": self.user.uid, "msgIncr": 1});
        let bounds = self.post("/chat/newest_seq", body)["data"].clone();
        assert_eq!(keys(&bounds), ["maxSeq", "minSeq", "seq"], "{bounds}");
        assert_eq!(bounds["seq"], bounds["maxSeq"]);
        let [low, high] = ["minSeq", "maxSeq"].map(|key| bounds[key].as_i64().expect("a seq"));
        let missing: Vec<i64> =
            (low.max(1)..=high).filter(|seq| !self.stored.contains_key(seq)).collect();
        for part in missing.chunks(100) {
            let body = json!({"reqIdentifier": 1004, "sendID": self.user.uid, "seqList": part});
            let data = self.post("/chat/pull_msg_by_seq", body)["data"].clone();
            for message in messages(&data) {
                for key in ["senderNickName", "senderFaceUrl", "clientMsgID"] {
                    assert!(message[key].is_string(), "{key}: {message}");
                }
                assert_ne!(message["clientMsgID"], "", "{message}");
                self.stored.insert(message["seq"].as_i64().expect("a seq"), message);
            }
        }
        let missing: Vec<i64> =
            (low.max(1)..=high).filter(|s| !self.stored.contains_key(s)).collect();
        assert!(missing.is_empty(), "C42: asked for for ever: {missing:?}");
    }

    /// Sends over REST as the SDK sends tips, typing notices and receipts: without msgIncr.
    #[track_caller]
    fn tell(&self, to: (i64, &str), content_type: i64, content: &Value, options: &Value) -> Value {
        let content = match content {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // A digest, as the SDK makes one.
        let client_id = {
            let mut hasher = DefaultHasher::new();
            (&self.user.uid, content_type, &content).hash(&mut hasher);
            format!("{:032x}", hasher.finish())
        };
        let body = json!({"reqIdentifier": 1003, "platformID": self.user.platform, "sendID": self.user.uid,
            "senderNickName": format!("nick of {}", self.user.uid), "senderFaceUrl": "http://face",
            "data": {"sessionType": to.0, "msgFrom": 100, "contentType": content_type, "recvID": to.1,
                "forceList": null, "content": content, "options": options, "clientMsgID": client_id,
                "offlineInfo": {}, "ext": {}}});
        let answer = self.post("/chat/send_msg", body);
        assert_eq!(answer.get("msgIncr"), None, "{answer}");
        assert_eq!(answer["data"]["clientMsgID"], client_id, "{answer}");
        let time = answer["data"]["sendTime"].as_i64().expect("an unquoted time");
        let nanoseconds = (now() - 60) * 1_000_000_000..(now() + 60) * 1_000_000_000;
        assert!(nanoseconds.contains(&time), "{answer}");
        answer["data"].clone()
    }

    /// The next push of `content_type` from somebody else.
    #[track_caller]
    fn told(&mut self, content_type: i64) -> Value {
        let push = self.socket.pushed();
        assert_eq!(push["contentType"], content_type, "{push}");
        push
    }
}

fn notification(text: &str, detail: &str) -> Value {
    json!({"isDisplay": 1, "defaultTips": text, "detail": detail})
}

#[test]
fn a_fresh_user_logs_in() {
    let server = server();
    let alice = server.register("alice", IOS);
    assert!(Sdk::login(&server, &alice).stored.is_empty());
}

#[test]
fn what_was_missed_comes_in_hundreds_without_holes() {
    let server = server();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", ANDROID));
    server.befriend(&bob, &alice);
    let group = server.group(&bob, &[&alice]);
    let other = Sdk::login(&server, &bob);
    for n in 0..115 {
        other.tell((1, "alice"), 101, &json!(format!("m{n}")), &json!({}));
        other.tell((2, &group), 101, &json!(format!("g{n}")), &json!({}));
    }
    let mut sdk = Sdk::login(&server, &alice);
    assert_eq!(sdk.stored.len(), 232);
    let contents: Vec<_> =
        sdk.stored.values().skip(2).map(|message| message["content"].clone()).collect();
    let expected: Vec<_> =
        (0..115).flat_map(|n| [json!(format!("m{n}")), json!(format!("g{n}"))]).collect();
    assert_eq!(contents, expected);
    sdk.sync();
    assert_eq!(sdk.stored.len(), 232);
}

/// C46, and what the SDK hides: typing is shown and not stored.
#[test]
fn tips_receipts_and_typing_go_over_rest() {
    let server = server();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", ANDROID));
    let (sdk, mut other) = (Sdk::login(&server, &alice), Sdk::login(&server, &bob));
    let sent = sdk.tell((1, "bob"), 112, &json!(["id-1", "id-2"]), &json!({}));
    let push = other.told(112);
    assert_eq!(push["sendTime"], sent["sendTime"]);
    assert_eq!(
        (&push["senderNickName"], &push["senderFaceUrl"]),
        (&json!("nick of alice"), &json!("http://face"))
    );
    let typing = json!({"history": 0, "persistent": 0});
    sdk.tell((1, "bob"), 113, &json!("typing"), &typing);
    assert_eq!(other.told(113)["seq"], 0);
    sdk.tell((1, "bob"), 111, &json!("the-client-id"), &json!({"senderSync": 1, "offlinePush": 0}));
    assert_eq!(other.told(111)["seq"], 2);
    other.sync();
    let types: Vec<_> = other.stored.values().map(|m| m["contentType"].as_i64()).collect();
    assert_eq!(types, [Some(112), Some(111)]);
    assert_eq!(other.stored[&1]["sendTime"], sent["sendTime"]);
}

#[test]
fn friends_are_made() {
    let server = server();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", ANDROID));
    let (mut sdk, mut other) = (Sdk::login(&server, &alice), Sdk::login(&server, &bob));
    sdk.post("/friend/get_friends_info", json!({"uid": "bob"}));
    sdk.post("/friend/add_friend", json!({"uid": "bob", "reqMessage": "hello"}));
    assert_eq!(listed(&sdk.post("/friend/get_self_apply_list", json!({})), "uid"), ["bob"]);
    other.told(202);
    let applications = other.post("/friend/get_friend_apply_list", json!({}));
    assert_eq!(listed(&applications, "uid"), ["alice"]);
    other.post("/friend/add_friend_response", json!({"uid": "alice", "flag": 1}));
    let text = "You have successfully become friends, so start chatting";
    other.tell((1, "alice"), 201, &notification(text, ""), &json!({}));
    sdk.told(202);
    // The server's, then the SDK's own.
    sdk.told(201);
    let own = sdk.told(201);
    assert!(own["content"].as_str().expect("a text").contains(text), "{own}");
    assert_eq!(listed(&sdk.post("/friend/get_friend_list", json!({})), "uid"), ["bob"]);
    sdk.post("/friend/set_friend_comment", json!({"uid": "bob", "comment": "b"}));
    sdk.post("/user/update_user_info", json!({"name": "Alice", "uid": "alice"}));
    other.told(201);
    assert_eq!(other.told(204)["sendID"], "alice");
    sdk.sync();
    other.sync();
}

#[test]
fn groups_are_made_joined_and_left() {
    let server = server();
    let users = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    let [mut alice, mut bob, mut carol] = [0, 1, 2].map(|n| Sdk::login(&server, &users[n]));
    let body = json!({"memberList": [{"uid": "bob", "setRole": 0}], "groupName": "g", "introduction": "",
        "notification": "", "faceUrl": "", "ex": ""});
    let made = alice.post("/group/create_group", body);
    let group = made["data"]["groupID"].as_str().expect("an id").to_owned();
    let text = format!("You have joined the group chat:{}", "g");
    alice.tell((2, &group), 502, &notification(&text, &group), &json!({}));
    assert_eq!(bob.told(502)["recvID"], format!("bob {group}"));

    // Carol looks for the owner before she is a member, asks to join, and tells the owner so.
    assert_eq!(carol.members(&group), ["alice"]);
    carol.post("/group/join_group", json!({"groupID": group, "message": "please"}));
    let tip = notification(
        "User\u{ff1a}carol application to join your group",
        &format!("{group},please"),
    );
    carol.tell((1, "alice"), 504, &tip, &json!({}));
    alice.told(504);
    let open = alice.post("/group/get_group_applicationList", json!({}))["data"].clone();
    assert_eq!((&open["count"], &open["user"][0]["fromUserID"]), (&json!(1), &json!("carol")));
    let agree = json!({"groupID": group, "fromUserID": "carol", "toUserID": "0", "fromUserNickName": "c",
        "fromUserFaceUrl": "", "toUserNickName": "", "toUserFaceUrl": "", "addTime": 1, "requestMsg": "please",
        "handledMsg": "", "type": 0, "handleStatus": 2, "handleResult": 1});
    alice.post("/group/group_application_response", agree);
    let detail = json!({"info": {"groupID": group, "fromUserID": "carol"}, "handUserID": "alice"});
    alice.tell(
        (2, &group),
        507,
        &notification("carol join the group", &detail.to_string()),
        &json!({}),
    );
    for sdk in [&mut bob, &mut carol] {
        sdk.told(507);
    }
    assert_eq!(carol.members(&group).len(), 3);

    // Bob is removed and told; carol leaves and says so.
    let removed = json!({"groupID": group, "uidListInfo": [{"groupID": group, "userId": "bob", "role": 0,
        "joinTime": 0, "nickName": "", "faceUrl": ""}], "reason": "", "operationID": "op"});
    alice.post("/group/kick_group", removed.clone());
    let tip = notification("bob  kicked out of group chat by administrator", &removed.to_string());
    alice.tell((2, &group), 509, &tip, &json!({}));
    for sdk in [&mut bob, &mut carol] {
        sdk.told(509);
    }
    carol.post("/group/quit_group", json!({ "groupID": group }));
    carol.tell(
        (2, &group),
        505,
        &notification("User: carol have quit group chat", &group),
        &json!({}),
    );
    alice.told(505);
    assert_eq!(alice.members(&group), ["alice"]);
    for sdk in [&mut alice, &mut bob, &mut carol] {
        sdk.sync();
    }
}
