//! The cluster engine: each role a process, or all in one, on the five components, all on this machine.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use openim_bench::{Server, Setup};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    ACK_P50, ACK_P99, ACKED, DELIVERED, FANOUT_P50, FANOUT_P99, Measured, PUSH_P50, PUSH_P99,
    figure, figures, rounded,
};
use crate::lab::{Lab, Target};
use crate::options::Options;

/// What registers users; it guards nothing.
const SECRET: &str = "of-registering-that-is-measured";
/// How long a fresh cluster may take until a first message is pushed: the transfer joins its group of consumers.
const FIRST_PUSH_S: u64 = 60;

/// How long the last push may take: sends are answered from the log, whose end a transfer that is slower reaches later. The
/// rate of deliveries is that up to the last one.
const BEHIND_S: u64 = 120;

/// Processes of a cluster; killed when dropped.
struct Cluster {
    roles: Vec<(&'static str, Server)>,
    told: String,
}

/// As much as 100 pairs with 16 messages under way each can send, an api, a gateway and a transfer apart.
pub(crate) fn roles_16(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    window_16(lab, options, &["api", "gateway", "transfer"])
}

/// The same, all in one process.
pub(crate) fn serve_16(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    window_16(lab, options, &["serve"])
}

/// A rate that each part hardly notices, each message sent when it is due.
pub(crate) fn rate_200(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let seconds = options.unless_quick(25, 8);
    let words = format!("chat --pairs 100 --rate 200 --duration {seconds} --warmup 5");
    let wanted = [ACK_P50, PUSH_P50, ACK_P99, PUSH_P99];
    measure(lab, &["api", "gateway", "transfer"], &words, |raw| figures(raw, &wanted))
}

/// A large group of which few are there, beside single chats.
pub(crate) fn group(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let members = options.unless_quick(10_000, 1_000);
    let seconds = options.unless_quick(25, 8);
    let words = format!(
        "group --members {members} --online 200 --rate 1 --duration {seconds} --warmup 5 --baseline 10 --pull-check"
    );
    let single = |before: &str, of: &str| format!("single_chat/{before}/{of}_latency/p99_us");
    measure(lab, &["api", "gateway", "transfer"], &words, |raw| {
        let mut values = figures(raw, &[FANOUT_P50, FANOUT_P99, ACK_P50])?;
        for of in ["ack", "push"] {
            let before = figure(raw, &single("before", of))?;
            let during = figure(raw, &single("during", of))?;
            values.push((format!("single_{of}_p99_before_ms"), rounded(before / 1e3)));
            values.push((format!("single_{of}_p99_ms"), rounded(during / 1e3)));
            values.push((format!("single_{of}_p99_ratio"), rounded(during / before.max(1.0))));
        }
        Ok(values)
    })
}

fn window_16(lab: &Lab, options: &Options, roles: &[&'static str]) -> anyhow::Result<Measured> {
    let seconds = options.unless_quick(65, 20);
    let words =
        format!("chat --pairs 100 --window 16 --duration {seconds} --warmup 5 --grace {BEHIND_S}");
    measure(lab, roles, &words, |raw| {
        let mut values = figures(raw, &[ACKED, DELIVERED, ACK_P50, PUSH_P50])?;
        let (mut own, mut components) = (0.0, 0.0);
        let parts = raw.pointer("/figures/part_cpu_us_per_message").and_then(Value::as_object);
        for (part, us) in parts.context("the load tool's result has no parts")? {
            let us = us.as_f64().with_context(|| format!("{part} is gone"))?;
            let sum = if roles.contains(&part.as_str()) { &mut own } else { &mut components };
            *sum += us;
            values.push((format!("{part}_us"), rounded(us)));
        }
        values.push(("cpu_us_per_message".to_owned(), rounded(own)));
        values.push(("components_us".to_owned(), rounded(components)));
        Ok(values)
    })
}

/// Starts a cluster of `roles`, waits until it delivers, and runs the load tool.
fn measure(
    lab: &Lab,
    roles: &[&'static str],
    words: &str,
    values: impl FnOnce(&Value) -> anyhow::Result<Vec<(String, f64)>>,
) -> anyhow::Result<Measured> {
    let folder = lab.folder()?;
    let cluster = start(lab, &folder, roles)?;
    let target = cluster.target(lab)?;
    let first =
        format!("chat --prefix first --pairs 1 --window 1 --duration 1 --grace {FIRST_PUSH_S}");
    lab.load(&folder, target.clone(), &first).context("before the measurement")?;
    let raw = lab.load(&folder, target, words)?;
    let values = values(&raw)?;
    let command = format!("openim-loadtest {words}");
    Ok(Measured { server: cluster.told, command, values, raw })
}

fn start(lab: &Lab, folder: &TempDir, roles: &[&'static str]) -> anyhow::Result<Cluster> {
    static CLUSTERS: AtomicU32 = AtomicU32::new(0);
    let number = CLUSTERS.fetch_add(1, Ordering::Relaxed);
    let (program, components) = lab.cluster()?;
    let settings = components.settings(&format!("f{}x{number}", std::process::id()), SECRET)?;
    let mut started = Vec::new();
    for role in roles {
        let setup = Setup::new(program, folder.path()).args(&[role]).envs(&settings);
        let setup = setup.env("OPENIM_LIMITS_FRAMESPERSECOND", "0");
        started.push((*role, setup.start().with_context(|| format!("openim {role}"))?));
    }
    let told: Vec<String> = roles.iter().map(|role| format!("openim {role}")).collect();
    // Without the settings: they name this machine's ports, and passwords.
    let told = format!("{}, engine: cluster", told.join(", "));
    Ok(Cluster { roles: started, told })
}

impl Cluster {
    fn target(&self, lab: &Lab) -> anyhow::Result<Target> {
        let first = |address: fn(&Server) -> &str| {
            let mut all = self.roles.iter().map(|(_, server)| address(server));
            all.find(|address| !address.is_empty()).unwrap_or_default().to_owned()
        };
        let own = self.roles.iter().map(|(role, server)| ((*role).to_owned(), server.pid()));
        let parts: Vec<(String, u32)> = own.chain(lab.cluster()?.1.processes()?).collect();
        let parts: Vec<String> = parts.iter().map(|(name, pid)| format!("{name}={pid}")).collect();
        Ok(Target {
            rest: first(Server::rest),
            ws: first(Server::ws),
            more: vec!["--secret".into(), SECRET.into(), "--parts".into(), parts.join(",")],
        })
    }
}
