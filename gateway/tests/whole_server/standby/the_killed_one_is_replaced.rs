//! A server is killed under load, and its standby promoted: all that it had followed is served, once and in order, and
//! clients go on with the tokens that they have.

use super::{durable, figure, setup, until_followed, written_to};
use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::platform::IOS;
use crate::support::server::Setup;

#[test]
fn and_nothing_that_was_followed_is_lost() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let (mut old, people, writing) = written_to();
    let mut standby = setup().standby_of(&old).start();
    let told = standby.says(503, "standby of http://");
    assert!(told.starts_with("following\n"), "{told}");
    let health = call(standby.operator(), "GET", "/healthz", &[], b"");
    assert!(health.status == 200 && health.text().contains("standby"), "{}", health.text());
    until_followed(&standby, durable(&old));
    writing.until(200);
    // It is killed, and goes on where it was; a base and more segments have come meanwhile.
    standby.kill();
    writing.until(400);
    standby.restart();
    old.register("late", IOS);
    let followed = writing.acked();
    until_followed(&standby, durable(&old));
    assert!(figure(&standby, "openim_standby_behind_seconds") < 60.0);
    old.kill();
    let acked = writing.end();

    standby.promote();
    let held = people.check(&standby);
    for (writer, ids) in &followed {
        assert!(held[writer].is_superset(ids), "{writer}: what was followed is there");
        assert!(ids.len() >= 400, "the load was a load");
    }
    for (writer, ids) in &held {
        let sent = acked[writer].len();
        assert!(ids.len() <= sent + 1, "{writer}: no more than was sent");
    }
    people.say(&standby, "second");
    standby.login("late", IOS);
    assert!(people.check(&standby).values().all(|ids| ids.contains("second")));
    // It stays what it is, however it is started.
    standby.restart_with(Setup::serving);
    people.check(&standby);
}
