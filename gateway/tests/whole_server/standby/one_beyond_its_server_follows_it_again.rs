//! A server is restored from a backup, and its standby had followed beyond: it sets that aside, takes what the server has, and
//! goes on with it, without an end of its own.

use super::load::People;
use super::{back_up, durable, free_address, set_aside, setup, until_followed};
use crate::copies::{done, restore};
use crate::support::engine::embedded_only;
use crate::support::platform::IOS;

#[test]
fn and_what_is_beyond_is_set_aside() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let setup = setup().set("OPENIM_ADMIN_LISTEN", free_address());
    let (copy, new) = (setup.path("copy"), setup.path("new"));
    let mut server = setup.start();
    let people = People::register(&server);
    let mut standby = super::setup().standby_of(&server).start();
    people.say(&server, "first");
    back_up(&server, &copy);
    people.say(&server, "lost");
    server.register("late", IOS);
    until_followed(&standby, durable(&server));

    server.kill();
    done(restore(&copy, &new));
    server.restart_with(|setup| setup.data_dir(&new));
    people.say(&server, "second");
    until_followed(&standby, durable(&server));
    standby.logged(&["WARN", "is set aside"]);
    assert!(set_aside(&standby), "what it had followed beyond is kept");
    // As it would begin again.
    standby.restart();
    people.say(&server, "third");
    until_followed(&standby, durable(&server));

    let held = people.check(&server);
    server.kill();
    standby.promote();
    assert_eq!(people.check(&standby), held, "it has what its server had");
    assert!(held.values().all(|ids| !ids.contains("lost") && ids.contains("third")));
}
