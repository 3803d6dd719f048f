//! A server has two standbys, and one is promoted: the other one, which follows the fenced server, says so and is behind from
//! then on, and is not promoted as well unless that is wanted.

use std::process::{Command, Output};

use super::{durable, figure, setup, until, until_followed};
use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::server::{PROGRAM, Server};

#[test]
fn and_is_not_promoted_as_well() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let old = setup().start();
    let mut new = setup().standby_of(&old).start();
    let mut other = setup().standby_of(&old).start();
    until_followed(&new, durable(&old));
    until_followed(&other, durable(&old));
    let told = new.promote();
    assert!(
        told.contains("the log goes on here at") && told.contains("had nothing more"),
        "{told}"
    );
    other.says(503, "is fenced (epoch 1 of the log began at");
    other.logged(&["WARN", "is fenced (epoch 1 of the log began at"]);
    let behind = "openim_standby_behind_seconds";
    let (first, at_server) = (figure(&other, behind), "openim_backup_behind_seconds");
    until(|| figure(&other, behind) > first + 0.5);
    assert!(figure(&old, at_server) > 0.5, "the alert fires there as well");

    let Output { status, stderr, .. } = promote(&other, &[]);
    let why = String::from_utf8_lossy(&stderr);
    assert!(!status.success() && why.contains("not promoted") && why.contains("--force"), "{why}");
    other.says(503, "is fenced");
    new.is_well();
    let health = call(other.operator(), "GET", "/healthz", &[], b"");
    assert!(health.text().contains("standby"), "{}", health.text());
    // Where the first one is lost for good.
    new.kill();
    let told = other.promote_with(&["--force"]);
    assert!(told.contains("is fenced"), "{told}");
    other.is_well();
}

fn promote(standby: &Server, more: &[&str]) -> Output {
    let mut promote = Command::new(PROGRAM);
    promote.arg("promote").args(more).arg("--data-dir").arg(standby.data_dir());
    promote.output().expect("the program starts")
}
