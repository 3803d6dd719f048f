//! C25 in groups: what one link sends to a group, each member has in that order; so has a member who is also written to
//! alone in between.

use crate::support::engine::embedded_only;
use crate::support::link::{column, group_message, message};
use crate::support::platform::IOS;
use crate::support::rest::User;
use crate::support::server::Setup;

#[test]
fn at_every_member_on_every_shard() {
    let server = Setup::new()
        .set("OPENIM_GATEWAY_SHARDS", 3)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .start();
    let users: Vec<User> = (0..8).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let groups: Vec<String> =
        (0..3).map(|_| server.group(&users[0], &users[1..].iter().collect::<Vec<_>>())).collect();
    let mut online: Vec<_> = users[1..].iter().map(|user| server.connect(user)).collect();
    let mut link = server.connect(&users[0]);
    // Nothing is waited for in between.
    for n in 0..120 {
        let id = format!("m{n:03}");
        let data = match n % 4 {
            3 => message("user1", &id, "to one"),
            at => group_message(&groups[at], &id, "to all"),
        };
        let envelope = link.envelope(1003, &data);
        link.send_text(&envelope);
    }
    for _ in 0..120 {
        assert_eq!(link.reply()["errCode"], 0);
    }
    for (n, online) in online.iter_mut().enumerate() {
        let inbox = online.inbox();
        assert_eq!(inbox.len(), if n == 0 { 120 } else { 90 }, "{}", online.user.uid);
        let ids: Vec<_> = column(&inbox, "clientMsgID");
        // One group has one home: of each group, and of the single chat, the order is that of the link.
        for at in 0..4 {
            let of = |id: &&&serde_json::Value| {
                id.as_str().and_then(|id| id[1..].parse::<usize>().ok()).expect("a number") % 4
                    == at
            };
            let sent: Vec<_> =
                ids.iter().filter(of).map(|id| id.as_str().expect("a text")).collect();
            assert!(sent.is_sorted(), "{}: {sent:?}", online.user.uid);
        }
        let pushed: Vec<_> = inbox.iter().map(|_| online.pushed()["seq"].clone()).collect();
        assert_eq!(pushed, column(&inbox, "seq").into_iter().cloned().collect::<Vec<_>>());
    }
}

#[test]
fn also_between_groups_and_single_chats() {
    if embedded_only(
        "each group and each sender has a log of its own, so order is kept within each of them",
    ) {
        return;
    }
    let server = Setup::new()
        .set("OPENIM_GATEWAY_SHARDS", 3)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .start();
    let users: Vec<User> = (0..8).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let groups: Vec<String> =
        (0..3).map(|_| server.group(&users[0], &users[1..].iter().collect::<Vec<_>>())).collect();
    let mut link = server.connect(&users[0]);
    for n in 0..120 {
        let id = format!("m{n:03}");
        let data = match n % 4 {
            3 => message(&format!("user{}", n / 4 % 7 + 1), &id, "to one"),
            at => group_message(&groups[at], &id, "to all"),
        };
        let envelope = link.envelope(1003, &data);
        link.send_text(&envelope);
    }
    for _ in 0..120 {
        assert_eq!(link.reply()["errCode"], 0);
    }
    for user in &users {
        let inbox = server.connect(user).inbox();
        let ids = column(&inbox, "clientMsgID");
        assert!(ids.is_sorted_by_key(|id| id.as_str().map(str::to_owned)), "{}: {ids:?}", user.uid);
    }
}
