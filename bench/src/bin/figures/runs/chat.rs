//! Durable single chat: at full speed, at a rate, for long.

use anyhow::Context as _;
use serde_json::Value;

use super::{
    ACK_P50, ACK_P99, ACKED, DELIVERED, Measured, PER_MESSAGE, PUSH_P50, PUSH_P99, figures, rounded,
};
use crate::lab::Lab;
use crate::options::Options;

/// A soak this long has filled the caches by the half of it: a million duplicates are 200 s of messages.
const FILLED_S: u64 = 480;

/// As much as 100 pairs with 16 messages under way each can send.
pub(crate) fn window_16(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let length = length(options, 12, 3);
    let words = format!("--pairs 100 --window 16 {length}");
    chat(lab, &words, &[PER_MESSAGE, ACKED, DELIVERED, ACK_P50])
}

/// The same with one message under way each.
pub(crate) fn window_1(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let length = length(options, 12, 3);
    let words = format!("--pairs 100 --window 1 {length}");
    chat(lab, &words, &[PER_MESSAGE, ACKED, ACK_P50])
}

/// A rate that the server hardly notices, each message sent when it is due.
pub(crate) fn latency(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let length = length(options, 23, 4);
    let words = format!("--pairs 100 --rate 1000 {length}");
    chat(lab, &words, &[ACK_P50, PUSH_P50, ACK_P99, PUSH_P99])
}

/// A rate for long, with the server's memory every second.
pub(crate) fn soak(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let seconds = options.soak_s();
    let words = format!("--pairs 100 --rate 5000 --duration {seconds}");
    let mut measured = chat(lab, &words, &[PER_MESSAGE])?;
    let resident = resident(&measured.raw)?;
    let quarter = |from: usize| {
        let part = &resident[resident.len() * from / 4..resident.len() * (from + 1) / 4];
        part.iter().sum::<f64>() / part.len().max(1) as f64
    };
    let growth = rounded((quarter(3) / quarter(2) - 1.0) * 100.0);
    let key = if seconds < FILLED_S { "filling_percent" } else { "growth_percent" };
    let last = resident.last().copied().unwrap_or_default();
    measured.values.push((key.to_owned(), growth));
    measured.values.push(("rss_mb".to_owned(), rounded(last / 1e6)));
    Ok(measured)
}

fn length(options: &Options, seconds: u64, quick: u64) -> String {
    let warmup = options.unless_quick(3, 1);
    format!("--duration {} --warmup {warmup}", options.unless_quick(seconds, quick))
}

fn chat(lab: &Lab, words: &str, wanted: &[(&str, &str, f64)]) -> anyhow::Result<Measured> {
    let folder = lab.folder()?;
    let setup = lab.unlimited(&folder);
    let server = setup.start()?;
    let raw = lab.load(&folder, &server, &format!("chat {words}"))?;
    let values = figures(&raw, wanted)?;
    let command = format!("openim-loadtest chat {words}");
    Ok(Measured { server: setup.command_line(), command, values, raw })
}

/// The server's resident bytes, a sample a second.
fn resident(raw: &Value) -> anyhow::Result<Vec<f64>> {
    let series = raw.pointer("/figures/series").and_then(Value::as_array);
    let series = series.context("the load tool's result has no series")?;
    Ok(series.iter().filter_map(|sample| sample["rss_bytes"].as_f64()).collect())
}
