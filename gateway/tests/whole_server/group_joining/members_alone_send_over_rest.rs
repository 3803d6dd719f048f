//! `/chat/send_msg` to a group: members do, others get 800 and leave nothing; `forceList` marks whom it names.

use serde_json::{Value, json};

use super::Staffed;
use crate::support::link::{column, messages};
use crate::support::platform::IOS;
use crate::support::rest::{User, group_body, keys};
use crate::support::server::Server;

const PATH: &str = "/chat/send_msg";

/// Every message of the inbox, pulled over REST; with the answer's `data`.
#[track_caller]
fn pulled(server: &Server, user: &User) -> (Vec<Value>, Value) {
    let body = json!({"reqIdentifier": 1002, "sendID": user.uid,
        "operationID": "op", "data": {"seqBegin": 1, "seqEnd": 1000}});
    let answer = server.done_as(user, "/chat/pull_msg", &body);
    (messages(&answer["data"]), answer["data"].clone())
}

#[test]
fn members_of_every_role_do() {
    let Staffed { server, owner, admin, member, group } = Staffed::start();
    let mut sent = Vec::new();
    for sender in [&owner, &admin, &member] {
        let body = group_body(sender, &group, &format!("of {}", sender.uid), "hello");
        let answer = server.ask_as(sender, PATH, &body);
        assert_eq!((&answer["errCode"], &answer["errMsg"]), (&json!(0), &json!("")), "{answer}");
        assert_eq!(answer["reqIdentifier"], 1003);
        assert_eq!(keys(&answer["data"]), ["clientMsgID", "sendTime", "serverMsgID"]);
        assert_eq!(answer["data"]["clientMsgID"], format!("of {}", sender.uid));
        sent.push(answer["data"]["serverMsgID"].clone());
    }
    // Each inbox has each message once, the sender's own too.
    for reader in [&owner, &admin, &member] {
        let (inbox, data) = pulled(&server, reader);
        assert_eq!(column(&inbox, "serverMsgID"), sent.iter().collect::<Vec<_>>());
        assert_eq!(column(&inbox, "seq"), [1, 2, 3]);
        assert_eq!(column(&inbox, "sendID"), ["owner", "admin", "member"]);
        for message in &inbox {
            assert_eq!(message["recvID"], format!("{} {group}", reader.uid));
        }
        assert_eq!(data["single"], json!([]));
        assert_eq!(
            (data["group"].as_array().map(Vec::len), &data["group"][0]["id"]),
            (Some(1), &json!(group))
        );
    }
}

#[test]
fn nobody_else_does() {
    let Staffed { server, owner, member, group, .. } = Staffed::start();
    let eve = server.register("eve", IOS);
    let refused = |by: &User, group: &str| {
        let answer = server.ask_as(by, PATH, &group_body(by, group, "m", "hello"));
        assert_eq!((&answer["errCode"], &answer["errMsg"]), (&json!(800), &json!("no permission")));
        assert_eq!(answer["reqIdentifier"], 1003);
        assert_eq!(answer["data"]["serverMsgID"], "", "{answer}");
    };
    for by in [&eve, &server.manager()] {
        refused(by, &group);
    }
    for unknown in ["unknown", " ", &group.to_uppercase()[..31], "owner"] {
        refused(&owner, unknown);
    }
    server.kick(&owner, &group, &["member"]);
    refused(&member, &group);
    for user in [&owner, &member, &eve] {
        assert_eq!(server.connect(user).newest(), 0, "{}", user.uid);
    }
}

/// Whose token it is decides, whoever is named as the sender.
#[test]
fn nobody_sends_under_a_members_name() {
    let Staffed { server, owner, member, group, .. } = Staffed::start();
    let eve = server.register("eve", IOS);
    let body = group_body(&owner, &group, "m", "as the owner");
    let mut tokens: Vec<String> =
        server.bad_tokens("owner").into_iter().map(|(token, _)| token).collect();
    tokens.extend([eve.token, member.token.clone()]);
    for token in tokens {
        let answer = server.post_as(&token, PATH, &body);
        assert_eq!(answer.status, 400, "{}", answer.text());
        let answer = answer.json();
        assert_eq!(
            (&answer["errCode"], &answer["errMsg"]),
            (&json!(400), &json!("token validate err"))
        );
    }
    assert_eq!(server.connect(&member).newest(), 0);
}

/// The push says so; a pulled message has no such key (spec, websocket: message object).
#[test]
fn the_named_member_alone_is_emphasised() {
    let Staffed { mut server, owner, admin, member, group } = Staffed::start();
    let mut links = [&owner, &admin, &member].map(|user| server.connect(user));
    let mut body = group_body(&owner, &group, "look", "look");
    body["data"]["forceList"] = json!(["member", "nobody", "member", "", "member "]);
    server.done_as(&owner, PATH, &body);
    server.done_as(&owner, PATH, &group_body(&owner, &group, "plain", "look away"));
    for (link, marks) in links[1..].iter_mut().zip([[false, false], [true, false]]) {
        let pushes = [link.pushed(), link.pushed()];
        assert_eq!(column(&pushes, "content"), ["look", "look away"]);
        assert_eq!(column(&pushes, "isEmphasize"), marks, "{}", link.user.uid);
    }
    server.restart();
    for reader in [&owner, &admin, &member] {
        let (inbox, _) = pulled(&server, reader);
        assert_eq!(column(&inbox, "content"), ["look", "look away"], "{}", reader.uid);
    }
}
