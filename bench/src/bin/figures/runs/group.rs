//! Groups: a large one at a rate and at full speed, with single chats beside it, and many small ones.

use super::{ACK_P50, ACKED, FANOUT_P50, FANOUT_P99, Measured, PER_MESSAGE, figures};
use crate::lab::Lab;
use crate::options::Options;

const PUSHES: (&str, &str, f64) = ("pushes_per_s", "pushes_per_s", 1.0);
const ENTRIES: (&str, &str, f64) = ("entries_per_s", "inbox_entries_per_s", 1.0);
const PER_PUSH: (&str, &str, f64) = ("cpu_us_per_push", "server_cpu_us_per_push", 1.0);
const PER_ENTRY: (&str, &str, f64) = ("cpu_us_per_entry", "server_cpu_us_per_inbox_entry", 1.0);
const RSS: (&str, &str, f64) = ("rss_mb", "rss_after_bytes", 1e-6);

/// What the single chats saw, before and during.
const SINGLE: [(&str, &str, f64); 4] = [
    ("single_ack_p99_before_ms", "single_chat/before/ack_latency/p99_us", 1e-3),
    ("single_ack_p99_ms", "single_chat/during/ack_latency/p99_us", 1e-3),
    ("single_push_p99_before_ms", "single_chat/before/push_latency/p99_us", 1e-3),
    ("single_push_p99_ms", "single_chat/during/push_latency/p99_us", 1e-3),
];

/// A rate that leaves the machine room: 10,000 pushes and 50,000 inbox entries a second.
pub(crate) fn large(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let words = format!("{} --rate 5 {}", size(options), beside(options, 23));
    let wanted = [PUSHES, ENTRIES, PER_PUSH, PER_ENTRY, ACK_P50, FANOUT_P50, FANOUT_P99];
    group(lab, &words, &[&wanted[..], &SINGLE].concat())
}

/// Four senders with one message under way each.
pub(crate) fn saturated(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let words = format!("{} {}", size(options), beside(options, 13));
    let wanted = [ACKED, PUSHES, ENTRIES, PER_PUSH, PER_ENTRY, FANOUT_P50, RSS];
    group(lab, &words, &[&wanted[..], &SINGLE].concat())
}

/// Ordinary groups: what a delivery costs without the help of a long member list.
pub(crate) fn small(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let words = format!(
        "--members 5 --online 5 --groups 200 --senders 200 --pairs 0 {}",
        length(options, 12)
    );
    group(lab, &words, &[ACKED, PUSHES, PER_MESSAGE, PER_ENTRY, ACK_P50])
}

fn size(options: &Options) -> String {
    let members = options.unless_quick(10_000, 1_000);
    format!("--members {members} --online {}", members / 5)
}

fn length(options: &Options, seconds: u64) -> String {
    let warmup = options.unless_quick(3, 1);
    format!("--duration {} --warmup {warmup}", options.unless_quick(seconds, 3))
}

fn beside(options: &Options, seconds: u64) -> String {
    let baseline = options.unless_quick(10, 2);
    format!("{} --baseline {baseline} --pull-check", length(options, seconds))
}

fn group(lab: &Lab, words: &str, wanted: &[(&str, &str, f64)]) -> anyhow::Result<Measured> {
    let folder = lab.folder()?;
    let setup = lab.unlimited(&folder);
    let server = setup.start()?;
    let raw = lab.load(&folder, &server, &format!("group {words}"))?;
    let values = figures(&raw, wanted)?;
    let command = format!("openim-loadtest group {words}");
    Ok(Measured { server: setup.command_line(), command, values, raw })
}
