//! `openim bench` and `openim latency`: a running server is measured, and its books are kept.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::support::SECRET;
use crate::support::server::Setup;

const PERCENTILES: [&str; 6] = ["p50_us", "p90_us", "p99_us", "p999_us", "p9999_us", "p99999_us"];

fn figures(output: &Output) -> Value {
    let complaint = String::from_utf8_lossy(&output.stderr);
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    assert_eq!(output.status.code(), Some(0), "{complaint}{told}");
    assert_eq!((&told["ok"], &told["problems"]), (&true.into(), &Value::Array(Vec::new())));
    let command = told["command"].as_str().expect("the command");
    assert!(command.contains("--secret ***"), "{command}");
    told["figures"].clone()
}

#[test]
fn at_full_speed_and_at_a_rate() {
    let server = Setup::new().start();
    let page = server.data_dir().join("page.html");
    let output = server
        .beside("bench")
        .args(["--json", "--report"])
        .arg(&page)
        .args(["--", "--pairs", "3", "--window", "4", "--duration", "4", "--pull-check"])
        .output()
        .expect("it runs");
    let told = figures(&output);
    let messages = &told["messages"];
    assert!(messages["acked"].as_u64().is_some_and(|acked| acked > 0), "{told}");
    assert_eq!(messages["acked"], messages["delivered"]);
    assert!(told["server_after"]["rss_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{told}");
    let page = fs::read_to_string(&page).expect("a page");
    for part in ["<h1>openim chat: ok", "90 %", "acknowledged", "Memory"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<script") && !page.contains(SECRET), "{page}");

    let output = server
        .beside("latency")
        .args(["--rate", "50", "--duration", "1", "--pairs", "2", "--json"])
        .output()
        .expect("it runs");
    let told = figures(&output);
    assert_eq!(told["rate_asked"], 50);
    for percentile in PERCENTILES {
        for latency in ["ack_latency", "push_latency"] {
            assert!(told[latency][percentile].as_f64().is_some_and(|us| us > 0.0), "{told}");
        }
    }
}

#[test]
fn what_stands_in_the_way_is_one_line() {
    let mut server = Setup::new().start();
    let refused = |output: Output, code: i32, words: &str| {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0), "{complaint}");
        assert!(complaint.contains(words) && complaint.lines().count() == 1, "{complaint}");
    };
    refused(server.beside("bench").arg("dance").output().unwrap(), 2, "dance");
    let wrong = server.beside("bench").args(["--", "--pears", "3"]).output();
    refused(wrong.unwrap(), 2, "--pears");
    let wrong = server.beside("bench").env("OPENIM_SECRET", "a-wrong-secret").output();
    refused(wrong.unwrap(), 2, "the server's secret");
    server.kill();
    refused(server.beside("latency").output().unwrap(), 2, "where the server's REST listens");
}
