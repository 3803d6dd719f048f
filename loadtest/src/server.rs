//! What the kernel tells about the server process and about socket memory, read from `/proc`.
//!
//! In: a process id. Out: [`Usage`] and [`Kernel`] readings, to be subtracted from each other.
//! Never writes, never signals.

use crate::sys;
use anyhow::Context;
use serde::Serialize;
use std::fs;

/// CPU time and memory of a process at one moment.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Usage {
    /// Time on a CPU since its start, user and system, all threads.
    pub(crate) cpu_us: u64,
    /// The system's part of it.
    pub(crate) system_us: u64,
    /// Resident memory.
    pub(crate) rss_bytes: u64,
    /// Resident memory that is its own alone.
    pub(crate) private_bytes: u64,
    /// Threads.
    pub(crate) threads: u64,
}

/// Kernel memory that sockets and their bookkeeping take, machine-wide.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Kernel {
    /// Buffers of TCP sockets.
    pub(crate) tcp_bytes: u64,
    /// Slab caches, sockets among them.
    pub(crate) slab_bytes: u64,
}

impl Usage {
    /// Reads the process `pid`, memory maps included; these take a while on a big process.
    pub(crate) fn read(pid: u32) -> anyhow::Result<Self> {
        let mut usage = Self::read_light(pid)?;
        let path = format!("/proc/{pid}/smaps_rollup");
        usage.private_bytes = match fs::read_to_string(&path) {
            Ok(text) => kilobytes(&text, "Private_Clean:") + kilobytes(&text, "Private_Dirty:"),
            // Another user's process shows no maps; the resident size is then all there is.
            Err(_) => usage.rss_bytes,
        };
        Ok(usage)
    }

    /// Reads what is cheap: times and resident size.
    pub(crate) fn read_light(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        parse_stat(&text).with_context(|| format!("{path} is not as expected"))
    }

    /// CPU time since `earlier`.
    pub(crate) fn cpu_us_since(&self, earlier: &Self) -> u64 {
        self.cpu_us.saturating_sub(earlier.cpu_us)
    }
}

impl Kernel {
    /// Reads the machine's figures.
    pub(crate) fn read() -> Self {
        let sockets = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
        let pages = sockets
            .lines()
            .find(|line| line.starts_with("TCP:"))
            .and_then(|line| line.split("mem ").nth(1))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            tcp_bytes: pages.unwrap_or(0) * sys::page_bytes(),
            slab_bytes: kilobytes(&memory, "Slab:"),
        }
    }
}

/// `value kB` behind `key`, in bytes.
fn kilobytes(text: &str, key: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}

/// The fields behind the command, which is in brackets and may hold spaces and brackets itself.
fn parse_stat(text: &str) -> Option<Usage> {
    let fields: Vec<u64> = text
        .rsplit_once(')')?
        .1
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // proc(5) counts from 1; the state behind the bracket is field 3.
    let field = |number: usize| fields.get(number - 3).copied();
    let us_per_tick = 1_000_000 / sys::clock_ticks_per_second();
    let system_us = field(15)? * us_per_tick;
    Some(Usage {
        cpu_us: field(14)? * us_per_tick + system_us,
        system_us,
        rss_bytes: field(24)? * sys::page_bytes(),
        private_bytes: 0,
        threads: field(20)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_past_an_odd_command_name() {
        let mut line = "7 (a) b (c) S".to_owned();
        for number in 4..=52 {
            line.push_str(&format!(" {number}"));
        }
        let usage = parse_stat(&line).unwrap();
        let us_per_tick = 1_000_000 / sys::clock_ticks_per_second();
        assert_eq!(usage.system_us, 15 * us_per_tick);
        assert_eq!(usage.cpu_us, (14 + 15) * us_per_tick);
        assert_eq!(usage.threads, 20);
        assert_eq!(usage.rss_bytes, 24 * sys::page_bytes());
        assert!(parse_stat("nonsense").is_none());
    }

    #[test]
    fn this_process_can_be_read() {
        let usage = Usage::read(std::process::id()).unwrap();
        assert!(usage.rss_bytes > 0 && usage.private_bytes > 0 && usage.threads > 0);
        assert!(Usage::read(u32::MAX).is_err());
        assert!(Kernel::read().slab_bytes > 0);
    }
}
