//! `openim-loadtest`: a black-box client for any server of this wire. It measures, and it keeps
//! books: what was acknowledged must arrive, once and in order.
//!
//! This file chooses the scenario and turns its outcome into an exit code: 0 clean, 1 the server
//! failed the run, 2 the run could not be made.

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

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match scenario::run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            console::err(&format!("openim-loadtest: {error:#}\n"));
            ExitCode::from(2)
        }
    }
}
