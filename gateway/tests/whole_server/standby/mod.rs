//! A standby: it follows, serves when it is promoted, and the server that it replaces is fenced and comes back.

mod a_copy_is_left_as_it_is;
mod an_order_that_is_ended_is_withdrawn;
mod its_index_may_fail;
mod load;
mod one_beyond_a_promoted_one_is_not_promoted;
mod one_beyond_its_server_follows_it_again;
mod one_that_has_not_met_its_server_asks_first;
mod over_tls;
mod over_whom_it_is_promoted;
mod the_killed_one_is_replaced;
mod the_living_one_is_fenced_and_comes_back;
mod what_is_not_received_is_not_received_there;
mod who_follows_a_fenced_server_says_so;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use openim_config::Secret;
use openim_gateway::copying::Remote;
use openim_storage::embedded::copy::Source as _;

use self::load::{People, Writing};
use crate::copies::{backup, done};
use crate::support::PATIENCE;
use crate::support::http::call;
use crate::support::server::{Server, Setup};

/// What goes with a server being replaced.
fn setup() -> Setup {
    ["standby", "fenced", "log refused a batch", "cut", "index is made anew", "promoted"]
        .into_iter()
        .fold(Setup::new(), Setup::allow)
        .set("OPENIM_ADMIN_SECRET", "one for all of them")
        .set("OPENIM_EMBEDDED_SEGMENTBYTES", 1 << 20)
        .set("OPENIM_LIMITS_REQUESTBODYBYTESMAX", 64 << 10)
        .set("OPENIM_LIMITS_FRAMESPERSECOND", 0)
        .set("OPENIM_EMBEDDED_BASEEVERYBYTES", 1 << 20)
}

/// A server that people write to, and what they write.
fn written_to() -> (Server, People, Writing) {
    let server = setup().start();
    let people = People::register(&server);
    let writing = people.write(server.ws(), "first");
    writing.until(20);
    (server, people, writing)
}

/// An address that nobody has.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port")
}

/// A backup of a server that has the secret of all of them.
fn back_up(server: &Server, copy: &Path) {
    let mut command = backup(server, copy);
    command.env("OPENIM_ADMIN_SECRET", "one for all of them");
    done(command);
}

/// Up to where the log of a server is durable.
fn durable(server: &Server) -> u64 {
    let url = format!("http://{}", server.operator());
    let secret = Secret::new("one for all of them");
    let mut remote = Remote::new(&url, secret, None).expect("an address");
    remote.about().expect("an answer").durable
}

fn figure(server: &Server, name: &str) -> f64 {
    let metrics = call(server.operator(), "GET", "/metrics", &[], b"").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("no {name} in {metrics}"))
}

/// Waits until it is so.
#[track_caller]
fn until(is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "it does not become so");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until a standby has all before a position durably.
#[track_caller]
fn until_followed(standby: &Server, position: u64) {
    let until = Instant::now() + PATIENCE;
    while figure(standby, "openim_standby_position") < position as f64 {
        assert!(Instant::now() < until, "not followed: {}", standby.ready().text());
        thread::sleep(Duration::from_millis(20));
    }
}

/// What was set aside in a data directory.
fn set_aside(server: &Server) -> bool {
    let names = fs::read_dir(server.data_dir())
        .expect("listed")
        .map(|entry| entry.expect("one").file_name());
    names.into_iter().any(|name| name.to_string_lossy().starts_with("aside-"))
}
