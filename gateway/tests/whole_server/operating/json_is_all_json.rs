//! `log.format: json`: every line of both outputs is one JSON object, from the first to the last.

use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::engine::embedded_only;
use crate::support::http;
use crate::support::server::Setup;

fn objects(text: &str) -> Vec<Value> {
    let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let lines: Vec<Value> = text.lines().map(read).collect();
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        assert!(line["message"].is_string(), "{line}");
    }
    lines
}

#[test]
fn what_a_server_prints_is_json_and_says_what_runs() {
    if embedded_only("secrets of a cluster are set for all its processes, and none is made") {
        return;
    }
    let setup = Setup::new().set("OPENIM_LOG_FORMAT", "json").unset("OPENIM_SECRET");
    let setup = setup.set("OPENIM_LOG_LEVEL", "debug");
    let mut command = setup.command();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut stdout = child.stdout.take().expect("piped");
    let mut text = Vec::new();
    // The banner is one line.
    while !text.ends_with(b"\n") {
        let mut byte = [0];
        stdout.read_exact(&mut byte).expect("a whole line");
        text.push(byte[0]);
    }
    let ready: Value = serde_json::from_slice(&text).expect("JSON");
    let address = ready["rest"][0].as_str().and_then(|url| url.strip_prefix("http://"));
    let address = address.expect("an address").parse().expect("an address");
    http::call(address, "POST", "/user/get_user_info", &[], br#"{"operationID":"an\noperation"}"#);
    let stop = Command::new("kill").arg(child.id().to_string()).status().expect("kill");
    assert!(stop.success());
    stdout.read_to_end(&mut text).expect("the rest");
    let output = child.wait_with_output().expect("it ends");
    let banner = objects(&String::from_utf8(text).expect("text"));
    assert_eq!(banner.len(), 1, "{banner:?}");
    assert_eq!(banner[0]["message"], "ready");
    assert_eq!(banner[0]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(banner[0]["shards"], 2);
    for key in ["websocket", "rest", "operator", "generated"] {
        assert!(banner[0][key][0].is_string(), "{key} in {}", banner[0]);
    }
    let log = objects(&String::from_utf8(output.stderr).expect("text"));
    assert!(log.iter().any(|line| line["message"] == "stopped"), "{log:?}");
    // What clients name is there as they wrote it, and a number is one.
    let answered = log.iter().find(|line| line["route"] == "get_user_info").expect("a debug line");
    assert_eq!(answered["operationID"], "an\noperation", "{answered}");
    assert!(answered["us"].is_u64(), "{answered}");
}

#[test]
fn a_start_that_is_refused_says_so_in_json() {
    if embedded_only("it is about the data directory, and a cluster has none") {
        return;
    }
    let setup = Setup::new().set("OPENIM_LOG_FORMAT", "json");
    std::fs::write(setup.path("data"), "no directory").expect("written");
    let refusal = setup.refused();
    assert_eq!(refusal.status.code(), Some(1));
    let lines = objects(&refusal.stderr.join("\n"));
    assert!(lines.iter().any(|line| line["level"] == "ERROR"), "{lines:?}");
}
