//! One figure: its runs, their median, and the file that keeps both.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::catalog::{Figure, Target, Wanted};
use crate::lab::Lab;
use crate::machine;
use crate::options::Options;
use crate::runs::{Measured, rounded};

/// Measures `figure` and writes its file.
pub(crate) fn measure(lab: &Lab, options: &Options, figure: &Figure) -> anyhow::Result<()> {
    let runs = options.runs(figure);
    let mut measured = Vec::new();
    let mut raw = Vec::new();
    for run in 1..=runs {
        eprintln!("== {}, run {run} of {runs}: {}", figure.name, figure.about);
        let load = machine::load_average();
        let one = (figure.run)(lab, options)?;
        for (key, value) in &one.values {
            eprintln!("   {key} = {value}");
        }
        raw.push(json!({
            "load_average_before": load,
            "server": one.server,
            "command": one.command,
            "result": one.raw,
        }));
        measured.push(one);
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?;
    let whole = json!({
        "figure": figure.name,
        "about": figure.about,
        "command": format!("scripts/figures {}", options.words.join(" ")),
        "measured": measured.first().map(|one| &one.command),
        "measured_unix": since.as_secs(),
        "quick": options.quick,
        "revision": lab.revision,
        "sources_altered": lab.altered,
        "machine": lab.machine,
        "values": values(figure, &measured),
        "runs": raw,
    });
    let short = lab.revision.get(..7).unwrap_or(&lab.revision);
    let folder = options.out.join(format!("{}-{short}", lab.date));
    std::fs::create_dir_all(&folder).context("the folder for results")?;
    let text = serde_json::to_string_pretty(&whole).context("the result as JSON")?;
    let file = folder.join(format!("{}.json", figure.name));
    std::fs::write(&file, lab.publishable(&text) + "\n")
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Each value over all runs.
fn values(figure: &Figure, measured: &[Measured]) -> Vec<Value> {
    let Some(first) = measured.first() else { return Vec::new() };
    let keys = first.values.iter().map(|(key, _)| key);
    keys.map(|key| {
        let runs: Vec<f64> = measured
            .iter()
            .filter_map(|one| Some(one.values.iter().find(|(name, _)| name == key)?.1))
            .collect();
        let median = rounded(median(&runs));
        match figure.values.iter().find(|wanted| wanted.key == key) {
            Some(wanted) => judged(wanted, &runs, median),
            None => json!({"name": key, "what": key, "unit": "ns", "runs": runs, "median": median}),
        }
    })
    .collect()
}

fn judged(wanted: &Wanted, runs: &[f64], median: f64) -> Value {
    let target = match wanted.target {
        Target::AtMost(bound) => json!({"at_most": bound}),
        Target::AtLeast(bound) => json!({"at_least": bound}),
        Target::None => Value::Null,
    };
    json!({
        "name": wanted.key,
        "what": wanted.what,
        "unit": wanted.unit,
        "target": target,
        "runs": runs,
        "median": median,
        "met": wanted.target.is_met(median),
    })
}

/// The middle one; of two, their mean.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => (sorted[even / 2 - 1] + sorted[even / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_one_bad_run() {
        assert_eq!(median(&[3.0, 1.0, 900.0]), 3.0);
        assert_eq!(median(&[2.0, 1.0]), 1.5);
        assert_eq!(median(&[]), 0.0);
    }
}
