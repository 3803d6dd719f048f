//! A server is replaced, and its other standby had followed it further than where the new one goes on. With an order to be
//! promoted over the new one, which lives, it starts: it refuses, sets aside what is beyond, and follows.

use std::fs;

use super::load::People;
use super::{durable, figure, free_address, set_aside, setup, until, until_followed};
use crate::support::engine::embedded_only;

#[test]
fn and_follows_it() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let mut old = setup().start();
    let people = People::register(&old);
    let address = free_address();
    let mut new = setup().set("OPENIM_ADMIN_LISTEN", address).standby_of(&old).start();
    let mut beyond = setup().standby_of(&old).start();
    people.say(&old, "first");
    until_followed(&new, durable(&old));
    new.kill();
    people.say(&old, "lost");
    until_followed(&beyond, durable(&old));
    beyond.kill();
    old.kill();
    // Whom nobody answers is promoted at once.
    fs::write(new.data_dir().join("promote"), "serve\n").expect("written");
    new.restart();
    people.say(&new, "second");

    let order = beyond.data_dir().join("promote");
    fs::write(&order, "serve\n").expect("written");
    beyond.restart_with(|setup| setup.standby_at(address));
    until(|| fs::read_to_string(&order).is_ok_and(|text| text.contains("has not got all")));
    fs::remove_file(&order).expect("removed");
    until_followed(&beyond, durable(&new));
    assert!(set_aside(&beyond), "what it had followed beyond is kept");
    assert_eq!(figure(&new, "openim_fenced"), 0.0, "nobody was promoted over it");

    let held = people.check(&new);
    beyond.promote();
    assert_eq!(people.check(&beyond), held, "it has what its server had");
    assert!(held.values().all(|ids| !ids.contains("lost") && ids.contains("second")));
    new.says(503, "fenced: epoch 2 of the log began at");
}
