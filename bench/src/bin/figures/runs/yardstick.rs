//! The server beside a bare epoll loop, in turns and with the same blind clients: how much of its CPU time a message
//! needs beyond reading and writing the frames.
//!
//! Machines differ twofold from day to day, and loads beside them more; a ratio of two measurements that were taken
//! within a minute differs little.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use openim_bench::{Crowd, Link, Server, Setup, User, send_payload};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Measured, rounded};
use crate::lab::Lab;
use crate::machine::{Usage, load_average};
use crate::options::Options;

/// Who talks: groups of so many, one sender each.
#[derive(Clone, Copy, Debug)]
struct Talk {
    groups: usize,
    members: usize,
    window: usize,
}

impl Talk {
    fn command(self) -> String {
        let Self { groups, members, window } = self;
        let yardstick = format!("yardstick --members {members}");
        let who = format!("{groups} groups of {members}, a sender with {window} under way in each");
        format!("{who}; the server, {yardstick}, {yardstick} --flush FILE in turns")
    }
}

const PAIRS: usize = 100;

/// 100 pairs with 16 messages under way each.
pub(crate) fn window_16(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    compare(lab, options, Talk { groups: PAIRS, members: 2, window: 16 })
}

/// The same with one.
pub(crate) fn window_1(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    compare(lab, options, Talk { groups: PAIRS, members: 2, window: 1 })
}

/// 200 groups of five with one message under way each.
pub(crate) fn groups(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    compare(lab, options, Talk { groups: 200, members: 5, window: 1 })
}

/// What one of them used.
struct Used {
    cpu_us: f64,
    acked_per_s: f64,
    raw: Value,
}

/// Server, yardstick without flush, yardstick with one a turn, one after the other.
fn compare(lab: &Lab, options: &Options, talk: Talk) -> anyhow::Result<Measured> {
    let (server, setup) = of_server(lab, options, talk)?;
    let bare = of_yardstick(lab, options, talk, None)?;
    let flushing = of_yardstick(lab, options, talk, Some("flushed"))?;
    let value = |key: &str, value: f64| (key.to_owned(), rounded(value));
    Ok(Measured {
        server: setup.command_line(),
        command: talk.command(),
        values: vec![
            value("ratio_flushing", server.cpu_us / flushing.cpu_us),
            value("ratio_bare", server.cpu_us / bare.cpu_us),
            value("cpu_us_per_message", server.cpu_us),
            value("flushing_cpu_us", flushing.cpu_us),
            value("bare_cpu_us", bare.cpu_us),
            value("acked_per_s", server.acked_per_s),
            value("flushing_acked_per_s", flushing.acked_per_s),
        ],
        raw: json!({"server": server.raw, "flushing": flushing.raw, "bare": bare.raw}),
    })
}

fn of_server(lab: &Lab, options: &Options, talk: Talk) -> anyhow::Result<(Used, Setup)> {
    let folder = lab.folder()?;
    let setup = lab.unlimited(&folder);
    let server = setup.start()?;
    let secret = std::fs::read_to_string(folder.path().join("data/secret"))
        .context("the server has made a secret")?;
    let uid = |number: usize| format!("user{number:07}");
    let users: Vec<User> = (0..talk.groups * talk.members)
        .map(|number| User::register(server.rest(), secret.trim(), &uid(number)))
        .collect::<anyhow::Result<_>>()?;
    let receivers = users
        .chunks(talk.members)
        .map(|members| match members {
            [_, other] => Ok(other.uid.clone()),
            [owner, others @ ..] => owner.found_group(server.rest(), others),
            [] => Ok(String::new()),
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let payload = |group: usize, id: &str| {
        let sender = &users[group * talk.members];
        let text = send_payload(&sender.token, &sender.uid, &receivers[group], id);
        let kind = if talk.members == 2 { 1 } else { 2 };
        let text = String::from_utf8_lossy(&text);
        text.replace("\"sessionType\":1", &format!("\"sessionType\":{kind}")).into_bytes()
    };
    let used = measure(&server, options, talk, &users, payload)?;
    Ok((used, setup))
}

fn of_yardstick(
    lab: &Lab,
    options: &Options,
    talk: Talk,
    flush: Option<&str>,
) -> anyhow::Result<Used> {
    let folder: TempDir = lab.folder()?;
    let members = talk.members.to_string();
    let mut words = vec!["--members", &members];
    words.extend(flush.iter().flat_map(|&file| ["--flush", file]));
    let program: &Path = lab.yardstick();
    let server = Setup::new(program, folder.path()).args(&words).start()?;
    // It reads none of this; a token is as long as one of the server's.
    let nobody = |number: usize| User { uid: format!("user{number:07}"), token: "t".repeat(200) };
    let users: Vec<User> = (0..talk.groups * talk.members).map(nobody).collect();
    let payload = |group: usize, id: &str| {
        let [sender, receiver] = [0, 1].map(|at| &users[group * talk.members + at]);
        send_payload(&sender.token, &sender.uid, &receiver.uid, id)
    };
    measure(&server, options, talk, &users, payload)
}

/// CPU time of the process for each message, over the time behind the warm-up.
fn measure(
    server: &Server,
    options: &Options,
    talk: Talk,
    users: &[User],
    payload: impl Fn(usize, &str) -> Vec<u8>,
) -> anyhow::Result<Used> {
    let load = load_average();
    let links =
        users.iter().map(|user| Link::open(server.ws(), user)).collect::<anyhow::Result<_>>()?;
    let mut crowd = Crowd::new(links, talk.members, payload)?;
    let warmup = Duration::from_secs(options.unless_quick(2, 1));
    let measured = Duration::from_secs(options.unless_quick(8, 1));
    let mut usage = Vec::new();
    let mark = || {
        usage.push(Usage::read(server.pid())?);
        Ok(())
    };
    let (seen, took) = crowd.run(talk.window, warmup, measured, mark)?;
    let cpu = usage[1].cpu.saturating_sub(usage[0].cpu);
    let cpu_us = cpu.as_secs_f64() * 1e6 / seen.acked.max(1) as f64;
    let acked_per_s = seen.acked as f64 / took.as_secs_f64();
    eprintln!("   {cpu_us:.2} us a message, {acked_per_s:.0} messages/s");
    let raw = json!({
        "load_average_before": load,
        "acked": seen.acked,
        "pushed": seen.pushed,
        "seconds": rounded(took.as_secs_f64()),
        "cpu_seconds": rounded(cpu.as_secs_f64()),
    });
    Ok(Used { cpu_us, acked_per_s, raw })
}
