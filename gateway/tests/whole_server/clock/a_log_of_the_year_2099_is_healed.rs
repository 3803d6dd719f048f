//! A first start in the year 2099: later starts with the right clock are not held back by it for ever.

use std::process::Command;

use super::{DAY_S, NEAR_S, off, reaches, shift, wrong_clock};
use crate::support::engine::embedded_only;
use crate::support::link::column;
use crate::support::server::PROGRAM;

#[test]
fn the_right_clock_is_followed_back() {
    if embedded_only("times are those of the log, whose clock is the brokers'") {
        return;
    }
    let (setup, clock) = wrong_clock();
    shift(&clock, 73 * 365 * DAY_S);
    let mut server = setup.start();
    let mut alice = server.newcomer("alice");
    assert!(off(alice.say("bob", "of 2099", "hello").send_time) > 70 * 365 * DAY_S);

    shift(&clock, 0);
    server.restart();
    server.logged(&["WARN", "clock is in doubt", "behind"]);
    let mut alice = server.connect(&server.login("alice", 1));
    assert!(
        off(alice.say("bob", "in doubt", "hello").send_time) < NEAR_S,
        "sends follow the clock"
    );
    let confirmed = Command::new(PROGRAM)
        .args(["confirm-clock", "--data-dir"])
        .arg(server.data_dir())
        .status()
        .expect("the program runs");
    assert!(confirmed.success());
    reaches(&server, "openim_clock_in_doubt", 0.0);
    let user = server.login("alice", 1);
    let sent = server.connect(&user).say("bob", "right again", "hello");
    assert!(off(sent.send_time) < NEAR_S);

    server.restart();
    reaches(&server, "openim_clock_in_doubt", 0.0);
    let doubts = server.log().iter().filter(|line| line.contains("in doubt")).count();
    assert_eq!(doubts, 0, "the newest record is of today");
    let mut bob = server.newcomer("bob");
    assert_eq!(column(&bob.inbox(), "clientMsgID"), ["of 2099", "in doubt", "right again"]);
}
