//! Arguments of the program.
//!
//! In: what stands behind its name. Out: a [`Command`], text to print, or one line of what is wrong. The comments on commands
//! and flags are what `--help` prints.

mod asking;
mod measuring;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use clap_complete::Shell;
use openim_record::LogPartition;
use openim_storage::embedded::copy::Moment;

pub use self::asking::{Asked, ConsoleCommand};
pub use self::measuring::Measure;
use crate::archive::Query;
use crate::copying;
pub use crate::visit::Elsewhere;
use crate::why;

/// openim: an instant-messaging server.
///
/// Without a command it serves: REST on port 10000, websocket on port 7777, operator endpoints on 127.0.0.1:10002, data
/// under ./data, unless the settings say otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "openim", version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILD_REVISION"), ")"))]
#[command(
    override_usage = "openim [serve] [--config FILE] [--data-dir DIR]\n       openim COMMAND ...",
    max_term_width = 120
)]
pub enum Command {
    /// Run the server
    ///
    /// Runs until it is told to stop. SIGTERM or Ctrl-C drains it: it accepts nothing new, finishes what it accepted,
    /// closes the links and exits with 0; a second signal stops at once.
    ///
    /// With engine: cluster all roles run in this process, and the data is in the components that the settings name; openim
    /// help transfer says more.
    Serve {
        /// What it goes by.
        #[command(flatten)]
        settings: Settings,
        /// Where all data is; stands above embedded.dataDir. Created when missing
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Run the role of a cluster that answers REST (api.openImApiPort)
    ///
    /// Like gateway and transfer: any number of processes of each, on any number of machines, with the same settings but
    /// for what listens where. They run until they are told to stop, as serve does. They need engine: cluster, its components
    /// (etcd, MySQL, MongoDB, Redis, Kafka), and a program that is built with it: cargo build --release --features cluster.
    Api {
        /// What it goes by.
        #[command(flatten)]
        settings: Settings,
    },
    /// Run the role of a cluster that has the links (longconnsvr.websocketPort)
    ///
    /// openim help api says what roles need.
    Gateway {
        /// What it goes by.
        #[command(flatten)]
        settings: Settings,
    },
    /// Run the role of a cluster that takes what was sent into inboxes and to whoever is there
    ///
    /// From Kafka into inboxes and the archive. Told to stop it stores what it has begun and leaves its partitions to others.
    /// openim help api says what roles need.
    Transfer {
        /// What it goes by.
        #[command(flatten)]
        settings: Settings,
    },
    /// Check a file of settings without starting anything
    ///
    /// The OPENIM_ variables of the environment stand above it. Exits with 0 when the server would start with it, and says
    /// what keys of the original do here; otherwise names every wrong key, its line, and a valid key that is near.
    CheckConfig {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Look at each component of a cluster, too
        ///
        /// Once: a line each says what is where, by which key, and whether it will do. Nothing is made: databases, tables and
        /// topics that are missing are named, as what a start will make.
        #[arg(long)]
        connect: bool,
    },
    /// Say which settings hold and where each comes from, or what a key means
    ///
    /// Secrets are not shown: of one that is set there is ***.
    Config {
        /// What is asked.
        #[command(flatten)]
        asked: ConfigQuestion,
        /// With --effective: every key, also where it is the default
        #[arg(long, conflicts_with_all = ["env", "doc"])]
        all: bool,
        /// What it goes by.
        #[command(flatten)]
        settings: Settings,
        /// Answer in JSON
        #[arg(long)]
        json: bool,
    },
    /// Look whether machine, settings and a running server are what a server needs
    ///
    /// A line for each thing: ok, warn or bad, what is, and what to do: limits of open files, sockets and ports, memory and
    /// cores and what a cgroup leaves of them, the clock, the disk and how long it takes to flush, a running server and its ports.
    /// Works with and without a running server, and needs no root; run it as the server's user. Exit code 1 if anything is bad.
    Doctor {
        /// What it goes by.
        #[command(flatten)]
        settings: Settings,
        /// The server's data directory [default: embedded.dataDir]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// An address at which clients find the server, through a proxy perhaps, like wss://im.example.com
        ///
        /// Says whether it passes websockets and REST on, and whether it cuts a quiet link within a second.
        #[arg(long, value_name = "URL")]
        through: Option<String>,
        /// Who signed the certificate there, or the certificate itself, in PEM [default: whom browsers trust]
        #[arg(long, value_name = "FILE", requires = "through")]
        ca: Option<PathBuf>,
        /// Answer in JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a token of a registered user, for trying things out
    ///
    /// The server, which must run, gives it as to any caller of /auth/user_token: it is a login, which ends others where
    /// multiloginpolicy says so, and is in the audit. Its secret is that of the settings, or of the data directory; run this
    /// as the server's user.
    Token {
        /// Whose
        #[arg(value_name = "UID")]
        uid: String,
        /// 1 iOS, 2 Android, 3 Windows, 4 macOS, 5 Web, 6 MiniWeb, 7 Linux
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=7))]
        platform: u8,
        /// What it goes by.
        #[command(flatten)]
        settings: Settings,
        /// The server's data directory [default: embedded.dataDir]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// Answer in JSON, with when it ends
        #[arg(long)]
        json: bool,
    },
    /// What the console of a running server tells and does.
    #[command(flatten)]
    Ask(ConsoleCommand),
    /// Commands that put load on a running server.
    #[command(flatten)]
    Measure(Measure),
    /// Gather what somebody needs who helps from afar, without bodies of messages, tokens or secrets
    ///
    /// A folder of texts, to be looked through and packed: version, settings that hold with secrets masked, what the doctor says, what a
    /// running server says at /readyz, /healthz and /metrics, and the newest lines of its log (log.storageLocation), which name users
    /// and addresses.
    Support {
        /// The folder [default: one with the time in its name]
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
        /// What it goes by.
        #[command(flatten)]
        settings: Settings,
        /// The server's data directory [default: embedded.dataDir]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Print archived messages as JSON, one a line, also beside a running server
    Archive(Query),
    /// Ask a running server why a user did not get a message
    ///
    /// Says why, or when and how they did: one of twelve reasons, in plain words. The server is asked over its operators' port
    /// (admin.listen); it must know admin.secret, which is found in its data directory, or in the settings. Exits with 0 when
    /// there is an answer, whichever it is.
    Why {
        /// What is asked.
        #[command(flatten)]
        query: why::Query,
        /// What it goes by.
        #[command(flatten)]
        settings: Settings,
        /// The server's data directory [default: embedded.dataDir]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// Another server.
        #[command(flatten)]
        elsewhere: Elsewhere,
    },
    /// Copy the data of a server that may run, or go on with the copy
    ///
    /// What the copy has not yet is taken, every checksum is looked at, and it is durable. A server that runs is asked over
    /// its operators' port (admin.listen); it must know admin.secret, which is found in its data directory, or in the
    /// settings. Ends with a line that says up to which position and time the copy goes, and exit code 0. It may be cut
    /// short at any moment and run again.
    Backup {
        /// The copy
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Go on, less than a second behind, until it is ended; waits for a server that is away
        #[arg(long)]
        follow: bool,
        /// What it goes by.
        #[command(flatten)]
        settings: Settings,
        /// The server's data directory [default: embedded.dataDir]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// Another server.
        #[command(flatten)]
        elsewhere: Elsewhere,
    },
    /// Check all that is in a copy, or in the data directory of a stopped server
    ///
    /// Every checksum, that nothing is missing in between, that every inbox in the bases has all its numbers and each of
    /// them a message. Names what is damaged by file and offset, a line each; exit code 1 then. A copy that is being
    /// followed may be verified meanwhile.
    Verify {
        /// The directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Make a data directory from a copy, as of a moment
    ///
    /// As of its end or of a moment before, to the record. Then: openim serve --data-dir NEW. What was stored later is not
    /// there, and who goes on with it has an epoch of its own: a copy of it needs another directory.
    Restore {
        /// The copy
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Where the data is to be: an empty directory, or none
        #[arg(long, value_name = "NEW")]
        data_dir: PathBuf,
        /// A time like 2021-06-01T12:00:00Z: all that was stored up to then; or a position: all records that lie before it
        ///
        /// openim archive shows positions.
        #[arg(long, value_name = "TIME|POSITION", value_parser = copying::moment)]
        at: Option<Moment>,
    },
    /// Make the index anew from the base and the log; the server must be stopped
    ///
    /// A start does so by itself when it finds the index missing or damaged; this is for one that seems whole and is not
    /// trusted. Nothing else is changed, and the index that was there is removed when the new one is in use. Exits with 0 when
    /// it is.
    RebuildIndex {
        /// The server's embedded.dataDir
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// Follow a server, at most a second behind, to serve in its place
    ///
    /// Takes base and log of a server of the embedded engine, and then what it writes, as soon as that is durable there;
    /// what is here is durable before more is asked for. Runs until it is told to stop, and goes on where it was. It listens
    /// for no clients; openim promote has it serve, with the ports of its settings. A directory whose server was replaced
    /// comes back as a standby of the new one: what it wrote that the new one does not have is set aside, and counted.
    ///
    /// Its own operators' port (admin.listen) says how far it is: /readyz, openim_standby_behind_seconds.
    Standby {
        /// Operators' port of the server (its admin.listen), like http://10.0.0.1:10002, or https:// where it has TLS
        #[arg(long, value_name = "URL")]
        of: String,
        /// Who signed the certificate of a server with https://, or the certificate itself, in PEM [default: admin.caFile, or whom
        /// browsers trust]
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// Where the data is: an empty directory, or one that followed this server, or went before it
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// Settings to serve with, those of the server; admin.secret is that of the server
        ///
        /// Without it the data directory has to have the server's file admin_secret.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Have a standby serve; the server that it followed takes nothing any more
    ///
    /// The log of the standby that runs on the directory gets an epoch of its own, its process opens the ports of its settings,
    /// and tells the server that it followed, for as long as it takes, that it is replaced. That one takes nothing any more
    /// and does not start again as what it was. Whether it is alive does not matter. Exits with 0 when the standby serves, and
    /// says where the log goes on and how far behind the standby was, as far as that is known. Ended by Ctrl-C, it takes the
    /// order back.
    ///
    /// Refused where the server is known to be fenced: another standby was promoted already, and both would serve.
    Promote {
        /// The directory of openim standby; run this as its user
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// Also where another server was promoted in the place of the one that it follows: that one is lost for good
        #[arg(long)]
        force: bool,
    },
    /// Tell a server that is in doubt of its clock that the clock is right
    ///
    /// A server whose clock is far from the newest message of its log (limits.clockJumpHours) lets nothing expire until the
    /// clock has kept still for six hours. This tells it that the clock is right: a running server takes it within seconds,
    /// another one at its next start within the hour. Look at the clock first.
    ConfirmClock {
        /// The server's data directory; run this as the server's user
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// Let a cluster go on without what of its log was lost for good
    ///
    /// A topic of a cluster that was deleted, made anew, or cut before it was read no longer has the place up to which inboxes
    /// or the archive have read it. Transfers let such partitions stand still and say so in their log and at /readyz. If
    /// the lost records can be brought back, do that and restart the transfers. If not, this lets them go on: without
    /// --confirm it changes nothing and tells which partitions stand still, and where they would go on.
    ///
    /// What was acknowledged, lay in the lost part and was not stored yet is lost. Inboxes keep what they have, and go on
    /// behind their newest number. Transfers may run meanwhile; they go on within some seconds. To run it again changes
    /// nothing. Exits with 0 when nothing is left to be done.
    AdoptLog {
        /// What it goes by.
        #[command(flatten)]
        settings: Settings,
        /// These only, as the transfers name them: chat/3,group/0
        #[arg(long = "partition", value_name = "LIST", value_delimiter = ',', value_parser = partition)]
        partitions: Vec<LogPartition>,
        /// Do it
        #[arg(long)]
        confirm: bool,
    },
    /// Print what has a shell complete commands and flags
    ///
    /// For bash: openim completions bash > /etc/bash_completion.d/openim, or in ~/.bashrc: source <(openim completions bash).
    Completions {
        /// Which shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
}

/// What `openim config` is asked; one of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[group(required = true, multiple = false)]
pub struct ConfigQuestion {
    /// The values that differ from the defaults, and whether file, line or variable gives them
    #[arg(long)]
    pub effective: bool,
    /// Every key as the variable that sets it, with the value that holds: a file of variables
    #[arg(long)]
    pub env: bool,
    /// What config/config.yaml says of a key, a section or a variable; also of a key of the original
    #[arg(long, value_name = "KEY")]
    pub doc: Option<String>,
}

/// The settings that a command goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Settings {
    /// Settings in YAML; config/config.yaml shows every key with its default
    ///
    /// Without it the defaults hold. Environment variables stand above the file: OPENIM_LONGCONNSVR_WEBSOCKETPORT=7777 sets
    /// longconnsvr.websocketPort.
    #[arg(long = "config", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Why there is no command to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Other {
    /// Print this text and succeed.
    Told(String),
    /// The arguments are wrong: why, in one line.
    Wrong(String),
}

impl Other {
    /// The exit code that says that arguments are wrong.
    pub const EXIT_CODE: u8 = 2;
}

/// Reads the arguments, without the program's own name.
///
/// # Errors
/// [`Other`] where there is nothing to run.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, Other> {
    let mut words: Vec<OsString> = args.into_iter().collect();
    let first = words.first().map(|first| first.to_string_lossy().into_owned());
    let is_about_all = |word: &str| ["--help", "-h", "--version", "-V"].contains(&word);
    // `serve` may be left out, its flags may not be mistaken for a command.
    if first.is_none_or(|first| first.starts_with('-') && !is_about_all(&first)) {
        words.insert(0, "serve".into());
    }
    let command = words.first().map(|word| word.to_string_lossy().into_owned());
    words.insert(0, "openim".into());
    Command::try_parse_from(words).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Other::Told(error.to_string()),
        _ => Other::Wrong(in_one_line(&error, &command.unwrap_or_default())),
    })
}

/// What has `shell` complete commands and flags.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Command::command(), "openim", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// What is wrong, what was meant perhaps, and what explains it.
fn in_one_line(error: &clap::Error, command: &str) -> String {
    let text = error.to_string();
    let words = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = text.split("\n\n").map(words);
    let wrong = parts.next().unwrap_or_default();
    let wrong = wrong.strip_prefix("error: ").unwrap_or(&wrong).to_owned();
    let tips = parts.filter_map(|part| Some(format!("; {}", part.strip_prefix("tip: ")?)));
    let all = Command::command();
    let known = all.find_subcommand(command).map(|found| format!(" {}", found.get_name()));
    let (tips, known) = (tips.collect::<String>(), known.unwrap_or_default());
    format!("{wrong}{tips}; openim{known} --help explains it")
}

fn partition(name: &str) -> Result<LogPartition, &'static str> {
    name.parse().map_err(|_| "one is like chat/3")
}

#[cfg(test)]
mod tests;
