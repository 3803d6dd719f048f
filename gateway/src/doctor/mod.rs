//! `openim doctor`: whether the machine, the settings and a running server are what a server needs.
//!
//! In: settings and a data directory. Out: a line for each thing that was looked at: `ok`, `warn` or `bad`, what is, and what
//! to do. `facts` looks; `rows` judges, and one more judgement is one more row there. Works beside a server and without one, and
//! needs no root. Never: changes anything but one small file of its own in the data directory, or shows a secret.

mod disk;
mod facts;
mod machine;
mod rows;

use std::path::Path;

use openim_config::{Config, Loaded};
use serde_json::{Value, json};

use self::facts::Facts;
use crate::console;

/// What is looked at.
pub struct Patient<'a> {
    /// The settings of the server.
    pub loaded: &'a Loaded,
    /// Its data directory.
    pub data_dir: &'a Path,
    /// An address at which clients find it from outside.
    pub through: Option<&'a str>,
    /// Who speaks for the certificate there; none: whom browsers trust.
    pub ca: Option<&'a Path>,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// Works, and will not do for some.
    Warn,
    /// Does not work.
    Bad,
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    verdict: Verdict,
    about: &'static str,
    is: String,
    /// What to do; empty where nothing is to be done.
    remedy: String,
}

impl Finding {
    fn ok(about: &'static str, is: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, about, is: is.into(), remedy: String::new() }
    }

    fn warn(about: &'static str, is: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, about, is: is.into(), remedy: remedy.into() }
    }

    fn bad(about: &'static str, is: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Bad, ..Self::warn(about, is, remedy) }
    }

    fn line(&self) -> String {
        let Self { about, is, remedy, .. } = self;
        let tail = if remedy.is_empty() { String::new() } else { format!("; {remedy}") };
        format!("{:<4} {about}: {is}{tail}\n", self.verdict.name())
    }

    fn json(&self) -> Value {
        json!({ "verdict": self.verdict.name(), "about": self.about, "is": self.is, "do": self.remedy })
    }
}

/// Looks, and prints what was found; `false`: something is bad.
///
/// # Errors
/// One line: the address from outside is none, or nothing can be printed.
pub fn run(patient: &Patient<'_>, as_json: bool) -> anyhow::Result<bool> {
    let (text, good) = told(patient, as_json)?;
    console::print(&text)?;
    Ok(good)
}

/// The same as text.
pub(crate) fn told(patient: &Patient<'_>, as_json: bool) -> anyhow::Result<(String, bool)> {
    let found = rows::judge(&Facts::gather(patient)?);
    let many = |verdict| found.iter().filter(|finding| finding.verdict == verdict).count();
    let (warn, bad) = (many(Verdict::Warn), many(Verdict::Bad));
    let good = bad == 0;
    if as_json {
        let findings: Vec<Value> = found.iter().map(Finding::json).collect();
        return Ok((format!("{:#}\n", json!({ "good": good, "findings": findings })), good));
    }
    let lines: String = found.iter().map(Finding::line).collect();
    Ok((format!("{lines}{} ok, {warn} warn, {bad} bad\n", many(Verdict::Ok)), good))
}

/// Shards that a server with these settings has here.
fn shards(config: &Config, cores: usize) -> usize {
    match config.gateway.shards {
        0 => cores.max(1),
        shards => shards as usize,
    }
}

#[cfg(test)]
mod tests;
