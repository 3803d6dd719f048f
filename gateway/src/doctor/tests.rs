//! What is made of facts, each row by its own.

use std::path::PathBuf;
use std::time::Duration;

use openim_config::Config;

use super::disk::{Disk, Flush};
use super::facts::{Door, Facts, Files, Kind, Seen, Server, Through, Time};
use super::machine::Machine;
use super::rows::judge;
use super::*;

const NOW_MS: i64 = 1_700_000_000_000;

/// A machine on which nothing is to be done.
fn well() -> Facts {
    Facts {
        config: Config::default(),
        data_dir: PathBuf::from("/data"),
        stops: Vec::new(),
        warnings: Vec::new(),
        machine: Machine {
            backlog: Some(4096),
            tcp_bytes_max: Some(1 << 30),
            local_ports: Some((32_768, 60_999)),
            memory_bytes: Some(16 << 30),
            available_bytes: Some(8 << 30),
            cores: 2,
            cores_allowed: 2,
            huge_pages: Some("madvise".to_owned()),
            has_huge_pages: Some(false),
            zone: "Asia/Shanghai".to_owned(),
            ..Machine::default()
        },
        files: Files { soft: 1024, hard: 1 << 20, of_server: None, links: Ok(900_000) },
        time: Time {
            now_ms: NOW_MS,
            is_synchronised: Some(true),
            written_ms: Some(NOW_MS - 1),
            is_in_doubt: None,
        },
        disk: Disk {
            looked_at: PathBuf::from("/data"),
            kind: Some("ext4".to_owned()),
            free_bytes: Some(100 << 30),
            flush: Some(Ok(flush(500, 900))),
        },
        reserve_bytes: 256 << 20,
        server: Server::default(),
        doors: Vec::new(),
        through: None,
    }
}

fn flush(p50_us: u64, p99_us: u64) -> Flush {
    let (p50, p99) = (Duration::from_micros(p50_us), Duration::from_micros(p99_us));
    Flush { p50, p99, times: 50 }
}

fn through(upgrade: Result<Seen, String>, kept: bool) -> Through {
    let rest = upgrade.clone().map(|_| Seen::Rest);
    let is_kept = upgrade.is_ok().then_some(kept);
    Through { url: "https://im".to_owned(), upgrade, rest, is_kept }
}

fn standby(lines: &[&str]) -> Server {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    let (url, ready) = (Some("u".to_owned()), Some(Ok((503, lines))));
    Server { url, ready, has_data: true, kind: Kind::Standby }
}

type Change = fn(&mut Facts);

#[test]
fn a_good_machine_is_well() {
    let mut facts = well();
    for found in judge(&facts) {
        assert_eq!((found.verdict, found.remedy.as_str()), (Verdict::Ok, ""), "{}", found.line());
    }
    facts.server = Server {
        url: Some("http://127.0.0.1:10002".to_owned()),
        has_data: true,
        ready: Some(Ok((200, vec!["ready".to_owned()]))),
        kind: Kind::Server,
    };
    facts.doors = vec![
        Door { about: "websocket", url: "u".to_owned(), answer: Ok(Seen::Websocket) },
        Door { about: "REST", url: "u".to_owned(), answer: Ok(Seen::Rest) },
    ];
    facts.through = Some(through(Ok(Seen::Websocket), true));
    let found = judge(&facts);
    assert!(found.iter().all(|found| found.verdict == Verdict::Ok), "{found:?}");
    assert!(found.len() > 18, "{found:?}");
    // A standby sends everybody away, and is as well.
    let lines = ["following", "standby of http://a:1: followed up to 90, 0.1 s behind"];
    facts.server.ready = Some(Ok((503, lines.map(str::to_owned).to_vec())));
    facts.server.kind = Kind::Standby;
    let found = judge(&facts);
    assert!(found.iter().all(|found| found.verdict == Verdict::Ok), "{found:?}");
}

