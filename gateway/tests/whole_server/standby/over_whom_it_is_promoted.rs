//! A standby is started as one of another server than before: that one is fenced when it is promoted.

use std::fs;

use super::{durable, free_address, setup, until_followed};
use crate::support::engine::embedded_only;
use crate::support::platform::IOS;

/// The server was replaced.
#[test]
fn the_one_that_was_promoted_before() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let old = setup().start();
    let mut new = setup().standby_of(&old).start();
    let mut other = setup().standby_of(&old).start();
    until_followed(&new, durable(&old));
    until_followed(&other, durable(&old));
    new.promote();
    old.says(503, "fenced: epoch 1 of the log began at");
    other.restart_with(|setup| setup.standby_of(&new));
    new.register("late", IOS);
    until_followed(&other, durable(&new));
    other.promote();
    new.says(503, "fenced: epoch 2 of the log began at");
    other.is_well();
    other.login("late", IOS);
}

/// The server has another address now, and is away.
#[test]
fn the_one_that_has_not_answered_yet() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let mut old = setup().start();
    let mut new = setup().standby_of(&old).start();
    until_followed(&new, durable(&old));
    new.kill();
    old.kill();
    let address = free_address();
    fs::write(new.data_dir().join("promote"), "serve\n").expect("written");
    new.restart_with(|setup| setup.standby_at(address));
    old.restart_with(|setup| setup.set("OPENIM_ADMIN_LISTEN", address));
    old.says(503, "fenced: epoch 1 of the log began at");
}
