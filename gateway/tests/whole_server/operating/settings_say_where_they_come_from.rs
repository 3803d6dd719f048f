//! `openim config`: what holds, which line or variable gives it, and what a key means.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::server::PROGRAM;

/// Exit code, standard output and standard error.
fn config(dir: &TempDir, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(PROGRAM);
    let set = std::env::vars_os().map(|(key, _)| key);
    for key in set.filter(|key| key.to_string_lossy().starts_with("OPENIM_")) {
        command.env_remove(key);
    }
    command.env("OPENIM_LIMITS_PINGSECONDS", "31").env("OPENIM_ADMIN_SECRET", "planted-secret");
    let output =
        command.arg("config").args(args).current_dir(dir.path()).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn by_line_or_variable() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("a.yaml"), "log:\n  level: warn\n").unwrap();
    let (code, told, _) = config(&dir, &["--effective", "--config", "a.yaml"]);
    assert_eq!(code, Some(0));
    for line in [
        "admin.secret = ***  (OPENIM_ADMIN_SECRET)",
        "limits.pingSeconds = 31  (OPENIM_LIMITS_PINGSECONDS; default 25)",
        "log.level = warn  (a.yaml:2; default info)",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}: {told}");
    }
    assert_eq!(told.lines().count(), 3, "{told}");
    let (_, told, _) = config(&dir, &["--effective", "--all", "--json"]);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert!(told.as_array().unwrap().len() > 100 && !told.to_string().contains("planted-secret"));
    let (_, told, _) = config(&dir, &["--env"]);
    assert!(told.contains("\nOPENIM_LIMITS_PINGSECONDS=31\n"), "{told}");
}

#[test]
fn keys_are_explained_and_slips_answered() {
    let dir = TempDir::new().unwrap();
    let (code, told, _) = config(&dir, &["--doc", "limits.pingSeconds"]);
    assert!(code == Some(0) && told.contains("Seconds between pings"), "{told}");
    let (code, told, complaint) = config(&dir, &["--doc", "limits.pingSecond"]);
    assert_eq!((code, told.as_str()), (Some(1), ""));
    assert!(complaint.contains("did you mean limits.pingSeconds?"), "{complaint}");
    std::fs::write(dir.path().join("a.yaml"), "log:\n  levle: warn\nsecert: a\n").unwrap();
    let (code, _, complaint) = config(&dir, &["--effective", "--config", "a.yaml"]);
    assert_eq!((code, complaint.lines().count()), (Some(1), 2), "{complaint}");
    assert_eq!(config(&dir, &[]).0, Some(2));
}
