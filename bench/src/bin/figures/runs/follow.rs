//! What a backup that follows costs the server that it follows.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use openim_bench::Server;
use serde_json::json;
use tempfile::TempDir;

use super::{Measured, figure, rounded};
use crate::lab::Lab;
use crate::machine::{Usage, cpu_of_threads};
use crate::options::Options;
use crate::record::median;

/// Messages that come apart from each other: nothing is shared with them that the copy would have to pay for.
const LOAD: &str = "chat --pairs 100 --rate 2000";
/// Threads of the server that work for nobody but who copies, while nobody else asks the operators' port.
const THREADS: &str = "operator";
const SECRET: &str = "a-secret-for-the-time-of-a-measurement";
const TURNS: u64 = 5;

/// Chat alone and with a follower on the same disk, in turns, each on a new server.
pub(crate) fn cost(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let load = format!("{LOAD} --duration {}", options.unless_quick(10, 2));
    let (mut shares, mut alone, mut followed) = (Vec::new(), Vec::new(), Vec::new());
    let mut command_line = String::new();
    for turn in 0..options.unless_quick(TURNS, 1) {
        for follows in [turn % 2 == 0, turn % 2 != 0] {
            let folder = lab.folder()?;
            let setup = lab.setup(&folder).env("OPENIM_ADMIN_SECRET", SECRET);
            command_line = setup.command_line();
            let server = setup.start()?;
            let follower = follows.then(|| follow(lab, &folder, &server)).transpose()?;
            let (used, theirs) =
                (Usage::read(server.pid())?.cpu, cpu_of_threads(server.pid(), THREADS)?);
            let result = lab.load(&folder, &server, &load)?;
            let theirs = cpu_of_threads(server.pid(), THREADS)?.saturating_sub(theirs);
            let used = Usage::read(server.pid())?.cpu.saturating_sub(used);
            let p99_ms = rounded(figure(&result, "ack_latency/p99_us")? * 1e-3);
            match follows {
                true => {
                    shares.push(rounded(theirs.as_secs_f64() / used.as_secs_f64() * 100.0));
                    followed.push(p99_ms);
                }
                false => alone.push(p99_ms),
            }
            drop(follower);
        }
    }
    Ok(Measured {
        server: command_line,
        command: format!(
            "openim-loadtest {load}, alone and beside openim backup copy --follow, in turns; CPU time of the threads {THREADS}* \
             by that of the process"
        ),
        values: vec![
            ("cpu_percent".to_owned(), median(&shares)),
            ("ack_p99_ms".to_owned(), median(&followed)),
            ("alone_ack_p99_ms".to_owned(), median(&alone)),
        ],
        raw: json!({"cpu_percent": shares, "ack_p99_ms": followed, "alone_ack_p99_ms": alone}),
    })
}

/// A backup beside the server, once it has caught up. Ended when dropped.
fn follow(lab: &Lab, folder: &TempDir, server: &Server) -> anyhow::Result<Follower> {
    let mut command = Command::new(lab.server());
    command
        .args(["backup", "copy", "--follow", "--from", server.operator()])
        .env("OPENIM_ADMIN_SECRET", SECRET)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut follower = Follower(command.spawn().context("cannot start the backup")?);
    let said = follower.0.stdout.take().context("standard output was piped")?;
    match BufReader::new(said).lines().map_while(Result::ok).any(|line| line.contains("following"))
    {
        true => Ok(follower),
        false => bail!("the backup ended before it had caught up"),
    }
}

struct Follower(std::process::Child);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
