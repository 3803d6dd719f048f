//! A server that is killed before a service has answered tells it again, by the same id; and what it has answered not at all,
//! but for the last second's.

use std::collections::BTreeSet;

use super::{Service, no_push, telling};
use crate::support::platform::IOS;

#[test]
fn a_notice_that_comes_again_has_the_same_id() {
    if no_push() {
        return;
    }
    let service = Service::start();
    service.stall(true);
    let mut server = telling(&service).start();
    let ann = server.register("ann", IOS);
    server.register("bob", IOS);
    for n in 0..5 {
        server.rest_send(&ann, "bob", &format!("m{n}"), "hello");
    }
    let before = service.told_of("bob", 5);
    server.kill();
    service.stall(false);
    let count = service.notices().len();
    server.restart();
    let after = service.told_of("bob", count + 5);
    let ids = |notices: &[serde_json::Value]| -> BTreeSet<String> {
        notices.iter().map(|notice| notice["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!((ids(&before).len(), ids(&after)), (5, ids(&before)));
    let seqs: BTreeSet<u64> = after[count..].iter().filter_map(|of| of["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=5).collect());
    // What was answered is not told again.
    server.rest_send(&ann, "bob", "last", "hello");
    service.told_of("bob", count + 6);
    server.terminate();
    assert!(server.exit_status().success());
    let count = service.notices().len();
    server.restart();
    server.rest_send(&ann, "bob", "more", "hello");
    let told = service.told_of("bob", count + 1);
    assert_eq!(told.len(), count + 1);
}
