//! How each figure is measured, a file per kind.

pub(crate) mod chat;
pub(crate) mod cluster;
pub(crate) mod group;
pub(crate) mod links;
pub(crate) mod recover;
pub(crate) mod rest;
pub(crate) mod stages;
pub(crate) mod start;
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
