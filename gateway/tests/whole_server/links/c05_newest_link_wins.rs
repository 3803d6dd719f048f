//! C05: pushes go to the newest link of a user and platform; the older one's end does not touch it.

use crate::support::link::Arrival;
use crate::support::server::Server;

#[test]
fn c05_pushes_reach_the_second_link_before_and_after_the_first_is_gone() {
    let server = Server::start();
    let mut bob = server.newcomer("bob");
    let mut first = server.newcomer("alice");
    let mut second = server.connect(&first.user);
    let ack = bob.say("alice", "one", "while the first may still be open");
    assert_eq!(second.pushed()["serverMsgID"], *ack.server_id);
    let (frames, _) = first.drain_to_close();
    assert!(
        frames.iter().all(|frame| frame["data"]["serverMsgID"] != *ack.server_id),
        "{frames:?}"
    );
    drop(first);
    for n in 0..3 {
        let ack = bob.say("alice", &format!("after{n}"), "after the first is gone");
        assert_eq!(second.pushed()["serverMsgID"], *ack.server_id);
    }
    assert_eq!(second.newest(), 4);
}

#[test]
fn c05_a_chain_of_replacements_leaves_exactly_the_last() {
    let server = Server::start();
    let mut bob = server.newcomer("bob");
    let first = server.newcomer("alice");
    let user = first.user.clone();
    let mut links = vec![first];
    for _ in 0..5 {
        links.push(server.connect(&user));
    }
    let mut last = links.pop().expect("six links");
    for mut link in links {
        while !matches!(link.arrival(), Arrival::Closed(_)) {}
    }
    let ack = bob.say("alice", "m", "to the last");
    assert_eq!(last.pushed()["serverMsgID"], *ack.server_id);
}
