//! Log files: each begins with what runs, none is larger than its bound, no more than their number are kept, and
//! one that was moved away is begun again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::engine::on_cluster;
use crate::support::server::{Server, Setup};

fn logging_to(folder: &Path, setup: Setup) -> Setup {
    setup.set("OPENIM_LOG_STORAGELOCATION", folder.display())
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).expect("the folder of logs");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.expect("an entry");
        // A file may be removed while it is looked at.
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        (entry.file_name().to_string_lossy().into_owned(), text)
    };
    // The audit has files of its own.
    entries.map(read).filter(|(name, _)| !name.starts_with("audit.")).collect()
}

/// Waits until what the files hold is as `wanted`.
#[track_caller]
fn until(folder: &Path, what: &str, wanted: impl Fn(&BTreeMap<String, String>) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !wanted(&files(folder)) {
        assert!(Instant::now() < deadline, "{what}: {:#?}", files(folder));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Says what runs, and where.
fn tells(line: &str, server: &Server) -> bool {
    let data_dir = server.data_dir().display().to_string();
    let parts = [
        env!("CARGO_PKG_VERSION").to_owned(),
        server.ws().to_string(),
        server.rest().to_string(),
        server.operator().to_string(),
        if on_cluster() { "cluster".to_owned() } else { data_dir },
        "ready".to_owned(),
    ];
    parts.iter().all(|part| line.contains(part.as_str()))
}

#[test]
fn the_first_lines_say_what_runs_at_every_level() {
    let setup = Setup::new().set("OPENIM_LOG_LEVEL", "error");
    let folder = setup.path("logs");
    let server = logging_to(&folder, setup).start();
    until(&folder, "what runs", |files| files.values().any(|text| tells(text, &server)));
    let files = files(&folder);
    let text = files.values().next().expect("a file");
    let mut lines = text.lines();
    assert!(lines.next().is_some_and(|line| line.contains("starting")), "{text}");
    assert!(lines.next().is_some_and(|line| tells(line, &server)), "{text}");
}

#[test]
fn files_are_bounded_in_size_and_number() {
    let setup = Setup::new()
        .set("OPENIM_LOG_LEVEL", "debug")
        .set("OPENIM_LOG_FILEBYTESMAX", 4_096)
        .set("OPENIM_LOG_ROTATIONCOUNT", 3);
    let folder = setup.path("logs");
    let server = logging_to(&folder, setup).start();
    let mut alice = server.newcomer("alice");
    for n in 0..200 {
        alice.say("bob", &format!("m{n}"), "hello");
    }
    // openim.2021-06-01.4.log
    let number = |name: &String| name.split('.').nth(2)?.parse::<u32>().ok();
    until(&folder, "later files", |files| {
        files.keys().filter_map(number).max().is_some_and(|number| number >= 4)
    });
    let files = files(&folder);
    assert!(files.len() <= 4, "three, and one that is on its way: {:?}", files.keys());
    for (name, text) in files {
        assert!(text.len() <= 4_096, "{name}: {}", text.len());
        let first = text.lines().next().unwrap_or_default();
        assert!(text.is_empty() || tells(first, &server), "{name}: {first}");
    }
}

#[test]
fn a_file_that_is_moved_away_is_begun_again_at_sighup() {
    let setup = Setup::new();
    let folder = setup.path("logs");
    let server = logging_to(&folder, setup).start();
    until(&folder, "a file", |files| files.values().any(|text| tells(text, &server)));
    let name = files(&folder).into_keys().next().expect("a file");
    fs::rename(folder.join(&name), folder.join("moved")).expect("moved");
    server.signal("HUP");
    until(&folder, "the file again", |files| {
        files.iter().any(|(name, text)| name != "moved" && text.contains("opened anew"))
    });
    let files = files(&folder);
    assert!(!files["moved"].contains("opened anew"), "{files:?}");
    let (_, text) = files.iter().find(|(name, _)| *name != "moved").expect("the new file");
    assert!(text.lines().next().is_some_and(|line| tells(line, &server)), "{text}");
}

#[test]
fn a_file_that_is_moved_away_is_noticed_without_a_word() {
    let setup = Setup::new().set("OPENIM_LOG_LEVEL", "debug");
    let folder = setup.path("logs");
    let server = logging_to(&folder, setup).start();
    let mut alice = server.newcomer("alice");
    until(&folder, "a file", |files| files.values().any(|text| tells(text, &server)));
    let name = files(&folder).into_keys().next().expect("a file");
    fs::rename(folder.join(&name), folder.join("moved")).expect("moved");
    let deadline = Instant::now() + PATIENCE;
    while !files(&folder).contains_key(&name) {
        assert!(Instant::now() < deadline, "the file should be there again");
        alice.newest();
        std::thread::sleep(Duration::from_millis(20));
    }
}
