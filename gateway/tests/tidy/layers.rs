//! Which crate may use which, and what pure crates may not touch.
//!
//! Cargo keeps a crate from using what its manifest does not name, so the rule is about manifests; the
//! sources are searched only for what the standard library gives to everyone.

use std::process::Command;

use crate::tree::{assert_none, files, root};

/// Each crate by its folder: whether it is pure, and the crates of ours it may use.
const CRATES: [(&str, bool, &[&str]); 21] = [
    ("storage/record", true, &[]),
    ("gateway/protocol", true, &["openim-record"]),
    ("gateway/auth", true, &["openim-record"]),
    ("storage/cache", true, &["openim-record"]),
    ("gateway/why", true, &["openim-record"]),
    (
        "gateway/front",
        true,
        &["openim-auth", "openim-cache", "openim-protocol", "openim-record", "openim-why"],
    ),
    ("workers/back", true, &["openim-cache", "openim-record"]),
    ("workers/transfer", true, &["openim-back", "openim-record"]),
    ("workers/delivery", false, &["openim-record", "openim-transfer"]),
    (
        "gateway/shard",
        true,
        &["openim-auth", "openim-back", "openim-cache", "openim-front", "openim-record"],
    ),
    ("gateway/web", false, &[]),
    ("workers/bus", false, &[]),
    ("workers/push", false, &[]),
    ("config", false, &[]),
    ("storage", false, &["openim-record"]),
    ("storage/cluster", false, &["openim-record", "openim-storage"]),
    (
        "workers/host",
        false,
        &[
            "openim-cluster",
            "openim-delivery",
            "openim-record",
            "openim-storage",
            "openim-transfer",
        ],
    ),
    // Above nothing of ours: it shares no mistake with the server that it measures.
    ("loadtest", false, &[]),
    ("workers", false, &["openim-bus", "openim-record", "openim-storage", "openim-why"]),
    (
        "gateway",
        false,
        &[
            "openim-auth",
            "openim-bus",
            "openim-cluster",
            "openim-config",
            "openim-delivery",
            "openim-front",
            "openim-host",
            "openim-loadtest",
            "openim-protocol",
            "openim-push",
            "openim-record",
            "openim-shard",
            "openim-storage",
            "openim-transfer",
            "openim-web",
            "openim-why",
            "openim-workers",
        ],
    ),
    (
        "bench",
        false,
        &[
            "openim-auth",
            "openim-back",
            "openim-bus",
            "openim-protocol",
            "openim-record",
            "openim-shard",
            "openim-storage",
        ],
    ),
];

/// Crates that bring a runtime, a socket, a disk, a thread, a clock or chance.
const IMPURE_CRATES: [&str; 20] = [
    "async-std",
    "chrono",
    "crossbeam-channel",
    "fjall",
    "futures",
    "getrandom",
    "hyper",
    "hyper-util",
    "libc",
    "mio",
    "parking_lot",
    "rand",
    "rustix",
    "smol",
    "socket2",
    "tempfile",
    "time",
    "tokio",
    "tracing",
    "uuid",
];

/// What the standard library has of the same.
const IMPURE_STD: [&str; 12] = [
    "std::net::Tcp",
    "std::net::Udp",
    "std::net::{",
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "SystemTime",
    "Instant::now",
    "hash::RandomState",
    "hash_map::RandomState",
    "std::io::std",
];

/// What a server that is not a part of a cluster has no use for.
const CLUSTER_CRATES: [&str; 8] =
    ["mongodb", "openim-cluster", "openim-transfer", "prost", "rdkafka", "redis", "sqlx", "tonic"];

#[test]
fn every_crate_is_in_the_table() {
    let mut folders: Vec<String> = files("", "Cargo.toml")
        .iter()
        .filter_map(|manifest| manifest.path.strip_suffix("/Cargo.toml").map(str::to_owned))
        .filter(|folder| !folder.ends_with("/fuzz"))
        .collect();
    let mut table: Vec<&str> = CRATES.iter().map(|(folder, ..)| *folder).collect();
    folders.sort();
    table.sort();
    assert_eq!(folders, table, "give the crate its place among the layers");
}

#[test]
fn crates_use_lower_ones_only() {
    let mut strays = Vec::new();
    for (folder, _, allowed) in CRATES {
        for dependency in dependencies(folder) {
            if dependency.starts_with("openim-") && !allowed.contains(&dependency.as_str()) {
                strays.push(format!("{folder} uses {dependency}"));
            }
        }
    }
    assert_none(&strays, "a layer is crossed; move the code, or change the table with its reason");
}

#[test]
fn pure_crates_have_no_runtime_socket_clock_or_chance() {
    let mut strays = Vec::new();
    for (folder, ..) in CRATES.iter().filter(|(_, pure, _)| *pure) {
        for dependency in dependencies(folder) {
            if IMPURE_CRATES.contains(&dependency.as_str()) {
                strays.push(format!("{folder}/Cargo.toml: {dependency}"));
            }
        }
        for source in
            files(&format!("{folder}/src"), ".rs").iter().filter(|source| !source.is_test())
        {
            for (number, line) in source.product_lines() {
                if let Some(found) = IMPURE_STD.iter().find(|name| line.contains(**name)) {
                    strays.push(format!("{}:{number}: {found}", source.path));
                }
            }
        }
        let library = &files(&format!("{folder}/src/lib.rs"), ".rs")[0];
        if !library.text.contains("#![forbid(unsafe_code)]") {
            strays.push(format!("{}: #![forbid(unsafe_code)] is missing", library.path));
        }
    }
    assert_none(&strays, "what a pure crate needs of these is an argument");
}

/// The first command of the README builds nothing of what only a cluster needs.
#[test]
fn a_default_build_has_nothing_of_a_cluster() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--package", "openim-gateway"])
        .args(["--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let built = String::from_utf8_lossy(&tree.stdout).into_owned();
    assert!(built.contains("openim-storage"), "{}", String::from_utf8_lossy(&tree.stderr));
    let found: Vec<String> = CLUSTER_CRATES
        .iter()
        .filter(|name| built.lines().any(|line| line.starts_with(&format!("{name} "))))
        .map(|name| (*name).to_owned())
        .collect();
    assert_none(&found, "make it optional, behind the feature cluster of openim-gateway");
}

/// The names under `[dependencies]`.
fn dependencies(folder: &str) -> Vec<String> {
    let manifests = files(&format!("{folder}/Cargo.toml"), ".toml");
    let mut section = "";
    let mut names = Vec::new();
    for line in manifests[0].text.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]"
            && let Some(name) = line.split(['.', ' ', '=']).next().filter(|name| !name.is_empty())
            && !name.starts_with('#')
        {
            names.push(name.to_owned());
        }
    }
    names
}
