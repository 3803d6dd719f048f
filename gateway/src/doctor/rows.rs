//! What the doctor makes of what it has seen.
//!
//! In: [`Facts`]. Out: findings. One table: a new judgement is one more row. Pure.

use std::time::Duration;

use openim_config::Engine;
use openim_workers::utc;

use super::facts::{Door, Facts, Kind, Seen, Through};
use super::machine::is_listed;
use super::{Finding, shards};
use crate::phase::Stage;

/// Fewer links than this are few enough to be told of.
const LINKS_FEW: usize = 10_000;
/// From so many links on the kernel's usual settings do not do.
const LINKS_MANY: u64 = 50_000;
/// What a quiet socket takes of the kernel, and a link of the server.
const SOCKET_BYTES: u64 = 4096;
const LINK_BYTES: u64 = 1100;
/// Usual since Linux 5.4; a storm of clients that come back fills less at once.
const BACKLOG_MIN: u64 = 4096;
/// A server with hardly anybody on it.
const SERVER_BYTES: u64 = 64 << 20;
/// Fewer free bytes are gone before somebody looks.
const FREE_BYTES_FEW: u64 = 5_000_000_000;
/// A reply waits for a flush.
const FLUSH_SLOW: Duration = Duration::from_millis(20);
const FLUSH_BAD: Duration = Duration::from_millis(200);
/// No disk is that fast.
const FLUSH_NONE: Duration = Duration::from_micros(3);
const HOUR_MS: i64 = 3_600_000;

/// Where they are others than those that are looked at.
const ITS_SETTINGS: &str =
    "give the --config that the server runs with, or restart it with this one";

type Row = fn(&Facts) -> Vec<Finding>;

const ROWS: &[Row] = &[
    server,
    readiness,
    doors,
    through,
    settings,
    open_files,
    backlog,
    tcp_memory,
    local_ports,
    memory,
    cores,
    huge_pages,
    clock,
    zone,
    file_system,
    free_space,
    flush,
];

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    ROWS.iter().flat_map(|row| row(facts)).collect()
}

fn server(facts: &Facts) -> Vec<Finding> {
    let server = &facts.server;
    let dir = facts.data_dir.display();
    vec![match (&server.ready, &server.url) {
        (Some(Ok(_)), Some(url)) => match server.kind {
            Kind::Server => Finding::ok("server", format!("one runs, and answers at {url}")),
            Kind::Standby => Finding::ok("server", format!("a standby runs, and answers at {url}")),
            Kind::WantsTls => Finding::bad(
                "server",
                format!(
                    "whoever answers at {url} speaks TLS, and the operators' port of these settings is plain"
                ),
                ITS_SETTINGS,
            ),
            Kind::NoTls => Finding::bad(
                "server",
                format!(
                    "whoever answers at {url} speaks no TLS, and the operators' port of these settings does"
                ),
                ITS_SETTINGS,
            ),
            Kind::Else => Finding::bad(
                "server",
                format!("another program answers at {url}, the server's admin.listen"),
                "end that (ss -ltnp shows it), or choose another port",
            ),
        },
        (Some(Err(why)), Some(url)) if server.has_data => Finding::bad(
            "server",
            format!("a process has {dir}, and nothing answers at {url} ({why})"),
            "give the --config that it runs with; if it is the same, look at its log",
        ),
        _ if server.has_data => Finding::warn(
            "server",
            format!("a process has {dir}, and admin.listen does not tell its port"),
            "set admin.listen to a port of its own",
        ),
        _ => Finding::ok("server", "none runs with these settings"),
    }]
}

fn readiness(facts: &Facts) -> Vec<Finding> {
    let kind = facts.server.kind;
    let ready =
        facts.server.ready.as_ref().filter(|_| matches!(kind, Kind::Server | Kind::Standby));
    let Some(Ok((status, lines))) = ready else { return Vec::new() };
    // Nobody is to be sent to a standby, which it says as long as it is one.
    let of_standby = |line: &str| {
        kind == Kind::Standby
            && (line == Stage::Following.name() || line.starts_with("standby of "))
    };
    let remedy = "docs/operating.md says what /readyz says";
    let told = lines.iter().map(|line| match (*status, line.as_str()) {
        (200, "ready") => Finding::ok("/readyz", "ready"),
        (200, line) => Finding::warn("/readyz", line, remedy),
        (_, line) if of_standby(line) => Finding::ok("/readyz", line),
        (_, line) => Finding::bad("/readyz", line, remedy),
    });
    told.collect()
}

