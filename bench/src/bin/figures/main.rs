//! `figures`: measures the whole server from outside and records what it finds.
//!
//! In: names of figures. For each: a fresh server on free ports and an empty data directory, the load
//! tool or a stopwatch, several runs. Out: one JSON file a figure under `bench/results/`, the table in
//! its README, and the figures in the repository's. Called by `scripts/figures`, which builds everything first.

mod catalog;
mod components;
mod lab;
mod machine;
mod options;
mod readme;
mod record;
mod runs;
mod table;

use std::process::ExitCode;

use options::{Ask, Options};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("figures: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything was measured. A target that is missed is no failure of the measurement.
fn run(words: &[String]) -> anyhow::Result<bool> {
    let options = match Options::read(words)? {
        Ask::Help => {
            print!("{}", options::help());
            return Ok(true);
        }
        Ask::Table(folder) => {
            table::write(&folder)?;
            return Ok(true);
        }
        Ask::Measure(options) => options,
    };
    let lab = lab::Lab::open(&options)?;
    let mut all_good = true;
    for figure in options.figures() {
        match record::measure(&lab, &options, figure) {
            Ok(()) => table::write(&options.out)?,
            Err(error) => {
                eprintln!("figures: {}: {error:#}", figure.name);
                all_good = false;
            }
        }
    }
    println!("results: {}", options.out.display());
    Ok(all_good)
}
