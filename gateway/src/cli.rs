//! The command line: arguments in, a [`Command`] or one line of what is wrong out.
//!
//! Never: reads a file, prints, or ends the process; whoever calls [`parse`] does.

mod archive;

use std::ffi::OsString;
use std::path::PathBuf;

use openim_record::LogPartition;

use crate::archive::Query;
use crate::role::Role;

mod copies;
mod following;

use self::following::{PROMOTE, STANDBY, promote, standby};

/// What the operator asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the server.
    Serve {
        /// The settings' file; none: the defaults.
        config: Option<PathBuf>,
        /// Stands above `embedded.dataDir` of the settings.
        data_dir: Option<PathBuf>,
    },
    /// Follow a server, to serve in its place.
    Standby {
        /// Its operators' port.
        of: String,
        /// The settings' file; none: the defaults.
        config: Option<PathBuf>,
        /// Where the data is to be.
        data_dir: PathBuf,
    },
    /// Have a standby serve.
    Promote {
        /// Its data directory.
        data_dir: PathBuf,
    },
    /// Run one role of a cluster.
    Run {
        /// Which.
        role: Role,
        /// The settings' file; none: the defaults.
        config: Option<PathBuf>,
    },
    /// Check a file of settings and say what is wrong.
    CheckConfig {
        /// The file.
        file: PathBuf,
        /// Whether to look at the components that it names, too.
        connect: bool,
    },
    /// Print archived messages, one JSON object a line.
    Archive(Query),
    /// Make a copy of a server's data, or go on with one.
    Backup {
        /// The copy.
        dir: PathBuf,
        /// Whether to go on until it is ended.
        follow: bool,
        /// The settings' file of the server; none: the defaults.
        config: Option<PathBuf>,
        /// Its data directory; stands above `embedded.dataDir` of the settings.
        data_dir: Option<PathBuf>,
        /// Where its operators' port is; none: as the settings say.
        url: Option<String>,
    },
    /// Check a copy, or the data of a stopped server.
    Verify {
        /// The directory.
        dir: PathBuf,
    },
    /// Make a data directory from a copy.
    Restore {
        /// The copy.
        dir: PathBuf,
        /// The data directory.
        data_dir: PathBuf,
        /// A time or a position; none: all of it.
        at: Option<String>,
    },
    /// Make the index of a data directory anew.
    RebuildIndex {
        /// The data directory; no server may be running on it.
        data_dir: PathBuf,
    },
    /// Tell a server that its clock is right.
    ConfirmClock {
        /// Its data directory.
        data_dir: PathBuf,
    },
    /// Leave behind what of a cluster's log was lost for good.
    AdoptLog {
        /// The settings' file; none: the defaults.
        config: Option<PathBuf>,
        /// These partitions only; none: all.
        partitions: Vec<LogPartition>,
        /// Whether it is to be done, and not only told.
        confirmed: bool,
    },
    /// Print this text and succeed.
    Help(String),
    /// Print the version and succeed.
    Version,
}

/// What is wrong with the arguments, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

impl UsageError {
    /// The exit code that says so.
    pub const EXIT_CODE: u8 = 2;
}

const OVERVIEW: &str = "\
openim: an instant-messaging server

Usage:
  openim [serve] [--config FILE] [--data-dir DIR]
      Run the server: REST on port 10000, websocket on port 7777, operator endpoints on
      127.0.0.1:10002, data under ./data, unless the settings say otherwise.
  openim api|gateway|transfer --config FILE
      Run one role of a cluster: REST; websocket; from the log into inboxes and to who is there.
  openim check-config FILE [--connect]
      Check a file of settings without starting anything.
  openim archive --data-dir DIR [--user UID] [--group GID] [--since TIME] [--text TEXT] [--follow] ...
      Print archived messages as JSON, one a line, also beside a running server.
  openim backup DIR [--follow] [--config FILE] [--data-dir DIR | --from URL]
      Copy the data of a server that may run, or go on with the copy in DIR.
  openim verify DIR
      Check all that is in a copy, or in the data directory of a stopped server.
  openim restore DIR --data-dir NEW [--at TIME|POSITION]
      Make a data directory from a copy, as of a moment.
  openim rebuild-index --data-dir DIR
      Make the index anew from the base and the log. The server must be stopped.
  openim standby --of URL --data-dir DIR [--config FILE]
      Follow a server, at most a second behind, to serve in its place.
  openim promote --data-dir DIR
      Have a standby serve. The server that it followed takes nothing any more.
  openim confirm-clock --data-dir DIR
      Tell a server that is in doubt of its clock that the clock is right.
  openim adopt-log --config FILE [--partition LIST] [--confirm]
      Let a cluster go on without what of its log was lost for good.
  openim help [COMMAND], openim COMMAND --help
      Explain a command.
  openim --version
      Print the version.
