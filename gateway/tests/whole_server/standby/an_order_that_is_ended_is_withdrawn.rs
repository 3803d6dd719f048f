//! Somebody orders a promotion and ends the command before it was followed: the standby stays one.

use std::process::{Command, Stdio};

use super::{durable, setup, until, until_followed};
use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::platform::IOS;
use crate::support::server::PROGRAM;

#[test]
fn and_the_standby_stays_one() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let server = setup().start();
    let mut standby = setup().standby_of(&server).start();
    until_followed(&standby, durable(&server));
    // It sees no order while it stands still.
    standby.signal("STOP");
    let mut promote = Command::new(PROGRAM);
    promote.args(["promote", "--data-dir"]).arg(standby.data_dir());
    let promote = promote.stderr(Stdio::piped()).spawn().expect("the program starts");
    let order = standby.data_dir().join("promote");
    until(|| std::fs::read_to_string(&order).is_ok_and(|order| !order.is_empty()));
    let killed = Command::new("kill").args(["-s", "INT", &promote.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    let told = promote.wait_with_output().expect("it ends");
    let why = String::from_utf8_lossy(&told.stderr);
    assert!(!told.status.success() && why.contains("withdrawn"), "{why}");
    standby.signal("CONT");

    let before = durable(&server);
    server.register("late", IOS);
    assert!(durable(&server) > before);
    until_followed(&standby, durable(&server));
    let health = call(standby.operator(), "GET", "/healthz", &[], b"");
    assert!(health.text().contains("standby"), "{}", health.text());
    // A server that stands still keeps nobody waiting.
    server.signal("STOP");
    standby.promote();
    standby.login("late", IOS);
    server.signal("CONT");
}
