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
use anyhow::bail;

type Run = fn(&Parsed) -> anyhow::Result<bool>;

const SCENARIOS: &[(Command, Run, bool)] = &[
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
    if matches!(name.as_str(), "--help" | "-h" | "help") {
        console::out(&overview());
        return Ok(true);
    }
    if name == "--version" {
        console::out(&format!("openim-loadtest {}\n", env!("CARGO_PKG_VERSION")));
        return Ok(true);
    }
    let Some((command, run, measures)) =
        SCENARIOS.iter().find(|(command, ..)| command.name == name)
    else {
        bail!("unknown command {name:?}; openim-loadtest --help names them");
    };
    let mut groups: Vec<&'static [Flag]> = vec![command.flags];
    if *measures {
        groups.push(MEASURING);
    }
    groups.push(COMMON);
    if rest.iter().any(|word| word == "--help" || word == "-h") {
        console::out(&args::help_of(command, &groups));
        return Ok(true);
    }
    run(&Parsed::read(&groups, rest)?)
}

fn overview() -> String {
    let mut out = "openim-loadtest: measures a chat server and keeps books on every message\n\n\
                   usage: openim-loadtest COMMAND [OPTIONS]; COMMAND --help for its options\n\n"
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
