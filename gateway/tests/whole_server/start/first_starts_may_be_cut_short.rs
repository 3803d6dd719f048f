//! A first start that is killed at any moment is taken up by the next one: whoever pulls the plug of a new machine does
//! not have to find out which files to remove.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::engine::embedded_only;
use crate::support::platform::IOS;
use crate::support::server::{Server, Setup};

/// Data directories, and kills of each before it must get ready.
const PLACES: u64 = 25;
const KILLS: u64 = 8;

/// A small generator: the same moments each time, as parts of the time that a start takes.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn a_start_killed_at_any_moment_is_taken_up_by_the_next() {
    if embedded_only("it is about the data directory, and a cluster has none") {
        return;
    }
    let dir = quick_place();
    let begun = Instant::now();
    drop(with_own_secrets(dir.path()).start());
    // The machine may be busier later: some kills come after `ready`, which is as good.
    let whole = begun.elapsed().max(Duration::from_millis(20));
    let mut moments = Moments(20_210_526);
    for place in 0..PLACES {
        let dir = quick_place();
        let setup = with_own_secrets(dir.path());
        for _ in 0..KILLS {
            // More of them early: a start takes up what is there, and has less to make each time.
            let moment = moments.next() * moments.next();
            setup.clone().killed_after(whole.mul_f64(moment));
        }
        let server = setup.start();
        if place % 5 == 0 {
            works(&server);
        }
    }
}

/// A place where flushes cost nothing, if there is one: a kill does not need a device.
fn quick_place() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a temporary directory")
}

/// Secrets are made by the start, like everything else.
fn with_own_secrets(dir: &Path) -> Setup {
    Setup::new().unset("OPENIM_TOKENPOLICY_ACCESSSECRET").data_dir(&dir.join("data"))
}

fn works(server: &Server) {
    let mut alice = server.newcomer("alice");
    let bob = server.register("bob", IOS);
    alice.say("bob", "m", "hello");
    assert_eq!(server.connect(&bob).inbox().len(), 1);
}
