//! `/metrics`: how long sends, pulls, REST requests and group messages take, what the disk holds, what runs; few
//! series, and none that never counted.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::link::group_message;
use crate::support::platform::IOS;
use crate::support::server::{PROGRAM, Server, Setup};

fn shown(server: &Server) -> String {
    call(server.operator(), "GET", "/metrics", &[], b"").text()
}

/// The value of a series, if it is there.
fn value(text: &str, series: &str) -> Option<f64> {
    let sample = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(sample.parse().unwrap_or_else(|error| panic!("{series} {sample}: {error}")))
}

#[track_caller]
fn reaches(server: &Server, series: &str, wanted: impl Fn(f64) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !value(&shown(server), series).is_some_and(&wanted) {
        assert!(Instant::now() < deadline, "{series} in {}", shown(server));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn every_histogram_counts_what_its_name_says() {
    if embedded_only("a transfer fans out, and has figures of its own") {
        return;
    }
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let bob = server.register("bob", IOS);
    let group = server.group(&alice.user, &[&bob]);
    for n in 0..3 {
        alice.say("bob", &format!("m{n}"), "hello");
    }
    // A repeat is answered at once, and is no send that waited.
    alice.say("bob", "m0", "hello");
    alice.say_data(&group_message(&group, "g", "hello"));
    alice.pull(1, 3);
    reaches(&server, "openim_pull_seconds_count", |count| count == 1.0);
    reaches(&server, "openim_group_fanout_seconds_count", |count| count >= 1.0);
    reaches(&server, "openim_rest_request_seconds_count", |count| count == 3.0);
    reaches(&server, "openim_log_append_seconds_count", |count| count >= 1.0);
    let text = shown(&server);
    let sends = value(&text, "openim_send_seconds_count").expect("sends");
    // The members of the group are told of it by a message as well.
    assert!((4.0..=5.0).contains(&sends), "{text}");
    assert_eq!(value(&text, "openim_send_seconds_bucket{le=\"+Inf\"}"), Some(sends));
    assert!(value(&text, "openim_send_seconds_sum").is_some_and(|sum| sum > 0.0), "{text}");
}

#[test]
fn the_disk_is_looked_at() {
    if embedded_only("it is about the data directory, and a cluster has none") {
        return;
    }
    let server = Server::start();
    reaches(&server, "openim_data_free_bytes", |bytes| bytes > 0.0);
    reaches(&server, "openim_log_bytes", |bytes| bytes > 0.0);
    reaches(&server, "openim_index_bytes", |bytes| bytes > 0.0);
}

#[test]
fn what_never_counted_is_not_shown_and_shards_are_summed() {
    if embedded_only("each shard needs a partition, and clusters under test have fewer") {
        return;
    }
    let server =
        Setup::new().set("OPENIM_GATEWAY_SHARDS", 16).allow("gateway.shards is 16").start();
    let text = shown(&server);
    assert!(!text.contains("openim_links_closed_total{"), "{text}");
    assert_eq!(value(&text, "openim_frames_out_total"), Some(0.0));
    let few = text.lines().filter(|line| !line.starts_with('#')).count();
    // One a bound among them.
    assert!(few < 300, "{few} series: {text}");
}

#[test]
fn the_revision_is_told_by_the_program_and_by_its_metrics() {
    let output = Command::new(PROGRAM).arg("--version").output().expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let revision = text.trim().split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    let revision = revision.unwrap_or_else(|| panic!("a revision in {text:?}"));
    assert!(!revision.is_empty() && !revision.contains(char::is_whitespace), "{text:?}");
    let server = Server::start();
    let label = Value::from(revision).to_string();
    assert!(shown(&server).contains(&format!("revision={label}")), "{}", shown(&server));
    assert!(server.banner()[0].contains(revision), "{:?}", server.banner());
}
