//! Starting, and doing nothing after it.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use openim_bench::Setup;
use serde_json::json;

use super::{Measured, rounded};
use crate::lab::{Lab, said};
use crate::machine::Usage;
use crate::options::{Options, root};
use crate::record::median;

/// From nothing to `ready`, over and over.
pub(crate) fn empty(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let (mut seconds, mut command_line) = (Vec::new(), String::new());
    for _ in 0..options.unless_quick(10, 3) {
        let folder = lab.folder()?;
        let setup = lab.setup(&folder);
        let server = setup.start()?;
        seconds.push(rounded(server.to_ready().as_secs_f64()));
        command_line = setup.command_line();
    }
    Ok(Measured {
        server: command_line,
        command: "spawn to the line `ready`".to_owned(),
        values: vec![("ready_s".to_owned(), median(&seconds))],
        raw: json!({"ready_s": seconds}),
    })
}

/// A fresh server left alone.
pub(crate) fn idle(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let folder = lab.folder()?;
    let setup = lab.setup(&folder);
    let server = setup.start()?;
    // What a start leaves to do is not idling.
    sleep(Duration::from_secs(2));
    let began = Instant::now();
    let before = Usage::read(server.pid())?;
    sleep(Duration::from_secs(options.unless_quick(20, 3)));
    let after = Usage::read(server.pid())?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu_s = (after.cpu - before.cpu).as_secs_f64();
    let wakeups = after.wakeups.saturating_sub(before.wakeups);
    Ok(Measured {
        server: setup.command_line(),
        command: format!("/proc over {seconds:.0} s"),
        values: vec![
            ("rss_mb".to_owned(), rounded(after.rss_bytes as f64 / 1e6)),
            ("core_percent".to_owned(), rounded(cpu_s / seconds * 100.0)),
            ("wakeups_per_s".to_owned(), rounded(wakeups as f64 / seconds)),
        ],
        raw: json!({"seconds": seconds, "cpu_s": cpu_s, "wakeups": wakeups,
            "rss_bytes": after.rss_bytes}),
    })
}

/// A clone of the repository, compiled and started. Crates that cargo has fetched before are not
/// fetched again.
pub(crate) fn fresh_clone(lab: &Lab, _options: &Options) -> anyhow::Result<Measured> {
    let folder = lab.folder()?;
    let clone = folder.path().join("clone");
    let began = Instant::now();
    said(Command::new("git").args(["clone", "--quiet"]).arg(root().canonicalize()?).arg(&clone))?;
    let cloned_s = began.elapsed().as_secs_f64();
    // On Unix cargo becomes the program it runs, so what is killed at the end is the server.
    let setup = Setup::new("cargo".as_ref(), &clone)
        .args(&["run", "--release", "--quiet", "--locked", "--", "serve", "--data-dir", "data"])
        .env("CARGO_TARGET_DIR", "target");
    let server = setup.start()?;
    let ready_s = began.elapsed().as_secs_f64();
    drop(server);
    Ok(Measured {
        server: setup.command_line(),
        command: "git clone, then cargo run --release, to the line `ready`".to_owned(),
        values: vec![("ready_s".to_owned(), rounded(ready_s))],
        raw: json!({"clone_s": rounded(cloned_s), "ready_s": rounded(ready_s)}),
    })
}
