//! Files of every generation of the original are accepted, and do here what they say.

use openim_config::{Config, LogLevel, load, parse};
use std::path::Path;

/// Every generation, by the name of its file.
const GENERATIONS: [&str; 8] =
    ["may-2021", "may-31-2021", "june-2021", "v1.0.0", "v1.0.3", "v1.0.4", "v1.0.5", "v1.0.7"];

struct Read {
    config: Config,
    warnings: String,
    notes: String,
}

fn of(generation: &str) -> Read {
    let name = format!("tests/fixtures/original-{generation}.yaml");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let loaded = load(Some(&file), std::iter::empty()).unwrap_or_else(|faults| {
        panic!("{generation}: {:#?}", faults.iter().map(ToString::to_string).collect::<Vec<_>>())
    });
    Read {
        config: loaded.config,
        warnings: loaded.warnings.join("\n"),
        notes: loaded.notes.join("\n"),
    }
}

fn faults(text: &str) -> Vec<String> {
    let faults = parse(text, std::iter::empty()).expect_err("bad settings");
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn what_all_generations_share_reaches_its_place() {
    for generation in GENERATIONS {
        let Read { config, warnings, notes } = of(generation);
        assert_eq!(config.longconnsvr.websocket_max_conn_num, 10_000, "{generation}");
        assert_eq!(config.longconnsvr.websocket_max_msg_len, 65_536, "{generation}");
        assert_eq!(config.log.storage_location, Path::new("../logs/"), "{generation}");
        assert_eq!(config.secret.expose(), "tuoyun", "{generation}");
        assert_eq!(config.tokenpolicy.access_secret.expose(), "open_im_server", "{generation}");
        assert_eq!(config.push.tpns.ios.access_id, "1600000000", "{generation}");
        assert_eq!(config.mysql.address, ["127.0.0.1:3306"], "{generation}");
        assert_eq!(config.mysql.user_name, "root", "{generation}");
        assert_eq!(config.mysql.database, "openIM", "{generation}");
        assert_eq!(config.mongo.database, ["openIM"], "{generation}");
        assert_eq!(config.redis.address, ["127.0.0.1:6379"], "{generation}");
        assert_eq!(config.log.rotation_count, 5, "{generation}");
        assert_eq!(config.tokenpolicy.access_expire, 604_800, "{generation}");
        assert!(config.server_ip.0.is_unspecified(), "{generation}");

        for key in ["rpcport", "rpcregistername", "modulename", "mysql.dbTableName"] {
            let lines = warnings.lines().filter(|line| line.contains(key)).count();
            assert_eq!(lines, 1, "{generation}: {key} in {warnings}");
            assert!(
                notes.contains(&format!("{key}: means nothing here: ")),
                "{generation}: {notes}"
            );
        }
        assert!(warnings.contains("websocketMaxMsgLen: 4096 is raised to 65536"), "{warnings}");
        assert!(
            warnings.contains("tokenpolicy.accessSecret: the original's")
                && !warnings.contains("tuoyun")
        );
    }
}

#[test]
fn renamed_keys_set_what_they_set_before() {
    for (generation, port, password, redis) in [
        ("may-2021", 7778, "123456", "open_im4545453"),
        ("may-31-2021", 7778, "123456", "sample4545453"),
        ("june-2021", 7778, "123456", ""),
        ("v1.0.0", 17_778, "sample", "sample4545453"),
        ("v1.0.7", 17_778, "sample", "sample4545453"),
    ] {
        let Read { config, notes, .. } = of(generation);
        assert_eq!(config.longconnsvr.websocket_port, [port], "{generation}");
        assert_eq!(config.mysql.password.expose(), password, "{generation}");
        assert_eq!(config.redis.password.expose(), redis, "{generation}");
        if port == 17_778 {
            let note = "longconnsvr.openImWsPort: sets longconnsvr.websocketPort";
            assert!(notes.contains(note), "{notes}");
        }
    }
}

#[test]
fn the_question_before_a_send_is_the_originals() {
    for generation in ["june-2021", "v1.0.4", "v1.0.7"] {
        let callback = of(generation).config.messagecallback;
        assert_eq!(callback.url.to_string(), "http://127.0.0.1:9/callback", "{generation}");
        assert!(!callback.is_on(), "{generation}");
        let seconds = if generation == "june-2021" { 5 } else { 10 };
        assert_eq!(callback.time_out_seconds, seconds, "{generation}");
    }
    let single = "messagecallback: { callbackUrl: \"http://a/b\", c2c: { callbackBeforeSendMsg: { switch: true } } }";
    let callback = parse(single, std::iter::empty()).unwrap().config.messagecallback;
    assert!(callback.is_on() && !callback.all);
}

#[test]
fn both_names_of_a_key_are_not_given_together() {
    let text = "longconnsvr:\n  websocketPort: 1\n  openImWsPort: 2\n";
    let told = "config:3: longconnsvr.openImWsPort is 2; it must be left out, as it sets the same as \
                longconnsvr.websocketPort";
    assert_eq!(faults(text), [told]);
}

#[test]
fn the_login_policy_may_be_a_number() {
    for (number, one, classes, all, warned) in [
        (0, false, false, true, false),
        (1, false, false, true, true),
        (2, true, false, false, false),
        (3, false, true, false, true),
        (4, false, true, false, true),
    ] {
        let loaded = parse(&format!("multiloginpolicy: {number}"), std::iter::empty()).unwrap();
        let policy = &loaded.config.multiloginpolicy;
        let switches = (policy.one_terminal, policy.mobile_and_pc, policy.all_terminals);
        assert_eq!(switches, (one, classes, all), "{number}");
        let warnings = loaded.warnings.join("\n");
        assert_eq!(
            warnings.contains(&format!("multiloginpolicy: {number} means")),
            warned,
            "{warnings}"
        );
    }
    for wrong in ["5", "-1", "yes please", "[1]"] {
        let told = faults(&format!("multiloginpolicy: {wrong}"));
        assert!(told[0].starts_with("config:1: multiloginpolicy is "), "{told:?}");
        assert!(told[0].contains("a number from 0 to 4"), "{told:?}");
        assert_eq!(told.len(), 1, "{told:?}");
    }
}

#[test]
fn the_level_of_the_log_may_be_a_number() {
    for (number, level) in [
        (0, LogLevel::Error),
        (2, LogLevel::Error),
        (3, LogLevel::Warn),
        (4, LogLevel::Info),
        (5, LogLevel::Debug),
        (6, LogLevel::Trace),
    ] {
        let text = format!("log: {{ remainLogLevel: {number} }}");
        let loaded = parse(&text, std::iter::empty()).unwrap();
        assert_eq!(loaded.config.log.level, level, "{number}");
        let loud = loaded.warnings.iter().any(|line| line.contains("log.level: info"));
        assert_eq!(loud, number > 4, "{:?}", loaded.warnings);
    }
    let told = faults("log: { remainLogLevel: 7 }");
    assert_eq!(
        told,
        ["config: log.remainLogLevel is 7; it must be a number from 0 (least) to 6 (everything)"]
    );
}

/// Files of v1.0 mean days, ours and older ones seconds; the variable is always ours.
#[test]
fn the_life_of_a_token_in_days_is_told_apart() {
    assert!(of("v1.0.7").warnings.contains("tokenpolicy.accessExpire: 7 is taken as days"));
    assert!(!of("june-2021").warnings.contains("days"));
    let seconds =
        |text: &str| parse(text, std::iter::empty()).unwrap().config.tokenpolicy.access_expire;
    assert_eq!(seconds("tokenpolicy: { accessExpire: 7 }"), 7);
    assert_eq!(
        seconds("tokenpolicy: { accessExpire: 7 }\nlongconnsvr: { openImWsPort: 1 }"),
        604_800
    );
    assert_eq!(seconds("tokenpolicy: { accessExpire: -1 }\nlongconnsvr: { openImWsPort: 1 }"), -1);
    for (expire, told) in [(3_650, true), (7_200, true), (86_400, false), (604_800, false)] {
        let text = format!(
            "tokenpolicy: {{ accessExpire: {expire} }}\nlongconnsvr: {{ openImWsPort: 1 }}"
        );
        assert_eq!(seconds(&text), expire);
        let warnings = parse(&text, std::iter::empty()).unwrap().warnings.join("\n");
        let days = format!("count days: write {} if", expire * 86_400);
        assert_eq!(warnings.contains(&days), told, "{expire}: {warnings}");
    }
}

#[test]
fn what_a_switch_asked_the_original_for_is_missed_aloud() {
    let loaded = parse(
        "messagecallback: { state: { stateChange: { switch: true } }, c2c: { callbackAfterSendMsg: { switch: true } } }\n\
         rpcport: { c2c: { callbackBeforeSendMsg: { switch: true } } }",
        std::iter::empty(),
    )
    .unwrap();
    let warnings = loaded.warnings.join("\n");
    for key in [
        "messagecallback.state.stateChange.switch",
        "messagecallback.c2c.callbackAfterSendMsg.switch",
    ] {
        assert!(warnings.contains(&format!("{key} is on, but means nothing here: ")), "{warnings}");
    }
    assert!(!warnings.contains("rpcport.c2c"), "{warnings}");
    assert!(of("v1.0.7").warnings.contains("demoswitch is on"));
    assert!(!of("v1.0.4").warnings.contains("is on, but"));
}
