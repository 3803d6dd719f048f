//! A black-box client for any server of this wire. It measures, and it keeps books: what was acknowledged must
//! arrive, once and in order.
//!
//! In: words of a command line, the name of a scenario first. Out: whether the server passed; figures on stdout, and
//! in the files that were asked for. It is the program `openim-loadtest`, and `openim bench` and `openim latency`.

mod args;
mod calls;
mod clock;
mod console;
mod crew;
mod envelope;
mod fleet;
mod http;
mod latency;
mod ledger;
mod link;
mod page;
mod plot;
mod push;
mod ramp;
mod report;
mod roster;
mod scenario;
mod server;
mod setup;
mod stream;
mod sys;
mod wire;

/// Runs the scenario that the first word names, with the options behind it; whether the server passed.
///
/// # Errors
/// One line: words that are not understood, or why the run could not be made.
pub fn run(words: &[String]) -> anyhow::Result<bool> {
    scenario::run(words)
}

/// A line on standard error, which may be closed.
pub fn complain(line: &str) {
    console::err(&format!("{line}\n"));
}
