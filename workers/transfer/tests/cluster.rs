//! Owners of partitions under simulation: seeded, deterministic, with an oracle for the laws.
//!
//! A run is a plan drawn from its seed, a few thousand steps, each one input to one owner or one act of
//! the world around it (stores that do one write at a time, logs, presence, gateways, clients), then calm,
//! in which everything must come to rest. Two and more owners of a partition live at once, the store loses
//! its last writes, presence is emptied, members change.
//!
//! Each rule of the cluster can be taken out; some seed must fail then.
//!
//! `OPENIM_TEST_SIM_SEED=n` replays one seed with a trace, also without a rule; `OPENIM_TEST_SIM_SEEDS=n`
//! runs more.

#[path = "cluster/announcing.rs"]
mod announcing;
#[path = "../../../gateway/shard/tests/simulation/books.rs"]
mod books;
#[path = "../../../gateway/shard/tests/simulation/counts.rs"]
mod counts;
#[path = "../../../gateway/shard/tests/simulation/debts.rs"]
mod debts;
#[path = "cluster/deliveries.rs"]
mod deliveries;
#[path = "cluster/directory.rs"]
mod directory;
#[path = "cluster/finish.rs"]
mod finish;
#[path = "cluster/front_io.rs"]
mod front_io;
#[path = "cluster/gateways.rs"]
mod gateways;
#[path = "cluster/hosts.rs"]
mod hosts;
#[path = "cluster/ledger.rs"]
mod ledger;
#[path = "cluster/logs.rs"]
mod logs;
#[path = "cluster/plan.rs"]
mod plan;
#[path = "cluster/presence.rs"]
mod presence;
#[path = "cluster/producer.rs"]
mod producer;
#[path = "../../../gateway/shard/tests/simulation/random.rs"]
mod random;
#[path = "cluster/requests.rs"]
mod requests;
#[path = "cluster/rules.rs"]
mod rules;
#[path = "../../../gateway/shard/tests/simulation/seeds.rs"]
mod seeds;
#[path = "cluster/store.rs"]
mod store;
#[path = "cluster/world.rs"]
mod world;

use crate::rules::Without;
use crate::world::World;

const SEEDS: u64 = 1000;
const COMMAND: &str = "cargo test -p openim-transfer --test cluster -- the_laws_hold --nocapture";

/// What some seed must have had.
const ALL: [&str; 45] = [
    "another broker's clock",
    "answer lost",
    "change answered",
    "change cut short",
    "change repeated",
    "checkpoint refused",
    "close Dead",
    "close OutboxFull",
    "close Replaced",
    "close WriteStalled",
    "delivery excused",
    "gateway killed",
    "gateway stalled",
    "held",
    "notice",
    "owner killed",
    "owner paused",
    "pass",
    "pass undone",
    "presence away",
    "presence emptied",
    "presence written late",
    "produce failed",
    "producer stuck",
    "push",
    "push dropped",
    "push without seq",
    "read",
    "read refused",
    "read waited",
    "receipt of a repeat",
    "relay repeated",
    "relays held back",
    "replaced elsewhere",
    "send answered",
    "send refused LogRefused",
    "send refused Timeout",
    "send refused at once",
    "settled before it was reported",
    "store changed",
    "store failed",
    "tail lost",
    "too late for the producer",
    "topic stalled",
    "two owners",
];

#[test]
fn the_laws_hold_whatever_happens() {
    seeds::run(SEEDS, &[], COMMAND, &ALL, |seed, trace| {
        let mut world = World::new(seed, None, trace);
        world.run();
        world.counts
    });
}

/// Seeds in which a rule that was taken out must be missed.
const SEEDS_WITHOUT: u64 = 300;

fn failure(seed: u64, without: Without) -> Option<String> {
    seeds::failure(|| World::new(seed, Some(without), false).run())
}