fn doors(facts: &Facts) -> Vec<Finding> {
    facts.doors.iter().map(door).collect()
}

fn door(Door { about, url, answer }: &Door) -> Finding {
    match answer {
        Ok(Seen::Websocket | Seen::Rest) => Finding::ok(about, format!("answers at {url}")),
        Ok(Seen::Unavailable) => Finding::warn(
            about,
            format!("{url} has no room for another link, or is ending"),
            "more open files, or a larger longconnsvr.websocketMaxConnNum",
        ),
        Ok(Seen::WantsTls) => Finding::bad(
            about,
            format!("the server at {url} speaks TLS, and these settings have none"),
            ITS_SETTINGS,
        ),
        Ok(Seen::NoTls) => Finding::bad(
            about,
            format!(
                "whoever answers at {url} speaks no TLS, and these settings have a certificate"
            ),
            ITS_SETTINGS,
        ),
        Ok(Seen::NoUpgrade | Seen::Else(_)) => Finding::bad(
            about,
            format!("something else than this server answers at {url}"),
            "end that (ss -ltnp shows it), or choose another port",
        ),
        Err(why) => Finding::bad(
            about,
            format!("{url} does not answer ({why})"),
            "look at the server's log; a firewall of this machine may be in between",
        ),
    }
}

fn through(facts: &Facts) -> Vec<Finding> {
    let Some(through) = &facts.through else { return Vec::new() };
    let Through { url, upgrade, rest, is_kept } = through;
    let lost = "have the proxy pass the headers Upgrade and Connection, by HTTP/1.1 (deploy/nginx.conf, deploy/haproxy.cfg)";
    let mut found = vec![match upgrade {
        Ok(Seen::Websocket) => Finding::ok("through: websocket", format!("{url} passes it on")),
        Ok(Seen::NoUpgrade | Seen::Rest) => {
            Finding::bad("through: websocket", format!("{url} loses the Upgrade"), lost)
        }
        Ok(Seen::Unavailable) => Finding::warn(
            "through: websocket",
            format!("{url} passes it on, and the server has no room or is ending"),
            "more open files, or a larger longconnsvr.websocketMaxConnNum",
        ),
        Ok(Seen::WantsTls) => Finding::bad(
            "through: websocket",
            format!("{url} speaks TLS, or what it passes on to does"),
            "ask by https://; a proxy passes on by https:// where the server has tls.certFile",
        ),
        Ok(Seen::NoTls) => Finding::bad(
            "through: websocket",
            format!("{url} speaks no TLS"),
            "ask by http://, or have the proxy speak TLS there",
        ),
        Ok(Seen::Else(status)) => Finding::bad(
            "through: websocket",
            format!("{url} answers {status} itself"),
            "have it pass websockets on to longconnsvr.websocketPort",
        ),
        Err(why) => Finding::bad(
            "through: websocket",
            format!("{url} cannot be reached ({why})"),
            "look at name, port and certificate; is the proxy running?",
        ),
    }];
    found.extend(match rest {
        Ok(Seen::Rest) => Some(Finding::ok("through: REST", format!("{url} passes it on"))),
        Ok(_) => Some(Finding::warn(
            "through: REST",
            format!("{url} does not pass REST on"),
            "fine where REST has an address of its own; else pass what is no websocket on to api.openImApiPort",
        )),
        Err(why) if upgrade.is_ok() => Some(Finding::bad(
            "through: REST",
            format!("{url} does not answer to REST ({why})"),
            "pass what is no websocket on to api.openImApiPort; is the server that it goes to running?",
        )),
        // Said already.
        Err(_) => None,
    });
    let ping = facts.config.limits.ping_seconds;
    found.extend(match is_kept {
        None => None,
        Some(true) if ping > 0 => Some(Finding::ok(
            "through: idle links",
            format!("kept for the second that was watched; its idle time-out must be above limits.pingSeconds ({ping})"),
        )),
        Some(true) => Some(Finding::warn(
            "through: idle links",
            "kept for the second that was watched; limits.pingSeconds is 0, so quiet ones are cut by its idle time-out",
            "set limits.pingSeconds below that time-out",
        )),
        Some(false) => Some(Finding::bad(
            "through: idle links",
            "cut within a second",
            "raise the proxy's idle time-out above limits.pingSeconds",
        )),
    });
    found
}

