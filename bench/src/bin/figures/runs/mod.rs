//! How each figure is measured, a file per kind.

pub(crate) mod chat;
pub(crate) mod cluster;
pub(crate) mod follow;
pub(crate) mod group;
pub(crate) mod links;
pub(crate) mod recover;
pub(crate) mod rest;
pub(crate) mod stages;
pub(crate) mod start;
pub(crate) mod tls;
pub(crate) mod yardstick;

use anyhow::Context as _;
use serde_json::Value;

/// What one run yields.
pub(crate) struct Measured {
    /// How the server was started.
    pub(crate) server: String,
    /// What was run against it.
    pub(crate) command: String,
    /// The numbers, by the keys of the catalog.
    pub(crate) values: Vec<(String, f64)>,
    /// Everything the measurement said.
    pub(crate) raw: Value,
}

// Numbers that several kinds have: the key in the catalog, the path in the load tool's result, and the factor between them.
const ACKED: (&str, &str, f64) = ("acked_per_s", "acked_per_s", 1.0);
const DELIVERED: (&str, &str, f64) = ("delivered_per_s", "delivered_per_s", 1.0);
const PER_MESSAGE: (&str, &str, f64) = ("cpu_us_per_message", "server_cpu_us_per_message", 1.0);
const ACK_P50: (&str, &str, f64) = ("ack_p50_ms", "ack_latency/p50_us", 1e-3);
const ACK_P99: (&str, &str, f64) = ("ack_p99_ms", "ack_latency/p99_us", 1e-3);
const PUSH_P50: (&str, &str, f64) = ("push_p50_ms", "push_latency/p50_us", 1e-3);
const PUSH_P99: (&str, &str, f64) = ("push_p99_ms", "push_latency/p99_us", 1e-3);
const FANOUT_P50: (&str, &str, f64) = ("fanout_p50_ms", "fanout_latency/p50_us", 1e-3);
const FANOUT_P99: (&str, &str, f64) = ("fanout_p99_ms", "fanout_latency/p99_us", 1e-3);

/// A number of the load tool's result, by its path.
fn figure(result: &Value, path: &str) -> anyhow::Result<f64> {
    result
        .pointer(&format!("/figures/{path}"))
        .and_then(Value::as_f64)
        .with_context(|| format!("the load tool's result has no {path}"))
}

/// Named numbers of the load tool's result, each times a factor.
fn figures(result: &Value, paths: &[(&str, &str, f64)]) -> anyhow::Result<Vec<(String, f64)>> {
    paths
        .iter()
        .map(|&(key, path, factor)| Ok((key.to_owned(), rounded(figure(result, path)? * factor))))
        .collect()
}

/// Three decimals are more than these measurements carry.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