/// Each case: what is other than well, how that is, and words of its line.
const CASES: &[(Change, Verdict, &str)] = &[
    (|f| f.files.links = Err("few".into()), Verdict::Bad, "open files: soft limit 1024"),
    (|f| f.files.links = Ok(900), Verdict::Warn, "room for 900 links; raise it with LimitNOFILE"),
    (|f| f.files.of_server = Some((1000, 999)), Verdict::Bad, "the server has 999 of 1000"),
    (|f| f.machine.backlog = Some(128), Verdict::Warn, "somaxconn is 128"),
    (|f| f.machine.tcp_bytes_max = Some(1 << 20), Verdict::Warn, "some 256 quiet links"),
    (
        |f| f.machine.local_ports = Some((1024, 65535)),
        Verdict::Warn,
        "which has 7777, 10000, 10002 in it",
    ),
    (|f| f.machine.cgroup_bytes_max = Some(32 << 20), Verdict::Bad, "the cgroup allows 32 MiB"),
    (|f| f.machine.cgroup_bytes_max = Some(100 << 20), Verdict::Warn, "limits.shardBytesMax"),
    (|f| f.machine.available_bytes = Some(1 << 20), Verdict::Warn, "free memory: 1 MiB"),
    (|f| f.machine.cgroup_cores = Some(1.5), Verdict::Warn, "quota is 1.50"),
    (|f| f.config.gateway.shards = 9, Verdict::Warn, "9 shards"),
    (
        |f| {
            f.machine.huge_pages = Some("always".into());
            f.machine.has_huge_pages = Some(true);
        },
        Verdict::Warn,
        "0009-no-huge-pages",
    ),
    (|f| f.time.is_synchronised = Some(false), Verdict::Warn, "chrony"),
    (|f| f.time.is_in_doubt = Some(true), Verdict::Bad, "openim confirm-clock"),
    (|f| f.time.written_ms = Some(NOW_MS + 30 * 3_600_000), Verdict::Bad, "30 hours ahead"),
    (|f| f.time.written_ms = Some(NOW_MS - 30 * 3_600_000), Verdict::Warn, "30 hours ago"),
    (|f| f.disk.kind = Some("tmpfs".into()), Verdict::Warn, "gone with the power"),
    (|f| f.disk.kind = Some("overlay".into()), Verdict::Warn, "mount a volume"),
    (|f| f.disk.kind = Some("nfs4".into()), Verdict::Warn, "a disk of this machine"),
    (|f| f.disk.kind = Some("fuse.sshfs".into()), Verdict::Warn, "few of these flush"),
    (|f| f.disk.free_bytes = Some(300 << 20), Verdict::Bad, "sends are refused"),
    (|f| f.disk.free_bytes = Some(2 << 30), Verdict::Warn, "archive.retainDays"),
    (
        |f| f.disk.flush = Some(Ok(flush(30_000, 40_000))),
        Verdict::Warn,
        "30.00 ms (p50), 40.00 ms (p99), of 50",
    ),
    (|f| f.disk.flush = Some(Ok(flush(300_000, 400_000))), Verdict::Bad, "power-loss protection"),
    (|f| f.disk.flush = Some(Ok(flush(0, 0))), Verdict::Warn, "nothing is flushed"),
    (|f| f.disk.flush = Some(Err("no".into())), Verdict::Warn, "run this as the server's user"),
    (|f| f.stops = vec!["a key".into()], Verdict::Bad, "settings: a key; openim check-config"),
    (|f| f.warnings = vec!["a key".into()], Verdict::Warn, "settings: a key\n"),
    (|f| f.server.has_data = true, Verdict::Warn, "admin.listen"),
    (
        |f| {
            f.server.has_data = true;
            f.server.url = Some("u".into());
            f.server.ready = Some(Err("refused".into()));
        },
        Verdict::Bad,
        "nothing answers at u (refused)",
    ),
    (
        |f| f.server.ready = Some(Ok((503, vec!["draining".into()]))),
        Verdict::Bad,
        "/readyz: draining",
    ),
    (
        |f| f.server.ready = Some(Ok((200, vec!["damaged: x".into()]))),
        Verdict::Warn,
        "/readyz: damaged: x",
    ),
    (
        |f| f.server = standby(&["following", "standby of a: followed up to 9", "a is fenced"]),
        Verdict::Bad,
        "/readyz: a is fenced",
    ),
    (
        |f| f.server = Server { kind: Kind::Else, ..standby(&["ready"]) },
        Verdict::Bad,
        "another program answers at u",
    ),
    (
        |f| {
            let through = through(Ok(Seen::Websocket), true);
            f.through = Some(Through { rest: Err("it hangs up".into()), ..through });
        },
        Verdict::Bad,
        "through: REST: https://im does not answer to REST (it hangs up)",
    ),
    (
        |f| f.doors = vec![Door { about: "REST", url: "u".into(), answer: Ok(Seen::Else(200)) }],
        Verdict::Bad,
        "something else than this server answers at u",
    ),
    (
        |f| {
            f.doors =
                vec![Door { about: "websocket", url: "u".into(), answer: Err("refused".into()) }]
        },
        Verdict::Bad,
        "u does not answer (refused)",
    ),
    (|f| f.through = Some(through(Ok(Seen::NoUpgrade), true)), Verdict::Bad, "loses the Upgrade"),
    (|f| f.through = Some(through(Ok(Seen::Else(502)), true)), Verdict::Bad, "answers 502 itself"),
    (
        |f| f.through = Some(through(Err("no name".into()), true)),
        Verdict::Bad,
        "cannot be reached (no name)",
    ),
    (
        |f| f.through = Some(through(Ok(Seen::Websocket), false)),
        Verdict::Bad,
        "cut within a second",
    ),
    (
        |f| {
            f.through = Some(through(Ok(Seen::Websocket), true));
            f.config.limits.ping_seconds = 0;
        },
        Verdict::Warn,
        "limits.pingSeconds is 0",
    ),
];

#[test]
fn what_is_not_well_is_told_with_what_to_do() {
    for (change, verdict, words) in CASES {
        let mut facts = well();
        change(&mut facts);
        let lines: Vec<_> =
            judge(&facts).iter().map(|found| (found.verdict, found.line())).collect();
        let mut told = lines.iter().filter(|(_, line)| line.contains(words));
        let first = told.next().unwrap_or_else(|| panic!("{words}: {lines:?}"));
        assert_eq!(first.0, *verdict, "{}", first.1);
        assert!(lines.iter().all(|(_, line)| line.lines().count() == 1), "{lines:?}");
    }
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut facts = well();
    (facts.machine, facts.disk) =
        (Machine { cores: 1, cores_allowed: 1, ..Machine::default() }, Disk::default());
    facts.time = Time::default();
    let found = judge(&facts);
    assert!(found.iter().all(|found| found.verdict == Verdict::Ok), "{found:?}");
}

#[test]
fn this_machine_can_be_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.admin.listen.set_port(0);
    let loaded = Loaded { config, ..openim_config::parse("", std::iter::empty()).unwrap() };
    let patient = Patient { loaded: &loaded, data_dir: dir.path(), through: None, ca: None };
    let (text, good) = told(&patient, true).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["good"], good);
    assert!(json["findings"].as_array().unwrap().iter().any(|row| row["about"] == "disk flush"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing stays");
    let patient = Patient { through: Some("nowhere"), ..patient };
    assert!(told(&patient, false).is_err());
}
