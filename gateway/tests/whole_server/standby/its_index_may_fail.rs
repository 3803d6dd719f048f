//! The device of a standby's index fails while it follows, and works again: the process opens all again, goes on, and lacks
//! nothing when it is promoted. Meanwhile it says what is wrong, also to who wants it to serve, and can be stopped.

use std::process::Command;

use super::{durable, setup, until_followed, written_to};
use crate::support::engine::embedded_only;
use crate::support::fault::Fault;
use crate::support::platform::IOS;
use crate::support::server::{PROGRAM, Server, Setup};

const AWAY: &str = "the index takes nothing, and is opened again";

/// The engine of the index complains too.
fn failing() -> (Setup, Fault) {
    Fault::prepare(setup().allow("ERROR").allow("WARN"))
}

/// It says why it does not serve now, and goes on as a standby.
fn is_not_promoted(standby: &Server) {
    let mut promote = Command::new(PROGRAM);
    promote.arg("promote").arg("--data-dir").arg(standby.data_dir());
    let told = promote.output().expect("the program starts");
    let why = String::from_utf8_lossy(&told.stderr);
    assert!(!told.status.success() && why.contains("the index takes nothing"), "{why}");
}

#[test]
fn and_nothing_is_missing_when_it_is_promoted() {
    if embedded_only("its disk fails, and a cluster writes to none") {
        return;
    }
    let (mut old, people, writing) = written_to();
    let (setup, fault) = failing();
    let mut standby = setup.standby_of(&old).start();
    until_followed(&standby, durable(&old));
    for (number, (call, part)) in [("write", ".jnl"), ("sync", "/index/")].into_iter().enumerate() {
        fault.begin(call, part);
        writing.until(100 * (number + 1));
        standby.says(503, AWAY);
        old.register(&format!("late{number}"), IOS);
        is_not_promoted(&standby);
        standby.says(503, AWAY);
        fault.end();
        until_followed(&standby, durable(&old));
    }
    standby.logged(&["INFO", "the standby follows again"]);
    let followed = writing.acked();
    until_followed(&standby, durable(&old));
    old.kill();
    let acked = writing.end();

    standby.promote();
    let held = people.check(&standby);
    for (writer, ids) in &held {
        assert!(ids.is_superset(&followed[writer]), "{writer}: what was followed is there");
        assert!(ids.len() <= acked[writer].len() + 1, "{writer}: no more than was sent");
    }
    for uid in ["late0", "late1"] {
        standby.login(uid, IOS);
    }
    people.say(&standby, "second");
}

#[test]
fn and_it_is_stopped_as_any_other() {
    if embedded_only("its disk fails, and a cluster writes to none") {
        return;
    }
    let (old, people, writing) = written_to();
    let (setup, fault) = failing();
    let mut standby = setup.standby_of(&old).start();
    until_followed(&standby, durable(&old));
    fault.begin("write", "/index/");
    standby.says(503, AWAY);
    standby.terminate();
    assert!(standby.exit_status().success(), "it does not wait for its index");
    fault.end();
    standby.restart();
    writing.end();
    until_followed(&standby, durable(&old));
    let held = people.check(&old);
    drop(old);
    standby.promote();
    assert_eq!(people.check(&standby), held);
}
