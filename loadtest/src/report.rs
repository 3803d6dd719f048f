//! The result of a run: figures with command, machine and revision as JSON, and a table for people.
//!
//! In: figures from a scenario. Out: lines on stdout; and if asked for, the figures as JSON and a page with
//! plots. The command is recorded without the value of `--secret`.

use crate::args::Parsed;
use crate::console;
use crate::page;
use crate::plot::Plot;
use anyhow::Context;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Figures and findings of one run, in the order they were entered.
pub(crate) struct Report {
    command: &'static str,
    started_unix: u64,
    figures: Map<String, Value>,
    lines: Vec<(String, String)>,
    plots: Vec<Plot>,
    problems: Vec<String>,
}

/// Has the figures on stdout, in the place of lines.
const STDOUT: &str = "-";

impl Report {
    /// An empty report of `command`, dated now.
    pub(crate) fn new(command: &'static str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            command,
            started_unix: since.map_or(0, |since| since.as_secs()),
            figures: Map::new(),
            lines: Vec::new(),
            plots: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Enters a figure for the JSON.
    pub(crate) fn figure(&mut self, name: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.figures.insert(name.to_owned(), value);
    }

    /// Enters a line for people.
    pub(crate) fn line(&mut self, label: &str, text: impl Into<String>) {
        self.lines.push((label.to_owned(), text.into()));
    }

    /// Enters a plot for the page; one with nothing to be seen is left out.
    pub(crate) fn plot(&mut self, plot: Plot) {
        if !plot.is_empty() {
            self.plots.push(plot);
        }
    }

    /// Enters something that makes the run fail.
    pub(crate) fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    /// Prints, writes what was asked for, and says whether the run was clean.
    pub(crate) fn finish(self, parsed: &Parsed) -> anyhow::Result<bool> {
        let clean = self.problems.is_empty();
        let json_to = parsed.text("json");
        if json_to != Some(STDOUT) {
            self.tell();
        }
        let whole = self.whole(parsed);
        if let Some(path) = json_to {
            let mut text = serde_json::to_string_pretty(&whole).context("cannot form the JSON")?;
            text.push('\n');
            match path {
                STDOUT => console::out(&text),
                _ => write(path, &text)?,
            }
        }
        if let Some(path) = parsed.text("report") {
            write(path, &page::of(&whole, &self.lines, &self.plots))?;
        }
        Ok(clean)
    }

    fn tell(&self) {
        let width = self.lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        for (label, text) in &self.lines {
            console::out(&format!("{label:width$}  {text}\n"));
        }
        for problem in &self.problems {
            console::out(&format!("PROBLEM: {problem}\n"));
        }
        let verdict = if self.problems.is_empty() { "ok" } else { "FAILED" };
        console::out(&format!("{}: {verdict}\n", self.command));
    }

    fn whole(&self, parsed: &Parsed) -> Value {
        json!({
            "tool": "openim-loadtest",
            "version": env!("CARGO_PKG_VERSION"),
            "scenario": self.command,
            "command": command_line(self.command, &parsed.words),
            "started_unix": self.started_unix,
            "revision": revision(parsed.text("revision")),
            "machine": machine(),
            "figures": self.figures,
            "problems": self.problems,
            "ok": self.problems.is_empty(),
        })
    }
}

fn write(path: &str, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {path}"))
}

/// The command as it can be repeated by someone who knows the secret.
fn command_line(command: &str, words: &[String]) -> String {
    let mut shown = vec!["openim-loadtest".to_owned(), command.to_owned()];
    let mut hide_next = false;
    for word in words {
        if std::mem::replace(&mut hide_next, word == "--secret") {
            shown.push("***".to_owned());
        } else if word.starts_with("--secret=") {
            shown.push("--secret=***".to_owned());
        } else {
            shown.push(word.clone());
        }
    }
    shown.join(" ")
}

fn revision(given: Option<&str>) -> Option<String> {
    if let Some(text) = given {
        return Some(text.to_owned());
    }
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn machine() -> Value {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu_info = read("/proc/cpuinfo");
    let value_of = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": value_of(&cpu_info, "model name"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "memory": value_of(&read("/proc/meminfo"), "MemTotal"),
    })
}

/// Bytes in the unit a person would choose.
pub(crate) fn bytes(count: f64) -> String {
    match count.abs() {
        small if small < 10_240.0 => format!("{count:.0} B"),
        medium if medium < 10_485_760.0 => format!("{:.1} KiB", count / 1024.0),
        _ => format!("{:.1} MiB", count / 1_048_576.0),
    }
}

/// Two decimals are all that these measurements carry.
pub(crate) fn rounded(number: f64) -> f64 {
    if number.is_finite() { (number * 100.0).round() / 100.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_command_hides_the_secret() {
        let words: Vec<String> =
            ["--pairs", "1", "--secret", "hush", "--secret=hush"].map(str::to_owned).to_vec();
        let line = command_line("chat", &words);
        assert_eq!(line, "openim-loadtest chat --pairs 1 --secret *** --secret=***");
    }

    #[test]
    fn the_result_says_where_and_how_it_was_measured() {
        let words: Vec<String> = ["--revision", "abc"].map(str::to_owned).to_vec();
        let parsed = Parsed::read(&[crate::args::MEASURING], &words).unwrap();
        let mut report = Report::new("connect");
        report.figure("links", 5);
        report.problem("it broke");
        let whole = report.whole(&parsed);
        assert_eq!(whole["revision"], "abc");
        assert_eq!(whole["figures"]["links"], 5);
        assert_eq!(whole["ok"], false);
        assert!(whole["machine"]["cores"].as_u64().unwrap() > 0);
        assert!(!whole["machine"]["kernel"].as_str().unwrap().is_empty());
    }
}
