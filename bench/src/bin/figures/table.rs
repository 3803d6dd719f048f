//! The table of results for people: the newest of each figure in a results folder.

use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use crate::catalog::FIGURES;
use crate::options::root;
use crate::readme;

const HEAD: &str = "\
# Figures

The newest measurement of each figure. Every number is the median of its runs; the data files hold all
runs, everything the load tool said, the machine, the revision and the commands. Client and server share
the machine. To measure again: `scripts/figures all` (the long variants: `scripts/figures --full all`), and `scripts/figures cluster`.
This file and the figures in the README above are written by `scripts/figures`; `scripts/figures table` writes them again.

Beside CPU figures stands a ratio to a yardstick (`bench/src/bin/yardstick.rs`): a bare epoll loop that finds where frames
end, and answers and pushes as many and as long ones as the server, with or without a flush a turn. Server and yardstick
are measured in turns within a minute by the same blind clients (`bench/src/crowd.rs`), three rounds; a ratio is
that of one round, and the median is of the ratios. The bound on frames (`limits.framesPerSecond`) is lifted where
speed is measured.
";

const NOTES: &str = "
User memory per idle link is the growth of a freshly started server by links whose users were registered before
that start. The load tool registers its users first and reads the baseline then: what registering left free
is used again by the links and does not show, so its number is the lower one and is not judged.

Figures of the cluster engine are measured with all of it on one machine: its processes, the five components (one of each, as
`scripts/components` has them) and the client. CPU is that of the whole process in the time between warm-up and the last
push, over what was acknowledged in it. Killed processes are no part of them.

What is configured to grow during a soak until it is full: the memory of sends for duplicates
(`duplicates.entriesMax`, by default a million, which are 200 s at 5,000 msg/s), the index's block cache (32 MiB) and
its write buffers (8 MiB for each of its two large tables), and users' states (`limits.cachedUsersMax`). How much
of the growth is which was not measured.
";

/// Writes `README.md` in the results folder `out`; and the figures in the repository's README when these are its own.
pub(crate) fn write(out: &Path) -> anyhow::Result<()> {
    let results = newest(out)?;
    if out == root().join("bench/results") {
        readme::write(&root().join("README.md"), &results)?;
    }
    let (stages, figures): (Vec<_>, Vec<_>) =
        results.iter().partition(|(_, result)| result["figure"] == "stages");
    let mut text = HEAD.to_owned();
    if let Some((_, result)) = results.first() {
        text.push_str(&format!("\n{}\n", machine(&result["machine"])));
    }
    text.push_str("\n| figure | reach | measured | runs | reached | data |\n");
    text.push_str("|---|---|---|---|---|---|\n");
    for (file, result) in &figures {
        for value in result["values"].as_array().into_iter().flatten() {
            text.push_str(&row(file, result, value));
        }
    }
    text.push_str(NOTES);
    text.push_str("\n## Commands\n\n| again by | what it does | against |\n|---|---|---|\n");
    for (_, result) in &figures {
        text.push_str(&command(result));
    }
    if let Some((file, result)) = stages.first() {
        text.push_str("\n## Stages of a message\n\n`scripts/figures stages`, or `cargo bench`; ");
        text.push_str(&format!("{}\n\n| bench | median |\n|---|---|\n", link(file, result)));
        for value in result["values"].as_array().into_iter().flatten() {
            let id = value["name"].as_str().unwrap_or_default();
            let median = value["median"].as_f64().unwrap_or_default();
            text.push_str(&format!("| {id} | {} |\n", duration(median)));
        }
    }
    std::fs::write(out.join("README.md"), text).context("cannot write the table")
}

/// The newest result of each figure, in the catalog's order, with its file's path from `out`.
fn newest(out: &Path) -> anyhow::Result<Vec<(String, Value)>> {
    let mut found = Vec::new();
    for figure in FIGURES {
        let mut newest: Option<(String, Value)> = None;
        for entry in std::fs::read_dir(out).context("the results folder")? {
            let folder = entry?.file_name().to_string_lossy().into_owned();
            let file = format!("{folder}/{}.json", figure.name);
            let Ok(text) = std::fs::read_to_string(out.join(&file)) else { continue };
            let result: Value = serde_json::from_str(&text).with_context(|| file.clone())?;
            let when = |result: &Value| result["measured_unix"].as_u64();
            if newest.as_ref().is_none_or(|(_, other)| when(other) < when(&result)) {
                newest = Some((file, result));
            }
        }
        found.extend(newest);
    }
    Ok(found)
}

