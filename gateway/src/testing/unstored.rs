//! A bound on what waits for the history store that a test can reach: `OPENIM_TEST_UNSTORED_MAX`.

use openim_shard::Shard;

/// Bounds what waits in these shards.
pub(crate) fn bound_unstored(mut states: Vec<Shard>) -> Vec<Shard> {
    if let Ok(text) = std::env::var("OPENIM_TEST_UNSTORED_MAX") {
        let entries_max = text.parse().expect("OPENIM_TEST_UNSTORED_MAX is a number");
        states.iter_mut().for_each(|shard| shard.bound_unstored(entries_max));
    }
    states
}
