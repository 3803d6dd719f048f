//! Each of the reasons, as it comes about; after the server was killed as well.

use serde_json::json;

use super::{no_journal, reason, why, why_with};
use crate::support::link::{group_message, message};
use crate::support::platform::{IOS, WEB};
use crate::support::raw::{RawLink, TEXT};
use crate::support::rest::op;
use crate::support::server::Setup;

fn unix_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.expect("after 1970").as_millis()).expect("not so late")
}

#[test]
fn waits_pushed_pulled_and_no_such_message() {
    if no_journal() {
        return;
    }
    let mut server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).start();
    let (ann, bob) = (server.register("ann", IOS), server.register("bob", IOS));
    let mut ann = server.connect(&ann);
    let sent = ann.say("bob", "m1", "hello");
    let told = why(&server, "bob", "m1");
    assert_eq!((reason(&told), &told["seq"]), ("waits", &json!(1)), "{told}");
    assert_eq!(told["message"]["serverMsgID"], json!(sent.server_id));
    // By each of its names.
    for name in ["1", "seq:1", &sent.server_id, "id:m1"] {
        assert_eq!(reason(&why(&server, "bob", name)), "waits", "{name}");
    }
    let mut link = server.connect(&bob);
    assert_eq!(reason(&why(&server, "bob", "m1")), "waits", "it has not asked");
    ann.say("bob", "m2", "hello");
    assert_eq!(link.pushed()["clientMsgID"], "m2");
    let told = why(&server, "bob", "m2");
    assert_eq!((reason(&told), &told["platform"]), ("pushed", &json!(IOS)));
    assert_eq!(reason(&why(&server, "bob", "m1")), "waits");
    assert_eq!(link.inbox().len(), 2);
    let told = why(&server, "bob", "m1");
    assert_eq!((reason(&told), &told["link"]), ("pulled", &why(&server, "bob", "m2")["link"]));
    assert_eq!(reason(&why(&server, "bob", "m2")), "pushed", "that came first");
    for name in ["m3", "seq:3", "0"] {
        assert_eq!(reason(&why(&server, "bob", name)), "never_accepted", "{name}");
    }
    // Who sent it.
    let told = why(&server, "ann", "m1");
    assert_eq!((reason(&told), &told["platform"]), ("other_device", &json!(IOS)));
    let told = why_with(&server, "bob", "m2", json!({"platform": WEB}));
    assert_eq!((reason(&told), &told["platform"]), ("other_device", &json!(IOS)));
    ann.close();
    link.close();
    // The same is known when the server has ended and come back.
    let before = ["m1", "m2"].map(|name| why(&server, "bob", name));
    server.restart();
    assert_eq!(["m1", "m2"].map(|name| why(&server, "bob", name)), before);
}

#[test]
fn pulled_by_rest() {
    if no_journal() {
        return;
    }
    let server = Setup::new().start();
    let (ann, bob) = (server.register("ann", IOS), server.register("bob", WEB));
    server.rest_send(&ann, "bob", "m1", "hello");
    assert_eq!(reason(&why(&server, "bob", "m1")), "waits");
    let pull = json!({"reqIdentifier": 1002, "sendID": "bob", "operationID": "op", "msgIncr": 1,
        "data": {"seqBegin": 1, "seqEnd": 1}});
    server.post_as(&bob.token, "/chat/pull_msg", &pull);
    let told = why(&server, "bob", "m1");
    assert_eq!(
        (reason(&told), &told["platform"], &told["link"]),
        ("pulled", &json!(WEB), &json!(""))
    );
}

#[test]
fn a_link_that_was_killed_with_its_server_is_told_as_cut_or_pushed() {
    if no_journal() {
        return;
    }
    let mut server = Setup::new().start();
    let (ann, bob) = (server.register("ann", IOS), server.register("bob", IOS));
    let mut ann = server.connect(&ann);
    let mut link = server.connect(&bob);
    for n in 0..50 {
        ann.say("bob", &format!("m{n}"), "hello");
        link.pushed();
    }
    server.kill();
    server.restart();
    for n in 0..50 {
        let told = why(&server, "bob", &format!("m{n}"));
        assert!(["pushed", "cut"].contains(&reason(&told)), "{told}");
    }
    ann = server.connect(&ann.user.clone());
    ann.say("bob", "later", "hello");
    assert_eq!(reason(&why(&server, "bob", "later")), "waits");
    // What it pulls it has.
    let mut link = server.connect(&bob);
    link.inbox();
    for name in ["m49", "later"] {
        let told = why(&server, "bob", name);
        assert!(["pushed", "pulled"].contains(&reason(&told)), "{told}");
    }
}

