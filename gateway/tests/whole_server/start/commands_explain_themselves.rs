//! `--help` and `check-config`.

use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::server::PROGRAM;

fn run(args: &[&str]) -> Output {
    let dir = TempDir::new().expect("a temporary directory");
    let mut command = Command::new(PROGRAM);
    for (key, _) in
        std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("OPENIM_"))
    {
        command.env_remove(key);
    }
    command.args(args).current_dir(dir.path()).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_names_every_command_and_succeeds() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    for word in ["serve", "transfer", "check-config", "--config", "--data-dir"] {
        assert!(help.contains(word), "{word} in {help}");
    }
}

#[test]
fn an_unknown_command_fails_and_says_so() {
    let output = run(&["sevre"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("sevre"), "{}", text(&output.stderr));
}

#[test]
fn check_config_accepts_the_good_and_explains_the_bad() {
    let dir = TempDir::new().expect("a temporary directory");
    let good = dir.path().join("good.yaml");
    std::fs::write(&good, "gateway:\n  shards: 2\n").expect("written");
    let output = run(&["check-config", good.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let bad = dir.path().join("bad.yaml");
    std::fs::write(&bad, "gateway:\n  shrads: 2\n").expect("written");
    let output = run(&["check-config", bad.to_str().expect("UTF-8")]);
    assert!(!output.status.success());
    let complaint = text(&output.stderr);
    for needle in ["gateway.shrads", "gateway.shards", "bad.yaml"] {
        assert!(complaint.contains(needle), "{needle} in {complaint}");
    }
}

/// The file in the repository is a good one.
#[test]
fn check_config_accepts_the_shipped_file() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/config.yaml");
    let output = run(&["check-config", shipped]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// One run tells everything, so that nobody mends a file one line at a time.
#[test]
fn check_config_tells_all_faults() {
    let dir = TempDir::new().expect("a temporary directory");
    let bad = dir.path().join("bad.yaml");
    std::fs::write(
        &bad,
        "gateway:\n  shrads: 2\nlimits:\n  pingSeconds: soon\nmanager: {appManagerUid: a b}\n",
    )
    .expect("written");
    let output = run(&["check-config", bad.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = text(&output.stderr);
    assert_eq!(complaint.lines().count(), 3, "{complaint}");
    for needle in [
        "bad.yaml:2: unknown key gateway.shrads",
        "bad.yaml:4: limits.pingSeconds",
        "manager.appManagerUid: \"a b\"",
    ] {
        assert!(complaint.contains(needle), "{needle} in {complaint}");
    }
    let output = run(&["serve", "--config", bad.to_str().expect("UTF-8")]);
    let complaint = text(&output.stderr);
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(complaint.contains("and 1 more: openim check-config"), "{complaint}");
}

#[test]
fn check_config_says_what_keys_of_the_original_do() {
    let file =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../config/tests/fixtures/original-v1.0.7.yaml");
    let output = run(&["check-config", file]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    for needle in [
        "longconnsvr.openImWsPort: sets longconnsvr.websocketPort",
        "rpcport: means nothing here: ",
        "multiloginpolicy: 1 turns on multiloginpolicy.allTerminalAccess",
    ] {
        assert!(said.contains(needle), "{needle} in {said}");
    }
}