/// A start would say the same.
fn settings(facts: &Facts) -> Vec<Finding> {
    let stops = facts.stops.iter();
    let stops =
        stops.map(|what| Finding::bad("settings", what.as_str(), "openim check-config tells more"));
    let warnings = facts.warnings.iter().map(|what| Finding::warn("settings", what.as_str(), ""));
    let told: Vec<Finding> = stops.chain(warnings).collect();
    if told.is_empty() { vec![Finding::ok("settings", "good")] } else { told }
}

fn open_files(facts: &Facts) -> Vec<Finding> {
    let files = &facts.files;
    let limit = match files.of_server {
        Some((limit, open)) => format!("the server has {open} of {limit}"),
        None => format!(
            "soft limit {}, hard {}, which a start raises itself to",
            files.soft, files.hard
        ),
    };
    let raise = "raise it with LimitNOFILE (systemd), --ulimit nofile (containers) or ulimit -n";
    let crowded = files.of_server.is_some_and(|(limit, open)| open > limit / 10 * 9);
    let asked = facts.config.longconnsvr.websocket_max_conn_num;
    let default = openim_config::Config::default().longconnsvr.websocket_max_conn_num;
    vec![match &files.links {
        Err(_) => Finding::bad("open files", format!("{limit}: too few for any server"), raise),
        Ok(links) if crowded => {
            Finding::bad("open files", format!("{limit}, room for {links} links"), raise)
        }
        Ok(links) if *links < LINKS_FEW.min(asked) || (asked != default && *links < asked) => {
            Finding::warn("open files", format!("{limit}: room for {links} links"), raise)
        }
        Ok(links) => Finding::ok("open files", format!("{limit}: room for {links} links")),
    }]
}

fn backlog(facts: &Facts) -> Vec<Finding> {
    let Some(backlog) = facts.machine.backlog else { return Vec::new() };
    let is = format!("net.core.somaxconn is {backlog}");
    vec![match backlog < BACKLOG_MIN {
        true => Finding::warn(
            "connections that wait",
            format!("{is}: clients that all come back at once are refused"),
            "take that of deploy/sysctl.conf",
        ),
        false => Finding::ok("connections that wait", is),
    }]
}

fn tcp_memory(facts: &Facts) -> Vec<Finding> {
    let Some(bytes) = facts.machine.tcp_bytes_max else { return Vec::new() };
    let links = bytes / SOCKET_BYTES;
    let is = format!("net.ipv4.tcp_mem allows {}: some {links} quiet links", mib(bytes));
    vec![match links < LINKS_MANY {
        true => Finding::warn("socket memory", is, "take that of deploy/sysctl.conf"),
        false => Finding::ok("socket memory", is),
    }]
}

fn local_ports(facts: &Facts) -> Vec<Finding> {
    let Some((first, last)) = facts.machine.local_ports else { return Vec::new() };
    let config = &facts.config;
    let websocket = config.longconnsvr.websocket_port.iter();
    let own = websocket.chain(&config.api.port).copied().chain([config.admin.listen.port()]);
    let taken = |port: &u16| {
        (first..=last).contains(port) && !is_listed(&facts.machine.reserved_ports, *port)
    };
    let taken: Vec<String> =
        own.filter(|port| *port != 0).filter(taken).map(|port| port.to_string()).collect();
    let many = u32::from(last.saturating_sub(first)) + 1;
    let range = format!("net.ipv4.ip_local_port_range is {first} to {last}");
    vec![match taken.is_empty() {
        false => Finding::warn(
            "local ports",
            format!("{range}, which has {} in it: a restart may find it taken", taken.join(", ")),
            "list it in net.ipv4.ip_local_reserved_ports, or choose another port",
        ),
        true => Finding::ok(
            "local ports",
            format!(
                "{range}; a proxy on this machine has {many} links at most to one port of the server from one address"
            ),
        ),
    }]
}

