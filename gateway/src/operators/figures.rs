//! What the page Live shows: counts a second, times, memory, from what shards and workers count anyway.
//!
//! In: [`Sources`], looked at once a second. Out: one JSON text. Owns what they were at the last looks. Never: a question to a shard.

use std::collections::VecDeque;
use std::time::Instant;

use openim_workers::BOUNDS_US;
use serde_json::{Map, Value, json};

use crate::metrics::{self, RestRoute, ShardMetrics, Sources};

/// Times are of what happened since so many looks: of a single second they would jump.
const LOOKS: usize = 10;

/// Counts up to each bound, and all.
type Times = ([u64; BOUNDS_US.len()], u64);

const NONE: Times = ([0; BOUNDS_US.len()], 0);

/// What was counted at one look.
struct Look {
    at: Instant,
    shards: Vec<OfShard>,
    flush: Times,
    cpu_seconds: f64,
}

/// What is told as so many a second: links opened, tokens given, sends acknowledged and refused, messages pushed, bytes.
const RATES: [&str; 7] =
    ["opened", "logins", "messages", "refused", "deliveries", "bytesIn", "bytesOut"];

#[derive(Clone, Copy)]
struct OfShard {
    /// In the order of [`RATES`].
    counts: [u64; RATES.len()],
    send: Times,
}

impl OfShard {
    fn of(shard: &ShardMetrics) -> Self {
        let logins = [RestRoute::UserToken, RestRoute::UserRegister];
        let counts = [
            shard.links_opened.get(),
            logins.map(|route| shard.rest_requests.good(route)).iter().sum(),
            shard.sends_acknowledged.get(),
            shard.sends_refused.get(),
            shard.pushes.get(),
            shard.bytes_in.get(),
            shard.bytes_out.get(),
        ];
        Self { counts, send: shard.send_seconds.up_to() }
    }
}

/// The last looks, the oldest first.
pub(super) struct History(VecDeque<Look>);

impl History {
    pub(super) fn new(sources: &Sources) -> Self {
        Self(VecDeque::from([look(sources).0]))
    }

    /// Looks once more, and tells what there is.
    pub(super) fn look(&mut self, sources: &Sources) -> Value {
        let (now, process) = look(sources);
        let last = self.0.back().unwrap_or(&now);
        let first = self.0.front().unwrap_or(&now);
        let seconds = (now.at - last.at).as_secs_f64().max(0.001);
        let (mut shards, mut total, mut send) = (Vec::new(), [0.0; RATES.len()], NONE);
        for (at, metrics) in sources.shards.iter().enumerate() {
            let (counts, before) = (now.shards[at].counts, last.shards[at].counts);
            let rates = std::array::from_fn(|rate| {
                counts[rate].saturating_sub(before[rate]) as f64 / seconds
            });
            total.iter_mut().zip(rates).for_each(|(sum, rate)| *sum += rate);
            let times = since(now.shards[at].send, first.shards[at].send);
            send.0.iter_mut().zip(times.0).for_each(|(sum, count)| *sum += count);
            send.1 += times.1;
            let mut shard = named(rates, metrics.links.get());
            shard["send"] = spread(&times);
            shards.push(shard);
        }
        let links = sources.shards.iter().map(|shard| shard.links.get()).sum();
        let told = json!({
            "at": sources.clock.read().unix_ms(),
            "stage": format!("{:?}", sources.phase.get()).to_lowercase(),
            "since": process.start_seconds,
            "cpu": round((process.cpu_seconds - last.cpu_seconds).max(0.0) / seconds * 100.0),
            "total": named(total, links),
            "send": spread(&send),
            "flush": spread(&since(now.flush, first.flush)),
            "shards": shards,
            "memory": memory(sources, process.resident_bytes),
        });
        self.0.push_back(now);
        while self.0.len() > LOOKS {
            self.0.pop_front();
        }
        told
    }
}

/// Rates by their names, and the links that are open now.
fn named(rates: [f64; RATES.len()], links: u64) -> Value {
    let rates =
        RATES.iter().zip(rates).map(|(name, rate)| ((*name).to_owned(), round(rate).into()));
    let mut named: Map<String, Value> = rates.collect();
    named.insert("links".to_owned(), links.into());
    named.into()
}

fn look(sources: &Sources) -> (Look, metrics::ProcessFigures) {
    let process = metrics::look();
    let look = Look {
        at: Instant::now(),
        shards: sources.shards.iter().map(|shard| OfShard::of(shard)).collect(),
        flush: sources.log.appends.up_to(),
        cpu_seconds: process.cpu_seconds,
    };
    (look, process)
}

/// Who holds how many bytes; what is left of the process's is caches, the index and the rest.
fn memory(sources: &Sources, resident: f64) -> Value {
    let sum = |of: fn(&ShardMetrics) -> u64| -> u64 {
        sources.shards.iter().map(|shard| of(shard)).sum()
    };
    json!({
        "resident": resident,
        "outbox": sum(|shard| shard.outbox_bytes.get()),
        "lingering": sum(|shard| shard.lingering_bytes.get()),
        "input": sum(|shard| shard.input_bytes.get()),
        "pulls": sum(|shard| shard.pull_bytes.get()),
        "append": sum(|shard| shard.append_bytes.get()),
        "event": sum(|shard| shard.event_bytes.get()),
        "mesh": sum(|shard| shard.mesh_bytes.get()),
        "waiting": sum(|shard| shard.waiting_bytes.get()),
        "rest": sum(|shard| shard.rest_answer_bytes.get()),
    })
}

fn since(now: Times, before: Times) -> Times {
    let counts = std::array::from_fn(|at| now.0[at].saturating_sub(before.0[at]));
    (counts, now.1.saturating_sub(before.1))
}

/// How many there were, and below which time half and 99 of 100 of them were, in milliseconds.
fn spread(times: &Times) -> Value {
    json!({ "count": times.1, "p50": below(times, 0.5), "p99": below(times, 0.99) })
}

/// Within a bound they are taken as evenly spread.
fn below((counts, all): &Times, part: f64) -> Option<f64> {
    if *all == 0 {
        return None;
    }
    let rank = part * *all as f64;
    let at = counts.iter().position(|count| *count as f64 >= rank);
    let Some(at) = at else { return Some(BOUNDS_US[BOUNDS_US.len() - 1] as f64 / 1e3) };
    let before = |of: usize| {
        if of == 0 { (0.0, 0.0) } else { (counts[of - 1] as f64, BOUNDS_US[of - 1] as f64) }
    };
    let (count, from_us) = before(at);
    let within = (rank - count) / (counts[at] as f64 - count).max(1.0);
    Some(round((from_us + within * (BOUNDS_US[at] as f64 - from_us)) / 1e3))
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use openim_workers::Latencies;

    use super::*;

    #[test]
    fn times_lie_within_their_bounds() {
        assert_eq!(below(&Latencies::default().up_to(), 0.5), None);
        let latencies = Latencies::default();
        (0..98).for_each(|_| latencies.observe(Duration::from_micros(700)));
        (0..2).for_each(|_| latencies.observe(Duration::from_secs(9)));
        let times = latencies.up_to();
        assert!(below(&times, 0.5).is_some_and(|ms| (0.5..=1.0).contains(&ms)));
        assert_eq!(below(&times, 0.99), Some(5_000.0));
        assert_eq!(since(times, times), NONE);
    }
}
