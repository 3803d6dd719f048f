//! What the doctor looks at, before anything is judged.
//!
//! In: the patient. Out: [`Facts`]. Bounded: each question has its time, and there are few. What cannot be known is said to be
//! not known.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openim_config::{Config, Engine};
use openim_storage::embedded::{self, Options};
use rustix::process::{Resource, getrlimit};

use super::disk::Disk;
use super::machine::Machine;
use super::{Patient, shards};
use crate::phase::Stage;
use crate::visit::{Answer, Place, Trust, speaks_no_tls};
use crate::{advice, certificate, clock, descriptors, sys};

/// How long a link from outside is watched that says nothing.
const SILENCE: Duration = Duration::from_secs(1);
/// What a client that wants a websocket says.
const UPGRADE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) config: Config,
    pub(super) data_dir: PathBuf,
    /// What settings can never work, and which are seldom meant.
    pub(super) stops: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) machine: Machine,
    pub(super) files: Files,
    pub(super) time: Time,
    pub(super) disk: Disk,
    /// Bytes of the disk that are kept free.
    pub(super) reserve_bytes: u64,
    pub(super) server: Server,
    /// Ports of the server for clients; none where no server answers.
    pub(super) doors: Vec<Door>,
    pub(super) through: Option<Through>,
}

/// Limits of open files.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Files {
    pub(super) soft: u64,
    pub(super) hard: u64,
    /// That of a running server, and how many it has.
    pub(super) of_server: Option<(u64, u64)>,
    /// Links that fit, or why there is no server.
    pub(super) links: Result<usize, String>,
}

/// The clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Time {
    pub(super) now_ms: i64,
    /// Whether somebody keeps it right.
    pub(super) is_synchronised: Option<bool>,
    /// When the data was written last, as far as files tell.
    pub(super) written_ms: Option<i64>,
    /// What a running server thinks of it.
    pub(super) is_in_doubt: Option<bool>,
}

/// A server with these settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Server {
    /// Its operators' port; `None` where the settings do not tell it.
    pub(super) url: Option<String>,
    /// Whether some process has the data directory.
    pub(super) has_data: bool,
    /// Status and lines of `/readyz`, or why there are none.
    pub(super) ready: Option<Result<(u16, Vec<String>), String>>,
    /// What it is that answered.
    pub(super) kind: Kind,
}

/// What answers at the operators' port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// This program, as a server.
    #[default]
    Server,
    /// This program, which follows another server.
    Standby,
    /// This program, perhaps, which wants TLS, where these settings have none.
    WantsTls,
    /// Somebody who speaks no TLS, where these settings have some.
    NoTls,
    /// Another program.
    Else,
}

/// A port for clients.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Door {
    pub(super) about: &'static str,
    pub(super) url: String,
    pub(super) answer: Result<Seen, String>,
}

/// What answers there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The server, and it was asked for a websocket.
    Websocket,
    /// The server's websocket port, which was not asked for one: the upgrade was lost.
    NoUpgrade,
    /// REST of the server.
    Rest,
    /// The server has no room or is ending.
    Unavailable,
    /// The server, which wants TLS.
    WantsTls,
    /// Somebody who speaks no TLS.
    NoTls,
    /// Something else, with this status.
    Else(u16),
}

/// An address from outside.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Through {
    pub(super) url: String,
    pub(super) upgrade: Result<Seen, String>,
    pub(super) rest: Result<Seen, String>,
    /// Whether a link on which nothing was said was there after a second.
    pub(super) is_kept: Option<bool>,
}

impl Facts {
    pub(super) fn gather(patient: &Patient<'_>) -> anyhow::Result<Self> {
        let Patient { loaded, data_dir, through, ca } = patient;
        let config = &loaded.config;
        let through = through.map(Place::parse).transpose().map_err(anyhow::Error::msg)?;
        let trust = Trust::by(*ca).map_err(anyhow::Error::msg)?;
        let through = through.map(|place| place.trusting(trust));
        let machine = Machine::look();
        // Asked of a directory that holds data only: the question would make a file in it.
        let holds = data_dir.join("format").exists();
        let has_data = holds && embedded::is_in_use(data_dir).unwrap_or(false);
        let (server, metrics) = server(config, has_data);
        // Those of a standby are closed.
        let serves = matches!(server.ready, Some(Ok(_))) && server.kind == Kind::Server;
        // As a start does: files that belong to what cannot be are not looked at.
        let (stops, fault) = (advice::stops(config), certificate::fault(config));
        let mut warnings = loaded.warnings.clone();
        warnings.extend(advice::warnings(config, data_dir));
        Ok(Self {
            stops: if stops.is_empty() { fault.into_iter().collect() } else { stops },
            warnings,
            files: files(config, &machine, &metrics),
            time: time(data_dir, &metrics),
            disk: Disk::look(data_dir),
            reserve_bytes: Options::default().reserve_bytes,
            doors: if serves { doors(config) } else { Vec::new() },
            through: through.map(|place| seen_through(&place)),
            config: config.clone(),
            data_dir: data_dir.to_path_buf(),
            machine,
            server,
        })
    }
}

