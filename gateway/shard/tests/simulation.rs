//! The shards under simulation: seeded, deterministic, with an oracle for laws L1 to L6, L8 and L9.
//!
//! A run is a plan drawn from its seed (how many shards, users and platforms, how small the rings,
//! how much goes wrong), a few thousand steps, each one call into one shard or one act of the world
//! around it, then calm, in which everything must drain.
//!
//! `OPENIM_TEST_SIM_SEED=n` replays one seed with a trace; `OPENIM_TEST_SIM_SEEDS=n` runs more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

#[path = "simulation/driver.rs"]
mod driver;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/finish.rs"]
mod finish;
#[path = "simulation/groups.rs"]
mod groups;
#[path = "simulation/io.rs"]
mod io;
#[path = "simulation/ledger.rs"]
mod ledger;
#[path = "simulation/log.rs"]
mod log;
#[path = "simulation/oracle.rs"]
mod oracle;
#[path = "simulation/plan.rs"]
mod plan;
#[path = "simulation/random.rs"]
mod random;
#[path = "simulation/stores.rs"]
mod stores;
#[path = "simulation/workers.rs"]
mod workers;
#[path = "simulation/workload.rs"]
mod workload;
#[path = "simulation/world.rs"]
mod world;

use crate::oracle::Counts;
use crate::world::World;

const SEEDS: u64 = 256;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

#[test]
fn the_laws_hold_whatever_happens() {
    if let Some(seed) = setting("OPENIM_TEST_SIM_SEED") {
        let mut world = World::new(seed, true);
        world.run();
        eprintln!("seed {seed}: {:?}", world.oracle.counts);
        return;
    }
    let seeds = setting("OPENIM_TEST_SIM_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    let seen = Mutex::new(Counts::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seed < seeds
                {
                    let run = AssertUnwindSafe(|| {
                        let mut world = World::new(seed, false);
                        world.run();
                        world.oracle.counts
                    });
                    match catch_unwind(run) {
                        Ok(counts) => seen.lock().expect("nobody panics here").add(counts),
                        Err(_) => failed.lock().expect("nobody panics here").push(seed),
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("nobody panics here");
    failed.sort_unstable();
    let Some(seed) = failed.first() else {
        let counts = seen.into_inner().expect("nobody panics here");
        println!("{seeds} seeds: {counts:?}");
        counts.assert_all_seen(seeds);
        return;
    };
    panic!(
        "{} of {seeds} seeds failed: {failed:?}. Replay one:\n  OPENIM_TEST_SIM_SEED={seed} \
         cargo test -p openim-shard --test simulation -- --nocapture",
        failed.len()
    );
}
