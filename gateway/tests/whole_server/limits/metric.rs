//! What the server says about itself, summed over its shards: a limit that holds is also seen to hold.

use std::time::{Duration, Instant};

use crate::support::server::Server;
use crate::support::{PATIENCE, http};

/// Waits until the samples of `name` add up to `wanted`.
#[track_caller]
pub(crate) fn reaches(server: &Server, name: &str, wanted: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = sum(server, name);
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{name} is {found}, not {wanted}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The samples of `name`, added up.
pub(crate) fn sum(server: &Server, name: &str) -> u64 {
    let text = http::call(server.operator(), "GET", "/metrics", &[], b"").text();
    let samples = text.lines().filter_map(|line| line.strip_prefix(name));
    samples
        .filter(|sample| sample.starts_with(['{', ' ']))
        .filter_map(|sample| sample.rsplit(' ').next())
        .map(|value| value.parse::<u64>().expect("a whole number"))
        .sum()
}
