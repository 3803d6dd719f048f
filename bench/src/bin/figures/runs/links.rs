//! Many links that do nothing.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use openim_bench::{Link, Server, User};
use serde_json::{Value, json};

use super::{Measured, figures, rounded};
use crate::lab::Lab;
use crate::machine::private_bytes;
use crate::options::Options;

/// Registrations at once.
const REGISTRARS: u64 = 8;

/// Memory per idle link and CPU time per handshake.
pub(crate) fn idle(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let folder = lab.folder()?;
    let setup = lab.setup(&folder);
    let server = setup.start()?;
    let hold = options.unless_quick(10, 2);
    let command = format!("connect --links {} --hold {hold} --probe", options.links());
    let raw = lab.load(&folder, &server, &command)?;
    drop(server);
    let mut values = figures(
        &raw,
        &[
            ("after_registering_bytes_per_link", "server_private_bytes_per_link", 1.0),
            ("cpu_us_per_handshake", "server_cpu_us_per_handshake", 1.0),
            ("links_per_s", "links_per_s", 1.0),
            ("idle_core_percent", "server_idle_core_percent", 1.0),
        ],
    )?;
    let fresh = fresh(lab, options.links(), options.unless_quick(3, 1))?;
    let each = fresh["bytes_per_link"].as_f64().context("written below")?;
    values.insert(0, ("private_bytes_per_link".to_owned(), each));
    let command = format!("openim-loadtest {command}; {} links to a fresh server", options.links());
    let raw = json!({"load_tool": raw, "fresh_server": fresh});
    Ok(Measured { server: setup.command_line(), command, values, raw })
}

/// Weighs links on a server that has done nothing else: its users come from an earlier life, so that no
/// memory which registering them left free hides what the links take.
fn fresh(lab: &Lab, links: u64, rest_s: u64) -> anyhow::Result<Value> {
    let folder = lab.folder()?;
    let setup = lab.setup(&folder);
    let mut server = setup.start()?;
    let secret = std::fs::read_to_string(folder.path().join("data/secret"))
        .context("the server has made a secret")?;
    let users = register(&server, secret.trim(), links)?;
    server.kill();
    let server = setup.start()?;
    sleep(Duration::from_secs(2));
    let before = private_bytes(server.pid())?;
    let open: Vec<Link> =
        users.iter().map(|user| Link::open(server.ws(), user)).collect::<anyhow::Result<_>>()?;
    // The last reading counts; the others show whether it had come to rest by then.
    let mut readings = Vec::new();
    for _ in 0..6 {
        sleep(Duration::from_secs(rest_s));
        readings.push(private_bytes(server.pid())?);
    }
    let after = readings.last().copied().unwrap_or_default();
    let each = (after as f64 - before as f64) / open.len().max(1) as f64;
    Ok(json!({
        "links": open.len(),
        "private_bytes_before": before,
        "private_bytes_after": readings,
        "seconds_between": rest_s,
        "bytes_per_link": rounded(each),
    }))
}

fn register(server: &Server, secret: &str, count: u64) -> anyhow::Result<Vec<User>> {
    let part = |registrar: u64| -> anyhow::Result<Vec<User>> {
        (registrar..count)
            .step_by(REGISTRARS as usize)
            .map(|number| User::register(server.rest(), secret, &format!("idle{number:06}")))
            .collect()
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> =
            (0..REGISTRARS).map(|registrar| scope.spawn(move || part(registrar))).collect();
        let mut users = Vec::new();
        for part in parts {
            users.extend(part.join().map_err(|_| anyhow!("a registrar panicked"))??);
        }
        Ok(users)
    })
}
