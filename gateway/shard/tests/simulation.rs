//! The shards under simulation: seeded, deterministic, with an oracle for laws L1 to L6, L8 and L9.
//!
//! A run is a plan drawn from its seed (how many shards, users and platforms, how small the rings,
//! how much goes wrong), a few thousand steps, each one call into one shard or one act of the world
//! around it, then calm, in which everything must drain.
//!
//! `OPENIM_TEST_SIM_SEED=n` replays one seed with a trace; `OPENIM_TEST_SIM_SEEDS=n` runs more.

#[path = "simulation/books.rs"]
mod books;
#[path = "simulation/counts.rs"]
mod counts;
#[path = "simulation/debts.rs"]
mod debts;
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
#[path = "simulation/seeds.rs"]
mod seeds;
#[path = "simulation/stores.rs"]
mod stores;
#[path = "simulation/why.rs"]
mod why;
#[path = "simulation/wishes.rs"]
mod wishes;
#[path = "simulation/workers.rs"]
mod workers;
#[path = "simulation/workload.rs"]
mod workload;
#[path = "simulation/world.rs"]
mod world;

use crate::world::World;

const SEEDS: u64 = 300;
/// Seeds that run in addition, for each notices what was wrong once: a key that a restart brought twice was forgotten
/// with the older entry; a load that failed was not asked for again where only members waited; a user who was
/// expected was not asked for first when somebody waited. They were found by putting the fault back; whoever
/// changes what is drawn finds others in the same way.
const KNOWN: [u64; 9] = [326, 480, 293, 386, 496, 600, 312, 329, 422];
const COMMAND: &str = "cargo test -p openim-shard --test simulation -- --nocapture";

#[test]
fn the_laws_hold_whatever_happens() {
    seeds::run(SEEDS, &KNOWN, COMMAND, &oracle::ALL, |seed, trace| {
        let mut world = World::new(seed, trace);
        world.run();
        world.oracle.counts
    });
}
