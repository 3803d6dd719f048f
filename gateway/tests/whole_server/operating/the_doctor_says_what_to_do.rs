//! `openim doctor`: works beside a server and without one, leaves nothing behind, and its exit code says whether anything is bad.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;

use crate::support::engine::embedded_only;
use crate::support::server::{PROGRAM, Server, Setup};

/// Exit code and findings.
fn examined(server: &Server, args: &[&str]) -> (Option<i32>, Value) {
    told(server.beside("doctor").args(args))
}

fn told(doctor: &mut Command) -> (Option<i32>, Value) {
    let output = doctor.arg("--json").output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let told: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code(), told)
}

/// Verdict and text of what was found of one thing.
#[track_caller]
fn found<'a>(told: &'a Value, about: &str) -> (&'a str, &'a str) {
    let findings = told["findings"].as_array().expect("findings");
    let row = findings.iter().find(|row| row["about"] == about);
    let row = row.unwrap_or_else(|| panic!("{about} is not in {told}"));
    let text = |name: &str| row[name].as_str().expect("a text");
    (text("verdict"), text("is"))
}

#[test]
fn beside_a_server_and_without_one() {
    if embedded_only("the doctor of a data directory") {
        return;
    }
    let mut server = Setup::new().start();
    let before = std::fs::read_dir(server.data_dir()).unwrap().count();
    let (code, told) = examined(&server, &[]);
    for about in ["server", "/readyz", "websocket", "REST"] {
        assert_eq!(found(&told, about).0, "ok", "{told}");
    }
    assert!(found(&told, "open files").1.starts_with("the server has"), "{told}");
    for about in
        ["memory", "cores", "clock", "data and clock", "disk space", "disk flush", "time zone"]
    {
        found(&told, about);
    }
    // How the machine is that this runs on nobody knows; but the code says the same as the findings.
    assert_eq!(code, Some(i32::from(told["good"] != true)), "{told}");
    assert_eq!(std::fs::read_dir(server.data_dir()).unwrap().count(), before, "something is left");

    let ws = format!("http://{}", server.ws());
    let (_, told) = examined(&server, &["--through", &ws]);
    assert_eq!(found(&told, "through: websocket").0, "ok", "{told}");
    assert_eq!(found(&told, "through: REST").0, "warn", "{told}");
    assert_eq!(found(&told, "through: idle links").0, "ok", "{told}");
    // REST's port takes no upgrade: as a proxy that sends all to one port.
    let (code, told) = examined(&server, &["--through", &format!("http://{}", server.rest())]);
    assert_eq!((code, found(&told, "through: websocket").0), (Some(1), "bad"), "{told}");
    assert!(found(&told, "through: websocket").1.contains("loses the Upgrade"), "{told}");

    server.kill();
    let (_, told) = examined(&server, &[]);
    assert_eq!(found(&told, "server"), ("ok", "none runs with these settings"));
    assert!(told["findings"].as_array().unwrap().iter().all(|row| row["about"] != "/readyz"));
}

#[test]
fn ports_with_tls_are_asked_by_the_certificate_of_the_settings() {
    let server = Setup::new().with_tls().start();
    let (_, found_first) = examined(&server, &[]);
    for about in ["server", "websocket", "REST", "settings"] {
        assert_eq!(found(&found_first, about).0, "ok", "{found_first}");
    }
    assert!(found(&found_first, "REST").1.contains("answers at https://"), "{found_first}");
    // The settings name a certificate that the server does not have.
    let another = Setup::new().with_tls();
    let files = &another.tls().files;
    let (code, wrong) = told(
        server
            .beside("doctor")
            .env("OPENIM_TLS_CERTFILE", &files.certificate)
            .env("OPENIM_TLS_KEYFILE", &files.key),
    );
    assert_eq!((code, found(&wrong, "REST").0), (Some(1), "bad"), "{wrong}");
    assert!(found(&wrong, "websocket").1.contains("another certificate"), "{wrong}");
    // Files that no server starts with.
    std::fs::write(&files.key, "key").expect("written");
    let (code, wrong) = told(server.beside("doctor").env("OPENIM_TLS_KEYFILE", &files.key));
    assert_eq!((code, found(&wrong, "settings").0), (Some(1), "bad"), "{wrong}");
    assert!(found(&wrong, "settings").1.contains("holds no private key"), "{wrong}");
}

#[test]
fn a_standby_is_well_and_another_program_is_no_server() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let setup = || Setup::new().set("OPENIM_ADMIN_SECRET", "one for both");
    let server = setup().start();
    let standby = setup().standby_of(&server).allow("index is made anew").start();
    standby.says(503, "followed up to");
    let doctor = |listen: String| {
        let mut doctor = Command::new(PROGRAM);
        doctor.args(["doctor", "--data-dir"]).arg(standby.data_dir());
        told(doctor.env("OPENIM_ADMIN_LISTEN", listen).env("OPENIM_GATEWAY_SHARDS", "1"))
    };
    let (_, told) = doctor(standby.operator().to_string());
    assert!(found(&told, "server").1.starts_with("a standby runs"), "{told}");
    let rows = told["findings"].as_array().expect("findings").iter();
    let ready: Vec<&Value> = rows.filter(|row| row["about"] == "/readyz").collect();
    assert!(ready.len() == 2 && ready.iter().all(|row| row["verdict"] == "ok"), "{told}");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it listens").to_string();
    std::thread::spawn(move || {
        for link in listener.incoming() {
            let mut link = link.expect("a link");
            drop(link.read(&mut [0; 4096]));
            drop(link.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n"));
        }
    });
    let (code, told) = doctor(address);
    assert_eq!((code, found(&told, "server").0), (Some(1), "bad"), "{told}");
    assert!(found(&told, "server").1.starts_with("another program answers"), "{told}");
}

#[test]
fn a_line_each_and_a_sum() {
    if embedded_only("the doctor of a data directory") {
        return;
    }
    let server = Setup::new().start();
    let output = server.beside("doctor").output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let (sum, lines) = lines.split_last().expect("lines");
    let begins =
        |line: &&str| ["ok   ", "warn ", "bad  "].iter().any(|word| line.starts_with(word));
    assert!(lines.iter().all(begins) && lines.len() > 12, "{text}");
    assert!(sum.ends_with(" bad"), "{text}");
    let wrong = server.beside("doctor").args(["--through", "nowhere"]).output().expect("it runs");
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&wrong.stderr).lines().count(), 1);
}
