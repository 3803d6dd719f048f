//! `openim support`: everything that helps, and no body of a message, no token and no secret, though all three went through the server.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::engine::embedded_only;
use crate::support::platform::IOS;
use crate::support::server::Setup;
use crate::support::{ACCESS_SECRET, SECRET};

const BODY: &str = "a-planted-body-of-a-message";

#[test]
fn what_was_planted_is_not_in_it() {
    if embedded_only("a data directory is part of it") {
        return;
    }
    let setup = Setup::new();
    let logs = setup.path("logs");
    let setup = setup
        .set("OPENIM_LOG_STORAGELOCATION", logs.display())
        .set("OPENIM_LOG_LEVEL", "trace")
        .set("OPENIM_LOG_TRACEUIDS", "alice");
    let out = setup.path("bundle");
    let server = setup.start();
    let mut alice = server.newcomer("alice");
    let bob = server.register("bob", IOS);
    alice.say("bob", "m1", BODY);
    server.rest_send(&bob, "alice", "m2", BODY);
    alice.push();
    server.logged(&["trace", "push", "m2"]);
    let log = fs::read_dir(&logs).unwrap().map(|entry| entry.unwrap().path());
    let log = log.max().expect("a log");
    // What should never be in a log, and is there by somebody's mistake.
    let mistake = format!("Authorization: {} secret={SECRET} {ACCESS_SECRET}\n", bob.token);
    let mut file = fs::OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(mistake.as_bytes()).unwrap();

    let output = server
        .beside("support")
        .arg(&out)
        .env("OPENIM_LOG_STORAGELOCATION", &logs)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut planted = vec![BODY.to_owned(), SECRET.to_owned(), ACCESS_SECRET.to_owned()];
    planted.extend([alice.user.token.clone(), bob.token.clone()]);
    for file in ["admin_secret", "chat_key", "console_password"] {
        let kept = fs::read_to_string(server.data_dir().join(file)).expect(file);
        planted.push(kept.trim().to_owned());
    }
    for (name, part) in [
        ("version.txt", "openim "),
        ("config.txt", "secret = ***  (OPENIM_SECRET)"),
        ("doctor.txt", "disk flush"),
        ("readyz.txt", "ready"),
        ("healthz.txt", "ok"),
        ("metrics.txt", "openim_phase 1"),
        ("log.txt", "secret=***"),
    ] {
        let path = out.join(name);
        let text = fs::read_to_string(&path).expect(name);
        assert!(text.contains(part), "{part} in {name}: {text}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for planted in &planted {
            assert!(!text.contains(planted.as_str()), "{planted} in {name}");
        }
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 7);
    // What is there already stays as it is, whosever it is.
    fs::write(out.join("version.txt"), "of somebody").unwrap();
    let again = server.beside("support").arg(&out).output().expect("it runs");
    let complaint = String::from_utf8_lossy(&again.stderr);
    assert_eq!((again.status.code(), complaint.lines().count()), (Some(1), 1), "{complaint}");
    assert!(complaint.contains("version.txt (name a folder of its own)"), "{complaint}");
    assert_eq!(fs::read_to_string(out.join("version.txt")).unwrap(), "of somebody");
}
