//! A standby is promoted while its server lives and is written to: that one hears of it, takes nothing more, says so, and
//! does not start again. What it wrote behind the promotion is in no inbox. As a standby of the new one it ends equal.

use super::{durable, set_aside, setup, until_followed, written_to};
use crate::support::engine::embedded_only;
use crate::support::server::Setup;

#[test]
fn and_ends_equal() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let (mut old, people, writing) = written_to();
    let mut new = setup().standby_of(&old).start();
    until_followed(&new, durable(&old));
    let followed = writing.acked();
    writing.until(100);
    until_followed(&new, durable(&old));
    new.promote();
    old.says(503, "fenced: epoch 1 of the log began at");
    old.logged(&["ERROR", "fenced"]);
    // Its clients are let go.
    let acked = writing.end();
    new.is_well();
    let held = people.check(&new);
    for (writer, ids) in &followed {
        assert!(held[writer].is_superset(ids), "{writer}: what was followed is there");
    }
    people.say(&new, "second");
    let beyond = acked.iter().any(|(writer, ids)| !ids.is_subset(&held[writer]));

    old.terminate();
    assert!(old.exit_status().success(), "it is stopped as any other");
    let refused = old.into_setup();
    refused.clone().refused().assert_one_line_with(&["fenced", "openim standby --of"]);
    let mut old = refused.standby_of(&new).start();
    until_followed(&old, durable(&new));
    assert!(set_aside(&old) || !beyond, "what it wrote beyond is kept");
    people.say(&new, "third");
    until_followed(&old, durable(&new));
    let held = people.check(&new);
    // And back again.
    old.promote();
    assert_eq!(people.check(&old), held, "it ended equal");
    new.says(503, "fenced: epoch 2 of the log began at");
    people.say(&old, "fourth");
    new.terminate();
    new.exit_status();
    new.into_setup().change(Setup::serving).refused().assert_one_line_with(&["fenced"]);
}
