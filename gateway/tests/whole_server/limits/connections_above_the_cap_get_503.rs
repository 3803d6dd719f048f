//! Links above the configured number are refused with 503; one that leaves makes room.

use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::link::Link;
use crate::support::platform::IOS;
use crate::support::server::Setup;

#[test]
fn the_next_one_gets_503_until_somebody_leaves() {
    let server = Setup::new().set("OPENIM_LONGCONNSVR_WEBSOCKETMAXCONNNUM", 3).start();
    let users: Vec<_> = (0..4).map(|n| server.register(&format!("user{n}"), IOS)).collect();
    let mut links: Vec<Link> = users[..3].iter().map(|user| server.connect(user)).collect();
    for _ in 0..3 {
        assert_eq!(server.refusal(&users[3]), 503);
    }
    for link in &mut links {
        assert_eq!(link.newest(), 0, "those who are in stay in");
    }
    links.pop().expect("three links").close();
    let deadline = Instant::now() + PATIENCE;
    while Link::open(server.ws(), &users[3]).is_err() {
        assert!(Instant::now() < deadline, "the place of the one who left is free");
        std::thread::sleep(Duration::from_millis(20));
    }
}
