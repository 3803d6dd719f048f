//! Arguments of commands that put load on a running server.

use std::path::PathBuf;

use super::Settings;
use crate::bench::{Scenario, Wanted};

/// See the module. They are commands like the others.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Measure {
    /// Measure a running server at full speed, and keep books on every message
    ///
    /// The load tool with a scenario of it, on this machine: rates, percentiles to 99.999, what the server used, and whether
    /// anything was lost or doubled; exit code 1 then, 2 where it could not be run. It registers users whose ids begin with bench, and leaves them and
    /// their messages there. Latencies at full speed are those of a queue; openim latency measures at a rate.
    Bench {
        /// What is measured
        #[arg(value_name = "SCENARIO", default_value = "chat")]
        scenario: Scenario,
        /// What it goes by.
        #[command(flatten)]
        settings: Settings,
        /// The server's data directory [default: embedded.dataDir]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// What comes of it.
        #[command(flatten)]
        wanted: Wanted,
    },
    /// Measure how long messages take at a rate
    ///
    /// Pairs of users talk; each message is sent when it is due, whether others were answered or not, and its time counts from
    /// when it was due, so that a server that stands still does not look good. Shows how long until it is durable and
    /// answered, and until it is with its receiver. What it leaves behind, openim help bench says.
    Latency {
        /// Messages a second
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        rate: u64,
        /// Seconds
        #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
        duration: u64,
        /// Pairs of users
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        pairs: u64,
        /// What it goes by.
        #[command(flatten)]
        settings: Settings,
        /// The server's data directory [default: embedded.dataDir]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// What comes of it.
        #[command(flatten)]
        wanted: Wanted,
    },
}