";

const SERVE: &str = "\
openim [serve] [--config FILE] [--data-dir DIR]

Runs the server until it is told to stop. SIGTERM or Ctrl-C drains it: it accepts nothing new,
finishes what it accepted, closes the links and exits with 0; a second signal stops at once.

  --config FILE    settings in YAML; config/config.yaml shows every key with its default.
                   Without it the defaults hold. Environment variables stand above the file:
                   OPENIM_LONGCONNSVR_WEBSOCKETPORT=7777 sets longconnsvr.websocketPort.
  --data-dir DIR   where all data is; stands above embedded.dataDir. Created when missing.

With engine: cluster all roles run in this process, and the data is in the components that the settings
name; openim help transfer says more.
";

const ROLES: &str = "\
openim api [--config FILE]
openim gateway [--config FILE]
openim transfer [--config FILE]

Run one role of a cluster until it is told to stop, as serve does; any number of processes of each, on any
number of machines, with the same settings but for what listens where. They need engine: cluster, its
components (etcd, MySQL, MongoDB, Redis, Kafka), and a program that is built with it:
cargo build --release --features cluster.

  api              REST (api.openImApiPort)
  gateway          websocket (longconnsvr.websocketPort)
  transfer         takes what was sent from Kafka into inboxes and the archive, and to whoever is there;
                   told to stop it stores what it has begun and leaves its partitions to others

  --config FILE    settings in YAML; config/config.yaml shows every key with its default.
                   Environment variables stand above the file, as for serve.
";

const CHECK_CONFIG: &str = "\
openim check-config FILE [--connect]

Checks a file of settings, with the OPENIM_ variables of the environment over it. Exits with 0 when
the server would start with it, and says what keys of the original do here; otherwise names every wrong
key, its line, and a valid key that is near.

  --connect    with engine: cluster also looks at each component, once: a line each says what is where, by
               which key, and whether it will do. Databases, tables and topics that are missing are made, as
               a start would.
";

const REBUILD_INDEX: &str = "\
openim rebuild-index --data-dir DIR

Makes the index of a data directory anew: from the base and the log behind it, or from a log that is there from
its beginning. A start does so by itself when it finds the index missing or damaged; this is for one that seems
whole and is not trusted. Refuses while a server runs there. Nothing else is changed, and the index that was there
is removed when the new one is in use. Exits with 0 when it is.

  --data-dir DIR   the server's embedded.dataDir
";

const CONFIRM_CLOCK: &str = "\
openim confirm-clock --data-dir DIR

A server whose clock is far from the newest message of its log (limits.clockJumpHours) lets nothing
expire until the clock has kept still for six hours. This tells it that the clock is right: a running
server takes it within seconds, another one at its next start within the hour. Look at the clock first.

  --data-dir DIR    the server's data directory; run this as the server's user
";

const ADOPT_LOG: &str = "\
openim adopt-log [--config FILE] [--partition LIST] [--confirm]

A topic of a cluster that was deleted, made anew, or cut before it was read no longer has the place up to which
inboxes or the archive have read it. Transfers let such partitions stand still and say so in their log and at
/readyz. If the lost records can be brought back, do that and restart the transfers. If not, this lets them go
on: without --confirm it changes nothing and tells which partitions stand still, and where they would go on.

What was acknowledged, lay in the lost part and was not stored yet is lost. Inboxes keep what they have, and go
on behind their newest number. Transfers may run meanwhile; they go on within some seconds. To run it again
changes nothing. Exits with 0 when nothing is left to be done.

  --config FILE      settings in YAML, those of the transfers
  --partition LIST   these only, as the transfers name them: chat/3,group/0
  --confirm          do it
";

const COMMANDS: [&str; 15] = [
    "serve",
    "api",
    "gateway",
    "transfer",
    "check-config",
    "archive",
    "backup",
    "verify",
    "restore",
    "rebuild-index",
    "standby",
    "promote",
    "confirm-clock",
    "adopt-log",
    "help",
];