#[test]
fn refused_and_blocked() {
    if no_journal() {
        return;
    }
    let server = Setup::new().set("OPENIM_POLICY_BLACKLISTBLOCKS", true).start();
    let (ann, bob) = (server.register("ann", IOS), server.register("bob", IOS));
    server.done_as(&bob, "/friend/add_blacklist", &op(json!({"uid": "ann"})));
    let mut link = server.connect(&ann);
    let answer = link.request(1003, &message("bob", "m1", "hello"));
    assert_eq!(answer["errCode"], 800, "{answer}");
    assert_eq!(reason(&why(&server, "bob", "m1")), "blocked");
    let mut odd = message("bob", "m2", "hello");
    odd["sessionType"] = json!(7);
    let answer = link.request(1003, &odd);
    let told = why(&server, "bob", "m2");
    assert_eq!((reason(&told), &told["code"]), ("refused", &answer["errCode"]));
    // One that was taken after all is no refused one.
    server.done_as(&bob, "/friend/remove_blacklist", &op(json!({"uid": "ann"})));
    link.say("bob", "m1", "hello");
    assert_eq!(reason(&why(&server, "bob", "m1")), "waits");
}

#[test]
fn who_was_no_member_is_told_so() {
    if no_journal() {
        return;
    }
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).start();
    let [ann, bob, cid] = ["ann", "bob", "cid"].map(|uid| server.register(uid, IOS));
    let group = server.group(&ann, &[&bob]);
    let mut link = server.connect(&ann);
    let sent = link.say_data(&group_message(&group, "m1", "hello"));
    assert_eq!(reason(&why(&server, "bob", "m1")), "waits");
    assert_eq!(reason(&why(&server, "cid", &sent.server_id)), "not_a_member");
    let by_sender = why_with(&server, "cid", "m1", json!({"sendID": "ann"}));
    assert_eq!(reason(&by_sender), "not_a_member");
    server.invite(&ann, &group, &["cid"]);
    let later = link.say_data(&group_message(&group, "m2", "hello"));
    assert_eq!(reason(&why(&server, "cid", &sent.server_id)), "not_a_member", "not at that time");
    assert_eq!(reason(&why(&server, "cid", &later.server_id)), "waits");
    // Between two others.
    let sent = link.say("bob", "m3", "hello");
    assert_eq!(reason(&why(&server, "cid", &sent.server_id)), "not_a_member");
    drop(cid);
}

#[test]
fn nobody_else_may_ask_and_what_is_no_message_is_refused() {
    if no_journal() {
        return;
    }
    let server = Setup::new().start();
    let ann = server.register("ann", IOS);
    let body = op(json!({"uid": "ann", "message": "m"}));
    assert_eq!(server.ask_as(&ann, "/manager/why", &body)["errCode"], 401);
    let body = op(json!({"uid": "ann", "message": "seq:x"}));
    assert_eq!(server.ask_as(&server.manager(), "/manager/why", &body)["errCode"], 700);
}

