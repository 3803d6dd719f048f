//! `messagecallback`: before a message of a user is taken the app's backend is asked; what it says is what is stored.

use std::thread;

use serde_json::{Value, json};

use crate::support::backend::{Backend, Post};
use crate::support::groups::post_to;
use crate::support::http::Answer;
use crate::support::link::{Link, group_message, message};
use crate::support::rest::{User, group_body, send_body};
use crate::support::server::{Server, Setup};

/// Sends by websocket and has the backend answer; the reply.
#[track_caller]
fn on_link(link: &mut Link, data: &Value, backend: &Backend, answer: impl FnOnce(Post)) -> Value {
    let envelope = link.envelope(1003, data);
    link.send_text(envelope);
    answer(backend.post());
    link.reply()
}

/// The same over REST.
#[track_caller]
fn by_rest(
    server: &Server,
    by: &User,
    body: &Value,
    backend: &Backend,
    answer: impl FnOnce(Post),
) -> Answer {
    let to = server.rest();
    thread::scope(|scope| {
        let asking = scope.spawn(|| post_to(to, by, "/chat/send_msg", body));
        answer(backend.post());
        asking.join().expect("an answer")
    })
}

fn contents(link: &mut Link) -> Vec<Value> {
    link.inbox().into_iter().map(|mut message| message["content"].take()).collect()
}

#[test]
fn the_question_has_the_originals_form_and_is_signed() {
    let backend = Backend::start();
    let server = backend.asked_by(Setup::new()).start();
    let mut alice = server.newcomer("alice");
    let mut data = message("bob", "m1", "hello \u{e9}");
    data["options"] = json!({"history": 0, "persistent": 1});
    let reply = on_link(&mut alice, &data, &backend, |post| {
        assert_eq!(post.path, "/callback?of=test");
        post.assert_signed();
        let mut asked = post.json();
        assert!(asked["sendTime"].take().as_i64().expect("a time") > 1_600_000_000_000);
        let expected = json!({"sendID": "alice", "recvID": "bob", "content": "hello \u{e9}", "sendTime": null,
            "msgFrom": 100, "contentType": 101, "sessionType": 1, "senderPlatformID": 1, "msgID": "m1",
            "isOnlineOnly": true});
        assert_eq!(asked, expected);
        post.allow();
    });
    assert_eq!(reply["errCode"], 0, "{reply}");
}

#[test]
fn it_may_refuse_with_a_number_and_a_text_of_its_own() {
    let backend = Backend::start();
    let server = backend.asked_by(Setup::new()).start();
    let mut alice = server.newcomer("alice");
    let bob = server.register("bob", 1);
    let group = server.group(&alice.user, &[&bob]);
    let before = alice.newest();
    for data in [message("bob", "m1", "rude"), group_message(&group, "m2", "rude")] {
        let reply =
            on_link(&mut alice, &data, &backend, |post| post.refuse(4711, "mind your words"));
        assert_eq!(
            (&reply["errCode"], &reply["errMsg"]),
            (&json!(4711), &json!("mind your words"))
        );
    }
    let user = alice.user.clone();
    for body in [send_body(&user, "bob", "m3", "rude"), group_body(&user, &group, "m4", "rude")] {
        let answer = by_rest(&server, &user, &body, &backend, |post| post.refuse(0, ""));
        assert_eq!(answer.status, 200);
        let said = json!([800, "the app does not take this message"]);
        assert_eq!(json!([answer.json()["errCode"], answer.json()["errMsg"]]), said);
    }
    assert_eq!(alice.newest(), before, "what is refused leaves nothing");
}

#[test]
fn what_it_writes_instead_is_what_everybody_reads_also_after_a_kill() {
    let backend = Backend::start();
    let mut server = backend.asked_by(Setup::new()).start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let group = server.group(&alice.user, &[&bob.user]);
    let (told_alice, told_bob) = (contents(&mut alice).len(), contents(&mut bob).len());
    let reply =
        on_link(&mut alice, &message("bob", "m1", "damn"), &backend, |post| post.change("d*mn"));
    assert_eq!(reply["errCode"], 0, "{reply}");
    let data = group_message(&group, "m2", "damn all");
    on_link(&mut alice, &data, &backend, |post| post.change("d*mn all"));
    let user = alice.user.clone();
    let body = send_body(&user, "bob", "m3", "damn again");
    by_rest(&server, &user, &body, &backend, |post| post.change("d*mn again"));
    let body = group_body(&user, &group, "m4", "fine");
    by_rest(&server, &user, &body, &backend, Post::allow);
    server.restart();
    for (uid, told) in [("alice", told_alice), ("bob", told_bob)] {
        let mut link = server.connect(&server.login(uid, 1));
        let mut had = contents(&mut link).split_off(told);
        // On a cluster a group and a single chat are in two topics.
        had.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
        assert_eq!(had, ["d*mn", "d*mn again", "d*mn all", "fine"].map(Value::from), "{uid}");
    }
}

#[test]
fn it_is_not_asked_about_what_no_user_says() {
    let backend = Backend::start();
    let server = backend.asked_by(Setup::new()).start();
    let (alice, bob) = (server.register("alice", 1), server.register("bob", 1));
    // Each of them tells by messages.
    server.befriend(&alice, &bob);
    server.group(&alice, &[&bob]);
    let boss = server.manager();
    let body = json!({"operationID": "op", "sendID": "alice", "recvID": "bob", "senderPlatformID": 1,
        "content": {"text": "of the app itself"}, "contentType": 101, "sessionType": 1});
    let answer = server.post_as(&boss.token, "/manager/send_msg", &body);
    assert_eq!(answer.json()["errCode"], 0, "{}", answer.text());
    assert!(backend.early().is_none());
}

#[test]
fn of_messages_to_one_user_only_and_no_more_when_it_is_switched_off() {
    let backend = Backend::start();
    let setup = backend
        .asked_by(Setup::new())
        .unset("OPENIM_MESSAGECALLBACK_CALLBACKSWITCH")
        .set("OPENIM_MESSAGECALLBACK_C2C_CALLBACKBEFORESENDMSG_SWITCH", "true");
    let server = setup.start();
    let mut alice = server.newcomer("alice");
    let bob = server.register("bob", 1);
    let group = server.group(&alice.user, &[&bob]);
    alice.say_data(&group_message(&group, "m1", "nobody asks"));
    let reply = on_link(&mut alice, &message("bob", "m2", "hello"), &backend, Post::allow);
    assert_eq!(reply["errCode"], 0, "{reply}");
    assert!(backend.early().is_none());
}
