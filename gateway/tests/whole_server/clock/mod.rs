//! Clocks that are wrong: nothing is taken away because of them, and what people are told is bounded.

mod a_clock_days_ahead_takes_nothing;
mod a_confirmed_clock_is_believed;
mod a_jump_while_it_runs_is_undone;
mod a_log_of_the_year_2099_is_healed;
mod nobody_is_locked_out_until_it_comes_again;
mod the_archive_forgets_and_nothing_else_does;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::server::{Server, Setup};
use crate::support::{PATIENCE, http, jwt};

const DAY_S: i64 = 86_400;
/// What a message's time may be from the real one: a minute that send times may be ahead, and the test's own time.
const NEAR_S: i64 = 180;

/// A server whose clock the test sets, and the file it does it with.
fn wrong_clock() -> (Setup, PathBuf) {
    let setup = Setup::new().allow("clock");
    let file = setup.path("clock");
    (setup.set("OPENIM_TEST_CLOCK_FILE", file.display()), file)
}

/// Moves the clock this far from the real one.
fn shift(file: &PathBuf, seconds: i64) {
    // Whole at any moment: the server reads it when it likes.
    let draft = file.with_extension("draft");
    fs::write(&draft, (seconds * 1000).to_string()).expect("written");
    fs::rename(&draft, file).expect("renamed");
}

/// A figure of the whole process.
fn figure(server: &Server, name: &str) -> f64 {
    let text = http::call(server.operator(), "GET", "/metrics", &[], b"").text();
    let sample = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    sample.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// Waits until a figure is `wanted`.
#[track_caller]
fn reaches(server: &Server, name: &str, wanted: f64) {
    let deadline = Instant::now() + PATIENCE;
    while figure(server, name) != wanted {
        assert!(Instant::now() < deadline, "{name} is {}, not {wanted}", figure(server, name));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How far a time in seconds is from the real one.
fn off(send_time: i64) -> i64 {
    (send_time - jwt::now()).abs()
}