/// Flags without a value.
const SWITCHES: [&str; 3] = ["--connect", "--confirm", "--follow"];

/// Reads the arguments, without the program's own name.
///
/// # Errors
/// One line that says what is wrong and names the nearest thing that is right.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    match args.first().map(|first| first.to_string_lossy().into_owned()) {
        None => serve(Given::default()),
        Some(flag) if flag == "--help" || flag == "-h" => Ok(Command::Help(OVERVIEW.to_owned())),
        Some(flag) if flag == "--version" || flag == "-V" => Ok(Command::Version),
        // `serve` may be left out, its flags may not be mistaken for a command.
        Some(flag) if flag.starts_with('-') => of_command("serve", args),
        Some(command) => {
            args.remove(0);
            of_command(&command, args)
        }
    }
}

fn of_command(command: &str, args: Vec<OsString>) -> Result<Command, UsageError> {
    let (flags, places, help): (&[&str], usize, &str) = match command {
        "serve" => (&["--config", "--data-dir"], 0, SERVE),
        "api" | "gateway" | "transfer" => (&["--config"], 0, ROLES),
        "check-config" => (&["--connect"], 1, CHECK_CONFIG),
        "archive" => (archive::FLAGS, 0, archive::HELP),
        "backup" => (&["--follow", "--config", "--data-dir", "--from"], 1, copies::BACKUP),
        "verify" => (&[], 1, copies::VERIFY),
        "restore" => (&["--data-dir", "--at"], 1, copies::RESTORE),
        "rebuild-index" => (&["--data-dir"], 0, REBUILD_INDEX),
        "standby" => (&["--of", "--config", "--data-dir"], 0, STANDBY),
        "promote" => (&["--data-dir"], 0, PROMOTE),
        "confirm-clock" => (&["--data-dir"], 0, CONFIRM_CLOCK),
        "adopt-log" => (&["--config", "--partition", "--confirm"], 0, ADOPT_LOG),
        "help" => (&[], 1, OVERVIEW),
        unknown => return Err(unknown_word("command", unknown, &COMMANDS)),
    };
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        return Ok(Command::Help(help.to_owned()));
    }
    let given = Given::read(args, flags, places)?;
    match command {
        "serve" => serve(given),
        "api" => Ok(run(Role::Api, given)),
        "gateway" => Ok(run(Role::Gateway, given)),
        "transfer" => Ok(run(Role::Transfer, given)),
        "check-config" => check_config(given),
        "archive" => archive::parse(given),
        "backup" => copies::backup(given),
        "verify" => copies::verify(given),
        "restore" => copies::restore(given),
        "rebuild-index" => rebuild_index(given),
        "standby" => standby(given),
        "promote" => promote(given),
        "confirm-clock" => confirm_clock(given),
        "adopt-log" => adopt_log(given),
        _ => help_on(&given),
    }
}

fn serve(mut given: Given) -> Result<Command, UsageError> {
    Ok(Command::Serve { config: given.path("--config"), data_dir: given.path("--data-dir") })
}

fn run(role: Role, mut given: Given) -> Command {
    Command::Run { role, config: given.path("--config") }
}

fn check_config(mut given: Given) -> Result<Command, UsageError> {
    let Some(file) = given.places.pop() else {
        return Err(UsageError("check-config needs a file: openim check-config FILE".to_owned()));
    };
    let connect = given.take("--connect").is_some();
    Ok(Command::CheckConfig { file: file.into(), connect })
}

fn rebuild_index(mut given: Given) -> Result<Command, UsageError> {
    let Some(data_dir) = given.path("--data-dir") else {
        let text = "rebuild-index needs the data directory: openim rebuild-index --data-dir DIR";
        return Err(UsageError(text.to_owned()));
    };
    Ok(Command::RebuildIndex { data_dir })
}

fn confirm_clock(mut given: Given) -> Result<Command, UsageError> {
    let Some(data_dir) = given.path("--data-dir") else {
        let text = "confirm-clock needs the data directory: openim confirm-clock --data-dir DIR";
        return Err(UsageError(text.to_owned()));
    };
    Ok(Command::ConfirmClock { data_dir })
}

