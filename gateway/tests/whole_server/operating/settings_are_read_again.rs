//! SIGHUP: what may change while the server runs changes for links that are open too; the rest is named with a
//! word about a restart; a file that is wrong changes nothing; variables stay above the file.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::http;
use crate::support::link::{Link, message};
use crate::support::platform::IOS;
use crate::support::raw::{UPGRADE, write_head};
use crate::support::server::{Server, Setup};

/// A server with a file of settings.
struct Operated {
    server: Server,
    file: PathBuf,
    hups: usize,
}

impl Operated {
    fn start(setup: Setup, text: &str) -> Operated {
        let file = setup.path("config.yaml");
        fs::write(&file, text).expect("written");
        let server = setup.arg("--config").arg(&file).start();
        Operated { server, file, hups: 0 }
    }

    /// Changes the file and has it read again.
    #[track_caller]
    fn change(&mut self, text: &str) {
        fs::write(&self.file, text).expect("written");
        self.server.signal("HUP");
        self.hups += 1;
        let deadline = Instant::now() + PATIENCE;
        let said = |server: &Server| {
            let log = server.log();
            let done = |line: &&String| {
                line.contains("settings are read again") || line.contains("stay as they were")
            };
            log.iter().filter(done).count()
        };
        while said(&self.server) < self.hups {
            assert!(Instant::now() < deadline, "{:#?}", self.server.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Tries until it holds: a shard takes new settings at its next tick.
#[track_caller]
fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn code_of_send(link: &mut Link, id: usize) -> Value {
    link.request(1003, &message("bob", &format!("m{id}"), "hello"))["errCode"].clone()
}

#[test]
fn policy_holds_for_links_that_are_open_and_is_lifted_again() {
    let mut operated = Operated::start(Setup::new(), "");
    let mut alice = operated.server.newcomer("alice");
    operated.server.register("bob", IOS);
    let mut id = 0;
    let mut next = || {
        id += 1;
        id
    };
    assert_eq!(code_of_send(&mut alice, next()), 0);
    operated.change("policy:\n  friendsOnly: true\n");
    operated.server.logged(&["settings are read again", "policy.friendsOnly"]);
    soon("strangers are refused", || code_of_send(&mut alice, next()) != 0);
    operated.change("");
    soon("strangers are let through", || code_of_send(&mut alice, next()) == 0);
}

#[test]
fn the_frame_rate_holds_for_links_that_are_open() {
    let mut operated = Operated::start(Setup::new(), "limits:\n  framesPerSecond: 0\n");
    let mut alice = operated.server.newcomer("alice");
    let limited = |server: &Server| {
        let text = http::call(server.operator(), "GET", "/metrics", &[], b"").text();
        let samples = text.lines().filter(|line| line.starts_with("openim_rate_limited_total"));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>() > 0
    };
    for _ in 0..50 {
        alice.newest();
    }
    assert!(!limited(&operated.server));
    operated.change("limits:\n  framesPerSecond: 20\n");
    soon("the link is paused", || {
        // More at once than the burst that is allowed.
        for _ in 0..60 {
            let envelope = alice.envelope(1001, &Value::Null);
            alice.send_text(envelope);
        }
        (0..60).for_each(|_| drop(alice.reply()));
        limited(&operated.server)
    });
}

#[test]
fn limits_of_addresses_and_trusted_proxies_hold_for_who_comes() {
    let mut operated = Operated::start(Setup::new(), "");
    let users: Vec<_> =
        (0..3).map(|n| operated.server.register(&format!("user{n}"), IOS)).collect();
    let from = |server: &Server, n: usize, address: &str| {
        let mut stream = http::dial(server.ws());
        let headers = [&UPGRADE[..], &[("X-Forwarded-For", address)]].concat();
        write_head(&mut stream, "GET", &format!("/{}", users[n].query()), &headers);
        (http::read_head(&mut stream).0.status, stream)
    };
    assert_eq!(from(&operated.server, 0, "192.0.2.1").0, 101);
    operated.change("limits:\n  connectionsPerAddress: 1\n");
    let mut held = None;
    soon("a second link is refused", || {
        // A link that came before the limit does not count.
        held = Some(from(&operated.server, 0, "192.0.2.1"));
        from(&operated.server, 1, "192.0.2.1").0 == 503
    });
    operated.change("limits:\n  connectionsPerAddress: 1\n  trustedProxies: [127.0.0.1]\n");
    soon("another address is let in", || from(&operated.server, 1, "192.0.2.1").0 == 101);
    operated.change("limits:\n  handshakesPerSecondPerAddress: 1\n");
    soon("handshakes come too fast", || {
        (0..6).any(|_| from(&operated.server, 2, "192.0.2.1").0 == 503)
    });
}

#[test]
fn the_level_of_the_log_changes_both_ways() {
    let mut operated = Operated::start(Setup::new(), "log:\n  level: info\n");
    let mut alice = operated.server.newcomer("alice");
    let talks = |server: &Server| server.log().iter().any(|line| line.contains("DEBUG"));
    alice.newest();
    assert!(!talks(&operated.server));
    operated.change("log:\n  level: debug\n");
    soon("steps are logged", || {
        alice.newest();
        talks(&operated.server)
    });
}

/// A script that has gone wild neither keeps the server busy nor makes it miss what the file says at the end.
#[test]
fn many_signals_at_once_are_few_and_the_last_one_counts() {
    const SIGNALS: usize = 500;
    let operated = Operated::start(Setup::new(), "");
    let mut alice = operated.server.newcomer("alice");
    operated.server.register("bob", IOS);
    let (file, pid) = (operated.file.display(), operated.server.pid());
    let script = format!(
        "i=0; while [ $i -lt {SIGNALS} ]; do echo \"log: {{traceUids: [u$i]}}\" > {file}.new; \
         mv {file}.new {file}; kill -HUP {pid}; i=$((i+1)); done; \
         echo 'policy: {{friendsOnly: true}}' > {file}.new; mv {file}.new {file}; kill -HUP {pid}"
    );
    let status = Command::new("sh").arg("-c").arg(script).status().expect("a shell");
    assert!(status.success());
    let mut id = 0;
    soon("the last file holds", || {
        id += 1;
        code_of_send(&mut alice, id) != 0
    });
    let log = operated.server.log();
    let reloads = log.iter().filter(|line| line.contains("settings are read again")).count();
    assert!((1..SIGNALS / 2).contains(&reloads), "{reloads} reloads");
}

#[test]
fn the_account_of_object_storage_changes() {
    let setup = Setup::new().allow("no credential").allow("stay as they were");
    let mut operated = Operated::start(setup, "");
    let has_none = |server: &Server| {
        let path = "/third/tencent_cloud_storage_credential";
        let text = server.post(path, &json!({"operationID": "op"})).text();
        text.contains("object storage is not configured")
    };
    assert!(has_none(&operated.server));
    let half =
        "credential:\n  tencent:\n    appID: '1'\n    region: r\n    bucket: b\n    secretID: i\n";
    operated.change(half);
    operated.server.logged(&["ERROR", "stay as they were", "credential.tencent"]);
    // Nobody is there, which is another answer.
    let whole = format!("{half}    secretKey: k\n    endpoint: http://127.0.0.1:1\n");
    operated.change(&whole);
    soon("there is an account", || !has_none(&operated.server));
    // Nothing reads these yet, and nothing needs a restart for them.
    operated.change(&format!("{whole}push:\n  tpns:\n    ios:\n      accessID: '7'\n"));
    operated.server.logged(&["push.tpns.ios.accessID"]);
}

#[test]
fn what_needs_a_restart_is_named_and_a_wrong_file_changes_nothing() {
    let setup = Setup::new().allow("restart").allow("stay as they were");
    let setup = setup.set("OPENIM_POLICY_BLACKLISTBLOCKS", "false");
    let mut operated = Operated::start(setup, "policy:\n  friendsOnly: true\n");
    let mut alice = operated.server.newcomer("alice");
    operated.server.register("bob", IOS);
    assert_ne!(code_of_send(&mut alice, 0), 0);
    let keep = "policy:\n  friendsOnly: true\n  blacklistBlocks: true\n";
    operated.change(&format!("{keep}gateway:\n  drainSeconds: 3\nsecret: another\n"));
    // The variable OPENIM_SECRET stays above the file.
    let line = operated.server.logged(&["with a restart only", "gateway.drainSeconds"]);
    assert!(!line.contains("secret") && !line.contains("another"), "{line}");
    let line = operated.server.logged(&["settings are read again"]);
    assert!(line.contains("nothing"), "the variable is above the file: {line}");
    for (wrong, needle) in [
        ("policy:\n  freindsOnly: false\n", "policy.freindsOnly"),
        ("policy:\n  friendsOnly: perhaps\n", "policy.friendsOnly"),
        ("limits: {", "YAML"),
    ] {
        operated.change(wrong);
        operated.server.logged(&["ERROR", "stay as they were", needle]);
    }
    fs::remove_file(&operated.file).expect("removed");
    operated.server.signal("HUP");
    operated.server.logged(&["ERROR", "stay as they were", "cannot be read"]);
    assert_ne!(code_of_send(&mut alice, 1), 0, "the rule still holds");
}
