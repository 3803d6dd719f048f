//! Settings that are dangerous, or that can be of no use, are told once each; such as can never work stop the start.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::support::engine::embedded_only;
use crate::support::server::Setup;

#[test]
fn guessable_secrets_and_open_doors_are_told_once_each() {
    if embedded_only(
        "a cluster refuses secrets that stand in published files, and has no data directory",
    ) {
        return;
    }
    let expected = [
        "secret has 1 characters",
        "tokenpolicy.accessSecret stands in published files",
        "embedded.dataDir: others than its owner can enter",
        "admin.listen is 0.0.0.0:0",
    ];
    let mut setup = Setup::new()
        .set("OPENIM_SECRET", "x")
        .set("OPENIM_TOKENPOLICY_ACCESSSECRET", "openIM123")
        .set("OPENIM_ADMIN_LISTEN", "0.0.0.0:0");
    for text in expected {
        setup = setup.allow(text);
    }
    let data_dir = setup.path("open");
    fs::create_dir(&data_dir).expect("made");
    fs::set_permissions(&data_dir, Permissions::from_mode(0o777)).expect("our own");
    let server = setup.data_dir(&data_dir).start();
    for text in expected {
        server.logged(&["WARN", text]);
        let count = server.log().iter().filter(|line| line.contains(text)).count();
        assert_eq!(count, 1, "{text}");
    }
    assert_eq!(server.log().iter().filter(|line| line.contains("WARN")).count(), expected.len());
}

#[test]
fn what_can_never_work_stops_the_start() {
    let refusal = Setup::new().set("OPENIM_MANAGER_APPMANAGERUID", "boss,a b").refused();
    refusal.assert_one_line_with(&["manager.appManagerUid", "\"a b\""]);
    let refusal = Setup::new().set("OPENIM_CREDENTIAL_TENCENT_SECRETID", "AKID").refused();
    refusal.assert_one_line_with(&["credential.tencent", "secretKey", "bucket"]);
}
