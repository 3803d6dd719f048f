//! The fuzz targets of the wire on any toolchain: seeded mutations of the seed inputs, always the same.

#[path = "../fuzz/src/mutate.rs"]
#[expect(unreachable_pub, reason = "public in the fuzz crate, which is where the file lives")]
mod mutate;
#[path = "../fuzz/src/wire.rs"]
#[expect(unreachable_pub, reason = "public in the fuzz crate, which is where the file lives")]
mod wire;

use mutate::Mutator;
use std::path::Path;

const ITERATIONS: usize = 20_000;

fn run(target: fn(&[u8]), name: &str, seed: u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let seeds = Mutator::read_seeds(&folder);
    seeds.iter().for_each(|seed| target(seed));
    let mut mutator = Mutator::new(seeds, seed);
    for _ in 0..ITERATIONS {
        target(&mutator.input());
    }
}

#[test]
fn http_heads_survive_mutation() {
    run(wire::http_head, "http_head", 1);
}

#[test]
fn frames_survive_mutation() {
    run(wire::ws_frames, "ws_frames", 2);
}

#[test]
fn envelopes_survive_mutation() {
    run(wire::json_envelope, "json_envelope", 3);
}

#[test]
fn rest_bodies_survive_mutation() {
    run(wire::rest_bodies, "rest_bodies", 4);
}
