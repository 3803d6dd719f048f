//! No lock on the path of a message: state has one owner, and threads meet in rings.

use crate::tree::{Source, assert_none, files, root};

/// Where a message passes, from socket to socket.
const MESSAGE_PATH: [&str; 15] = [
    "gateway/auth/src",
    "workers/bus/src",
    "gateway/front/src",
    "gateway/protocol/src",
    "gateway/shard/src",
    "gateway/src/bus",
    "gateway/src/driver",
    "gateway/src/egress",
    "gateway/src/ingress/link",
    "gateway/src/metrics",
    "gateway/src/ops",
    "gateway/src/socket",
    "storage/cache/src",
    "storage/record/src",
    "workers/back/src",
];

/// What blocks, or is shared and changed by several threads.
const LOCKS: [&str; 10] = [
    "Mutex",
    "RwLock",
    "ReentrantLock",
    "Condvar",
    "Barrier",
    "DashMap",
    "dashmap",
    "parking_lot",
    "crossbeam_skiplist",
    "arc_swap",
];

#[test]
fn the_path_of_a_message_has_no_lock() {
    let mut found = Vec::new();
    for place in MESSAGE_PATH {
        let sources = sources_of(place);
        assert!(!sources.is_empty(), "{place} is gone: say where a message passes now");
        for source in sources.iter().filter(|source| !source.is_test()) {
            for (number, line) in source.product_lines() {
                if let Some(lock) = LOCKS.iter().find(|lock| line.contains(**lock)) {
                    found.push(format!("{}:{number}: {lock}", source.path));
                }
            }
        }
    }
    assert_none(&found, "give the state one owner and send it a message");
}

/// A module's folder, its file, or both.
fn sources_of(place: &str) -> Vec<Source> {
    let file = format!("{place}.rs");
    [place, &file]
        .into_iter()
        .filter(|path| root().join(path).exists())
        .flat_map(|path| files(path, ".rs"))
        .collect()
}
