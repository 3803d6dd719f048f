//! A log that a disk has damaged is never read as data: in the middle the start is refused and names the place, at the
//! very end, where a crash may have torn a write, the rest is kept and the server starts.

use std::fs;
use std::path::PathBuf;

use crate::support::engine::embedded_only;
use crate::support::rest::User;
use crate::support::server::{Server, Setup};

const COUNT: usize = 20;

/// A server with some messages from alice to bob, killed; and the log file they are in.
fn written() -> (Setup, PathBuf, User) {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    for n in 0..COUNT {
        alice.say("bob", &format!("m{n}"), &format!("content-{n:02}-of-the-log"));
    }
    let folder = fs::read_dir(server.data_dir().join("log")).expect("the log's folder");
    let file = folder
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|ending| ending == "log"))
        .expect("a log file");
    (server.into_setup(), file, alice.user.clone())
}

fn place_of(bytes: &[u8], text: &str) -> usize {
    bytes
        .windows(text.len())
        .position(|window| window == text.as_bytes())
        .expect("bodies are in the log")
}

#[test]
fn damage_in_the_middle_is_refused_by_file_and_offset() {
    if embedded_only("it damages files of the data directory") {
        return;
    }
    let (setup, file, _) = written();
    let mut bytes = fs::read(&file).expect("our own file");
    let place = place_of(&bytes, "content-03-of-the-log");
    bytes[place + 4] ^= 1;
    fs::write(&file, bytes).expect("our own file");
    let refusal = setup.refused();
    refusal.assert_one_line_with(&[file.to_str().expect("UTF-8")]);
    let line = refusal.stderr.last().expect("one line");
    let told: Vec<usize> = line
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .filter(|number| (place.saturating_sub(1000)..=place).contains(number))
        .collect();
    assert!(!told.is_empty(), "the offset, {place} or the start of its batch, is told: {line}");
}

#[test]
fn a_torn_end_is_cut_and_reported_and_the_rest_is_kept() {
    if embedded_only("it damages files of the data directory") {
        return;
    }
    let (setup, file, alice) = written();
    let mut bytes = fs::read(&file).expect("our own file");
    let place = place_of(&bytes, &format!("content-{:02}-of-the-log", COUNT - 1));
    // As if the machine had stopped in the middle of the last write.
    bytes[place + 4..].fill(0);
    fs::write(&file, bytes).expect("our own file");
    let server = setup.allow("cut").start();
    let name = file.to_str().expect("UTF-8");
    server.logged(&["cut", name]);
    let mut link = server.connect(&alice);
    assert_eq!(link.inbox().len(), COUNT - 1);
    link.say("bob", "after", "goes on");
    assert_eq!(link.newest(), COUNT as i64);
}
