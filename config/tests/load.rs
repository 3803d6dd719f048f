//! What an operator sees when settings are loaded.

use openim_config::{
    Config, Durability, LogFormat, LogLevel, TimeUnit, WireProfile, load, parse, variables,
};
use std::collections::BTreeSet;
use std::path::Path;

fn no_env() -> impl Iterator<Item = (String, String)> {
    std::iter::empty()
}

fn env(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    pairs.into_iter()
}

fn read(text: &str) -> Config {
    parse(text, no_env()).expect("good settings").config
}

/// The message an operator gets; it must be one line.
fn refusal(text: &str, pairs: &[(&str, &str)]) -> String {
    let message = parse(text, env(pairs)).expect_err("bad settings").to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

fn in_folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn the_commented_file_is_the_default() {
    let loaded = load(Some(&in_folder("config.yaml")), no_env()).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(load(None, no_env()).unwrap().config, Config::default());
}

#[test]
fn the_commented_file_shows_every_key() {
    let text = std::fs::read_to_string(in_folder("config.yaml")).unwrap();
    let root: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
    let mut shown = BTreeSet::new();
    let mut left = vec![(String::new(), &root)];
    while let Some((above, value)) = left.pop() {
        match value {
            serde_yaml_ng::Value::Mapping(keys) => {
                for (key, value) in keys {
                    left.push((format!("{above}.{}", key.as_str().unwrap()), value));
                }
            }
            _ => {
                shown.insert(above[1..].to_owned());
            }
        }
    }
    let known: BTreeSet<String> = variables().into_iter().map(|(key, _)| key).collect();
    assert_eq!(shown, known);
}

#[test]
fn no_two_keys_share_a_variable() {
    let all = variables();
    let names: BTreeSet<_> = all.iter().map(|(_, variable)| variable).collect();
    assert_eq!(names.len(), all.len());
}

#[test]
fn a_file_needs_only_what_differs() {
    assert_eq!(read(""), Config::default());
    assert_eq!(read("# nothing\n"), Config::default());
    assert_eq!(read("limits:\n"), Config::default());
    let mut expected = Config::default();
    expected.limits.ping_seconds = 5;
    assert_eq!(read("limits:\n  pingSeconds: 5\n"), expected);
}

#[test]
fn names_and_numbers_reach_their_fields() {
    let config = read(
        "embedded: { durability: interval, flushIntervalMs: 7 }\n\
         wire: { profile: may2021, timeUnit: nanoseconds }\n\
         log: { level: debug, format: json }\n\
         gateway: { pin: false, shards: 3 }\n\
         admin: { listen: '[::1]:0' }\n\
         serverip: 127.0.0.1\n\
         limits: { trustedProxies: [10.0.0.0/8, '::1'] }\n\
         tokenpolicy: { accessExpire: -1 }\n",
    );
    assert_eq!(config.embedded.durability, Durability::Interval);
    assert_eq!(config.embedded.flush_interval_ms, 7);
    assert_eq!(config.wire.profile, WireProfile::May2021);
    assert_eq!(config.wire.time_unit, TimeUnit::Nanoseconds);
    assert_eq!((config.log.level, config.log.format), (LogLevel::Debug, LogFormat::Json));
    assert!(!config.gateway.pin);
    assert_eq!(config.admin.listen.to_string(), "[::1]:0");
    assert!(config.server_ip.0.is_loopback());
    assert!(config.limits.trusted_proxies[0].contains("10.9.8.7".parse().unwrap()));
    assert_eq!(config.tokenpolicy.access_expire, -1);
}

#[test]
fn ports_are_a_list_or_a_single_one() {
    for text in ["[7777, 7778]", "\"7777,7778\"", "\n    - 7777\n    - 7778"] {
        let config = read(&format!("longconnsvr:\n  websocketPort: {text}\n"));
        assert_eq!(config.longconnsvr.websocket_port, [7777, 7778], "{text}");
    }
    assert_eq!(read("api: { openImApiPort: 0 }").api.port, [0]);
}

#[test]
fn a_variable_wins_over_the_file() {
    let given = env(&[
        ("OPENIM_LONGCONNSVR_WEBSOCKETPORT", "7001, 7002"),
        ("OPENIM_EMBEDDED_DATADIR", "/var/lib/openim"),
        ("OPENIM_GATEWAY_PIN", "0"),
        ("OPENIM_SECRET", "s3"),
        ("OPENIM_KAFKA_WS2MSCHAT_ADDR", ""),
        ("OPENIM_TEST_SEED", "anything"),
        ("HOME", "/root"),
    ]);
    let config = parse("longconnsvr: { websocketPort: 1 }", given).unwrap().config;
    assert_eq!(config.longconnsvr.websocket_port, [7001, 7002]);
    assert_eq!(config.embedded.data_dir, Path::new("/var/lib/openim"));
    assert!(!config.gateway.pin);
    assert_eq!(config.secret.expose(), "s3");
    assert!(config.kafka.ws2mschat.address.is_empty());
}

#[test]
fn every_key_can_be_set_by_its_variable() {
    for (key, variable) in variables() {
        // Whatever the type, one of these is good, and none is unknown.
        let taken = [
            "1",
            "60",
            "text",
            "127.0.0.1:1",
            "always",
            "embedded",
            "may2021",
            "seconds",
            "json",
            "any",
            "allow",
        ]
        .into_iter()
        .chain([
            "PLAIN",
            "info",
            "refuse",
            "message",
            "127.0.0.1",
            "1000",
            "3600",
            "10000000",
            "67108864",
            "http://host",
            "off",
            "ws://host",
            "dev",
        ])
        .any(|value| parse("", env(&[(&variable, value)])).is_ok());
        assert!(taken, "{key} by {variable}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest() {
    assert_eq!(
        refusal("api:\n  openImApiPort: 1\nlongconnsvr:\n  websocketProt: 1\n", &[]),
        "config:4: unknown key longconnsvr.websocketProt; did you mean longconnsvr.websocketPort?"
    );
    assert_eq!(
        refusal("longconsvr: { websocketPort: 1 }", &[]),
        "config:1: unknown key longconsvr; did you mean longconnsvr?"
    );
    assert_eq!(
        refusal("dataDir: x", &[]),
        "config:1: unknown key dataDir; did you mean embedded.dataDir?"
    );
    assert_eq!(
        refusal("zzzzzzzzzzzz: 1", &[]),
        "config:1: unknown key zzzzzzzzzzzz; config/config.yaml lists all keys"
    );
    // Far from every key: no suggestion is better than a wrong one.
    for text in ["api: { openImWsPort: 1 }", "limits: { pongSecs: 1 }", "sdks: 1"] {
        assert!(refusal(text, &[]).ends_with("config/config.yaml lists all keys"), "{text}");
    }
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest() {
    assert_eq!(
        refusal("", &[("OPENIM_LONGCONNSVR_WEBSOCKETPROT", "1")]),
        "unknown environment variable OPENIM_LONGCONNSVR_WEBSOCKETPROT; did you mean \
         OPENIM_LONGCONNSVR_WEBSOCKETPORT?"
    );
    assert!(refusal("", &[("OPENIM_LONGCONNSVR_PORT", "1")]).starts_with("unknown environment"));
    assert!(refusal("", &[("OPENIM_SECRETS", "1")]).ends_with("did you mean OPENIM_SECRET?"));
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_are_let_through() {
    let given = env(&[
        ("OPENIM_SERVICE_HOST", "10.96.0.7"),
        ("OPENIM_SERVICE_PORT", "10000"),
        ("OPENIM_SERVICE_PORT_WS", "7777"),
        ("OPENIM_PORT", "tcp://10.96.0.7:10000"),
        ("OPENIM_PORT_7777_TCP", "tcp://10.96.0.7:7777"),
        ("OPENIM_GATEWAY_PORT_7777_TCP_ADDR", "10.96.0.7"),
        ("OPENIM_GATEWAY_SERVICE_HOST", "10.96.0.7"),
    ]);
    assert_eq!(parse("", given).unwrap().config, Config::default());
}

#[test]
fn wrong_values_are_refused_with_the_key_and_what_is_right() {
    for (text, message) in [
        (
            "limits:\n  pingSeconds: soon",
            "config:2: limits.pingSeconds is soon; it must be a whole number from 0 to 86400",
        ),
        (
            "limits: { pingSeconds: -1 }",
            "config: limits.pingSeconds is -1; it must be a whole number from 0 to 86400",
        ),
        (
            "limits: { pingSeconds: 1.5 }",
            "config: limits.pingSeconds is 1.5; it must be a whole number, or text in quotes",
        ),
        (
            "limits: { pingSeconds: }",
            "config: limits.pingSeconds is empty; it must be a whole number from 0 to 86400",
        ),
        (
            "limits: { pingSeconds: [1] }",
            "config: limits.pingSeconds is [1]; it must be a whole number, not a list",
        ),
        ("limits: 5", "config:1: limits is 5; it must be a section with keys"),
        (
            "secret:\n  a: b",
            "config:1: secret is not shown; it must be one value, or a list where a list belongs",
        ),
        (
            "api:\n  openImApiPort: [70000]",
            "config:2: api.openImApiPort is [70000]; it must be a list of at least one: ports from 0 to 65535",
        ),
        (
            "api:\n  openImApiPort: []",
            "config:2: api.openImApiPort is []; it must be a list of at least one: ports from 0 to 65535",
        ),
        ("gateway: { pin: maybe }", "config: gateway.pin is maybe; it must be true or false"),
        ("engine: embeded", "config:1: engine is embeded; it must be one of: embedded, cluster"),
        (
            "serverip: example.org",
            "config:1: serverip is example.org; it must be an IP address, or empty for all interfaces",
        ),
        (
            "admin:\n  listen: 10002",
            "config:2: admin.listen is 10002; it must be an address and a port like 127.0.0.1:10002",
        ),
        (
            "credential:\n  tencent:\n    endpoint: sts.example.com",
            "config:3: credential.tencent.endpoint is sts.example.com; it must be an address like https://HOST or http://HOST:PORT",
        ),
    ] {
        assert_eq!(refusal(text, &[]), message);
    }
    assert_eq!(
        refusal("", &[("OPENIM_LIMITS_PINGSECONDS", "")]),
        "OPENIM_LIMITS_PINGSECONDS: limits.pingSeconds is empty; it must be a whole number from 0 to 86400"
    );
}

#[test]
fn all_faults_are_told_at_once_and_none_twice() {
    let text = "limits:\n  pingSeconds: soon\n  outboxBytesMax: 1\n  zzzzzzzz: 1\n\
                api: { openImApiPort: 7777 }\nsecret:\n  a: b\n";
    let variables = env(&[("OPENIM_GATEWAY_PIN", "maybe"), ("OPENIM_QQQQQQQQ", "1")]);
    let faults = parse(text, variables).expect_err("bad settings");
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    for part in [
        "config:2: limits.pingSeconds is soon",
        "config:4: unknown key limits.zzzzzzzz; config/config.yaml",
        "config:6: secret is not shown",
        "OPENIM_GATEWAY_PIN: gateway.pin is maybe",
        "unknown environment variable OPENIM_QQQQQQQQ; unset it",
        "limits.outboxBytesMax is 1; it must be at least",
        "longconnsvr.websocketPort is 7777; it must be a port that no other listener",
    ] {
        assert_eq!(
            told.iter().filter(|line| line.starts_with(part)).count(),
            1,
            "{part}: {told:#?}"
        );
    }
    assert_eq!(told.len(), 7, "{told:#?}");
    let line = faults.to_string();
    assert!(line.ends_with("(and 6 more: openim check-config FILE lists them all)"), "{line}");
}

#[test]
fn what_is_not_settings_is_refused_with_its_line() {
    for (text, part) in [
        ("a: [", ":2: not valid YAML: "),
        ("engine: embedded\nengine: embedded", ":2: not valid YAML: engine is in line 1 already"),
        (
            "log:\n  level: info\n\n  level: warn\n",
            ":4: not valid YAML: level is in line 2 already; take one out",
        ),
        ("log: { level: info, level: warn }", "duplicate entry"),
        ("log:\n  level: info\n format: text\n", ":3: not valid YAML: "),
        ("log:\n  level: info\n    format: text\n", ":3: not valid YAML: "),
        ("log:\n\tlevel: info\n", ":2: not valid YAML: "),
        ("log:\n  level: \"info\nengine: embedded\n", "not valid YAML: "),
        ("- 1", "keys are expected"),
        ("just words", "keys are expected"),
        ("? [a]\n: 1", "not a name"),
        ("log:\n  ? [a]\n  : 1", ":1: not valid YAML: a key in \"log\" is not a name"),
    ] {
        let message = refusal(text, &[]);
        assert!(message.starts_with("config"), "{message}");
        assert!(message.contains(": not valid YAML: ") && message.contains(part), "{message}");
    }
}

#[test]
fn values_that_could_not_work_are_refused() {
    for (key, below, least) in [
        ("log.fileBytesMax", 4_095, 4_096),
        ("limits.sendTimeoutMs", 99, 100),
        ("duplicates.entriesMax", 999, 1_000),
    ] {
        let (section, name) = key.split_once('.').unwrap();
        let told = refusal(&format!("{section}:\n  {name}: {below}\n"), &[]);
        let expected = format!("config:2: {key} is {below}; it must be");
        assert!(told.starts_with(&expected) && told.contains(&least.to_string()), "{told}");
        assert!(refusal(&format!("{section}:\n  {name}: 1\n"), &[]).contains(key));
        read(&format!("{section}:\n  {name}: {least}\n"));
    }
    assert_eq!(read("log: { fileBytesMax: 0 }").log.file_bytes_max, 0);
}

#[test]
fn a_missing_file_is_named() {
    let message = load(Some(Path::new("no/such/file.yaml")), no_env()).unwrap_err().to_string();
    assert!(message.starts_with("no/such/file.yaml: cannot be read"), "{message}");
}

#[test]
fn limits_that_do_not_fit_together_are_refused() {
    for (text, key) in [
        ("limits: { outboxBytesMax: 131071 }", "limits.outboxBytesMax"),
        ("longconnsvr: { websocketMaxMsgLen: 1100000 }", "limits.outboxBytesMax"),
        ("embedded: { segmentBytes: 1048576 }", "embedded.segmentBytes"),
        ("gateway: { shards: 9 }\nembedded: { partitions: 8 }", "gateway.shards"),
        ("gateway: { shards: 200 }", "limits.ringBytesMax"),
        ("tokenpolicy: { accessExpire: 0 }", "tokenpolicy.accessExpire"),
        ("duplicates: { windowSeconds: 7 }", "duplicates.windowSeconds"),
        ("longconnsvr: { websocketPort: 10000 }", "longconnsvr.websocketPort"),
        ("api: { openImApiPort: [1, 1] }", "api.openImApiPort"),
        ("api: { openImApiPort: 10002 }", "api.openImApiPort"),
    ] {
        let message = refusal(text, &[]);
        assert!(message.starts_with(&format!("{key} is ")), "{text}: {message}");
    }
    assert_eq!(
        refusal("limits: { outboxBytesMax: 131071 }", &[]),
        "limits.outboxBytesMax is 131071; it must be at least 131072 (twice \
         longconnsvr.websocketMaxMsgLen)"
    );
    for text in [
        "limits: { outboxBytesMax: 131072 }",
        "duplicates: { windowSeconds: 0 }",
        "api: { openImApiPort: 0 }\nlongconnsvr: { websocketPort: [0, 0] }\nadmin: { listen: 127.0.0.1:0 }",
        "serverip: 127.0.0.2\napi: { openImApiPort: 10002 }",
    ] {
        read(text);
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let config = read(
        "secret: hush1\ntokenpolicy: { accessSecret: hush2 }\nredis: { dbPassWord: hush3 }\ncredential: { tencent: { secretKey: hush4 } }",
    );
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn settings_that_differ_are_named() {
    let text = "secret: s3cret\nlog:\n  level: warn\nlimits:\n  trustedProxies: [10.0.0.0/8]\n";
    let (before, after) = (Config::default(), read(text));
    assert_eq!(after.differing(&before), ["secret", "limits.trustedProxies", "log.level"]);
    assert_eq!(after.differing(&after.clone()), Vec::<String>::new());
}
