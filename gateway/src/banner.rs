//! What runs, told once: to whoever started the server, and at the beginning of each log file.

use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use openim_config::{LogFormat, Secret};
use serde_json::Value;

use crate::console;
use crate::line::Line;
use crate::logging::Logging;

/// What runs, and where.
pub(crate) struct Banner<'a> {
    /// Of a cluster, which this process has.
    pub(crate) roles: &'a [&'static str],
    pub(crate) shards: usize,
    /// Where all data is; that of a cluster is in its components.
    pub(crate) data_dir: Option<&'a Path>,
    pub(crate) websocket: &'a [SocketAddr],
    pub(crate) rest: &'a [SocketAddr],
    /// Both have TLS.
    pub(crate) tls: bool,
    pub(crate) operator: SocketAddr,
    /// That one has TLS.
    pub(crate) operator_tls: bool,
    /// The console on that port, if there is one, and the file of its password if the settings have none.
    pub(crate) console: Option<Option<&'a Path>>,
    /// Files of secrets that this start has made.
    pub(crate) generated: &'a [PathBuf],
    /// Whether callers are to take the secret from the data directory.
    pub(crate) secret_is_kept: bool,
    /// The chat page, if REST has it.
    pub(crate) chat: Option<Chat<'a>>,
}

/// Where a browser chats.
#[derive(Clone, Copy)]
pub(crate) struct Chat<'a> {
    /// What guests must know.
    pub(crate) key: Option<&'a Secret>,
    /// The file that has it, if the settings have not.
    pub(crate) kept: Option<&'a Path>,
}

/// Says in the log files what begins, before anything can go wrong.
pub(crate) fn begin(logging: &Logging, data_dir: Option<&Path>) {
    logging.begin(&with_data(program("starting"), data_dir));
}

/// Says that a standby runs, to whoever started it and in the log files. That it follows is said when it does.
pub(crate) fn stands_by(
    logging: &Logging,
    of: &str,
    data_dir: &Path,
    (is_tls, operator): (bool, SocketAddr),
) {
    let scheme = https(is_tls);
    let line = with_data(program("standby").with("of", of), Some(data_dir));
    let line = line.with("operator", format!("{scheme}://{operator}"));
    logging.runs(&line);
    let (version, revision, data) =
        (env!("CARGO_PKG_VERSION"), crate::REVISION, data_dir.display());
    console::announce(&match logging.format() {
        LogFormat::Text => format!(
            "openim {version} ({revision}): standby of {of}, data {data}\n  operator   {}\n",
            url(scheme, operator)
        ),
        LogFormat::Json => line.text(LogFormat::Json),
    });
}

/// Says how a standby that was begun goes on, to whoever started it.
pub(crate) fn news_of_standby(logging: &Logging, news: &str) {
    console::announce(&match logging.format() {
        LogFormat::Text => format!("{news}\n"),
        LogFormat::Json => program(news).text(LogFormat::Json),
    });
}

fn with_data(line: Line, data_dir: Option<&Path>) -> Line {
    match data_dir {
        Some(data_dir) => line.with("dataDir", data_dir.display().to_string()),
        None => line,
    }
}

fn program(message: &str) -> Line {
    Line::info(message)
        .with("version", env!("CARGO_PKG_VERSION"))
        .with("revision", crate::REVISION)
        .with("pid", std::process::id())
}

