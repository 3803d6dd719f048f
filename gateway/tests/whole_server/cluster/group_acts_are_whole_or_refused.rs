//! While the log takes nothing of groups nothing of them is changed; what was cut short is done by a repeat, with its tip.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::cluster::clustered;
use crate::support::link::{Link, column};
use crate::support::platform::IOS;
use crate::support::rest::{User, group_body, op, plain};
use crate::support::server::{Server, Setup};

fn dismiss(server: &Server, by: &User, group: &str) -> Value {
    let body = op(json!({ "groupID": group }));
    server.post_as(&by.token, "/group/dismiss_group", &body).json()
}

/// Waits for the push of that kind.
fn pushed(link: &mut Link, kind: i64) {
    while link.pushed()["contentType"] != kind {}
}

#[test]
fn while_the_log_refuses() {
    let Some(setup) = clustered(Setup::new()) else { return };
    let kept = setup.kept();
    let server = setup.allow("the topics take no message like this one").start();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|uid| server.register(uid, IOS));
    let group = server.group(&alice, &[&bob]);
    let manager = server.manager();
    let (mut to_bob, mut to_carol) = (server.connect(&bob), server.connect(&carol));
    let send = |body: &Value| {
        server.post_as(&alice.token, "/chat/send_msg", body).json()["errCode"].clone()
    };
    kept.refuse_groups(true);
    // It holds from a moment on.
    let text = group_body(&alice, &group, "m", "x");
    while send(&text) == 0 {}
    let uids = [carol.uid.as_str()];
    let invite = op(json!({"groupID": group, "uidList": uids}));
    let refused = server.post_as(&manager.token, "/group/invite_user_to_group", &invite).json();
    assert_ne!(refused["errCode"], 0, "{refused}");
    assert_ne!(dismiss(&server, &alice, &group)["errCode"], 0);
    assert_eq!(server.roles(&alice, &group).len(), 2, "nobody has come or gone");
    kept.refuse_groups(false);
    while server.post_as(&manager.token, "/group/invite_user_to_group", &invite).json()["errCode"]
        != 0
    {}
    assert_eq!(server.roles(&alice, &group).len(), 3);
    pushed(&mut to_bob, 510);
    pushed(&mut to_carol, 510);
    assert_eq!(dismiss(&server, &alice, &group), plain(0, ""));
    pushed(&mut to_bob, 513);
    let inbox = to_bob.inbox();
    let invited = column(&inbox, "contentType").into_iter().filter(|kind| **kind == 510);
    assert_eq!(invited.count(), 1);
}

#[test]
fn an_end_that_was_cut_short_is_told_by_the_repeat_and_once() {
    let Some(setup) = clustered(Setup::new()) else { return };
    let kept = setup.kept();
    let server = setup.start();
    let [alice, bob] = ["alice", "bob"].map(|uid| server.register(uid, IOS));
    let group = server.group(&alice, &[&bob]);
    // As of a process that ends when the change is made.
    kept.tell_tables(format!(
        "UPDATE `group` SET ended = 1, version = version + 1 WHERE group_id = '{group}'"
    ));
    assert_eq!(dismiss(&server, &alice, &group), plain(0, ""));
    assert_eq!(dismiss(&server, &alice, &group), plain(0, ""));
    for user in [&alice, &bob] {
        let mut link = server.connect(user);
        // A transfer that has not read it yet is at rest as well.
        let deadline = Instant::now() + PATIENCE;
        while link.newest() == 0 {
            assert!(Instant::now() < deadline, "{} is told", user.uid);
            sleep(Duration::from_millis(20));
        }
        server.at_rest();
        let inbox = link.inbox();
        assert_eq!(column(&inbox, "contentType"), [&json!(513)], "{}", user.uid);
    }
}