fn row(file: &str, result: &Value, value: &Value) -> String {
    let unit = value["unit"].as_str().unwrap_or_default();
    let reach = match &value["target"] {
        Value::Object(target) => {
            let (sign, bound) = match target.get("at_most") {
                Some(bound) => ("≤", bound),
                None => ("≥", &target["at_least"]),
            };
            format!("{sign} {} {unit}", number(bound))
        }
        _ => String::new(),
    };
    let runs: Vec<String> = value["runs"].as_array().into_iter().flatten().map(number).collect();
    let met = match value["met"].as_bool() {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "",
    };
    format!(
        "| {} | {reach} | {} {unit} | {} | {met} | {} |\n",
        value["what"].as_str().unwrap_or_default(),
        number(&value["median"]),
        runs.join(", "),
        link(file, result),
    )
}

fn command(result: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().replace('`', "");
    format!(
        "| `scripts/figures {}` | `{}` | `{}` |\n",
        text(&result["figure"]),
        text(&result["measured"]),
        text(&result["runs"][0]["server"]),
    )
}

fn link(file: &str, result: &Value) -> String {
    let short = result["revision"].as_str().and_then(|text| text.get(..7)).unwrap_or_default();
    let altered = if result["sources_altered"] == true { " with changes" } else { "" };
    format!("[{short}{altered}]({file})")
}

fn machine(machine: &Value) -> String {
    let text = |key: &str| machine[key].as_str().unwrap_or("unknown").to_owned();
    let kilobytes = text("memory").split(' ').next().and_then(|kb| kb.parse::<f64>().ok());
    let gigabytes = kilobytes.unwrap_or_default() / (1024.0 * 1024.0);
    let flush = &machine["fdatasync_4k_ms"];
    format!(
        "Machine: {} cores ({}), {gigabytes:.0} GiB, Linux {}; a flush of 4 KiB: p50 {} ms, p99 {} ms.",
        machine["cores"],
        text("cpu"),
        text("kernel"),
        flush["p50"],
        flush["p99"],
    )
}

/// As many digits as mean something, thousands apart.
fn number(value: &Value) -> String {
    let value = value.as_f64().unwrap_or_default();
    match value.abs() {
        large if large >= 1000.0 => thousands(value.round() as i64),
        medium if medium >= 100.0 => format!("{value:.0}"),
        small => {
            let digits = if small >= 10.0 { 1 } else { 3 };
            let text = format!("{value:.digits$}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

pub(crate) fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = if value < 0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn duration(ns: f64) -> String {
    match ns {
        short if short < 1e3 => format!("{ns:.1} ns"),
        medium if medium < 1e6 => format!("{:.2} us", ns / 1e3),
        _ => format!("{:.2} ms", ns / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_show_what_they_mean() {
        for (value, text) in [
            (1_234_567.8, "1,234,568"),
            (50_000.0, "50,000"),
            (123.4, "123"),
            (14.25, "14.2"),
            (0.3, "0.3"),
            (0.0, "0"),
        ] {
            assert_eq!(number(&json!(value)), text);
        }
        assert_eq!(thousands(-1000), "-1,000");
        assert_eq!(duration(1234.0), "1.23 us");
    }

    #[test]
    fn the_newest_result_of_a_figure_is_shown_with_its_verdict() {
        let folder = tempfile::tempdir().unwrap();
        for (name, when, median, met) in [("a", 1, 20.0, false), ("b", 2, 12.0, true)] {
            let result = json!({
                "figure": "chat_16", "measured_unix": when, "revision": "0123456789",
                "measured": "openim-loadtest chat", "sources_altered": false, "machine": {},
                "values": [{"what": "CPU", "unit": "us", "target": {"at_most": 15.0},
                    "runs": [median], "median": median, "met": met}],
            });
            std::fs::create_dir(folder.path().join(name)).unwrap();
            let file = folder.path().join(name).join("chat_16.json");
            std::fs::write(file, result.to_string()).unwrap();
        }
        write(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join("README.md")).unwrap();
        assert!(text.contains("| CPU | ≤ 15 us | 12 us | 12 | yes |"), "{text}");
        assert!(text.contains("(b/chat_16.json)") && !text.contains("(a/chat_16.json)"));
    }
}