impl Banner<'_> {
    /// Says it in the log files and on standard output, there in the form of the log: as text for people,
    /// or as one JSON object.
    pub(crate) fn tell(&self, logging: &Logging) {
        let line = self.line();
        logging.runs(&line);
        console::announce(&match logging.format() {
            LogFormat::Text => self.text(),
            LogFormat::Json => line.text(LogFormat::Json),
        });
    }

    fn line(&self) -> Line {
        let urls = |scheme: &str, addresses: &[SocketAddr]| -> Value {
            addresses.iter().map(|address| format!("{scheme}://{address}")).collect()
        };
        let generated: Value =
            self.generated.iter().map(|path| path.display().to_string()).collect();
        let ready = program("ready").with("engine", self.engine());
        let ready = match self.roles {
            [] => ready,
            roles => ready.with("roles", roles.join(",")),
        };
        with_data(ready.with("shards", self.shards), self.data_dir)
            .with("websocket", urls(self.schemes().0, self.websocket))
            .with("rest", urls(self.schemes().1, self.rest))
            .with("chat", self.chat.and(self.rest.first()).map(|at| self.chat_url(*at)))
            .with("operator", urls(https(self.operator_tls), &[self.operator]))
            .with("console", self.console.map(|_| self.on_operators("console")))
            .with("metrics", self.on_operators("metrics"))
            .with("generated", generated)
    }

    fn engine(&self) -> &'static str {
        if self.roles.is_empty() { "embedded" } else { "cluster" }
    }

    fn text(&self) -> String {
        let (version, revision) = (env!("CARGO_PKG_VERSION"), crate::REVISION);
        let mut first = format!("openim {version} ({revision}): engine {}", self.engine());
        if !self.roles.is_empty() {
            first += &format!(", {}", self.roles.join(", "));
        }
        if self.shards > 0 {
            let plural = if self.shards == 1 { "" } else { "s" };
            first += &format!(", {} shard{plural}", self.shards);
        }
        if let Some(data_dir) = self.data_dir {
            first += &format!(", data {}", data_dir.display());
        }
        let mut lines = vec![first];
        lines.extend(
            self.websocket.iter().map(|at| format!("  websocket  {}", url(self.schemes().0, *at))),
        );
        lines.extend(
            self.rest.iter().map(|at| format!("  rest       {}", url(self.schemes().1, *at))),
        );
        lines.extend(self.chat());
        lines.push(format!("  operator   {}", url(https(self.operator_tls), self.operator)));
        lines.extend(self.console.map(|kept| {
            let with = match kept {
                Some(kept) => format!("the password in {}", kept.display()),
                None => "console.password".to_owned(),
            };
            format!("  console    {} with {with}", self.on_operators("console"))
        }));
        lines.push(format!("  metrics    {}", self.on_operators("metrics")));
        lines.extend(self.generated.iter().map(|path| format!("  generated  {}", path.display())));
        lines.push("ready".to_owned());
        if let Some(rest) = self.rest.first() {
            lines.push("register a user:".to_owned());
            lines.push(self.curl(*rest));
        }
        lines.join("\n") + "\n"
    }

    /// What is found on the operators' port.
    fn on_operators(&self, path: &str) -> String {
        format!("{}://{}/{path}", https(self.operator_tls), reachable(self.operator))
    }

    /// The chat page: for whoever sits there, an address to open; a file or a journal, which others may read, gets no key.
    fn chat(&self) -> Option<String> {
        let Chat { key, kept } = self.chat?;
        let url = self.chat_url(*self.rest.first()?);
        Some(match (key, kept) {
            (Some(key), _) if std::io::stdout().is_terminal() => {
                format!("  chat       {url}#{}", key.expose())
            }
            (_, Some(kept)) => format!("  chat       {url} with the key in {}", kept.display()),
            (Some(_), None) => format!("  chat       {url} with web.key"),
            (None, None) => format!("  chat       {url}"),
        })
    }

    /// Of websocket and REST.
    fn schemes(&self) -> (&'static str, &'static str) {
        (if self.tls { "wss" } else { "ws" }, https(self.tls))
    }

    fn chat_url(&self, rest: SocketAddr) -> String {
        format!("{}://{}/chat", self.schemes().1, reachable(rest))
    }

    fn curl(&self, rest: SocketAddr) -> String {
        let secret = match self.data_dir.filter(|_| self.secret_is_kept) {
            Some(data_dir) => format!("'\"$(cat {})\"'", data_dir.join("secret").display()),
            None => "<your secret>".to_owned(),
        };
        let (rest, scheme) = (reachable(rest), self.schemes().1);
        format!(
            "  curl -s {scheme}://{rest}/auth/user_register -d '{{\"secret\":\"{secret}\",\"platform\":1,\"uid\":\"alice\",\"name\":\"Alice\"}}'"
        )
    }
}

const fn https(is_tls: bool) -> &'static str {
    if is_tls { "https" } else { "http" }
}

/// What a person on this machine can open, and how far it reaches; the address comes last.
fn url(scheme: &str, at: SocketAddr) -> String {
    let reach = match at.ip() {
        ip if !ip.is_unspecified() => "",
        IpAddr::V4(_) => "all interfaces, IPv4: ",
        IpAddr::V6(_) => "all interfaces, IPv4 and IPv6: ",
    };
    format!("{reach}{scheme}://{}", reachable(at))
}

/// An address to connect to: all interfaces are no such.
fn reachable(at: SocketAddr) -> SocketAddr {
    match at.ip().is_unspecified() {
        true => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), at.port()),
        false => at,
    }
}
