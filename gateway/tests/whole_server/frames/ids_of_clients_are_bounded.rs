//! `clientMsgID` and `operationID` have at most 255 bytes, on both ways; and no id forges a line of the log.

use serde_json::{Value, json};

use crate::support::link::{group_message, message};
use crate::support::platform::IOS;
use crate::support::rest::{op, send_body};
use crate::support::server::{Server, Setup};

/// Of 255 bytes, and of 256.
fn lengths() -> [(String, bool); 4] {
    [
        ("i".repeat(255), true),
        ("i".repeat(256), false),
        ("\u{e9}".repeat(127), true),
        ("\u{e9}".repeat(128), false),
    ]
}

#[test]
fn client_msg_ids_get_204_and_400() {
    let server = Server::start();
    let (alice, bob) = (server.register("alice", IOS), server.register("bob", IOS));
    let group = server.group(&alice, &[&bob]);
    let mut link = server.connect(&alice);
    for (id, fits) in lengths() {
        for mut data in [message("bob", "m", "hello"), group_message(&group, "m", "hello")] {
            data["clientMsgID"] = json!(id);
            let reply = link.request(1003, &data);
            assert_eq!(reply["errCode"], if fits { 0 } else { 204 }, "{reply}");
            assert!(
                fits || reply["errMsg"].as_str().is_some_and(|text| text.contains("ClientMsgID"))
            );
        }
        let answer =
            server.post_as(&alice.token, "/chat/send_msg", &send_body(&alice, "bob", &id, "x"));
        assert_eq!(answer.status, if fits { 200 } else { 400 }, "{}", answer.text());
    }
    // The same ids by REST were the same messages.
    assert_eq!(link.newest(), 4);
}

#[test]
fn operation_ids_get_204_and_400() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let mut link = server.connect(&alice);
    for (id, fits) in lengths() {
        let mut envelope = link.envelope(1001, &Value::Null);
        envelope["operationID"] = json!(id);
        let reply = link.ask(&envelope);
        assert_eq!(reply["errCode"], if fits { 0 } else { 204 }, "{reply}");
        for (route, mut body) in [
            ("/friend/get_friend_list", json!({})),
            ("/user/get_user_info", json!({"uidList": ["alice"]})),
            ("/group/get_group_all_member_list", json!({"groupID": "none"})),
            ("/chat/newest_seq", json!({"reqIdentifier": 1001, "sendID": "alice", "msgIncr": 1})),
            ("/manager/account_check", json!({"userIDList": ["alice"]})),
        ] {
            body["operationID"] = json!(id);
            let answer = server.post_as(&alice.token, route, &body);
            assert_eq!(answer.status, if fits { 200 } else { 400 }, "{route}: {}", answer.text());
        }
    }
}

#[test]
fn reasons_that_are_told_to_groups_are_bounded() {
    let server = Server::start();
    let alice = server.register("alice", IOS);
    let group = server.group(&alice, &[]);
    for (count, status) in [(255, 200), (256, 400)] {
        let body =
            json!({"groupID": group, "uidList": ["alice"], "reason": "\u{4f60}".repeat(count)});
        let answer = server.post_as(&alice.token, "/group/invite_user_to_group", &op(body));
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}

#[test]
fn no_id_forges_a_line_of_the_log() {
    let server = Setup::new().set("OPENIM_LOG_LEVEL", "debug").start();
    let alice = server.register("alice", IOS);
    let mut link = server.connect(&alice);
    let forged = "op\n2021-01-01T00:00:00Z INFO forged\r\u{1b}[2J";
    for (key, value) in [("operationID", forged), ("sendID", forged)] {
        let mut envelope = link.envelope(1001, &Value::Null);
        envelope[key] = json!(value);
        link.ask(&envelope);
    }
    let whole = r"op\n2021-01-01T00:00:00Z INFO forged\r\u{1b}[2J";
    server.logged(&["request", whole]);
    server.logged(&["token refused", whole]);
    for line in server.log().iter().filter(|line| line.contains("forged")) {
        assert!(!line.contains(char::is_control) && line.contains(r"\n2021-01-01"), "{line}");
    }
}
