//! `openim bench` and `openim latency`: the load tool, at the running server of these settings.
//!
//! In: what load, and the settings and data directory of a running server. Out: what the tool prints, and whether the
//! server passed: its books must balance, too. Never: another load than the tool's own, so figures are the same.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::ValueEnum;
use openim_config::Config;

use crate::secrets;

/// A scenario of the load tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Pairs of users talk, as fast as they are answered
    Chat,
    /// Members of groups talk
    Group,
    /// Links are opened and held
    Connect,
    /// Links that are all lost at once come back
    Storm,
    /// Calls of REST
    Rest,
}

/// Where the result goes, and how else the scenario is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Wanted {
    /// Write a page with plots there: HTML in one file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Answer in JSON, with command, machine and revision
    #[arg(long)]
    pub json: bool,
    /// Options of the tool, as openim bench SCENARIO -- --help tells them
    #[arg(last = true, value_name = "OPTIONS")]
    pub options: Vec<String>,
}

/// Links of scenarios that are about links, where none are asked for.
const LINKS: &str = "1000";

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// A scenario by its own defaults.
    Scenario(Scenario),
    /// Messages when they are due, so many a second for so many seconds, from one to the other of so many pairs.
    Paced {
        /// Messages a second.
        rate: u64,
        /// Seconds.
        seconds: u64,
        /// Pairs of users.
        pairs: u64,
    },
}

/// Options of the tool and what they are given.
type Given = Vec<(&'static str, String)>;

impl Load {
    fn scenario(self) -> Scenario {
        match self {
            Self::Scenario(scenario) => scenario,
            Self::Paced { .. } => Scenario::Chat,
        }
    }

    fn given(self) -> Given {
        match self {
            Self::Scenario(Scenario::Connect | Scenario::Storm) => {
                vec![("links", LINKS.to_owned())]
            }
            Self::Scenario(_) => Vec::new(),
            Self::Paced { rate, seconds, pairs } => {
                let given = [("rate", rate), ("duration", seconds), ("pairs", pairs)];
                given.map(|(name, value)| (name, value.to_string())).to_vec()
            }
        }
    }
}

/// Runs it at the server of these settings; whether the server passed.
///
/// # Errors
/// One line: no server answers, or why the run could not be made.
pub fn run(config: &Config, data_dir: &Path, load: Load, wanted: &Wanted) -> anyhow::Result<bool> {
    let mut given = load.given();
    if !wanted.options.iter().any(|option| option == "--help" || option == "-h") {
        given.extend(server(config, data_dir)?);
        given.push(("revision", revision(data_dir).to_owned()));
    }
    if let Some(report) = &wanted.report {
        given.push(("report", report.display().to_string()));
    }
    if wanted.json {
        given.push(("json", "-".to_owned()));
    }
    openim_loadtest::run(&words(load.scenario(), given, &wanted.options))
}

/// The command line of the tool. What stands in its own options is not given besides.
fn words(scenario: Scenario, given: Given, options: &[String]) -> Vec<String> {
    let named = scenario.to_possible_value().map(|value| value.get_name().to_owned());
    let is_asked = |name: &str| {
        let mut names = options.iter().filter_map(|option| option.strip_prefix("--"));
        names.any(|option| option.split('=').next() == Some(name))
    };
    let given = given.into_iter().filter(|(name, _)| !is_asked(name));
    let given = given.flat_map(|(name, value)| [format!("--{name}"), value]);
    named.into_iter().chain(given).chain(options.iter().cloned()).collect()
}

/// Where it is and what it wants to know, and its process if that is to be found.
fn server(config: &Config, data_dir: &Path) -> anyhow::Result<Given> {
    if config.tls.is_on() {
        bail!(
            "tls.certFile: with TLS it is openim-loadtest, which wants the server's name: --rest https://NAME:PORT --ws wss://NAME:PORT --ca FILE"
        );
    }
    let secret = secrets::of_callers(config, data_dir)?;
    let secret = secret.ok_or_else(|| {
        let dir = data_dir.display();
        anyhow!("{dir}: the server's secret is not here; give its --config or --data-dir, and run this as its user")
    })?;
    let at = |ports: &[u16], key: &str| {
        let port = ports.iter().copied().find(|port| *port != 0);
        let port = port.with_context(|| format!("{key} is 0: nobody knows the port; set one"))?;
        anyhow::Ok(SocketAddr::new(here(config.server_ip.0), port))
    };
    let rest = at(&config.api.port, "api.openImApiPort")?;
    let ws = at(&config.longconnsvr.websocket_port, "longconnsvr.websocketPort")?;
    let mut given = vec![
        ("rest", format!("http://{rest}")),
        ("ws", format!("ws://{ws}")),
        ("secret", secret.expose().to_owned()),
        ("prefix", "bench".to_owned()),
    ];
    given.extend(process(data_dir).map(|pid| ("pid", pid.to_string())));
    Ok(given)
}

/// That of the server, where it is this very program; it may have been replaced since it was started.
fn revision(data_dir: &Path) -> &'static str {
    let program = |process: &str| {
        let meta = fs::metadata(format!("/proc/{process}/exe")).ok()?;
        Some((meta.dev(), meta.ino()))
    };
    let running = process(data_dir).and_then(|pid| program(&pid.to_string()));
    let is_this = running.is_some() && running == program("self");
    if is_this { env!("BUILD_REVISION") } else { "unknown" }
}

/// This machine, where a server listens on all its interfaces.
fn here(listens: IpAddr) -> IpAddr {
    if listens.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { listens }
}

/// The process that has locked the directory, as it wrote there, if it is still there.
fn process(data_dir: &Path) -> Option<u32> {
    let pid = fs::read_to_string(data_dir.join("lock")).ok()?.trim().parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim_end() == "openim").then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(load: Load, options: &[&str]) -> String {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        words(load.scenario(), load.given(), &options).join(" ")
    }

    #[test]
    fn scenarios_are_called_as_the_tool_calls_them() {
        for scenario in Scenario::value_variants() {
            let words = words(*scenario, Vec::new(), &["--help".to_owned()]);
            assert!(openim_loadtest::run(&words).unwrap(), "{words:?}");
        }
    }

    #[test]
    fn options_of_the_tool_stand_above_what_is_given() {
        let paced = Load::Paced { rate: 200, seconds: 3, pairs: 7 };
        assert_eq!(line(paced, &[]), "chat --rate 200 --duration 3 --pairs 7");
        let options = ["--pairs", "9", "--rate=5"];
        assert_eq!(line(paced, &options), "chat --duration 3 --pairs 9 --rate=5");
        let storm = Load::Scenario(Scenario::Storm);
        assert_eq!(line(storm, &["--hold", "1"]), "storm --links 1000 --hold 1");
        assert_eq!(line(storm, &["--links=7"]), "storm --links=7");
    }
}
