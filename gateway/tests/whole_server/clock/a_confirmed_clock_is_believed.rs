//! `openim confirm-clock`: an operator says that the clock is right. What is due goes then, and not all at once.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{DAY_S, figure, reaches, shift, wrong_clock};
use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::server::{PROGRAM, Server, Setup};

/// A server with two messages of today, started again with a clock that is ten days on.
fn ten_days_later(setup: Setup, clock: &std::path::PathBuf) -> Server {
    let mut server = setup.start();
    let mut alice = server.newcomer("alice");
    alice.say("bob", "m0", "hello");
    alice.say("bob", "m1", "hello");
    shift(clock, 10 * DAY_S);
    server.restart();
    reaches(&server, "openim_clock_in_doubt", 1.0);
    // What the log brought back is in the index.
    let deadline = Instant::now() + PATIENCE;
    while figure(&server, "openim_store_batches_total") == 0.0 {
        assert!(Instant::now() < deadline, "nothing is stored");
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

fn confirm(server: &Server, clock: &std::path::PathBuf) {
    let output = Command::new(PROGRAM)
        .args(["confirm-clock", "--data-dir"])
        .arg(server.data_dir())
        .env("OPENIM_TEST_CLOCK_FILE", clock)
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    reaches(server, "openim_clock_in_doubt", 0.0);
    server.logged(&["WARN", "an operator confirmed the clock", "10 days"]);
}

#[test]
fn history_expires_then_and_a_line_says_how_much() {
    if embedded_only("times are those of the log, whose clock is the brokers'") {
        return;
    }
    let (setup, clock) = wrong_clock();
    let server = ten_days_later(setup.set("OPENIM_LIMITS_EXPIRYHOURSPERHOUR", 0), &clock);
    confirm(&server, &clock);
    // Two messages in two inboxes.
    reaches(&server, "openim_store_expired_entries_total", 4.0);
    server.logged(&["INFO", "history expired", "entries=4", "from=", "to="]);
    let mut bob = server.newcomer("bob");
    assert_eq!(bob.newest(), 2);
    assert_eq!(bob.inbox().len(), 0);
    bob.say("alice", "m2", "hello");
    assert_eq!(bob.inbox().len(), 1, "and the inbox goes on");
}

/// Nobody wrote a message for days, and yet the server was there.
#[test]
fn an_idle_server_remembers_that_its_clock_was_believed() {
    if embedded_only("times are those of the log, whose clock is the brokers'") {
        return;
    }
    let (setup, clock) = wrong_clock();
    let mut server = ten_days_later(setup, &clock);
    confirm(&server, &clock);
    server.restart();
    assert_eq!(figure(&server, "openim_clock_in_doubt"), 0.0);
    let doubts = server.log().iter().filter(|line| line.contains("in doubt")).count();
    assert_eq!(doubts, 0, "{:#?}", server.log());
}

#[test]
fn at_the_pace_of_the_default_nothing_goes_at_once() {
    if embedded_only("times are those of the log, whose clock is the brokers'") {
        return;
    }
    let (setup, clock) = wrong_clock();
    let server = ten_days_later(setup, &clock);
    confirm(&server, &clock);
    // Retention looks soon after a doubt has ended: long enough for several looks.
    let until = Instant::now() + Duration::from_secs(12).min(PATIENCE);
    while Instant::now() < until {
        assert_eq!(figure(&server, "openim_store_expired_entries_total"), 0.0);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(server.newcomer("bob").inbox().len(), 2);
}

#[test]
fn a_confirmation_of_another_time_counts_for_nothing() {
    if embedded_only("times are those of the log, whose clock is the brokers'") {
        return;
    }
    let (setup, clock) = wrong_clock();
    let server = ten_days_later(setup, &clock);
    let file = server.data_dir().join("clock-confirmed");
    std::fs::write(&file, "1600000000000\n").expect("written");
    server.logged(&["WARN", "clock was confirmed when it showed another time"]);
    assert!(!file.exists());
    assert_eq!(figure(&server, "openim_clock_in_doubt"), 1.0);
}
