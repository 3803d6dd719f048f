//! What the console says of the books of deliveries: of each shard what was counted, and what did not balance.

use openim_record::Pair;
use openim_shard::Became;
use serde_json::{Map, Value, json};

use crate::metrics::{By, Label, Reached, ShardMetrics};

/// The books of all shards, as of the last second.
pub(super) fn tell<'a>(shards: impl Iterator<Item = &'a ShardMetrics>) -> Value {
    let of = |shard: &ShardMetrics| {
        json!({
            "became": named::<Became, _>(&shard.books_deliveries),
            "reached": named::<Reached, _>(&shard.books_reached),
            "residue": named::<Pair, _>(&shard.books_residue),
            "behindSeconds": shard.books_behind.get(),
        })
    };
    json!({ "shards": shards.map(of).collect::<Vec<_>>() })
}

fn named<L: Label, const N: usize>(by: &By<L, N>) -> Value {
    let values = L::VALUES.iter().zip(by.each());
    Value::Object(
        values.map(|(name, count)| ((*name).to_owned(), count.into())).collect::<Map<_, _>>(),
    )
}
