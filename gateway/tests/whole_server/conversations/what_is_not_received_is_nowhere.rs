//! Option 1 of a conversation: what others write there from then on is neither pushed nor pulled, and takes no number; whoever
//! wrote it has it. It is decided once: a restart, and an index that is made anew, find the same.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::{no_effect, set};
use crate::support::link::{Link, group_message, message};
use crate::support::platform::{IOS, WEB};
use crate::support::rest::{User, op};
use crate::support::server::{Server, Setup};

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
    set(&server, &bob, 1, &["single_ann"]);
    let unwanted = from.say("bob", "m1", "hello");
    assert_eq!(from.say("bob", "m1", "hello"), unwanted, "a repeat gets the same receipt");
    server.rest_send(&ann, "bob", "m2", "hello");
    for (id, kept) in [("m3", 0), ("m4", 1)] {
        from.say_with("bob", id, &json!({"history": 0, "persistent": kept}));
    }
    other.say("bob", "m5", "hello");
    assert_eq!(to.pushed()["clientMsgID"], "m5", "the first that comes");
    assert_eq!(ids(&mut to), ["m5"]);
    assert_eq!(ids(&mut from), ["m1", "m2"], "its sender has it");
    for id in [unwanted.server_id.as_str(), "m3", "m4"] {
        assert_eq!(why(&server, &bob, id), "blocked", "{id}");
    }
    // What the sender does not want to receive matters nothing for what they send; nor does what is for oneself.
    set(&server, &ann, 1, &["single_cid", "single_ann"]);
    from.say("cid", "m6", "hello");
    assert_eq!(other.pushed()["clientMsgID"], "m6");
    from.say("ann", "m7", "hello");
    // What was decided stays so, and what is set is known when the server comes back.
    server.kill();
    server.restart();
    let (mut from, mut to) = (server.connect(&ann), server.connect(&bob));
    assert_eq!(ids(&mut to), ["m5"]);
    assert_eq!(from.say("bob", "m1", "hello"), unwanted, "and after a restart");
    from.say("bob", "m8", "hello");
    for option in [0, 2] {
        set(&server, &bob, option, &["single_ann"]);
        let id = format!("option {option}");
        from.say("bob", &id, "hello");
        assert_eq!(to.pushed()["clientMsgID"], id);
    }
    assert_eq!(ids(&mut to), ["m5", "option 0", "option 2"]);
    assert_eq!(ids(&mut from), ["m1", "m2", "m6", "m7", "m8", "option 0", "option 2"]);
}

#[test]
fn its_sender_has_it_on_every_device() {
    if no_effect() {
        return;
    }
    let server = Server::start();
    let [ann, bob] = ["ann", "bob"].map(|uid| server.register(uid, IOS));
    let mut web = server.connect(&server.login("ann", WEB));
    set(&server, &bob, 1, &["single_ann"]);
    let mut data = message("bob", "m1", "hello");
    data["platformID"] = json!(IOS);
    server.connect(&ann).say_data(&data);
    assert_eq!(web.pushed()["clientMsgID"], "m1");
}

/// Sender and receiver may be at home in one partition: a repeat is known there all the same.
#[test]
fn a_repeat_is_one_in_every_partition() {
    if no_effect() {
        return;
    }
    let mut server =
        Setup::new().set("OPENIM_EMBEDDED_PARTITIONS", 1).set("OPENIM_GATEWAY_SHARDS", 1).start();
    let [ann, bob] = ["ann", "bob"].map(|uid| server.register(uid, IOS));
    set(&server, &bob, 1, &["single_ann"]);
    let first = server.connect(&ann).say("bob", "m1", "hello");
    server.restart();
    let mut from = server.connect(&ann);
    assert_eq!(from.say("bob", "m1", "hello"), first);
    assert_eq!((ids(&mut from), server.connect(&bob).newest()), (vec!["m1".to_owned()], 0));
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
    set(&server, &bob, 1, &[&conversation]);
    let unwanted = from.say_data(&group_message(&group, "m2", "hello"));
    assert_eq!(why(&server, &bob, &unwanted.server_id), "blocked");
    let mut to_bob = group_message(&group, "m3", "hello");
    to_bob["forceList"] = json!(["bob"]);
    from.say_data(&to_bob);
    // What they write themselves they have.
    to.say_data(&group_message(&group, "m4", "hello"));
    assert_eq!(rest(&mut to), ["m1", "m4"]);
    assert_eq!(rest(&mut other), ["m1", "m2", "m3", "m4"]);
    // What becomes of the group they learn, and it is theirs also when they have left and come back.
    let manager = server.manager();
    server.kick(&manager, &group, &["bob"]);
    server.invite(&manager, &group, &["bob"]);
    let mut tip = group_message(&group, "m4a", "{}");
    tip["contentType"] = json!(506);
    from.say_data(&tip);
    let tips = rest(&mut to).len();
    assert!(tips > 3 && rest(&mut to).ends_with(&["m4a".to_owned()]), "{:?}", rest(&mut to));
    from.say_data(&group_message(&group, "m5", "hello"));
    assert_eq!(rest(&mut to).len(), tips);
    server.kill();
    server.restart();
    let (mut from, mut to) = (server.connect(&ann), server.connect(&bob));
    from.say_data(&group_message(&group, "m6", "hello"));
    assert_eq!(rest(&mut to).len(), tips);
    set(&server, &bob, 2, &[&conversation]);
    from.say_data(&group_message(&group, "m7", "hello"));
    assert_eq!(to.pushed()["clientMsgID"], "m7");
    assert_eq!(rest(&mut to).split_off(tips), ["m7"]);
}

