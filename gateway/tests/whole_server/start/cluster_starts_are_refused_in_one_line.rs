//! `engine: cluster`: what stands in the way of a start is one line, by its key.

use crate::support::server::Setup;

/// With secrets of its own, and every component on a port where nobody is.
#[cfg(feature = "cluster")]
fn clustered() -> Setup {
    // Nobody can listen there without a right that tests do not have.
    let nowhere = "127.0.0.1:1";
    ["ETCD_ETCDADDR", "MYSQL_DBADDRESS", "MONGO_DBADDRESS", "REDIS_DBADDRESS"]
        .into_iter()
        .chain(["KAFKA_WS2MSCHAT_ADDR", "KAFKA_MS2PSCHAT_ADDR"])
        .fold(Setup::new(), |setup, key| setup.set(&format!("OPENIM_{key}"), nowhere))
        .set("OPENIM_ENGINE", "cluster")
        .set("OPENIM_CLUSTER_SECRET", "known to the test alone")
        .set("OPENIM_CLUSTER_STARTSECONDS", "0")
}

#[test]
#[cfg(not(feature = "cluster"))]
fn a_program_without_it_names_the_command() {
    let refusal = Setup::new().set("OPENIM_ENGINE", "cluster").refused();
    refusal.assert_one_line_with(&["engine: cluster", "cargo build --release --features cluster"]);
}

#[test]
#[cfg(feature = "cluster")]
fn a_component_that_is_away_is_named_with_its_address_and_key() {
    clustered().refused().assert_one_line_with(&["etcd", "127.0.0.1:1", "etcd.etcdAddr", "more"]);
}

#[test]
#[cfg(feature = "cluster")]
fn a_wrong_key_is_named() {
    for (variable, value, key) in [
        ("OPENIM_CLUSTER_PARTITIONS", "0", "cluster.partitions"),
        ("OPENIM_CLUSTER_LISTEN", "0.0.0.0:1", "cluster.advertise"),
        ("OPENIM_KAFKA_TLS", "true", "kafka.tls"),
        ("OPENIM_REDIS_TLS", "true", "cluster.tlsCaFile"),
        ("OPENIM_MYSQL_DBADDRESS", "localhost", "mysql.dbAddress"),
        ("OPENIM_CLUSTER_SECRET", "openIM123", "cluster.secret"),
    ] {
        clustered().set(variable, value).refused().assert_one_line_with(&[key]);
    }
    let setup = clustered().unset("OPENIM_SECRET");
    setup.refused().assert_one_line_with(&["secret is empty", "all processes"]);
}

#[test]
#[cfg(feature = "cluster")]
fn authorities_that_cannot_be_read_are_named() {
    let setup = clustered()
        .set("OPENIM_ETCD_TLS", "true")
        .set("OPENIM_CLUSTER_TLSCAFILE", "/no/such/file.pem");
    setup.refused().assert_one_line_with(&["cluster.tlsCaFile", "/no/such/file.pem"]);
}

/// Only who takes clients needs what clients know it by.
#[test]
#[cfg(feature = "cluster")]
fn a_transfer_needs_no_certificate() {
    for (role, needles) in
        [("gateway", "tls.certFile"), ("api", "tls.certFile"), ("transfer", "etcd.etcdAddr")]
    {
        let setup = clustered()
            .set("OPENIM_TLS_CERTFILE", "/no/such/cert.pem")
            .set("OPENIM_TLS_KEYFILE", "/no/such/key.pem");
        setup.role(role).refused().assert_one_line_with(&[needles]);
    }
}
