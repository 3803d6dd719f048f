//! The scenarios, one file each, and the table that finds them by name.
//!
//! A scenario takes the parsed command line and returns whether the server passed.

mod chat;
mod connect;
mod group;
mod idle;
mod rest;
mod say;
mod storm;

use crate::args::{self, COMMON, Command, Flag, MEASURING, Parsed};
use crate::console;
use anyhow::Context;

type Run = fn(&Parsed) -> anyhow::Result<bool>;

/// What selects it, what it does, and whether it measures.
type Scenario = (Command, Run, bool);

const SCENARIOS: &[Scenario] = &[
    (say::COMMAND, say::run, false),
    (chat::COMMAND, chat::run, true),
    (group::COMMAND, group::run, true),
    (connect::COMMAND, connect::run, true),
    (storm::COMMAND, storm::run, true),
    (rest::COMMAND, rest::run, true),
];

/// Runs the scenario that the first word names.
pub(crate) fn run(words: &[String]) -> anyhow::Result<bool> {
    let Some((name, rest)) = words.split_first() else {
        console::out(&overview());
        return Ok(false);
    };
    match (name.as_str(), rest) {
        ("--help" | "-h" | "help", [command, ..]) => {
            console::out(&help(find(command)?));
            return Ok(true);
        }
        ("--help" | "-h" | "help", []) => {
            console::out(&overview());
            return Ok(true);
        }
        ("--version", _) => {
            console::out(&format!("openim-loadtest {}\n", env!("CARGO_PKG_VERSION")));
            return Ok(true);
        }
        _ => {}
    }
    let scenario = find(name)?;
    if rest.iter().any(|word| word == "--help" || word == "-h") {
        console::out(&help(scenario));
        return Ok(true);
    }
    let (_, run, _) = scenario;
    run(&Parsed::read(&groups(scenario), rest)?)
}

fn find(name: &str) -> anyhow::Result<&'static Scenario> {
    let found = SCENARIOS.iter().find(|(command, ..)| command.name == name);
    found.with_context(|| format!("unknown command {name:?}; openim-loadtest --help names them"))
}

/// The options that a command takes.
fn groups((command, _, measures): &Scenario) -> Vec<&'static [Flag]> {
    let measuring = measures.then_some(MEASURING);
    [command.flags].into_iter().chain(measuring).chain([COMMON]).collect()
}

fn help(scenario: &Scenario) -> String {
    args::help_of(&scenario.0, &groups(scenario))
}

fn overview() -> String {
    let mut out = "openim-loadtest: measures a chat server and keeps books on every message\n\n\
                   usage: openim-loadtest COMMAND [OPTIONS]; COMMAND --help, or help COMMAND, for its options\n\n"
        .to_owned();
    for (command, ..) in SCENARIOS {
        out.push_str(&format!("  {:9} {}\n", command.name, command.about));
    }
    out.push_str(
        "\nexit code: 0 the server passed, 1 it failed, 2 the run could not be made\n\
         example:   openim-loadtest chat --pairs 100 --window 16 --duration 10 --pull-check\n",
    );
    out
}