/// Some seed fails without the rule, with `law` in what it says; it is printed. What else seeds may say is not what the
/// rule is for.
#[track_caller]
fn assert_missed(without: Without, law: &str) {
    if let Some(seed) = seeds::setting("OPENIM_TEST_SIM_SEED") {
        return World::new(seed, Some(without), true).run();
    }
    let missed = (0..SEEDS_WITHOUT).find_map(|seed| {
        let why = failure(seed, without)?;
        why.contains(law).then_some((seed, why))
    });
    let Some((seed, why)) = missed else { panic!("no seed misses {without:?} with {law:?}") };
    println!("without {without:?}: seed {seed}: {}", why.lines().next().unwrap_or_default());
}

#[test]
fn without_r1_relays_are_applied_twice() {
    assert_missed(Without::HighWaters, "is another message");
}

#[test]
fn without_r2_what_was_answered_is_not_there() {
    assert_missed(Without::Durable, "is not in the inbox");
}

#[test]
fn without_r3_a_checkpoint_outlives_its_effects() {
    assert_missed(Without::CheckpointWithEffects, "is another message");
}

#[test]
fn without_r3_pages_two_owners_decide_differently() {
    assert_missed(Without::Pages, "L4: ");
}

/// They are second locks: what they refuse does not come about while the other rules hold. What they are
/// for shows the next test.
#[test]
fn without_r4_density_and_compare_alone_no_seed_fails() {
    let failure = (0..SEEDS_WITHOUT / 3)
        .find_map(|seed| Some((seed, failure(seed, Without::DensityAndCompare)?)));
    assert_eq!(failure, None);
}

/// Where nobody notices that the store is another one, the check of density stops some owners that would
/// write over a hole.
#[test]
fn without_r4_density_holes_are_not_refused() {
    let fails = |seed, without, why| failure(seed, without).is_some_and(|text| text.contains(why));
    let told_apart = |seed: &u64| {
        fails(*seed, Without::Generation, "Contradicted(Density")
            && fails(*seed, Without::GenerationAndDensity, "L2: ")
    };
    let seed = (0..SEEDS_WITHOUT).find(told_apart);
    println!("without density: seed {seed:?}");
    assert!(seed.is_some(), "no seed misses it");
}

#[test]
fn without_r4_through_records_are_numbered_twice() {
    assert_missed(Without::Through, "is another message");
}

#[test]
fn without_r4_generation_what_is_lost_stays_lost() {
    assert_missed(Without::Generation, "has holes");
}

#[test]
fn without_r5_a_read_misses_an_own_send() {
    assert_missed(Without::Settled, "R5: ");
}

#[test]
fn without_a_way_of_its_own_a_send_to_a_group_is_answered_out_of_turn() {
    assert_missed(Without::Carried, "replies come in request order");
}

#[test]
fn without_r6_removed_members_are_reached() {
    assert_missed(Without::GroupChanged, "L9: ");
}

#[test]
fn without_r6_nameless_repeats_versions_are_skipped() {
    assert_missed(Without::NamelessRepeat, "L9: ");
}

#[test]
fn without_r7_fresh_presence_pushes_are_missed() {
    assert_missed(Without::FreshPresence, " missed seq ");
}

#[test]
fn without_r7_marks_an_emptied_presence_is_believed() {
    assert_missed(Without::Marks, " missed seq ");
}

#[test]
fn without_r7_marks_read_twice_a_quick_gateway_is_missed() {
    assert_missed(Without::MarksTwice, " missed seq ");
}

#[test]
fn without_r7_a_number_in_the_marks_place_a_pass_hides_what_is_gone() {
    assert_missed(Without::PassInOneGo, " missed seq ");
}

#[test]
fn without_r7_numbered_passes_a_late_answer_hides_what_is_gone() {
    assert_missed(Without::PassNumbers, "R7: ");
}

#[test]
fn without_r7_rising_epochs_an_older_link_takes_a_newer_ones_place() {
    assert_missed(Without::EpochsRise, "replaces a newer one");
}

#[test]
fn without_r7_written_first_a_link_is_missed() {
    assert_missed(Without::WrittenFirst, " missed seq ");
}

#[test]
fn without_r8_links_are_given_things_twice() {
    assert_missed(Without::Guard, "R8: ");
}

#[test]
fn without_r10_a_replay_tells_what_leaves_no_trace() {
    assert_missed(Without::Replayed, "R10: ");
}