/// A link that does not read: what its client finds whole in the end was pushed to it, and the rest was cut off.
#[test]
fn what_a_slow_link_had_not_taken_was_cut() {
    if no_journal() {
        return;
    }
    let server = Setup::new()
        .set("OPENIM_LIMITS_OUTBOXBYTESMAX", 256 * 1024)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .start();
    let (mut ann, bob) = (server.newcomer("ann"), server.register("bob", IOS));
    let mut stuck = RawLink::open_narrow(server.ws(), &bob);
    let content = "x".repeat(48 * 1024);
    // Far more than all buffers between the two hold.
    for n in 0..400 {
        ann.say("bob", &format!("m{n}"), &content);
    }
    let mut had = 0;
    while let Some(frame) = stuck.read() {
        had += usize::from(frame.opcode == TEXT && frame.fin);
    }
    assert!((1..400).contains(&had), "{had}");
    let mut behind = Vec::new();
    for n in (0..400).step_by(37).chain([had - 1, had, had + 1]) {
        let told = why(&server, "bob", &format!("seq:{}", n + 1));
        match n < had {
            true => assert_eq!(reason(&told), "pushed", "{n} of {had}: {told}"),
            false => behind.push((n, reason(&told).to_owned())),
        }
    }
    // What came when the link was gone waits.
    behind.sort_unstable();
    assert!(
        behind.is_sorted_by_key(|(_, reason)| ["cut", "waits"].iter().position(|is| is == reason))
    );
    assert_eq!((&*behind[0].1, &*behind[behind.len() - 1].1), ("cut", "waits"), "{behind:?}");
    let told = why(&server, "bob", &format!("seq:{}", had + 1));
    assert!(told["text"].as_str().is_some_and(|text| text.contains("too slow")), "{told}");
    let mut back = server.connect(&bob);
    back.pull(had as i64 + 1, 400);
    assert_eq!(reason(&why(&server, "bob", "seq:400")), "pulled");
}

#[test]
fn without_history_and_repeated() {
    if no_journal() {
        return;
    }
    let server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).start();
    let [ann, bob, cid] = ["ann", "bob", "cid"].map(|uid| server.register(uid, IOS));
    let mut link = server.connect(&ann);
    link.say_with("bob", "m1", &json!({"history": 0}));
    for (uid, expected) in [("bob", "no_history"), ("ann", "no_history"), ("cid", "not_a_member")] {
        assert_eq!(reason(&why(&server, uid, "m1")), expected, "{uid}");
    }
    let first = link.say("bob", "m2", "hello");
    // Longer than the network may have taken to bring one try twice.
    std::thread::sleep(std::time::Duration::from_millis(1200));
    assert_eq!(link.say("bob", "m2", "hello"), first);
    assert_eq!(reason(&why(&server, "bob", "m2")), "waits", "the first stands for both");
    // Whoever means the time of the repeat, which is not that of the message.
    let told = why_with(&server, "bob", "m2", json!({"sendTime": unix_ms()}));
    assert_eq!(reason(&told), "duplicate", "{told}");
    let far = why_with(&server, "bob", "m2", json!({"sendTime": told["at"]}));
    assert_eq!(reason(&far), "waits", "{far}");
    drop((bob, cid));
}

/// What lies among more messages than are looked through is not told as missing.
#[test]
fn an_unfinished_look_is_no_answer() {
    if no_journal() {
        return;
    }
    let setup = Setup::new().set("OPENIM_WHY_LOOKMESSAGESMAX", 16);
    let server = setup.allow("raise why.lookMessagesMax").start();
    let [ann, _bob, cleo] = ["ann", "bob", "cleo"].map(|uid| server.register(uid, IOS));
    let many = |of: &str| {
        for n in 0..20 {
            server.rest_send(&cleo, "bob", &format!("{of}{n}"), "hello");
        }
    };
    many("before");
    server.rest_send(&ann, "bob", "m", "hello");
    assert_eq!(reason(&why(&server, "bob", "m")), "waits");
    many("behind");
    // Once its time is known, from its sender's inbox, what lies about that is looked through from there.
    let told = why_with(&server, "bob", "m", json!({"sendID": "ann"}));
    assert_eq!(reason(&told), "waits", "{told}");
    let group = server.group(&ann, &[&cleo]);
    server.connect(&ann).say_data(&group_message(&group, "g", "hello"));
    many("beside");
    let body = op(json!({"uid": "bob", "message": "g", "sendID": "ann"}));
    let answer = server.post_as(&server.manager().token, "/manager/why", &body);
    assert_eq!(answer.status, 500, "{}", answer.text());
    // By its place it is found.
    assert_eq!(reason(&why(&server, "bob", "seq:21")), "waits");
}