fn adopt_log(mut given: Given) -> Result<Command, UsageError> {
    let named = given.take("--partition").unwrap_or_default();
    let named = named.to_string_lossy();
    let names = named.split(',').map(str::trim).filter(|name| !name.is_empty());
    let wrong =
        |name: &str| UsageError(format!("--partition: {name:?} is none; one is like chat/3"));
    let partitions = names.map(|name| name.parse().map_err(|_| wrong(name)));
    let partitions = partitions.collect::<Result<Vec<LogPartition>, _>>()?;
    let confirmed = given.take("--confirm").is_some();
    Ok(Command::AdoptLog { config: given.path("--config"), partitions, confirmed })
}

fn help_on(given: &Given) -> Result<Command, UsageError> {
    let Some(command) = given.places.first().map(|command| command.to_string_lossy()) else {
        return Ok(Command::Help(OVERVIEW.to_owned()));
    };
    let text = match &*command {
        "serve" => SERVE,
        "api" | "gateway" | "transfer" => ROLES,
        "check-config" => CHECK_CONFIG,
        "archive" => archive::HELP,
        "backup" => copies::BACKUP,
        "verify" => copies::VERIFY,
        "restore" => copies::RESTORE,
        "rebuild-index" => REBUILD_INDEX,
        "standby" => STANDBY,
        "promote" => PROMOTE,
        "confirm-clock" => CONFIRM_CLOCK,
        "adopt-log" => ADOPT_LOG,
        "help" => OVERVIEW,
        unknown => return Err(unknown_word("command", unknown, &COMMANDS)),
    };
    Ok(Command::Help(text.to_owned()))
}

/// The arguments behind a command.
#[derive(Default)]
struct Given {
    flags: Vec<(&'static str, OsString)>,
    places: Vec<OsString>,
}

impl Given {
    /// Takes `--flag value`, `--flag=value`, and up to `places_max` words without a flag.
    fn read(
        args: Vec<OsString>,
        known: &[&'static str],
        places_max: usize,
    ) -> Result<Given, UsageError> {
        let mut given = Given::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let shown = arg.to_string_lossy().into_owned();
            if !shown.starts_with('-') || shown == "-" {
                if given.places.len() == places_max {
                    return Err(UsageError(format!("unexpected argument {shown:?}; see --help")));
                }
                given.places.push(arg);
                continue;
            }
            let name = shown.split('=').next().unwrap_or(&shown);
            let Some(flag) = known.iter().copied().find(|flag| *flag == name) else {
                return Err(unknown_word("flag", name, &[known, &["--help"]].concat()));
            };
            if given.flags.iter().any(|(seen, _)| *seen == flag) {
                return Err(UsageError(format!("{flag} is given twice")));
            }
            let value = match inline_value(&arg, flag) {
                Some(_) if SWITCHES.contains(&flag) => {
                    return Err(UsageError(format!("{flag} takes no value")));
                }
                Some(value) => Some(value),
                None if SWITCHES.contains(&flag) => Some("on".into()),
                None => args.next(),
            };
            match value {
                Some(value) if !value.is_empty() => given.flags.push((flag, value)),
                _ => return Err(UsageError(format!("{flag} needs a value"))),
            }
        }
        Ok(given)
    }

    fn take(&mut self, flag: &str) -> Option<OsString> {
        let at = self.flags.iter().position(|(given, _)| *given == flag)?;
        Some(self.flags.swap_remove(at).1)
    }

    fn path(&mut self, flag: &str) -> Option<PathBuf> {
        self.take(flag).map(PathBuf::from)
    }

    fn number<N: std::str::FromStr>(&mut self, flag: &str) -> Result<Option<N>, UsageError> {
        let Some(value) = self.take(flag) else { return Ok(None) };
        let value = value.to_string_lossy();
        let wrong = |_| UsageError(format!("{flag} is {value:?}; it must be a whole number"));
        value.parse().map(Some).map_err(wrong)
    }
}

/// The value of `--flag=value`, byte for byte, as a path need not be UTF-8.
fn inline_value(arg: &OsString, flag: &str) -> Option<OsString> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let value = arg.as_bytes().strip_prefix(flag.as_bytes())?.strip_prefix(b"=")?;
    Some(OsString::from_vec(value.to_vec()))
}

fn unknown_word(kind: &str, given: &str, known: &[&str]) -> UsageError {
    let nearest = known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .min()
        .filter(|(distance, word)| *distance <= word.len() / 2);
    UsageError(match nearest {
        Some((_, word)) => format!("unknown {kind} {given:?}; did you mean {word}?"),
        None => format!("unknown {kind} {given:?}; see openim --help"),
    })
}

#[cfg(test)]
mod tests;
