//! What is shown of settings: what holds, where it comes from, and what the commented file says.

use openim_config::{Loaded, Standing, doc, load, parse, variables};

fn env(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect::<Vec<_>>().into_iter()
}

fn row(loaded: &Loaded, key: &str) -> Standing {
    loaded.standing().into_iter().find(|row| row.key == key).expect("every key has a row")
}

#[test]
fn each_value_says_where_it_comes_from() {
    let text = "engine: embedded\nlimits:\n  pingSeconds: 30\n  pullMessagesMax: 7\nlog:\n  remainRotationCount: 9\n";
    let loaded = parse(text, env(&[("OPENIM_LIMITS_PULLMESSAGESMAX", "8")])).unwrap();
    for (key, value, place, differs) in [
        ("engine", "embedded", Some("config:1"), false),
        ("limits.pingSeconds", "30", Some("config:3"), true),
        ("limits.pullMessagesMax", "8", Some("OPENIM_LIMITS_PULLMESSAGESMAX"), true),
        ("log.rotationCount", "9", Some("config:6"), true),
        ("longconnsvr.websocketPort", "7777", None, false),
        ("serverip", "::", None, false),
        ("wire.profile", "june2021", None, false),
        ("embedded.dataDir", "./data", None, false),
        ("manager.appManagerUid", "openIM123456,openIM654321", None, false),
    ] {
        let row = row(&loaded, key);
        let shown = row.place.as_ref().map(ToString::to_string);
        let found = (row.value.as_str(), shown.as_deref(), row.differs);
        assert_eq!(found, (value, place, differs), "{key}");
    }
}

#[test]
fn no_secret_is_shown() {
    let mut given = Vec::new();
    for row in load(None, env(&[])).unwrap().standing().iter().filter(|row| row.is_secret) {
        given.push((row.variable.clone(), "planted-secret".to_owned()));
    }
    assert!(given.len() >= 15, "{given:?}");
    given.push((
        "OPENIM_MONGO_DBADDRESS".into(),
        "u:planted-secret@a:1,mongodb://planted-secret@b:2".into(),
    ));
    let loaded = parse("", given.into_iter()).unwrap();
    assert!(!format!("{:?}", loaded.standing()).contains("planted-secret"));
    for (key, value) in [
        ("secret", "***"),
        ("tokenpolicy.accessSecret", "***"),
        ("console.password", "***"),
        ("web.key", "***"),
        ("credential.tencent.secretID", "***"),
        ("mongo.dbAddress", "***@a:1,mongodb://***@b:2"),
    ] {
        assert_eq!(row(&loaded, key).value, value, "{key}");
    }
    let none = load(None, env(&[])).unwrap();
    assert_eq!(row(&none, "secret").value, "", "one that is not set is seen to be none");
}

/// What is shown can be given again, and then is the same.
#[test]
fn values_are_shown_as_variables_give_them() {
    let text = "limits:\n  trustedProxies: [10.0.0.0/8, 'fd00::/8']\nengine: cluster\nweb:\n  websocketUrl: wss://a\n";
    let first = parse(text, env(&[])).unwrap();
    let open = first.standing().into_iter().filter(|row| !row.is_secret);
    let again = parse("", open.map(|row| (row.variable, row.value))).unwrap();
    assert_eq!(again.config, first.config);
}

#[test]
fn every_key_is_described() {
    for (key, variable) in variables() {
        let found = doc(&key).unwrap();
        let around = found.sections.iter().any(|(_, text)| !text.is_empty());
        assert!(!found.text.is_empty() || around, "{key}: config.yaml says nothing of it");
        assert_eq!(doc(&variable).unwrap(), found);
    }
}

#[test]
fn the_commented_file_is_what_is_told() {
    let ping = doc("limits.pingSeconds").unwrap();
    assert!(ping.text.starts_with("Seconds between pings") && ping.text.contains("\nnginx cuts"));
    assert_eq!(
        ping.sections,
        [("limits".to_owned(), "Bounds of everything that could grow.".to_owned())]
    );
    let setting = ping.setting.unwrap();
    assert_eq!(
        (setting.variable.as_str(), setting.default.as_str()),
        ("OPENIM_LIMITS_PINGSECONDS", "25")
    );
    assert!(setting.takes.unwrap().starts_with("a whole number from"));

    let stages = doc("cluster.stagesMax").unwrap();
    assert_eq!(
        stages.with,
        ["cluster.recordBytesMax", "cluster.relayBytesMax", "cluster.entriesMax"]
    );
    assert!(stages.text.starts_with("Bounds of a transfer"));

    let section = doc("kafka.ms2pschat").unwrap();
    assert_eq!(section.keys, ["kafka.ms2pschat.addr", "kafka.ms2pschat.topic"]);
    assert_eq!(doc("longconnsvr.openImWsPort").unwrap().key, "longconnsvr.websocketPort");
}

#[test]
fn a_key_that_nobody_knows_leads_to_the_nearest() {
    for (key, told) in [
        ("limits.pingSecond", "did you mean limits.pingSeconds?"),
        ("OPENIM_LIMITS_PINGSECOND", "did you mean OPENIM_LIMITS_PINGSECONDS?"),
        ("nothingLikeIt", "openim config --env lists all keys"),
        ("demoswitch", "means nothing here"),
    ] {
        let said = doc(key).unwrap_err().to_string();
        assert!(said.contains(told) && said.lines().count() == 1, "{said}");
    }
}