const UIDS: [&str; 6] = ["ann", "bob", "cid", "dan", "eve", "fay"];

/// What one of them gets when each writes to each, and then to the group, as they wish below.
fn third_round(uid: &str) -> Vec<Value> {
    let is_unwanted = |from: &str, to: &str| match uid {
        "ann" => (from, to) == ("bob", "ann"),
        "bob" => (from, to) == ("ann", "bob"),
        "dan" => to == "group" && from != uid,
        "eve" => (from, to) == ("fay", "eve") || to == "group" && from != uid,
        _ => false,
    };
    let all = UIDS.iter().flat_map(|from| UIDS.iter().chain([&"group"]).map(|to| (*from, *to)));
    all.filter(|(from, to)| *from == uid || *to == uid || *to == "group")
        .filter(|(from, to)| !is_unwanted(from, to))
        .map(|(from, to)| json!(format!("3 {from} {to}")))
        .collect()
}

/// The same numbers, and the same wishes, from the log alone.
#[test]
fn an_index_that_is_made_anew_agrees() {
    if no_effect() {
        return;
    }
    let mut server =
        Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).allow("the index is made anew").start();
    let users = UIDS.map(|uid| server.register(uid, IOS));
    let group = server.group(&users[0], &users.each_ref()[1..]);
    let wishes: [&[&str]; 6] = [
        &["single_bob"],
        &["single_ann", "single_cid"],
        &[],
        &["single_dan"],
        &["single_fay"],
        &[],
    ];
    for (user, conversations) in users.iter().zip(wishes) {
        set(&server, user, 1, conversations);
    }
    for user in &users[3..5] {
        set(&server, user, 1, &[&format!("group_{group}")]);
    }
    let say = |server: &Server, round: u32| {
        for user in &users {
            let mut link = server.connect(user);
            for to in UIDS {
                link.say(to, &format!("{round} {} {to}", user.uid), "hello");
            }
            link.say_data(&group_message(&group, &format!("{round} {} group", user.uid), "hello"));
        }
    };
    let inboxes = |server: &Server| -> BTreeMap<String, Vec<Value>> {
        users.iter().map(|user| (user.uid.clone(), server.connect(user).inbox())).collect()
    };
    say(&server, 1);
    set(&server, &users[1], 0, &["single_cid"]);
    say(&server, 2);
    let before = inboxes(&server);
    let has = |uid: &str, id: &str| before[uid].iter().any(|message| message["clientMsgID"] == id);
    assert!(!has("bob", "1 cid bob") && has("bob", "2 cid bob") && !has("bob", "2 ann bob"));
    assert!(has("dan", "1 dan dan") && !has("dan", "1 ann group") && has("dan", "1 dan group"));

    server.kill();
    fs::remove_dir_all(server.data_dir().join("index")).expect("removed");
    server.restart();
    server.logged(&["the index is made anew"]);
    assert_eq!(inboxes(&server), before);
    say(&server, 3);
    let after = inboxes(&server);
    let added = |uid: &str| -> Vec<&Value> {
        after[uid][before[uid].len()..].iter().map(|message| &message["clientMsgID"]).collect()
    };
    for uid in UIDS {
        assert_eq!(added(uid), third_round(uid).iter().collect::<Vec<_>>(), "{uid}");
    }
}
