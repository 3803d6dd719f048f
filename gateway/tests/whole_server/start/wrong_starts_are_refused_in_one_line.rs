//! A start that cannot work ends at once with one line that says what to change, and an exit code that is not 0.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::support::engine::embedded_only;
use crate::support::server::{Server, Setup};

#[test]
fn a_port_taken_by_another_program_is_named() {
    for key in ["OPENIM_LONGCONNSVR_WEBSOCKETPORT", "OPENIM_API_OPENIMAPIPORT"] {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = taken.local_addr().expect("bound").port().to_string();
        Setup::new().set(key, &port).refused().assert_one_line_with(&[&port]);
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    Setup::new().set("OPENIM_ADMIN_LISTEN", &address).refused().assert_one_line_with(&[&address]);
}

/// Listeners share their port between shards; two servers must not.
#[test]
fn a_port_taken_by_another_openim_is_named() {
    let first = Server::start();
    for (key, address) in [
        ("OPENIM_LONGCONNSVR_WEBSOCKETPORT", first.ws()),
        ("OPENIM_API_OPENIMAPIPORT", first.rest()),
    ] {
        let port = address.port().to_string();
        Setup::new().set(key, &port).refused().assert_one_line_with(&[&port]);
    }
    first.newcomer("alice").close();
}

#[test]
fn a_data_directory_in_use_is_named() {
    if embedded_only("it is about the data directory, and a cluster has none") {
        return;
    }
    let first = Server::start();
    let path = first.data_dir().to_str().expect("UTF-8").to_owned();
    Setup::new().data_dir(first.data_dir()).refused().assert_one_line_with(&[&path]);
    first.newcomer("alice").close();
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    if embedded_only("it is about the data directory, and a cluster has none") {
        return;
    }
    let setup = Setup::new();
    let file = setup.path("a-file");
    std::fs::write(&file, "not a directory").expect("written");
    let path = file.to_str().expect("UTF-8").to_owned();
    setup.data_dir(&file).refused().assert_one_line_with(&[&path]);
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_valid_one() {
    let setup = Setup::new();
    let file = setup.path("config.yaml");
    std::fs::write(&file, "longconnsvr:\n  websocketPrt: [7777]\n").expect("written");
    let refusal = setup.arg("--config").arg(&file).refused();
    refusal.assert_one_line_with(&[
        "longconnsvr.websocketPrt",
        "longconnsvr.websocketPort",
        "config.yaml",
    ]);
}

#[test]
fn bad_values_and_variables_are_named() {
    let refusal = Setup::new().set("OPENIM_GATEWAY_SHARDS", "many").refused();
    refusal.assert_one_line_with(&["OPENIM_GATEWAY_SHARDS", "many"]);
    let refusal = Setup::new().set("OPENIM_GATEWAY_SHRADS", "2").refused();
    refusal.assert_one_line_with(&["OPENIM_GATEWAY_SHRADS", "OPENIM_GATEWAY_SHARDS"]);
}

#[test]
fn a_config_that_cannot_be_read_is_named() {
    let setup = Setup::new();
    let missing = setup.path("missing.yaml");
    setup.arg("--config").arg(&missing).refused().assert_one_line_with(&["missing.yaml"]);
    let setup = Setup::new();
    let file = setup.path("config.yaml");
    std::fs::write(&file, "gateway: [unclosed\n").expect("written");
    setup.arg("--config").arg(&file).refused().assert_one_line_with(&["config.yaml"]);
    let setup = Setup::new();
    let file = setup.path("private.yaml");
    std::fs::write(&file, "").expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).expect("our own file");
    if std::fs::read(&file).is_err() {
        setup.arg("--config").arg(&file).refused().assert_one_line_with(&["private.yaml"]);
    }
}
