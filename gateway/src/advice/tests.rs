//! What is told of which settings.

use super::*;
use openim_config::Secret;

/// What is changed, and what the one line must then name; nothing: no line.
type Case = (&'static str, fn(&mut Config), Option<&'static [&'static str]>);

fn config(change: fn(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

fn assert_lines(what: &str, lines: &[String], wanted: Option<&[&str]>) {
    assert_eq!(lines.len(), usize::from(wanted.is_some()), "{what}: {lines:?}");
    for needle in wanted.into_iter().flatten() {
        assert!(lines[0].contains(needle), "{what}: {needle:?} in {lines:?}");
    }
    assert!(lines.iter().all(|line| line.lines().count() == 1), "{lines:?}");
}

#[test]
fn what_can_never_work_stops() {
    let cases: &[Case] = &[
        ("the default", |_| {}, None),
        ("no managers", |c| c.manager.app_manager_uid = Vec::new(), None),
        (
            "a manager with white space",
            |c| c.manager.app_manager_uid = vec!["a b".into()],
            Some(&["manager.appManagerUid", "\"a b\""]),
        ),
        (
            "a manager without a name",
            |c| c.manager.app_manager_uid = vec![String::new()],
            Some(&["manager.appManagerUid", "\"\""]),
        ),
        (
            "a manager with a long name",
            |c| c.manager.app_manager_uid = vec!["x".repeat(65)],
            Some(&["manager.appManagerUid"]),
        ),
        (
            "a certificate alone",
            |c| c.tls.cert_file = "c".into(),
            Some(&["tls.keyFile is missing"]),
        ),
        (
            "nobody to ask",
            |c| c.messagecallback.all = true,
            Some(&["messagecallback.callbackUrl is missing"]),
        ),
        ("a key alone", |c| c.tls.key_file = "k".into(), Some(&["tls.certFile is missing"])),
        ("a place without an account", |c| c.credential.tencent.bucket = "b".into(), None),
        (
            "half a key",
            |c| c.credential.tencent.secret_id = "id".into(),
            Some(&["credential.tencent", "appID, region, bucket, secretKey"]),
        ),
        (
            "the other half",
            |c| {
                let tencent = &mut c.credential.tencent;
                tencent.secret_key = Secret::new("hidden");
                for place in [&mut tencent.app_id, &mut tencent.region, &mut tencent.bucket] {
                    *place = "x".into();
                }
            },
            Some(&["credential.tencent: secretID is missing"]),
        ),
    ];
    for (what, change, wanted) in cases {
        let lines = stops(&config(*change));
        assert_lines(what, &lines, *wanted);
        assert!(!lines.concat().contains("hidden"), "no secret is shown");
    }
}

fn clustered(change: fn(&mut Config)) -> Config {
    let mut config = Config { engine: Engine::Cluster, ..Config::default() };
    for (place, text) in [
        (&mut config.secret, "one that nobody guesses"),
        (&mut config.tokenpolicy.access_secret, "another that nobody guesses"),
        (&mut config.cluster.secret, "a third that nobody guesses"),
    ] {
        *place = Secret::new(text);
    }
    change(&mut config);
    config
}

#[test]
fn a_program_without_the_cluster_engine_names_the_command() {
    let config = clustered(|_| {});
    let mut facts = Facts::gather(&config, Path::new(""));
    for (has_cluster, wanted) in
        [(true, None), (false, Some(&["cargo build --release --features cluster"][..]))]
    {
        facts.has_cluster = has_cluster;
        assert_lines("engine", &engine_that_is_not_built(&facts), wanted);
    }
}

#[test]
fn a_program_without_tls_to_kafka_names_the_command_and_the_key() {
    type Change = fn(&mut Config);
    let scram: Change = |c| c.kafka.sasl_mechanism = SaslMechanism::ScramSha512;
    let command = "cargo build --release --features kafka-tls";
    let cases: [(Change, Option<&[&str]>); 4] = [
        (|_| {}, None),
        (|c| c.kafka.tls = true, Some(&["kafka.tls needs", command])),
        (scram, None),
        (
            |c| {
                c.kafka.sasl_mechanism = SaslMechanism::ScramSha512;
                c.kafka.user_name = "openim".into();
            },
            Some(&["kafka.saslMechanism needs", command]),
        ),
    ];
    for (change, wanted) in cases {
        let config = clustered(change);
        let mut facts = Facts::gather(&config, Path::new(""));
        (facts.has_cluster, facts.has_kafka_tls) = (true, false);
        assert_lines("kafka", &kafka_that_is_not_built(&facts), wanted);
        facts.has_kafka_tls = true;
        assert_lines("kafka", &kafka_that_is_not_built(&facts), None);
    }
}

#[test]
fn a_cluster_needs_secrets_of_its_own() {
    let cases: &[Case] = &[
        ("its own", |_| {}, None),
        ("none", |c| c.secret = Secret::default(), Some(&["secret is empty", "the same"])),
        (
            "the original's",
            |c| c.tokenpolicy.access_secret = Secret::new("open_im_server"),
            Some(&["tokenpolicy.accessSecret stands in published files"]),
        ),
        (
            "a published one",
            |c| c.cluster.secret = Secret::new("openIM123"),
            Some(&["cluster.secret stands in published files"]),
        ),
    ];
    for (what, change, wanted) in cases {
        let config = clustered(*change);
        let lines = secrets_of_a_cluster(&Facts::gather(&config, Path::new("")));
        assert_lines(what, &lines, *wanted);
    }
    assert_eq!(secrets_of_a_cluster(&Facts::gather(&Config::default(), Path::new(""))).len(), 0);
}

/// Those of a cluster are in the settings of all its processes: none is made.
#[test]
fn secrets_of_a_cluster_that_are_seldom_meant_are_told() {
    let cases: &[Case] = &[
        ("its own", |_| {}, None),
        (
            "one letter",
            |c| c.cluster.secret = Secret::new("aaaaaaaaaaaaaaaa"),
            Some(&["cluster.secret is one character again", "openssl rand -hex 16"]),
        ),
        (
            "two that are one",
            |c| c.cluster.secret = c.tokenpolicy.access_secret.clone(),
            Some(&["cluster.secret is the same as tokenpolicy.accessSecret", "openssl rand"]),
        ),
    ];
    for (what, change, wanted) in cases {
        let config = clustered(*change);
        let lines = told(&Facts::gather(&config, Path::new("")));
        assert_lines(what, &lines, *wanted);
        assert!(!lines.concat().contains("generated"), "{lines:?}");
    }
}

#[test]
fn published_passwords_of_components_are_told() {
    let config = clustered(|c| c.mysql.password = Secret::new("openIM"));
    let lines = published_passwords(&Facts::gather(&config, Path::new("")));
    assert_lines("mysql", &lines, Some(&["mysql.dbPassword: "]));
}

#[test]
fn one_line_says_how_many_more_stop() {
    let one = config(|c| c.manager.app_manager_uid = vec!["a b".into()]);
    assert!(!stop(&one).unwrap().contains("more"));
    let two = config(|c| c.manager.app_manager_uid = vec!["a b".into(), "c d".into()]);
    assert!(stop(&two).unwrap().contains("\"a b\"") && stop(&two).unwrap().contains("and 1 more"));
    assert_eq!(stop(&Config::default()), None);
}

#[test]
fn what_is_seldom_meant_is_told() {
    let cases: &[Case] = &[
        ("the default", |_| {}, None),
        ("a short secret", |c| c.secret = Secret::new("x"), Some(&["secret has 1 char"])),
        (
            "a secret of files everybody has",
            |c| c.tokenpolicy.access_secret = Secret::new("openIM123"),
            Some(&["tokenpolicy.accessSecret", "published"]),
        ),
        (
            "a long secret of one letter",
            |c| c.secret = Secret::new("aaaaaaaaaaaaaaaaaaaaaaaa"),
            Some(&["secret is one character again and again", "leave it empty"]),
        ),
        (
            "a long secret of one piece",
            |c| c.secret = Secret::new("abcd1abcd1abcd1abcd1"),
            Some(&["secret is 5 characters again"]),
        ),
        (
            "two that are one",
            |c| {
                c.secret = Secret::new("5f1d7c0b9a3e8d24");
                c.tokenpolicy.access_secret = c.secret.clone();
            },
            Some(&["tokenpolicy.accessSecret is the same as secret", "openssl rand"]),
        ),
        ("a secret that is not used", |c| c.cluster.secret = Secret::new("x"), None),
        ("a good secret", |c| c.secret = Secret::new("5f1d7c0b9a3e8d24"), None),
        (
            "operators on all interfaces",
            |c| c.admin.listen = "0.0.0.0:10002".parse().unwrap(),
            Some(&["admin.listen", "0.0.0.0:10002"]),
        ),
        ("the same of IPv6", |c| c.admin.listen = "[::]:1".parse().unwrap(), Some(&["[::]:1"])),
        ("as many shards as sense", |c| c.gateway.shards = 8, None),
        ("more", |c| c.gateway.shards = 64, Some(&["gateway.shards is 64 on 2 cores"])),
    ];
    for (what, change, wanted) in cases {
        let config = config(*change);
        let mut facts = Facts::gather(&config, Path::new("/nowhere/at/all"));
        facts.cores = 2;
        assert_lines(what, &told(&facts), *wanted);
    }
}

#[test]
fn why_nobody_can_listen_is_told_with_what_to_do() {
    use io::ErrorKind as Kind;
    for (key, address, kind, needles) in [
        ("api.openImApiPort", "0.0.0.0:80", Kind::PermissionDenied, &["0.0.0.0:80", "setcap"][..]),
        ("api.openImApiPort", "0.0.0.0:8080", Kind::PermissionDenied, &["0.0.0.0:8080"]),
        ("admin.listen", "127.0.0.1:1", Kind::AddrInUse, &["127.0.0.1:1", "taken"]),
        ("api.openImApiPort", "10.9.9.9:1", Kind::AddrNotAvailable, &["serverip: 10.9.9.9"]),
        ("admin.listen", "10.9.9.9:1", Kind::AddrNotAvailable, &["admin.listen: 10.9.9.9"]),
    ] {
        let line = cannot_listen(key, address.parse().unwrap(), &kind.into());
        assert!(line.contains(key), "{line}");
        for needle in needles {
            assert!(line.contains(needle), "{needle:?} in {line}");
        }
        assert_eq!(line.contains("below 1024"), needles.contains(&"setcap"), "{line}");
    }
}

#[test]
fn an_open_data_directory_is_told() {
    let config = Config::default();
    for (mode, wanted) in [(0o700, None), (0o777, Some(&["embedded.dataDir", "777", "/d"][..]))] {
        let mut facts = Facts::gather(&config, Path::new("/d"));
        facts.data_mode = Some(mode);
        assert_lines("mode", &told(&facts), wanted);
    }
}
