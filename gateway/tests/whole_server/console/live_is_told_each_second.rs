//! The page Live hears what happens once a second, as long as it is logged in; so many pages at once, and no more.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::console::Operator;
use crate::support::engine::embedded_only;
use crate::support::http::{call, dial};
use crate::support::server::{Server, Setup};

const NO_CLUSTER: &str = "a cluster has no console";

/// An open page.
struct Page(BufReader<TcpStream>);

impl Page {
    fn open(operator: &Operator<'_>) -> Page {
        let at = operator.server.operator();
        let mut stream = dial(at);
        let cookie = &operator.cookie;
        write!(stream, "GET /console/api/live HTTP/1.1\r\nHost: {at}\r\nCookie: {cookie}\r\n\r\n")
            .expect("it is sent");
        Page(BufReader::new(stream))
    }

    /// The next line that begins so; `None` at the end.
    fn line(&mut self, begin: &str) -> Option<String> {
        let mut line = String::new();
        while self.0.read_line(&mut line).expect("an answer in time") > 0 {
            if let Some(rest) = line.strip_prefix(begin) {
                return Some(rest.trim().to_owned());
            }
            line.clear();
        }
        None
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.line("data: ").expect("it goes on")).expect("JSON")
    }
}

#[test]
fn messages_links_and_times_are_there() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Server::start();
    let operator = server.console();
    let mut page = Page::open(&operator);
    assert!(page.line("HTTP/1.1 ").is_some_and(|status| status.starts_with("200")));
    assert!(page.line("content-type: ").is_some_and(|kind| kind == "text/event-stream"));
    let first = page.next();
    assert_eq!((&first["stage"], &first["total"]["links"]), (&"serving".into(), &0.into()));
    let mut alice = server.newcomer("alice");
    (0..20).for_each(|n| drop(alice.say("bob", &format!("m{n}"), "hello")));
    // The rate is of the second in which they were sent; the times are kept for longer.
    let mut messages = 0.0;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = page.next();
        assert!(Instant::now() < deadline, "{told}");
        messages += told["total"]["messages"].as_f64().expect("a number");
        let shards = told["shards"].as_array().expect("a list");
        assert_eq!(shards.len(), 2);
        assert!(shards.iter().all(|shard| shard["stuck"].is_u64()), "{told}");
        if messages > 0.0
            && told["total"]["links"] == 1
            && told["send"]["count"].as_u64() >= Some(20)
        {
            assert!(told["send"]["p50"].as_f64() <= told["send"]["p99"].as_f64(), "{told}");
            assert!(told["flush"]["p50"].is_f64(), "{told}");
            assert!(told["memory"]["resident"].as_f64().is_some_and(|bytes| bytes > 1e6), "{told}");
            break;
        }
    }
}

#[test]
fn so_many_pages_are_open_at_once_and_each_ends_with_its_login() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Setup::new().set("OPENIM_CONSOLE_STREAMSMAX", 2).start();
    let operator = server.console();
    let mut pages = [Page::open(&operator), Page::open(&operator)];
    pages.iter_mut().for_each(|page| drop(page.next()));
    let third = operator.asks("live");
    assert_eq!((third.status, third.json()["error"].as_str()), (503, Some("crowded")));
    let metrics = call(server.operator(), "GET", "/metrics", &[], b"").text();
    assert!(metrics.contains("\nopenim_console_streams 2\n"), "{metrics}");
    let cookie = [("cookie", operator.cookie.as_str())];
    assert_eq!(call(server.operator(), "POST", "/console/logout", &cookie, b"").status, 200);
    let deadline = Instant::now() + PATIENCE;
    for page in &mut pages {
        while let Some(told) = page.line("data: ") {
            assert!(Instant::now() < deadline, "it goes on: {told}");
        }
    }
    // Their places are free again.
    let again = server.console();
    let mut page = Page::open(&again);
    assert!(page.next()["total"].is_object());
}
