//! The console tells what settings are and who gave them, what is bounded and how full it is, and the last lines of log and audit.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::console::Operator;
use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::platform::IOS;
use crate::support::server::{Server, Setup};

const NO_CLUSTER: &str = "a cluster has no console";

fn row<'a>(told: &'a Value, list: &str, key: &str, of: &str) -> &'a Value {
    let rows = told[list].as_array().expect("a list");
    rows.iter().find(|row| row[key] == of).unwrap_or_else(|| panic!("no {of} in {told}"))
}

/// The lines of `log` or `audit`, as soon as one has all of `needles`.
fn line(operator: &Operator<'_>, path: &str, needles: &[&str]) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = operator.sees(path);
        let lines = told["lines"].as_array().expect("a list");
        let is = |line: &&Value| {
            let text = line["text"].as_str().expect("a text");
            needles.iter().all(|needle| text.contains(needle))
        };
        if let Some(line) = lines.iter().find(is) {
            return line.clone();
        }
        assert!(Instant::now() < deadline, "no {needles:?} in {told}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Each secret that settings may have; the words in them are in no other value.
const SECRETS: &str = "\
secret: planted 000000000000000000000001
tokenpolicy:
  accessSecret: planted 00000000000000000000000000000002
admin:
  secret: planted 00000000000000000000000000000003
web:
  key: planted 00000000000000000000000000000004
console:
  password: planted 00000000000000000000000000000005
  viewerPassword: another one to look 8
credential:
  tencent:
    appID: app
    region: region
    bucket: bucket
    secretID: planted6
    secretKey: planted7
push:
  tpns:
    ios:
      secretKey: planted8
etcd:
  etcdAddr: [\"http://root:planted9@127.0.0.1:2379\"]
  password: planted10
mysql:
  dbAddress: [\"root:planted11@127.0.0.1:3306\"]
  dbPassword: planted12
mongo:
  dbAddress: [\"mongodb://root:planted13@127.0.0.1:27017\"]
  dbPassword: planted14
redis:
  dbAddress: [\"root:planted15@127.0.0.1:6379\"]
  dbPassWord: planted16
limits:
  friendsMax: 77
";

#[test]
fn settings_say_who_gave_them_and_secrets_are_not_shown() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let setup = Setup::new().unset("OPENIM_SECRET").unset("OPENIM_TOKENPOLICY_ACCESSSECRET");
    let file = setup.path("config.yaml");
    std::fs::write(&file, SECRETS).expect("a file");
    let server = setup.arg("--config").arg(&file).start();
    let viewer = server.operator_with("another one to look 8");
    let told = viewer.sees("config");
    let setting = |key: &str| row(&told, "settings", "key", key).clone();
    let friends = setting("limits.friendsMax");
    assert_eq!((&friends["value"], &friends["differs"]), (&json!("77"), &json!(true)));
    let line = SECRETS.lines().count();
    assert_eq!(
        friends["from"],
        json!({ "kind": "file", "file": file.to_str(), "line": line }),
        "{friends}"
    );
    assert_eq!(
        setting("gateway.shards")["from"],
        json!({ "kind": "environment", "variable": "OPENIM_GATEWAY_SHARDS" })
    );
    let pulls = setting("limits.pullsInFlight");
    assert_eq!(
        (&pulls["value"], &pulls["from"], &pulls["differs"]),
        (&json!("64"), &json!({ "kind": "default" }), &json!(false))
    );
    for key in ["web.key", "secret", "credential.tencent.secretID"] {
        let hidden = setting(key);
        assert_eq!((&hidden["value"], &hidden["secret"]), (&json!("***"), &json!(true)), "{key}");
    }
    for secret in ["planted", "another one to look 8"] {
        assert!(!told.to_string().contains(secret), "{secret} in {told}");
    }
}

#[test]
fn bounds_are_those_of_the_metrics() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Setup::new().set("OPENIM_LONGCONNSVR_WEBSOCKETMAXCONNNUM", 3).start();
    let operator = server.console();
    let links: Vec<_> = ["ann", "ben", "cat"].map(|uid| server.newcomer(uid)).into();
    let deadline = Instant::now() + PATIENCE;
    let full = loop {
        let told = operator.sees("bounds");
        let full = row(&told, "bounds", "name", "links").clone();
        if full["now"] == 3.0 {
            break full;
        }
        assert!(Instant::now() < deadline, "{told}");
        thread::sleep(Duration::from_millis(50));
    };
    assert_eq!((&full["limit"], &full["highest"]), (&json!(3.0), &json!(3.0)));
    let dan = server.register("dan", 1);
    assert_eq!(server.refusal(&dan), 503);
    drop(links);
    loop {
        let told = operator.sees("bounds");
        let links = row(&told, "bounds", "name", "links");
        if links["now"] == 0.0 {
            assert_eq!((&links["highest"], &links["reached"]), (&json!(3.0), &json!(1.0)));
            break;
        }
        assert!(Instant::now() < deadline, "{told}");
        thread::sleep(Duration::from_millis(50));
    }
    let metrics = call(server.operator(), "GET", "/metrics", &[], b"").text();
    for sample in [
        "limit{bound=\"links\"} 3",
        "highest{bound=\"links\"} 3",
        "reached_total{bound=\"links\"} 1",
    ] {
        assert!(metrics.contains(&format!("\nopenim_bound_{sample}\n")), "{sample} in {metrics}");
    }
}

#[test]
fn the_bound_of_links_is_what_open_files_allow() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    // Configured is a million.
    let server = Setup::new().open_files(1_024).start();
    let told = server.console().sees("bounds");
    let limit = row(&told, "bounds", "name", "links")["limit"].as_f64().expect("a number");
    assert!((64.0..1_024.0).contains(&limit), "{limit}");
}

#[test]
fn all_lines_that_are_kept_are_told() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Server::start();
    let operator = server.console();
    server.register("ed", IOS);
    let many = 300;
    for n in 0..many {
        operator.acts("unban", &json!({ "uid": "ed", "reason": format!("number {n} of many") }));
    }
    line(&operator, "audit", &[&format!("number {} of many", many - 1)]);
    let told = operator.sees("audit?text=of%20many");
    assert_eq!(told["lines"].as_array().map(Vec::len), Some(many), "{told}");
    assert_eq!(told["kept"], 1_000);
}

#[test]
fn the_last_lines_are_there_by_level_and_text() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Setup::new().set("OPENIM_SECRET", "short").allow("can be guessed").start();
    let operator = server.console();
    let warned = line(&operator, "log?level=WARN", &["can be guessed"]);
    assert_eq!(warned["level"], "WARN");
    let told = operator.sees("log?level=ERROR");
    assert_eq!(told["lines"], json!([]), "{told}");
    assert_eq!(operator.sees("log?text=nobody%20says%20this")["lines"], json!([]));
    line(&operator, "audit", &["\"operator\"", "\"act\":\"login\""]);
    // From a number on.
    let next = operator.sees("audit")["next"].as_u64().expect("a number");
    assert_eq!(operator.sees(&format!("audit?from={next}"))["lines"], json!([]));
    operator.tries("ban", &json!({ "uid": "ed", "reason": "because" }));
    line(&operator, &format!("audit?from={next}&text=ban"), &["\"act\":\"ban\"", "because"]);
}

#[test]
fn the_audit_is_told_from_its_files_too() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let setup = Setup::new();
    let folder = setup.path("logs");
    let server: Server = setup.set("OPENIM_LOG_STORAGELOCATION", folder.display()).start();
    let operator = server.console();
    server.register("fay", 1);
    line(&operator, "audit?text=registration", &["\"uid\":\"fay\""]);
}
