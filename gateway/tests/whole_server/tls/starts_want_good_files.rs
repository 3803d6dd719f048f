//! Files that will not do are refused before anything else, in one line with key and path; `openim check-config` says the same.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::engine::embedded_only;
use crate::support::server::{PROGRAM, Server, Setup};
use crate::support::tls::{Authority, Files, Tls};

/// What `openim check-config` says of these files.
fn checked(dir: &Path, files: &Files) -> String {
    let config = dir.join("checked.yaml");
    let text = format!(
        "tls:\n  certFile: {}\n  keyFile: {}\n",
        files.certificate.display(),
        files.key.display()
    );
    fs::write(&config, text).expect("written");
    let output = Command::new(PROGRAM).arg("check-config").arg(&config).output().expect("it runs");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn one_line_names_key_and_path() {
    if embedded_only("what refuses is the same, and a start of a cluster says more before") {
        return;
    }
    type Spoil = fn(&Authority, &Files);
    let cases: [(&str, Spoil, &[&str]); 6] = [
        (
            "missing",
            |_, files| fs::remove_file(&files.certificate).expect("removed"),
            &["tls.certFile", "cert.pem", "cannot be read"],
        ),
        (
            "no certificate",
            |_, files| fs::write(&files.certificate, "certificate").expect("written"),
            &["tls.certFile", "cert.pem", "holds no certificate"],
        ),
        (
            "no key",
            |_, files| fs::write(&files.key, "key").expect("written"),
            &["tls.keyFile", "key.pem", "holds no private key"],
        ),
        (
            "another key",
            |authority, files| {
                let certificate = fs::read(&files.certificate).expect("read");
                authority.sign(files, 2, 2049);
                fs::write(&files.certificate, certificate).expect("written");
            },
            &["tls.keyFile", "key.pem", "is not the key of the certificate in", "cert.pem"],
        ),
        (
            "expired",
            |authority, files| authority.sign(files, 2, 2021),
            &["tls.certFile", "cert.pem", "has expired"],
        ),
        (
            "a folder",
            |_, files| {
                fs::remove_file(&files.key).expect("removed");
                fs::create_dir(&files.key).expect("made");
            },
            &["tls.keyFile", "key.pem", "cannot be read"],
        ),
    ];
    for (what, spoil, needles) in cases {
        let setup = Setup::new().with_tls();
        let tls = setup.tls().clone();
        spoil(&tls.authority, &tls.files);
        let said = checked(tls.files.key.parent().expect("in a folder"), &tls.files);
        setup.refused().assert_one_line_with(needles);
        assert!(needles.iter().all(|needle| said.contains(needle)), "{what}: {said}");
    }
    // A standby is to serve with them.
    let (server, setup) = (Setup::new().start(), Setup::new().with_tls());
    fs::write(&setup.tls().files.key, "key").expect("written");
    let standby = setup.set("OPENIM_ADMIN_SECRET", "any").standby_of(&server);
    standby.refused().assert_one_line_with(&["tls.keyFile", "holds no private key"]);
    let half = Setup::new().with_tls().unset("OPENIM_TLS_KEYFILE");
    half.refused().assert_one_line_with(&["tls.keyFile is missing"]);
}

#[test]
fn the_banner_names_what_to_come_by() {
    let server = Setup::new().with_tls().start();
    let [websocket, rest] = server.ports();
    for address in [format!("wss://{websocket}"), format!("https://{rest}")] {
        assert!(server.banner().iter().any(|line| line.ends_with(&address)), "{address}");
    }
}

/// A key that others can read is used all the same, and told once: at the start, of each new one, and of one that
/// they can read from then on.
#[test]
fn a_key_that_everybody_can_read_is_told() {
    let told = |server: &Server| {
        let log = server.log();
        log.iter().filter(|line| line.contains("WARN") && line.contains("chmod 600")).count()
    };
    let setup = Setup::new().with_tls().allow("chmod 600");
    let Tls { authority, files } = setup.tls().clone();
    fs::set_permissions(&files.key, Permissions::from_mode(0o644)).expect("they are set");
    let mut server = setup.start();
    let line = server.logged(&["WARN", "tls.keyFile", "key.pem", "chmod 600"]);
    assert!(line.contains("everybody on this machine"), "{line}");
    assert_eq!(told(&server), 1);
    authority.sign(&files, 2, 2049);
    server.signal("HUP");
    server.logged(&["new connections get the new certificate"]);
    assert_eq!(told(&server), 2);
    fs::set_permissions(&files.key, Permissions::from_mode(0o640)).expect("they are set");
    server.restart();
    assert_eq!(told(&server), 0);
    server.newcomer("alice").close();
    // It opens while the server runs.
    fs::set_permissions(&files.key, Permissions::from_mode(0o644)).expect("they are set");
    server.signal("HUP");
    server.logged(&["WARN", "tls.keyFile", "key.pem", "chmod 600"]);
    authority.sign(&files, 3, 2049);
    server.signal("HUP");
    server.logged(&["new connections get the new certificate"]);
    assert_eq!(told(&server), 2, "once of each");
}