/// Whether a server answers, and its metrics, empty without one.
fn server(config: &Config, has_data: bool) -> (Server, String) {
    let listen = config.admin.listen;
    let mut server = Server { has_data, ..Server::default() };
    let place = (listen.port() != 0).then(|| Place::of_operators(config));
    let place = match place {
        None => return (server, String::new()),
        Some(Ok(place)) => place,
        Some(Err(why)) => {
            server.url = Some(listen.to_string());
            server.ready = Some(Err(why));
            return (server, String::new());
        }
    };
    server.url = Some(place.url());
    let ask = |path: &str| place.call("GET", path, &[], b"");
    let asked = ask("/readyz").and_then(|ready| Ok((ready, ask("/metrics")?.text())));
    let (ready, metrics) = match asked {
        Ok((ready, _)) if ready.wants_tls() => {
            (server.kind, server.ready) = (Kind::WantsTls, Some(Ok((ready.status, Vec::new()))));
            return (server, String::new());
        }
        Ok(asked) => asked,
        Err(cause) if speaks_no_tls(&cause) => {
            (server.kind, server.ready) = (Kind::NoTls, Some(Ok((0, Vec::new()))));
            return (server, String::new());
        }
        Err(cause) => {
            server.ready = Some(Err(cause.to_string()));
            return (server, String::new());
        }
    };
    // Anything may listen there; this program alone shows this.
    server.kind = match figure(&metrics, "openim_phase") {
        None => Kind::Else,
        Some(stage) if stage == f64::from(Stage::Following.figure()) => Kind::Standby,
        Some(_) => Kind::Server,
    };
    let lines = ready.text().lines().map(str::to_owned).collect();
    server.ready = Some(Ok((ready.status, lines)));
    (server, metrics)
}

/// A figure without labels.
pub(super) fn figure(metrics: &str, name: &str) -> Option<f64> {
    let mut lines = metrics.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(found, _)| *found == name)?.1.trim().parse().ok()
}

fn files(config: &Config, machine: &Machine, metrics: &str) -> Files {
    let limit = getrlimit(Resource::Nofile);
    let (soft, hard) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    let number = |name: &str| figure(metrics, name).map(|value| value as u64);
    let of_server = number("process_max_fds").zip(number("process_open_fds"));
    let listeners = config.longconnsvr.websocket_port.len() + config.api.port.len();
    let shards = u16::try_from(shards(config, machine.cores_allowed)).unwrap_or(u16::MAX);
    let links_max = config.longconnsvr.websocket_max_conn_num;
    // The server raises its soft limit to the hard one.
    let limit = of_server.map_or(hard, |(limit, _)| limit);
    let shares = descriptors::share(limit, embedded::FILES_MAX, shards, listeners, links_max);
    let links = shares.map(|shares| shares.links).map_err(|why| why.to_string());
    Files { soft, hard, of_server, links }
}

fn time(data_dir: &Path, metrics: &str) -> Time {
    let written = |path: PathBuf| {
        let at = std::fs::metadata(path).ok()?.modified().ok()?;
        i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
    };
    let log = std::fs::read_dir(data_dir.join("log")).into_iter().flatten().flatten();
    let newest = log.filter_map(|entry| written(entry.path())).max();
    Time {
        now_ms: unix_ms(),
        is_synchronised: sys::is_clock_kept().ok(),
        written_ms: newest.max(clock::seen_ms(data_dir)),
        is_in_doubt: figure(metrics, "openim_clock_in_doubt").map(|value| value != 0.0),
    }
}

/// The machine's clock as it is, whatever a server would make of it.
fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn doors(config: &Config) -> Vec<Door> {
    let websockets = config.longconnsvr.websocket_port.iter().map(|port| ("websocket", *port));
    let rests = config.api.port.iter().map(|port| ("REST", *port));
    let is_here = |(about, _): &(&str, u16)| match config.engine {
        Engine::Embedded => true,
        // Roles of a cluster may be on other machines.
        Engine::Cluster => *about == "websocket",
    };
    let known = websockets.chain(rests).filter(|(_, port)| *port != 0).filter(is_here);
    let door = |(about, port)| match Place::of_clients(config, port) {
        Err(why) => Door { about, url: format!("port {port}"), answer: Err(why) },
        Ok(place) => {
            let answer = match about {
                "REST" => seen_rest(&place),
                _ => seen_upgrade(&place),
            };
            Door { about, url: place.url(), answer }
        }
    };
    known.map(door).collect()
}

fn seen_through(place: &Place) -> Through {
    let upgrade = seen_upgrade(place);
    let is_kept = upgrade.is_ok().then(|| place.keeps_silent_link(SILENCE).ok()).flatten();
    Through { url: place.url(), upgrade, rest: seen_rest(place), is_kept }
}

/// Asks for a websocket without a token: only the server itself answers as it does.
fn seen_upgrade(place: &Place) -> Result<Seen, String> {
    let Some(answer) = called(place, "/", &UPGRADE)? else { return Ok(Seen::NoTls) };
    let is_ours = answer.header("sec-websocket-version") == Some("13");
    Ok(match answer.status {
        401 if is_ours => Seen::Websocket,
        400 if is_ours => Seen::NoUpgrade,
        503 if is_ours => Seen::Unavailable,
        _ if answer.wants_tls() => Seen::WantsTls,
        _ if is_rest(&answer) => Seen::Rest,
        status => Seen::Else(status),
    })
}

/// What is answered; `None`: whoever is there speaks no TLS.
fn called(place: &Place, path: &str, headers: &[(&str, &str)]) -> Result<Option<Answer>, String> {
    match place.call("GET", path, headers, b"") {
        Ok(answer) => Ok(Some(answer)),
        Err(cause) if speaks_no_tls(&cause) => Ok(None),
        Err(cause) => Err(cause.to_string()),
    }
}

fn seen_rest(place: &Place) -> Result<Seen, String> {
    let Some(asked) = called(place, "/openapi.json", &[])? else { return Ok(Seen::NoTls) };
    Ok(match asked.status {
        _ if asked.wants_tls() => Seen::WantsTls,
        200 if asked.text().contains("\"/auth/user_token\"") => Seen::Rest,
        status => Seen::Else(status),
    })
}

/// How REST answers who asks for nothing that there is.
fn is_rest(answer: &Answer) -> bool {
    let text = answer.text();
    text.contains("errCode") || text.contains("404 page not found")
}
