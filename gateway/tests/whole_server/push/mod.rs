//! Offline push: who is away is told, once, and nobody else; by a service that stands for all.

mod devices_are_kept_and_forgotten;
mod repeats_after_a_kill_are_the_same;
mod services_that_stall_hold_up_nobody;
mod settings_are_looked_at_before_the_start;
mod who_is_away_is_told_once;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::server::{Server, Setup};

const KEY: &str = "what both sides know";

fn no_push() -> bool {
    embedded_only("a cluster pushes nothing to terminals that are away")
}

#[derive(Default)]
struct Kept {
    notices: Vec<Value>,
    stalls: bool,
}

/// A service of the operator's, which checks who posts.
#[derive(Clone)]
struct Service {
    at: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let service = Self { at: listener.local_addr().expect("an address"), kept: Arc::default() };
        let its = service.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let its = its.clone();
                thread::spawn(move || while its.serve(&stream).is_some() {});
            }
        });
        service
    }

    /// Takes one post; `None` when the connection is over.
    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let (mut length, mut time, mut signature) = (0, String::new(), String::new());
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            if line.trim().is_empty() {
                break;
            }
            let Some((name, value)) = line.trim().split_once(": ") else { continue };
            match name.to_lowercase().as_str() {
                "content-length" => length = value.parse().expect("a length"),
                "x-openim-time" => time = value.to_owned(),
                "x-openim-signature" => signature = value.to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        assert_eq!(signature, openim_push::sign(KEY, &time, &body));
        let stalls = {
            let mut kept = self.kept.lock().expect("kept");
            kept.notices.push(serde_json::from_slice(&body).expect("JSON"));
            kept.stalls
        };
        if stalls {
            thread::sleep(PATIENCE);
            return None;
        }
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()
    }

    fn stall(&self, stalls: bool) {
        self.kept.lock().expect("kept").stalls = stalls;
    }

    fn notices(&self) -> Vec<Value> {
        self.kept.lock().expect("kept").notices.clone()
    }

    /// What it was told of somebody so far, as soon as there is so much of it.
    #[track_caller]
    fn told_of(&self, uid: &str, count: usize) -> Vec<Value> {
        let of = || -> Vec<Value> {
            self.notices().into_iter().filter(|notice| notice["uid"] == uid).collect()
        };
        until(|| of().len() >= count);
        of()
    }
}

#[track_caller]
fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it never came");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A server that tells the service.
fn telling(service: &Service) -> Setup {
    Setup::new()
        .set("OPENIM_PUSH_OFFLINEPUSH", "true")
        .set("OPENIM_PUSH_WEBHOOK_URL", format!("http://{}/push", service.at))
        .set("OPENIM_PUSH_WEBHOOK_SECRET", KEY)
        .set("OPENIM_TEST_PUSH_PAUSE_MS", 50)
        .set("OPENIM_TEST_PUSH_TIMEOUT_MS", 1000)
}

/// A figure of the server.
#[track_caller]
fn figure(server: &Server, name: &str) -> u64 {
    let metrics = call(server.operator(), "GET", "/metrics", &[], b"").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().expect("a number")
}