fn memory(facts: &Facts) -> Vec<Finding> {
    let machine = &facts.machine;
    let Some(whole) = machine.memory_bytes else { return Vec::new() };
    let limit = machine.cgroup_bytes_max.map_or(whole, |limit| limit.min(whole));
    let from = if limit < whole { "the cgroup allows" } else { "the machine has" };
    let limits = &facts.config.limits;
    let shards = shards(&facts.config, machine.cores_allowed) as u64;
    let shared = limits.request_bodies_bytes_max + limits.rest_answers_bytes_max;
    let bounds = SERVER_BYTES
        + shards * limits.shard_bytes_max as u64
        + shared as u64
        + limits.ring_bytes_max as u64;
    let fit = limit.saturating_sub(bounds) / (LINK_BYTES + SOCKET_BYTES);
    let is = format!("{from} {}", mib(limit));
    let mut found = vec![match limit {
        limit if limit < SERVER_BYTES => Finding::bad(
            "memory",
            format!("{is}, too little for a server"),
            "give it 256 MiB at least",
        ),
        limit if limit < bounds => Finding::warn(
            "memory",
            format!("{is}, and the bounds of messages under way come to {}", mib(bounds)),
            "lower limits.shardBytesMax or gateway.shards, or give it more",
        ),
        _ => Finding::ok(
            "memory",
            format!(
                "{is}: all bounds reached at once ({}) leave room for some {fit} quiet links",
                mib(bounds)
            ),
        ),
    }];
    let low = machine.available_bytes.filter(|available| *available < whole / 10);
    found.extend(low.map(|available| {
        Finding::warn(
            "free memory",
            format!("{} of {} can be had", mib(available), mib(whole)),
            "see what else runs here",
        )
    }));
    found
}

fn cores(facts: &Facts) -> Vec<Finding> {
    let machine = &facts.machine;
    let shards = shards(&facts.config, machine.cores_allowed);
    let is =
        format!("{} of {} for this process, {shards} shards", machine.cores_allowed, machine.cores);
    let quota = machine.cgroup_cores.filter(|quota| *quota < machine.cores as f64);
    vec![match quota {
        Some(quota) if quota < shards as f64 || quota.fract() != 0.0 => Finding::warn(
            "cores",
            format!(
                "{is}; the cgroup's quota is {quota:.2}: threads that have used it stand still for a part of 100 ms"
            ),
            "give whole cores (cpuset, or no quota), and gateway.shards as many",
        ),
        _ if shards > machine.cores_allowed => {
            Finding::warn("cores", is, "gateway.shards: 0 takes one a core")
        }
        _ => Finding::ok("cores", is),
    }]
}

fn huge_pages(facts: &Facts) -> Vec<Finding> {
    let Some(choice) = &facts.machine.huge_pages else { return Vec::new() };
    vec![match facts.machine.has_huge_pages {
        Some(true) if choice == "always" => Finding::warn(
            "huge pages",
            "transparent_hugepage is always, and this program gets them: an idle server takes several times the memory",
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (docs/adr/0009-no-huge-pages.md)",
        ),
        _ => Finding::ok(
            "huge pages",
            format!("transparent_hugepage is {choice}; this program asks for none"),
        ),
    }]
}

fn clock(facts: &Facts) -> Vec<Finding> {
    let time = &facts.time;
    let now = utc(time.now_ms);
    let mut found = vec![match time.is_synchronised {
        Some(true) => Finding::ok("clock", format!("{now}, kept right by the system")),
        Some(false) => Finding::warn(
            "clock",
            format!("{now}, and nobody keeps it right, as far as the kernel knows"),
            "run chrony or systemd-timesyncd; in a virtual machine the host may do it",
        ),
        None => Finding::ok(
            "clock",
            format!("{now}; the kernel does not tell whether somebody keeps it right"),
        ),
    }];
    let look = "look at the clock; if it is right: openim confirm-clock --data-dir DIR";
    if time.is_in_doubt == Some(true) {
        found.push(Finding::bad("clock", "the server doubts it: nothing expires", look));
        return found;
    }
    let Some(written) = time.written_ms else { return found };
    let jump = i64::from(facts.config.limits.clock_jump_hours);
    let hours = (time.now_ms - written) / HOUR_MS;
    let is = format!("the data was written last at {}", utc(written));
    found.push(match hours {
        _ if jump == 0 => Finding::ok("data and clock", is),
        hours if hours < -jump => {
            Finding::bad("data and clock", format!("{is}, {} hours ahead of now", -hours), look)
        }
        hours if hours > jump => Finding::warn(
            "data and clock",
            format!("{is}, {hours} hours ago: a start will doubt the clock, and nothing expires for six hours"),
            look,
        ),
        _ => Finding::ok("data and clock", is),
    });
    found
}

