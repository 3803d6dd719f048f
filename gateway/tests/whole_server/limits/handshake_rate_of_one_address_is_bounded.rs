//! Handshakes of one address above the configured rate get 503, whether their token is good or not; a second later
//! there is room again.

use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::link::Link;
use crate::support::platform::IOS;
use crate::support::raw::{UPGRADE, upgrade};
use crate::support::server::{Server, Setup};

/// Handshakes one after another; many times what a second allows.
const HANDSHAKES: usize = 100;

fn limited() -> Server {
    Setup::new().set("OPENIM_LIMITS_HANDSHAKESPERSECONDPERADDRESS", 3).start()
}

#[test]
fn a_burst_of_connects_gets_503_and_later_ones_are_served() {
    let server = limited();
    let alice = server.register("alice", IOS);
    let target = format!("/{}", alice.query());
    let statuses = until_503(&server, &target);
    assert_eq!(statuses.last(), Some(&503), "{statuses:?}");
    assert!(statuses[..statuses.len() - 1].iter().all(|status| *status == 101), "{statuses:?}");
    assert!(statuses.len() > 3, "what is allowed is served: {statuses:?}");
    let deadline = Instant::now() + PATIENCE;
    while Link::open(server.ws(), &alice).is_err() {
        assert!(Instant::now() < deadline, "there is room in another second");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn guessing_tokens_is_bounded_as_well() {
    let server = limited();
    let statuses = until_503(&server, "/?sendID=alice&token=guessed&platformID=1");
    assert_eq!(statuses.last(), Some(&503), "{statuses:?}");
    assert!(statuses[..statuses.len() - 1].iter().all(|status| *status == 401), "{statuses:?}");
}

/// The answers to handshakes up to the first 503.
fn until_503(server: &Server, target: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    while statuses.len() < HANDSHAKES && statuses.last() != Some(&503) {
        statuses.push(upgrade(server.ws(), "GET", target, &UPGRADE).status);
    }
    statuses
}
