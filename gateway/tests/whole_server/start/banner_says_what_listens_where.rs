//! The first lines of output tell an operator where everything is, with a `curl` line that works as it stands.

use std::process::Command;

use serde_json::Value;

use crate::support::engine::embedded_only;
use crate::support::server::{Server, Setup};

#[test]
fn addresses_shards_and_data_directory_are_named() {
    if embedded_only("it is about the data directory, and a cluster has none") {
        return;
    }
    let server = Server::start();
    let first = &server.banner()[0];
    for needle in ["openim", env!("CARGO_PKG_VERSION"), "embedded", "2 shards"] {
        assert!(first.contains(needle), "{needle:?} in {first:?}");
    }
    let data_dir = server.data_dir().to_str().expect("UTF-8");
    assert!(first.contains(data_dir), "the data directory in {first:?}");
    for (label, address) in
        [("ws://", server.ws()), ("http://", server.rest()), ("http://", server.operator())]
    {
        assert!(address.ip().is_loopback() && address.port() != 0, "{address}");
        assert!(
            server.banner().iter().any(|line| line.ends_with(&format!("{label}{address}"))),
            "{label}{address}"
        );
    }
}

#[test]
fn the_curl_line_registers_a_user() {
    if embedded_only("secrets of a cluster are set for all its processes, and none is made") {
        return;
    }
    let server =
        Setup::new().unset("OPENIM_SECRET").unset("OPENIM_TOKENPOLICY_ACCESSSECRET").start();
    let line = server.line_with("curl ");
    let Ok(curl) = Command::new("sh").args(["-c", &line]).output() else { return };
    if curl.status.code() == Some(127) {
        eprintln!("curl is not installed; the line was {line}");
        return;
    }
    let answer: Value = serde_json::from_slice(&curl.stdout).unwrap_or_else(|error| {
        panic!("{error}: {line}\n{}", String::from_utf8_lossy(&curl.stdout))
    });
    assert_eq!(answer["errCode"], 0, "{line}\n{answer}");
}
