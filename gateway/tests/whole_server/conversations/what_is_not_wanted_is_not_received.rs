//! Option 1 of a conversation: what is written there does not come, is not pulled, and takes no number; option 2 changes
//! nothing for who is there.

use serde_json::{Value, json};

use crate::support::engine::embedded_only;
use crate::support::link::{Link, group_message, message};
use crate::support::platform::{IOS, WEB};
use crate::support::rest::{User, op};
use crate::support::server::{Server, Setup};

fn no_effect() -> bool {
    embedded_only("options have no effect on a cluster")
}

#[track_caller]
fn set(server: &Server, user: &User, option: i64, conversation: &str) {
    let body = op(json!({"option": option, "conversationIdList": [conversation]}));
    server.done_as(user, "/conversation/set_receive_message_opt", &body);
}

/// The client's ids of what an inbox holds.
#[track_caller]
fn ids(link: &mut Link) -> Vec<String> {
    let id = |message: &Value| message["clientMsgID"].as_str().expect("an id").to_owned();
    link.inbox().iter().map(id).collect()
}

#[track_caller]
fn why(server: &Server, user: &User, message: &str) -> Value {
    let body = op(json!({"uid": user.uid, "message": message}));
    server.done_as(&server.manager(), "/manager/why", &body)["data"]["reason"].clone()
}

#[test]
fn of_one_user() {
    if no_effect() {
        return;
    }
    let mut server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).start();
    let [ann, bob, cid] = ["ann", "bob", "cid"].map(|uid| server.register(uid, IOS));
    let (mut from, mut other) = (server.connect(&ann), server.connect(&cid));
    let mut to = server.connect(&bob);
    set(&server, &bob, 1, "single_ann");
    let unwanted = from.say("bob", "m1", "hello");
    assert_eq!(from.say("bob", "m1", "hello"), unwanted, "a repeat gets the same receipt");
    server.rest_send(&ann, "bob", "m2", "hello");
    let nothing_stays = json!({"history": 0, "persistent": 0});
    from.say_with("bob", "m3", &nothing_stays);
    other.say("bob", "m4", "hello");
    assert_eq!(to.pushed()["clientMsgID"], "m4", "the first that comes");
    assert_eq!(ids(&mut to), ["m4"]);
    assert_eq!(ids(&mut from), ["m1", "m2"], "its sender has it");
    assert_eq!(why(&server, &bob, &unwanted.server_id), "blocked");
    // Nor does the sender's own wish matter to what they send.
    set(&server, &ann, 1, "single_bob");
    from.say("cid", "m5", "hello");
    assert_eq!(other.pushed()["clientMsgID"], "m5");
    // The log was decided by then; and what is set is known when the server comes back.
    server.kill();
    server.restart();
    let (mut from, mut to) = (server.connect(&ann), server.connect(&bob));
    assert_eq!(ids(&mut to), ["m4"]);
    from.say("bob", "m6", "hello");
    for option in [0, 2] {
        set(&server, &bob, option, "single_ann");
        let id = format!("option {option}");
        from.say("bob", &id, "hello");
        assert_eq!(to.pushed()["clientMsgID"], id);
    }
    assert_eq!(ids(&mut to), ["m4", "option 0", "option 2"]);
    assert_eq!(ids(&mut from), ["m1", "m2", "m5", "m6", "option 0", "option 2"]);
}

#[test]
fn its_sender_has_it_on_every_device() {
    if no_effect() {
        return;
    }
    let server = Server::start();
    let [ann, bob] = ["ann", "bob"].map(|uid| server.register(uid, IOS));
    let mut web = server.connect(&server.login("ann", WEB));
    set(&server, &bob, 1, "single_ann");
    let mut data = message("bob", "m1", "hello");
    data["platformID"] = json!(IOS);
    server.connect(&ann).say_data(&data);
    assert_eq!(web.pushed()["clientMsgID"], "m1");
}

#[test]
fn of_a_group() {
    if no_effect() {
        return;
    }
    let mut server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).start();
    let [ann, bob, cid] = ["ann", "bob", "cid"].map(|uid| server.register(uid, IOS));
    let group = server.group(&ann, &[&bob, &cid]);
    let conversation = format!("group_{group}");
    let (mut from, mut to) = (server.connect(&ann), server.connect(&bob));
    let mut other = server.connect(&cid);
    let before = ids(&mut to).len();
    let rest = |link: &mut Link| ids(link).split_off(before);
    from.say_data(&group_message(&group, "m1", "hello"));
    set(&server, &bob, 1, &conversation);
    let unwanted = from.say_data(&group_message(&group, "m2", "hello"));
    assert_eq!(why(&server, &bob, &unwanted.server_id), "blocked");
    // What they write themselves they have.
    to.say_data(&group_message(&group, "m3", "hello"));
    set(&server, &cid, 1, &conversation);
    from.say_data(&group_message(&group, "m4", "hello"));
    assert_eq!(rest(&mut to), ["m1", "m3"]);
    assert_eq!(rest(&mut other), ["m1", "m2", "m3"]);
    server.kill();
    server.restart();
    let (mut from, mut to) = (server.connect(&ann), server.connect(&bob));
    assert_eq!(rest(&mut to), ["m1", "m3"]);
    from.say_data(&group_message(&group, "m5", "hello"));
    set(&server, &bob, 2, &conversation);
    from.say_data(&group_message(&group, "m6", "hello"));
    assert_eq!(rest(&mut to), ["m1", "m3", "m6"]);
    assert_eq!(to.pushed()["clientMsgID"], "m6");
}
