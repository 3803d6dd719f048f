//! A belief about the server's own state that turns out wrong ends the process, with one line that says so and an exit
//! code that is not 0; the next start has everything that was acknowledged, and a repeat of what was not makes one
//! message of it.

use std::fs;
use std::path::Path;

use crate::support::engine::embedded_only;
use crate::support::link::message;
use crate::support::platform::IOS;
use crate::support::server::Setup;

#[test]
fn with_one_line_and_the_next_start_is_whole() {
    if embedded_only(
        "it stalls the engine inside of the process; components are stalled by scripts/faults",
    ) {
        return;
    }
    let setup = Setup::new();
    let (stall, folder) = (setup.path("stall"), setup.path("logs"));
    let setup = setup.set("OPENIM_LOG_STORAGELOCATION", folder.display());
    let setup = setup.set("OPENIM_TEST_STALL_FILE", stall.display());
    let mut server = setup.allow("broken invariant").start();
    let (mut alice, mut bob) = (server.newcomer("alice"), server.newcomer("bob"));
    for n in 0..20 {
        alice.say("bob", &format!("m{n}"), "hello");
        bob.push();
    }
    fs::write(&stall, "broken").expect("written");
    let envelope = alice.envelope(1003, &message("bob", "last", "hello"));
    alice.send_text(envelope);
    let status = server.exit_status();
    assert_eq!(status.code(), Some(1), "{status}");
    server.kill();
    let told: Vec<String> =
        server.log().into_iter().filter(|line| !line.contains("INFO")).collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    for part in ["ERROR", "broken invariant", "the next start", "thread=\"log\"", "stall.rs:"] {
        assert!(told[0].contains(part), "{part} in {told:?}");
    }
    for part in ["panicked", "RUST_BACKTRACE"] {
        assert!(!told[0].contains(part), "{part} in {told:?}");
    }
    assert!(text_of_files(&folder).contains("broken invariant"), "the file has it too");
    fs::remove_file(&stall).expect("written above");
    server.restart();
    let mut alice = server.connect(&server.login("alice", IOS));
    let mut bob = server.connect(&server.login("bob", IOS));
    assert_eq!((alice.inbox().len(), bob.inbox().len()), (20, 20));
    alice.say("bob", "last", "hello");
    alice.say("bob", "last", "hello");
    assert_eq!((alice.inbox().len(), bob.inbox().len()), (21, 21));
}

fn text_of_files(folder: &Path) -> String {
    let files =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path());
    files.map(|file| fs::read_to_string(file).expect("text")).collect()
}
