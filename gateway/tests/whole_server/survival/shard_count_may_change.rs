//! The number of shards is a matter of one start: data written under one is whole under another.

use crate::support::link::column;
use crate::support::server::{Server, Setup};

const USERS: usize = 6;

#[test]
fn data_is_whole_under_one_three_and_two_shards() {
    let mut server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 1).start();
    let users: Vec<_> = (0..USERS).map(|n| server.newcomer(&format!("user{n}")).user).collect();
    for (life, shards) in [3, 2, 1].into_iter().enumerate() {
        for (n, user) in users.iter().enumerate() {
            let mut link = server.connect(user);
            link.say(
                &format!("user{}", (n + 1) % USERS),
                &format!("{life}.{n}"),
                &format!("{life}"),
            );
        }
        check(&server, &users, life + 1);
        server.restart_with(|setup| setup.set("OPENIM_GATEWAY_SHARDS", shards));
        check(&server, &users, life + 1);
    }
}

/// Each user sent one message a life and received one.
fn check(server: &Server, users: &[crate::support::rest::User], lives: usize) {
    for user in users {
        let inbox = server.connect(user).inbox();
        let seqs: Vec<i64> = inbox.iter().filter_map(|message| message["seq"].as_i64()).collect();
        assert_eq!(seqs, (1..=2 * lives as i64).collect::<Vec<i64>>(), "{}", user.uid);
        let sent = inbox.iter().filter(|message| message["sendID"] == *user.uid).count();
        assert_eq!(sent, lives, "{}: {:?}", user.uid, column(&inbox, "content"));
    }
}
