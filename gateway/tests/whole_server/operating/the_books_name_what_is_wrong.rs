//! Deliveries that get lost or come twice are found by the books, and named.

use std::time::{Duration, Instant};

use crate::support::engine::on_cluster;
use crate::support::http::call;
use crate::support::server::{Server, Setup};

/// From the delivery to its name in the log.
const NAMED_WITHIN: Duration = Duration::from_secs(60);

#[track_caller]
fn named(server: &Server, needles: &[&str]) {
    let deadline = Instant::now() + NAMED_WITHIN;
    while !server.log().iter().any(|line| needles.iter().all(|needle| line.contains(needle))) {
        assert!(Instant::now() < deadline, "{needles:?}: {:#?}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn residue(server: &Server, account: &str) -> u64 {
    let name = format!("openim_books_residue_total{{account=\"{account}\"}} ");
    let text = call(server.operator(), "GET", "/metrics", &[], b"").text();
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |figure| figure.parse().expect("a number"))
}

#[test]
fn one_lost_and_one_doubled_are_named_and_the_others_are_not() {
    if on_cluster() {
        return;
    }
    let setup = Setup::new().set("OPENIM_GATEWAY_SHARDS", 2).set("OPENIM_TEST_BOOKS", 1);
    let server = setup.allow("driver::books").start();
    let mut ann = server.newcomer("ann");
    let bob = server.newcomer("bob");
    for n in 0..20 {
        ann.say("bob", &format!("before-{n}"), "hello");
    }
    ann.say("bob", "lose-record-1", "nobody will read this");
    ann.say("bob", "double-push-1", "bob reads this twice");
    for n in 0..20 {
        ann.say("bob", &format!("behind-{n}"), "hello");
    }
    named(&server, &["ERROR", "a delivery is lost", "bob", "lose-record-1", "account=\"log\""]);
    named(&server, &["ERROR", "a delivery is doubled", "bob", "double-push-1", "account=\"link\""]);
    assert_eq!((residue(&server, "log"), residue(&server, "link")), (1, 1));
    assert_eq!((residue(&server, "inbox"), residue(&server, "push")), (0, 0));
    let wrong = server.log().into_iter().filter(|line| line.contains("a delivery is"));
    assert_eq!(wrong.count(), 2, "{:#?}", server.log());
    // Once each, however often the books are compared.
    ann.say("bob", "lose-push-1", "this is in the inbox only");
    named(&server, &["ERROR", "a delivery is lost", "bob", "lose-push-1", "stored=1"]);
    let wrong = server.log().into_iter().filter(|line| line.contains("a delivery is"));
    assert_eq!(wrong.count(), 3, "{:#?}", server.log());
    drop(bob);
}