fn zone(facts: &Facts) -> Vec<Finding> {
    let zone = &facts.machine.zone;
    vec![Finding::ok("time zone", format!("{zone}; times of the log and its files are UTC"))]
}

fn file_system(facts: &Facts) -> Vec<Finding> {
    if facts.config.engine != Engine::Embedded {
        return Vec::new();
    }
    let Some(kind) = facts.disk.kind.as_deref() else { return Vec::new() };
    let is = format!("{kind} under {}", facts.disk.looked_at.display());
    vec![match kind {
        "tmpfs" | "ramfs" => Finding::warn(
            "file system",
            format!("{is}: all messages are gone with the power"),
            "set embedded.dataDir to a disk",
        ),
        "overlay" => Finding::warn(
            "file system",
            format!("{is}: all messages are gone with the container"),
            "mount a volume at embedded.dataDir",
        ),
        "nfs" | "nfs4" | "cifs" | "smb3" | "9p" | "virtiofs" => Finding::warn(
            "file system",
            format!("{is}: a flush is as good as the other machine's"),
            "take a disk of this machine",
        ),
        _ if kind.starts_with("fuse") => Finding::warn(
            "file system",
            format!("{is}: few of these flush when they are asked to"),
            "take a disk of this machine",
        ),
        _ => Finding::ok("file system", is),
    }]
}

fn free_space(facts: &Facts) -> Vec<Finding> {
    let Some(free) = facts.disk.free_bytes else { return Vec::new() };
    let reserve = facts.reserve_bytes;
    let is = format!("{} are free, of which {} are kept free", mib(free), mib(reserve));
    vec![match free {
        free if free < reserve + facts.config.embedded.segment_bytes => Finding::bad(
            "disk space",
            format!("{is}: sends are refused, or soon"),
            "free some; everything goes on by itself then",
        ),
        free if free < FREE_BYTES_FEW => Finding::warn(
            "disk space",
            is,
            "free some, or bound the archive (archive.retainDays, archive.bytesMax)",
        ),
        _ => Finding::ok("disk space", is),
    }]
}

fn flush(facts: &Facts) -> Vec<Finding> {
    let place = facts.disk.looked_at.display();
    let flush = match &facts.disk.flush {
        None => return Vec::new(),
        Some(Err(why)) => {
            return vec![Finding::warn(
                "disk flush",
                format!("{place}: could not be tried ({why})"),
                "run this as the server's user",
            )];
        }
        Some(Ok(flush)) => flush,
    };
    let is = format!(
        "a page takes {} (p50), {} (p99), of {}",
        told(flush.p50),
        told(flush.p99),
        flush.times
    );
    let faster = "a disk with power-loss protection; see what else writes to it; embedded.durability: interval where a power cut may cost messages";
    vec![match flush.p50 {
        p50 if p50 > FLUSH_BAD => {
            Finding::bad("disk flush", format!("{is}: every reply waits as long"), faster)
        }
        p50 if p50 > FLUSH_SLOW || flush.p99 > FLUSH_BAD => {
            Finding::warn("disk flush", format!("{is}: every reply waits as long"), faster)
        }
        p50 if p50 < FLUSH_NONE => Finding::warn(
            "disk flush",
            format!("{is}: no disk is that fast, so nothing is flushed"),
            "take a disk that flushes, or know that a power cut costs messages",
        ),
        _ => Finding::ok("disk flush", is),
    }]
}

fn told(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn mib(bytes: u64) -> String {
    const GIB: u64 = 1 << 30;
    match bytes {
        bytes if bytes >= 10 * GIB => format!("{} GiB", bytes / GIB),
        bytes => format!("{} MiB", bytes >> 20),
    }
}
