//! A device that fails under the log: nothing that was acknowledged is lost, the process says
//! what it met and ends with a failure instead of looking healthy, and the next start goes on.

use crate::support::engine::embedded_only;
use crate::support::fault::Fault;
use crate::support::link::message;
use crate::support::platform::IOS;
use crate::support::server::{Server, Setup};

/// A server with a message from alice to bob, on a disk that fails when told.
fn written(setup: Setup) -> (Server, Fault) {
    let (setup, fault) = Fault::prepare(setup.allow("ERROR").allow("WARN"));
    let server = setup.start();
    let mut alice = server.newcomer("alice");
    server.register("bob", IOS);
    alice.say("bob", "before", "hello");
    (server, fault)
}

/// The process ends by itself with exit code 1, after a line with all of `needles`.
#[track_caller]
fn ends_saying(server: &mut Server, needles: &[&str]) {
    assert_eq!(server.exit_status().code(), Some(1), "{:#?}", server.log());
    server.logged(needles);
}

/// Everybody and everything acknowledged is there, and it goes on.
#[track_caller]
fn goes_on(server: &mut Server, fault: &Fault) {
    fault.end();
    server.restart();
    let mut bob = server.connect(&server.login("bob", IOS));
    assert_eq!(bob.inbox()[0]["clientMsgID"], "before");
    let mut alice = server.connect(&server.login("alice", IOS));
    alice.say("bob", "after", "hello");
    assert!(bob.inbox().iter().any(|message| message["clientMsgID"] == "after"));
}

#[test]
fn a_log_that_cannot_be_flushed_ends_the_process_and_loses_nothing() {
    if embedded_only("its disk fails, and a cluster writes to none") {
        return;
    }
    let (mut server, fault) = written(Setup::new());
    let mut alice = server.connect(&server.login("alice", IOS));
    fault.begin("sync", "/log/");
    let send = alice.envelope(1003, &message("bob", "unsure", "hello"));
    alice.send_text(send);
    ends_saying(&mut server, &["ERROR", "the log is in an unknown state"]);
    goes_on(&mut server, &fault);
}

#[test]
fn flushes_at_intervals_that_fail_are_known_without_another_send() {
    if embedded_only("its disk fails, and a cluster writes to none") {
        return;
    }
    let setup = Setup::new()
        .set("OPENIM_EMBEDDED_DURABILITY", "interval")
        .set("OPENIM_EMBEDDED_FLUSHINTERVALMS", "200");
    let (mut server, fault) = written(setup);
    let mut alice = server.connect(&server.login("alice", IOS));
    fault.begin("sync", "/log/");
    alice.say("bob", "written", "only to memory");
    // Nobody sends anything any more.
    ends_saying(&mut server, &["ERROR", "the log is in an unknown state"]);
    goes_on(&mut server, &fault);
}

#[test]
fn a_drain_that_cannot_flush_is_no_success() {
    if embedded_only("its disk fails, and a cluster writes to none") {
        return;
    }
    let setup = Setup::new()
        .set("OPENIM_EMBEDDED_DURABILITY", "interval")
        .set("OPENIM_EMBEDDED_FLUSHINTERVALMS", "60000");
    let (mut server, fault) = written(setup);
    fault.begin("sync", "/log/");
    server.terminate();
    ends_saying(&mut server, &["ERROR", "stopped with a fault"]);
    fault.end();
}
