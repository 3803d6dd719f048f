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
fn what_belongs_to_another_cluster_or_to_other_partitions_is_refused_by_its_key() {
    let Some(setup) = clustered(Setup::new()) else { return };
    assert!(look(&setup).status.success());
    for (variable, value, components) in [
        (
            "OPENIM_CLUSTER_NAME",
            "another",
            &[("etcd", "etcd.etcdSchema"), ("MongoDB", "cluster.name")][..],
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
