//! A standby that starts with an order to be promoted has not met its server yet: it asks it before it takes its place, and
//! leaves a fenced one alone. What was promoted and does not run is no server.

use std::fs;
use std::process::Command;

use super::{durable, setup, until, until_followed};
use crate::support::engine::embedded_only;
use crate::support::server::PROGRAM;

#[test]
fn and_leaves_a_fenced_one_alone() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let old = setup().start();
    let mut new = setup().standby_of(&old).start();
    let mut other = setup().standby_of(&old).start();
    until_followed(&new, durable(&old));
    until_followed(&other, durable(&old));
    other.kill();
    new.promote();
    old.says(503, "fenced");
    let order = other.data_dir().join("promote");
    fs::write(&order, "serve\n").expect("written");
    other.restart();
    until(|| fs::read_to_string(&order).is_ok_and(|text| text.contains("is fenced")));
    other.says(503, "is fenced");
    fs::remove_file(&order).expect("removed");

    new.kill();
    let mut promote = Command::new(PROGRAM);
    promote.arg("promote").arg("--data-dir").arg(new.data_dir());
    let again = promote.output().expect("the program starts");
    let why = String::from_utf8_lossy(&again.stderr);
    assert!(!again.status.success() && why.contains("nothing serves from it"), "{why}");
}
