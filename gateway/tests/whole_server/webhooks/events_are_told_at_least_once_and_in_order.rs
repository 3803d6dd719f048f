//! `webhook.url`: what is stored is posted to the app's backend, in order, at least once, and again with the same id only.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::backend::{Backend, WEBHOOK_SECRET};
use crate::support::link::{group_message, message};
use crate::support::server::Setup;

const COMPLAINT: &str = "the app's backend does not take events";

fn telling(backend: &Backend) -> Setup {
    Setup::new()
        .set("OPENIM_WEBHOOK_URL", backend.url("/events"))
        .set("OPENIM_WEBHOOK_SECRET", WEBHOOK_SECRET)
        .set("OPENIM_WEBHOOK_BATCHMAX", 4)
        // A post of a server that was killed, or that nobody has taken meanwhile, is made again.
        .allow(COMPLAINT)
}

/// Events that were told, each once; a repeat must be the same.
#[derive(Default)]
struct Told {
    by_id: BTreeMap<String, Value>,
    in_order: Vec<Value>,
}

impl Told {
    /// Takes one post.
    #[track_caller]
    fn take(&mut self, backend: &Backend) {
        let post = backend.post();
        post.assert_signed();
        let events = post.json()["events"].as_array().expect("events").clone();
        assert!((1..=4 + 32).contains(&events.len()), "{}", events.len());
        for event in events {
            let id = event["id"].as_str().expect("an id").to_owned();
            match self.by_id.get(&id) {
                Some(before) => assert_eq!(before, &event),
                None => {
                    self.by_id.insert(id, event.clone());
                    self.in_order.push(event);
                }
            }
        }
        post.say(204, "");
    }

    /// Takes posts until one tells this message.
    #[track_caller]
    fn until_message(&mut self, backend: &Backend, client_msg_id: &str) {
        while !self.in_order.iter().any(|event| event["data"]["clientMsgID"] == client_msg_id) {
            self.take(backend);
        }
    }

    /// Of the events of a type, this part of their data.
    fn of(&self, kind: &str, part: &str) -> Vec<Value> {
        let of_type = self.in_order.iter().filter(|event| event["type"] == kind);
        of_type.map(|event| event["data"][part].clone()).collect()
    }

    /// Checks that positions rise.
    #[track_caller]
    fn assert_in_order(&self) {
        let positions = self.in_order.iter().map(|event| event["position"].as_u64().expect("one"));
        assert!(positions.is_sorted());
    }
}

#[test]
fn of_every_kind() {
    let backend = Backend::start();
    let server = telling(&backend).start();
    let mut alice = server.newcomer("alice");
    let (bob, carol) = (server.register("bob", 1), server.register("carol", 1));
    server.befriend(&alice.user, &bob);
    let group = server.group(&alice.user, &[&bob, &carol]);
    server.kick(&alice.user, &group, &["carol"]);
    alice.say("bob", "m1", "hello \u{e9}");
    alice.say_data(&group_message(&group, "m2", "to all"));
    let boss = server.manager();
    let ended = json!({"operationID": "op", "uid": "bob"});
    server.done_as(&boss, "/manager/force_logout", &ended);
    server.done_as(
        &boss,
        "/manager/delete_user",
        &json!({"operationID": "op", "deleteUidList": ["carol"]}),
    );
    alice.say("bob", "last", "of all");
    let mut told = Told::default();
    told.until_message(&backend, "last");
    told.assert_in_order();
    for uid in ["alice", "bob", "carol"] {
        assert!(told.of("user.saved", "uid").contains(&json!(uid)), "{uid}");
        assert!(told.of("login", "uid").contains(&json!(uid)), "{uid}");
    }
    assert!(told.of("friend.request", "toID").contains(&json!("bob")));
    assert!(told.of("friend.saved", "friendID").contains(&json!("bob")));
    assert_eq!(told.of("group.saved", "groupID"), [json!(group)]);
    assert!(told.of("group.member.saved", "uid").contains(&json!("carol")));
    assert!(told.of("group.member.removed", "uid").contains(&json!("carol")));
    assert!(told.of("logout", "uid").contains(&json!("bob")));
    assert_eq!(told.of("user.deleted", "uid"), [json!("carol")]);
    let singles = told.of("message.single", "content");
    assert!(singles.contains(&json!("hello \u{e9}")), "{singles:?}");
    assert!(told.of("message.group", "content").contains(&json!("to all")));
}

#[test]
fn also_those_of_a_time_in_which_the_backend_was_away_and_the_server_killed() {
    let backend = Backend::start();
    let mut server = telling(&backend).start();
    let mut told = Told::default();
    let alice = server.register("alice", 1);
    server.rest_send(&alice, "bob", "m0", "hello");
    told.until_message(&backend, "m0");
    let at = backend.leave();
    let mut sent = 0;
    for _ in 0..4 {
        for _ in 0..25 {
            sent += 1;
            server.rest_send(&alice, "bob", &format!("m{sent}"), "while nobody listens");
        }
        server.restart();
    }
    let backend = Backend::at(at);
    for _ in 0..3 {
        told.take(&backend);
        // In the middle of it.
        server.restart();
    }
    told.until_message(&backend, &format!("m{sent}"));
    let ids: Vec<Value> = (0..=sent).map(|number| json!(format!("m{number}"))).collect();
    assert_eq!(told.of("message.single", "clientMsgID"), ids);
    told.assert_in_order();
}

#[test]
fn only_of_the_kinds_that_are_wanted_and_a_refusal_is_no_end() {
    let backend = Backend::start();
    let server = telling(&backend).set("OPENIM_WEBHOOK_EVENTS", "message").start();
    let mut alice = server.newcomer("alice");
    alice.say("bob", "m1", "hello");
    for status in [500, 400, 302] {
        backend.post().say(status, "");
    }
    let mut told = Told::default();
    told.until_message(&backend, "m1");
    let data = message("bob", "m2", "again");
    alice.say_data(&data);
    told.until_message(&backend, "m2");
    assert_eq!(told.in_order.len(), 2);
    server.logged(&["WARN", COMPLAINT, "status 500"]);
}
