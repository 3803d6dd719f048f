//! Tokens that are refused by the thousand: some of them are noted one by one, the rest as a number, and what others did
//! is still noted.

use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::platform::IOS;
use crate::support::server::{Server, Setup};
use crate::support::{PATIENCE, http};

const REQUESTS: u64 = 3000;

fn events(folder: &Path) -> Vec<Value> {
    let files = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file"));
    let audits = files.filter(|file| file.file_name().to_string_lossy().starts_with("audit."));
    let text: String =
        audits.map(|file| std::fs::read_to_string(file.path()).expect("text")).collect();
    // The last line may not be whole yet.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Calls `count` times with a token that is none.
fn refused(server: &Server, count: u64) {
    let request = "POST /friend/get_friend_list HTTP/1.1\r\nHost: x\r\ntoken: garbage\r\nContent-Length: 2\r\n\r\n{}";
    let last = request.replacen("Host: x\r\n", "Host: x\r\nConnection: close\r\n", 1);
    let mut stream = http::dial(server.rest());
    let mut sent = stream.try_clone().expect("a second handle");
    let all = request.repeat(usize::try_from(count).expect("a small number") - 1) + &last;
    let writer = std::thread::spawn(move || sent.write_all(all.as_bytes()));
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("answers");
    writer.join().expect("a writer").expect("the server reads");
    assert_eq!(answers.matches("HTTP/1.1 ").count() as u64, count);
}

fn unnoted(server: &Server) -> u64 {
    let text = http::call(server.operator(), "GET", "/metrics", &[], b"").text();
    let name = "openim_audit_refusals_unnoted_total ";
    let sample = text.lines().find_map(|line| line.strip_prefix(name));
    sample.expect("the counter").parse().expect("a whole number")
}

#[test]
fn the_rest_is_told_as_a_number() {
    let setup = Setup::new();
    let folder = setup.path("logs");
    let server = setup.set("OPENIM_LOG_STORAGELOCATION", folder.display()).start();
    refused(&server, REQUESTS);
    server.register("alice", IOS);
    let mut made = REQUESTS;
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Numbers are told by the first refusal of a later second.
        refused(&server, 1);
        made += 1;
        let events = events(&folder);
        let of_tokens: Vec<&Value> =
            events.iter().filter(|event| event["message"] == "token").collect();
        let told: u64 = of_tokens.iter().filter_map(|event| event["untold"].as_u64()).sum();
        let noted = of_tokens.iter().filter(|event| event["untold"].is_null()).count() as u64;
        let alice =
            events.iter().any(|event| event["uid"] == "alice" && event["outcome"] == "done");
        let unnoted = unnoted(&server);
        if alice && unnoted > 0 && told == unnoted && noted + told == made {
            assert!(noted < REQUESTS, "{noted} were noted one by one");
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{made} made, {noted} noted, {told} told of {unnoted}, alice {alice}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}
