//! What an operator reads who does not know the code: what is wrong, where, and what to do.

use std::fs;

use crate::support::engine::embedded_only;
use crate::support::server::{Server, Setup};

#[test]
fn data_of_a_newer_version_is_for_that_version() {
    if embedded_only("it is about the data directory, and a cluster has none") {
        return;
    }
    let mut server = Server::start();
    server.kill();
    let format = server.data_dir().join("format");
    let text = fs::read_to_string(&format).expect("written at the first start");
    let newer: Vec<String> = text
        .lines()
        .map(
            |line| {
                if line.starts_with("version = ") { "version = 4711".into() } else { line.into() }
            },
        )
        .collect();
    fs::write(&format, newer.join("\n") + "\n").expect("written");
    let refusal = Setup::new().data_dir(server.data_dir()).refused();
    refusal.assert_one_line_with(&["newer version", "4711", "run that version", "format"]);
    assert!(!refusal.stderr.concat().contains("empty directory"), "{refusal:?}");
}

#[test]
fn an_empty_format_file_is_called_so() {
    if embedded_only("it is about the data directory, and a cluster has none") {
        return;
    }
    let mut server = Server::start();
    server.kill();
    let format = server.data_dir().join("format");
    for text in ["", "\n"] {
        fs::write(&format, text).expect("written");
        let refusal = Setup::new().data_dir(server.data_dir()).refused();
        refusal.assert_one_line_with(&["format", "is empty", "restore", "backup"]);
        assert!(!refusal.stderr.concat().contains("set it back"), "{refusal:?}");
    }
}

#[test]
fn a_file_in_the_place_of_the_data_is_named_with_its_key() {
    if embedded_only("it is about the data directory, and a cluster has none") {
        return;
    }
    let setup = Setup::new();
    let file = setup.path("a-file");
    fs::write(&file, "not a directory").expect("written");
    let path = file.to_str().expect("UTF-8").to_owned();
    setup.data_dir(&file).refused().assert_one_line_with(&[
        &path,
        "embedded.dataDir",
        "--data-dir",
    ]);
}

#[test]
fn an_address_of_another_machine_is_named_with_its_key() {
    let refusal = Setup::new().set("OPENIM_SERVERIP", "203.0.113.7").refused();
    refusal.assert_one_line_with(&["serverip", "203.0.113.7", "no address of this machine"]);
    let refusal = Setup::new().set("OPENIM_ADMIN_LISTEN", "203.0.113.7:1").refused();
    refusal.assert_one_line_with(&["admin.listen", "203.0.113.7", "no address of this machine"]);
}

#[test]
fn a_taken_port_is_named_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound");
    for (variable, value, key) in [
        (
            "OPENIM_LONGCONNSVR_WEBSOCKETPORT",
            address.port().to_string(),
            "longconnsvr.websocketPort",
        ),
        ("OPENIM_API_OPENIMAPIPORT", address.port().to_string(), "api.openImApiPort"),
        ("OPENIM_ADMIN_LISTEN", address.to_string(), "admin.listen"),
    ] {
        let refusal = Setup::new().set(variable, value).refused();
        refusal.assert_one_line_with(&[key, &address.to_string(), "taken by another program"]);
    }
}
