//! What the kernel says of the machine.
//!
//! In: texts of `/proc` and `/sys`. Out: numbers. What cannot be read is not known, and nothing is guessed.

use std::fs;
use std::path::{Path, PathBuf};

/// Open files, TCP, memory, cores, huge pages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Machine {
    /// `net.core.somaxconn`.
    pub(super) backlog: Option<u64>,
    /// The third number of `net.ipv4.tcp_mem`, as bytes.
    pub(super) tcp_bytes_max: Option<u64>,
    /// `net.ipv4.ip_local_port_range`.
    pub(super) local_ports: Option<(u16, u16)>,
    /// `net.ipv4.ip_local_reserved_ports`.
    pub(super) reserved_ports: String,
    /// Memory that there is, and that could be had now.
    pub(super) memory_bytes: Option<u64>,
    pub(super) available_bytes: Option<u64>,
    /// What the cgroup allows.
    pub(super) cgroup_bytes_max: Option<u64>,
    /// Cores of the machine.
    pub(super) cores: usize,
    /// Those that this process may use.
    pub(super) cores_allowed: usize,
    /// What the cgroup allows, in cores.
    pub(super) cgroup_cores: Option<f64>,
    /// The choice of `transparent_hugepage/enabled`.
    pub(super) huge_pages: Option<String>,
    /// Whether this program, which is the server's, gets some.
    pub(super) has_huge_pages: Option<bool>,
    /// The zone of the machine.
    pub(super) zone: String,
}

impl Machine {
    pub(super) fn look() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (memory, status) = (text("/proc/meminfo"), text("/proc/self/status"));
        let online = text("/sys/devices/system/cpu/online");
        let allowed = std::thread::available_parallelism().map_or(1, usize::from);
        let limits = cgroup(&text("/proc/self/cgroup"));
        let pages = third(&text("/proc/sys/net/ipv4/tcp_mem"));
        Self {
            backlog: text("/proc/sys/net/core/somaxconn").trim().parse().ok(),
            tcp_bytes_max: pages.map(|pages| pages.saturating_mul(PAGE_BYTES)),
            local_ports: pair(&text("/proc/sys/net/ipv4/ip_local_port_range")),
            reserved_ports: text("/proc/sys/net/ipv4/ip_local_reserved_ports").trim().to_owned(),
            memory_bytes: kilobytes(&memory, "MemTotal:"),
            available_bytes: kilobytes(&memory, "MemAvailable:"),
            cgroup_bytes_max: limits.memory,
            cores: listed(&online).max(allowed),
            cores_allowed: allowed,
            cgroup_cores: limits.cores,
            huge_pages: chosen(&text("/sys/kernel/mm/transparent_hugepage/enabled")),
            has_huge_pages: word(&status, "THP_enabled:").map(|word| word == "1"),
            zone: zone(),
        }
    }
}

/// As `tcp_mem` counts on every machine that this runs on.
const PAGE_BYTES: u64 = 4096;

/// What a cgroup, or one above it, allows.
#[derive(Debug, Default, PartialEq)]
struct Limits {
    memory: Option<u64>,
    cores: Option<f64>,
}

fn cgroup(own: &str) -> Limits {
    let root = Path::new("/sys/fs/cgroup");
    let path = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let mut limits = Limits::default();
    let mut place: PathBuf = root.join(path.trim_start_matches('/'));
    // Each one above it bounds as well.
    while place.starts_with(root) {
        let text = |name: &str| fs::read_to_string(place.join(name)).unwrap_or_default();
        let memory = text("memory.max").trim().parse().ok();
        limits.memory = least(limits.memory, memory);
        limits.cores = least(limits.cores, quota(&text("cpu.max")));
        if !place.pop() {
            break;
        }
    }
    let older = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    let number = |name: &str| older(name).trim().parse::<u64>().ok();
    // Nothing that is larger than any machine is a limit.
    let memory = number("memory/memory.limit_in_bytes").filter(|bytes| *bytes < 1 << 60);
    limits.memory = least(limits.memory, memory);
    let (part, of) = (older("cpu/cpu.cfs_quota_us"), older("cpu/cpu.cfs_period_us"));
    limits.cores = least(limits.cores, quota(&format!("{} {}", part.trim(), of.trim())));
    limits
}

fn least<T: PartialOrd>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other < one { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// `150000 100000` is one and a half; `max` and -1 are no limit.
fn quota(text: &str) -> Option<f64> {
    let (part, of) = text.trim().split_once(' ')?;
    let (part, of): (f64, f64) = (part.parse().ok()?, of.parse().ok()?);
    (part > 0.0 && of > 0.0).then_some(part / of)
}

fn pair(text: &str) -> Option<(u16, u16)> {
    let mut words = text.split_ascii_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

fn third(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().nth(2)?.parse().ok()
}

fn word<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_ascii_whitespace().next()
}

fn kilobytes(text: &str, key: &str) -> Option<u64> {
    word(text, key)?.parse::<u64>().ok()?.checked_mul(1024)
}

/// How many are in `0-3,7`.
fn listed(text: &str) -> usize {
    let parts = text.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some((last + 1).saturating_sub(first))
    });
    parts.sum()
}

/// The word in brackets.
fn chosen(text: &str) -> Option<String> {
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

/// What the machine calls its zone; times of the log are UTC whatever it is.
fn zone() -> String {
    let named = std::env::var("TZ").ok().filter(|name| !name.is_empty());
    let linked = || {
        let target = fs::read_link("/etc/localtime").ok()?;
        let text = target.to_string_lossy().into_owned();
        text.split_once("zoneinfo/").map(|(_, name)| name.to_owned())
    };
    let written = || fs::read_to_string("/etc/timezone").ok().map(|name| name.trim().to_owned());
    let zone = named.or_else(linked).or_else(written).filter(|name| !name.is_empty());
    zone.unwrap_or_else(|| "UTC".to_owned())
}

/// Whether a port is in a list like `8080,9000-9100`.
pub(super) fn is_listed(list: &str, port: u16) -> bool {
    list.split(',').any(|part| {
        let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        let bounds = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
        bounds.is_some_and(|(first, last)| (first..=last).contains(&port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_kernel_are_read() {
        assert_eq!(pair("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(third("1 2 3\n"), Some(3));
        assert_eq!(kilobytes("MemFree: 1 kB\nMemTotal:   2 kB\n", "MemTotal:"), Some(2048));
        assert_eq!(listed("0-3,7\n"), 5);
        assert_eq!(chosen("always [madvise] never\n").as_deref(), Some("madvise"));
        for (text, cores) in [
            ("150000 100000\n", Some(1.5)),
            ("max 100000\n", None),
            ("-1 100000", None),
            ("", None),
        ] {
            assert_eq!(quota(text), cores, "{text}");
        }
        assert_eq!(least(Some(2), Some(1)), Some(1));
        assert_eq!(least(None, Some(1)), Some(1));
        assert!(is_listed("1,7000-8000", 7777) && is_listed("7777", 7777));
        assert!(!is_listed("", 7777) && !is_listed("8000-9000", 7777));
    }

    #[test]
    fn what_cannot_be_read_is_not_known() {
        assert_eq!(
            (pair(""), third(""), kilobytes("", "x"), listed(""), chosen("")),
            (None, None, None, 0, None)
        );
        let here = Machine::look();
        assert!(here.cores >= here.cores_allowed && here.cores_allowed > 0, "{here:?}");
        assert!(!here.zone.is_empty());
    }
}
