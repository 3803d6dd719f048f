//! What all measuring scenarios need before they begin: addresses, secret, limits, users.
//!
//! In: the parsed command line. Out: a [`Setup`], routes and rosters made from it.

use crate::args::Parsed;
use crate::clock::Clock;
use crate::console;
use crate::fleet::Route;
use crate::http::Address;
use crate::roster::{Registrar, Roster};
use crate::server::Usage;
use crate::stream::Trust;
use crate::sys;
use anyhow::{Context, bail};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Descriptors of a thread that are not links: epoll, files, streams, what main had open.
const SPARE_DESCRIPTORS: u64 = 200;
/// Links per source address before another address is taken; the kernel has 28,232 ports each.
const LINKS_PER_SOURCE: usize = 25_000;

/// Everything that does not depend on the scenario.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Common origin of time.
    pub(crate) clock: Clock,
    /// How users get their tokens.
    pub(crate) registrar: Registrar,
    /// Websocket address.
    pub(crate) ws: Address,
    /// Limit of a connect, a handshake, a call.
    pub(crate) timeout: Duration,
    /// Begins every user id.
    pub(crate) prefix: String,
    /// Server process to measure.
    pub(crate) pid: Option<u32>,
    /// Processes of a cluster, its components among them, by the names they are to have in the result.
    pub(crate) parts: Vec<(String, u32)>,
    /// Whether to show a live line.
    pub(crate) progress: bool,
    threads: usize,
    descriptors: u64,
}

impl Setup {
    /// Reads the common options.
    pub(crate) fn read(parsed: &Parsed) -> anyhow::Result<Self> {
        let seconds: u64 = parsed.number_or("timeout", 30)?;
        let timeout = Duration::from_secs(seconds.clamp(1, 3600));
        let platform: u8 = parsed.number_or("platform", 1)?;
        if !(1..=7).contains(&platform) {
            bail!("--platform is 1 to 7");
        }
        let pid = parsed.number("pid")?;
        if let Some(pid) = pid {
            Usage::read(pid).context("--pid")?;
        }
        if let Some(path) = parsed.text("report") {
            // Noticed before the run, not behind it.
            let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
            if folder.is_some_and(|folder| !folder.is_dir()) {
                bail!("--report {path}: there is no such folder");
            }
        }
        let data_dir = parsed.text_or("data-dir", "data");
        let trust = Trust::read(parsed)?;
        Ok(Self {
            clock: Clock::start(),
            registrar: Registrar {
                rest: Address::read(
                    parsed.text_or("rest", "http://127.0.0.1:10000"),
                    "http",
                    &trust,
                )?,
                secret: Registrar::secret(parsed.text("secret"), data_dir)?,
                platform,
                timeout,
            },
            ws: Address::read(parsed.text_or("ws", "ws://127.0.0.1:7777"), "ws", &trust)?,
            timeout,
            prefix: parsed.text_or("prefix", "lt").to_owned(),
            pid,
            parts: parts(parsed.text("parts").unwrap_or_default())?,
            progress: parsed.has("progress") || std::io::stderr().is_terminal(),
            threads: parsed.number_or("threads", 1usize)?.max(1),
            descriptors: sys::raise_descriptor_limit().context("cannot read the limits")?,
        })
    }

    /// Threads for `links` links: as many as asked for, or as the descriptor limit needs.
    pub(crate) fn threads(&self, links: usize) -> usize {
        let spare = self.descriptors.saturating_sub(SPARE_DESCRIPTORS).max(16);
        let per_table = usize::try_from(spare).unwrap_or(usize::MAX);
        self.threads.max(links.div_ceil(per_table))
    }

    /// The way to the server for `links` links from this machine; `sources` if given.
    pub(crate) fn route(&self, links: usize, sources: Option<u32>) -> Route {
        let needed = if links > LINKS_PER_SOURCE { links.div_ceil(LINKS_PER_SOURCE) } else { 0 };
        let automatic =
            if self.ws.socket.ip().is_loopback() && self.ws.socket.is_ipv4() { needed } else { 0 };
        Route {
            server: self.ws.socket,
            host: self.ws.host.clone(),
            tls: self.ws.tls.clone(),
            sources: sources.unwrap_or(automatic as u32),
            timeout: self.timeout,
        }
    }

    /// Registers `users` users for links on `platforms` platforms each.
    pub(crate) fn enrol(&self, users: usize, platforms: u8) -> anyhow::Result<Arc<Roster>> {
        let uids = (0..users).map(|index| format!("{}-{index}", self.prefix)).collect();
        if self.progress {
            let host = &self.registrar.rest.host;
            console::err(&format!("registering {users} users at {host}\n"));
        }
        Ok(Arc::new(self.registrar.enrol(uids, platforms, self.clock)?))
    }

    /// The server's usage now, when its pid is known and it still runs. A server that died during
    /// the run is the run's finding, not a reason to lose the report.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.pid.and_then(|pid| Usage::read(pid).ok())
    }

    /// As [`Setup::usage`], without the memory maps, which take a while.
    pub(crate) fn usage_light(&self) -> Option<Usage> {
        self.pid.and_then(|pid| Usage::read_light(pid).ok())
    }

    /// The same of each part, in their order.
    pub(crate) fn usage_of_parts(&self) -> Vec<Option<Usage>> {
        self.parts.iter().map(|(_, pid)| Usage::read_light(*pid).ok()).collect()
    }
}

/// `name=pid` with commas between.
fn parts(text: &str) -> anyhow::Result<Vec<(String, u32)>> {
    let parts = text.split(',').filter(|part| !part.is_empty()).map(|part| {
        let (name, pid) = part.split_once('=').context("--parts: NAME=PID")?;
        let pid = pid.parse().with_context(|| format!("--parts: {pid:?} is no process"))?;
        Usage::read_light(pid).with_context(|| format!("--parts: {name}"))?;
        Ok((name.to_owned(), pid))
    });
    parts.collect()
}

/// A number that differs from run to run.
pub(crate) fn run_number() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since.map_or(0, |since| since.as_nanos() as u64);
    (crate::envelope::mix(nanos, u64::from(std::process::id())) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_by_name_and_must_run() {
        let own = std::process::id();
        let two = parts(&format!("api={own},gateway={own}")).unwrap();
        assert_eq!(two, [("api".to_owned(), own), ("gateway".to_owned(), own)]);
        assert!(parts("").unwrap().is_empty());
        for wrong in ["api", "api=x", "api=4294967295"] {
            assert!(parts(wrong).is_err(), "{wrong}");
        }
    }
}
