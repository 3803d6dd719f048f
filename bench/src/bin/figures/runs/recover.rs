//! A start on a data directory whose server was killed under load.

use std::fs::{remove_dir_all, remove_file};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, bail};
use openim_bench::Server;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Measured, figure, rounded};
use crate::lab::Lab;
use crate::machine::{Usage, peak_bytes};
use crate::options::Options;
use crate::record::median;

/// Short contents at full speed: what counts is the number of messages.
const FILL: &str = "chat --pairs 500 --window 16 --size 16";
const KILLS: usize = 3;

/// Fills a server, then kills it under load and starts it again, several times.
pub(crate) fn after_kill(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let folder = lab.folder()?;
    let setup = lab.unlimited(&folder);
    let mut server = setup.start()?;
    let mut stored = fill(lab, &folder, &server, options)?;
    let (mut seconds, mut resident, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..KILLS {
        kill_under_load(lab, &folder, &mut server, options)?;
        server = setup.start()?;
        let ready_s = rounded(server.to_ready().as_secs_f64());
        let rss_bytes = Usage::read(server.pid())?.rss_bytes;
        // What was on its way at the kill is not counted: there are at least so many.
        starts.push(json!({"ready_s": ready_s, "rss_bytes": rss_bytes, "messages": stored}));
        seconds.push(ready_s);
        resident.push(rss_bytes as f64 / 1e6);
        // It is not merely ready: it works.
        let check = lab.load(&folder, &server, "chat --pairs 20 --window 4 --duration 1")?;
        stored += acked(&check)?;
    }
    Ok(Measured {
        server: setup.command_line(),
        command: format!("openim-loadtest {FILL}; kill -9 under it; spawn to the line `ready`"),
        values: vec![
            ("ready_s".to_owned(), median(&seconds)),
            ("messages_million".to_owned(), rounded(stored as f64 / 1e6)),
            ("rss_mb".to_owned(), rounded(median(&resident))),
        ],
        raw: json!({"starts": starts}),
    })
}

/// Fills a server with users and messages and kills it, then lets it start without its index, and again without its
/// base.
pub(crate) fn without_index(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let folder = lab.folder()?;
    let setup = lab.unlimited(&folder);
    let mut server = setup.start()?;
    let users = options.messages() / 10;
    let register = format!("rest --route user_register --users 1 --calls {users}");
    lab.load(&folder, &server, &register)?;
    let stored = fill(lab, &folder, &server, options)?;
    server.kill();
    let data = folder.path().join("data");
    let start = |gone: &[&str]| -> anyhow::Result<(f64, f64)> {
        for name in gone {
            let path = data.join(name);
            if !path.exists() {
                // Of a short log no base was written yet.
                continue;
            }
            let removed = if path.is_dir() { remove_dir_all(path) } else { remove_file(path) };
            removed.with_context(|| format!("removing {name}"))?;
        }
        let server = setup.start()?;
        let peak = peak_bytes(server.pid())? as f64 / 1e6;
        // It is not merely ready: it works.
        lab.load(&folder, &server, "chat --pairs 20 --window 4 --duration 1")?;
        Ok((rounded(server.to_ready().as_secs_f64()), rounded(peak)))
    };
    let from_base = start(&["index"])?;
    let from_log = start(&["index", "base"])?;
    Ok(Measured {
        server: setup.command_line(),
        command: format!(
            "openim-loadtest {register}; openim-loadtest {FILL}; kill -9; rm -r data/index; spawn to the line `ready`; \
             kill -9; rm -r data/index data/base; spawn to the line `ready`"
        ),
        values: vec![
            ("ready_s".to_owned(), from_base.0),
            ("rss_mb".to_owned(), from_base.1),
            ("log_alone_ready_s".to_owned(), from_log.0),
            ("log_alone_rss_mb".to_owned(), from_log.1),
            ("messages_million".to_owned(), rounded(stored as f64 / 1e6)),
            ("users_million".to_owned(), rounded(users as f64 / 1e6)),
        ],
        raw: json!({"from_base": from_base, "from_log": from_log}),
    })
}

/// Stores at least as many messages as asked for; gives how many.
fn fill(lab: &Lab, folder: &TempDir, server: &Server, options: &Options) -> anyhow::Result<u64> {
    let wanted = options.messages();
    let (mut stored, mut seconds) = (0, 2);
    while stored < wanted {
        let result = lab.load(folder, server, &format!("{FILL} --duration {seconds}"))?;
        let count = acked(&result)?;
        if count == 0 {
            bail!("nothing was stored in {seconds} s");
        }
        stored += count;
        let left = wanted.saturating_sub(stored);
        seconds = (left * seconds / count + 1).clamp(1, 120);
        eprintln!("   {stored} of {wanted} messages stored");
    }
    Ok(stored)
}

fn kill_under_load(
    lab: &Lab,
    folder: &TempDir,
    server: &mut Server,
    options: &Options,
) -> anyhow::Result<()> {
    let mut load = lab.load_on(folder, server, &format!("{FILL} --duration 600"))?;
    sleep(Duration::from_secs(options.unless_quick(5, 2)));
    let ended = load.try_wait()?;
    server.kill();
    load.kill().ok();
    load.wait()?;
    match ended {
        Some(status) => bail!("the load ended before the server was killed: {status}"),
        None => Ok(()),
    }
}

fn acked(result: &Value) -> anyhow::Result<u64> {
    Ok(figure(result, "messages/acked")? as u64)
}
