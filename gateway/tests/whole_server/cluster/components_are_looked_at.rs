//! `openim check-config FILE --connect`: a line for each component, and what of it will not do by its key.

use std::process::Output;

use crate::support::cluster::clustered;
use crate::support::server::Setup;

fn look(setup: &Setup) -> Output {
    let file = setup.path("config.yaml");
    std::fs::write(&file, "").expect("written");
    let mut command = setup.clone().role("check-config").arg(&file).command();
    command.arg("--connect").output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn each_component_has_its_line() {
    let Some(setup) = clustered(Setup::new()) else { return };
    let output = look(&setup);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    for (name, key) in [
        ("etcd", "etcd.etcdAddr"),
        ("MySQL", "mysql.dbAddress"),
        ("MongoDB", "mongo.dbAddress"),
        ("Redis", "redis.dbAddress"),
        ("Kafka", "kafka.ws2mschat.addr"),
    ] {
        let line = said.lines().find(|line| line.starts_with(&format!("{name}: good, at ")));
        assert!(line.is_some_and(|line| line.contains(key)), "{name} in {said}");
    }
}

#[test]
fn nothing_is_made_by_a_look() {
    let Some(setup) = clustered(Setup::new()) else { return };
    let name = setup.setting("OPENIM_CLUSTER_NAME").to_owned();
    let missing = |setup: &Setup| {
        let output = look(setup);
        let said = text(&output.stdout);
        assert!(output.status.success(), "{said}{}", text(&output.stderr));
        let lines = said.lines().filter_map(|line| line.split_once("a start makes it: "));
        lines.map(|(_, rest)| rest.split("; ").next().unwrap_or_default().to_owned()).collect()
    };
    let all = [
        format!("key /{name}/cluster"),
        format!("database {name}"),
        format!("database {name}"),
        format!("topic {name}, topic {name}_group, topic {name}_push"),
    ];
    for _ in 0..2 {
        let missing: Vec<String> = missing(&setup);
        assert_eq!(missing, all);
    }
    // Nor is the prefix kept for a name that was given by mistake.
    let missing_of_another: Vec<String> =
        missing(&setup.clone().set("OPENIM_CLUSTER_NAME", "another"));
    assert_eq!(missing_of_another.len(), all.len());
    drop(setup.clone().start());
    let missing: Vec<String> = missing(&setup);
    assert_eq!(missing, [""; 0]);
}

#[test]
fn what_belongs_to_another_cluster_or_to_other_partitions_is_refused_by_its_key() {
    let Some(setup) = clustered(Setup::new()) else { return };
    drop(setup.clone().start());
    for (variable, value, components) in [
        (
            "OPENIM_CLUSTER_NAME",
            "another",
            &[("etcd", "etcd.etcdSchema"), ("MongoDB", "cluster.name"), ("MySQL", "cluster.name")]
                [..],
        ),
        (
            "OPENIM_CLUSTER_PARTITIONS",
            "3",
            &[("MongoDB", "cluster.partitions"), ("Kafka", "kafka")],
        ),
        ("OPENIM_MYSQL_DBPASSWORD", "wrong", &[("MySQL", "mysql.dbPassword")]),
        ("OPENIM_REDIS_DBPASSWORD", "wrong", &[("Redis", "redis.dbPassWord")]),
        ("OPENIM_ETCD_ETCDADDR", "127.0.0.1:1", &[("etcd", "etcd.etcdAddr")]),
    ] {
        let output = look(&setup.clone().set(variable, value));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{variable}: {said}");
        assert_eq!(said.lines().count(), components.len(), "{variable}: {said}");
        for (name, key) in components {
            let line = said.lines().find(|line| line.contains(&format!("openim: {name} ")));
            assert!(line.is_some_and(|line| line.contains(key)), "{variable}: {name} in {said}");
        }
    }
}
