//! What the kernel tells: the machine a figure was measured on, and what a process has used so far.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

/// Cores, processor, kernel, memory, and how long the disk under `folder` takes to flush a page.
pub(crate) fn describe(folder: &Path) -> anyhow::Result<Value> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let flushes = flushes(folder)?;
    Ok(json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": field(&read("/proc/cpuinfo"), "model name"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "fdatasync_4k_ms": {
            "p50": milliseconds(flushes[flushes.len() / 2]),
            "p99": milliseconds(flushes[flushes.len() * 99 / 100]),
        },
    }))
}

/// Times of flushing one page in the middle of a file, ascending.
fn flushes(folder: &Path) -> anyhow::Result<Vec<Duration>> {
    const PAGE: [u8; 4096] = [7; 4096];
    const FLUSHES: u64 = 200;
    let file = tempfile::tempfile_in(folder).context("a file to flush")?;
    for page in 0..FLUSHES {
        file.write_all_at(&PAGE, page * PAGE.len() as u64)?;
    }
    file.sync_all()?;
    let mut times = Vec::new();
    for page in 0..FLUSHES {
        let began = Instant::now();
        file.write_all_at(&PAGE, page * PAGE.len() as u64)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 1e2
}

/// The load averages: who else was at work.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) wakeups: u64,
    pub(crate) rss_bytes: u64,
}

impl Usage {
    /// Reads the process `pid`, all threads. The times are those of the scheduler, in nanoseconds:
    /// the ticks elsewhere in `/proc` are too coarse for a process that does next to nothing.
    pub(crate) fn read(pid: u32) -> anyhow::Result<Self> {
        let cpu = cpu_of_threads(pid, "")?;
        let mut usage = Self { cpu, wakeups: 0, rss_bytes: 0 };
        let tasks = format!("/proc/{pid}/task");
        for task in fs::read_dir(&tasks).with_context(|| tasks.clone())?.flatten() {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            usage.wakeups += number(&status, "voluntary_ctxt_switches:");
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        usage.rss_bytes = number(&status, "VmRSS:") * 1024;
        Ok(usage)
    }
}

/// What those threads of a process have used so far whose names begin with `name`.
pub(crate) fn cpu_of_threads(pid: u32, name: &str) -> anyhow::Result<Duration> {
    let tasks = format!("/proc/{pid}/task");
    let mut cpu = Duration::ZERO;
    for task in fs::read_dir(&tasks).with_context(|| tasks.clone())?.flatten() {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        if read("comm").starts_with(name) {
            let on_cpu = read("schedstat").split(' ').next().and_then(|ns| ns.parse().ok());
            cpu += Duration::from_nanos(on_cpu.unwrap_or(0));
        }
    }
    Ok(cpu)
}

/// The most resident memory that a process has had.
pub(crate) fn peak_bytes(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    Ok(number(&text, "VmHWM:") * 1024)
}

/// Resident memory that is the process's own alone.
pub(crate) fn private_bytes(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    Ok((number(&text, "Private_Clean:") + number(&text, "Private_Dirty:")) * 1024)
}

/// The number behind `key` at the start of a line.
fn number(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_and_machine_can_be_read() {
        let usage = Usage::read(std::process::id()).unwrap();
        assert!(usage.rss_bytes > 0 && usage.cpu > Duration::ZERO);
        let machine = describe(&std::env::temp_dir()).unwrap();
        assert!(machine["cores"].as_u64() > Some(0));
        assert!(machine["fdatasync_4k_ms"]["p50"].is_number());
    }
}
