//! New files are used for who comes from then on, and links stay; files that will not do change nothing, and are told.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::client::Resumption;

use crate::support::server::{Server, Setup};
use crate::support::tls::{Tls, dial};
use crate::support::{PATIENCE, http};

/// The certificate that a newcomer finds.
fn found(to: SocketAddr, config: &Arc<ClientConfig>) -> Vec<u8> {
    // A session that is resumed shows none.
    let mut config = (**config).clone();
    config.resumption = Resumption::disabled();
    let stream = dial(to, &Arc::new(config)).expect("a handshake");
    stream.conn.peer_certificates().expect("a certificate")[0].to_vec()
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn ends_s(server: &Server) -> f64 {
    let text = http::call(server.operator(), "GET", "/metrics", &[], b"").text();
    let name = "openim_tls_certificate_expires_seconds ";
    let value = text.lines().find_map(|line| line.strip_prefix(name)).expect("it is there");
    value.parse().expect("a number")
}

#[test]
fn links_stay_and_newcomers_find_the_new_one() {
    let server = Setup::new().with_tls().allow("the certificate in use stays").start();
    let Tls { authority, files } = server.setup().tls().clone();
    let config = authority.trusting();
    let ports = server.ports();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let first = found(ports[0], &config);
    assert_eq!(ends_s(&server), 2_524_521_600.0);

    // Seen by itself.
    authority.sign(&files, 2, 2048);
    until("the new one is found", || ports.iter().all(|port| found(*port, &config) != first));
    assert_eq!(ends_s(&server), 2_492_985_600.0);
    let second = found(ports[0], &config);

    // What will not do.
    let certificate = fs::read(&files.certificate).expect("read");
    fs::write(&files.certificate, "none").expect("written");
    let said = server.says(200, "the certificate in use stays");
    assert!(said.contains("tls.certFile") && said.contains("cert.pem"), "{said}");
    server.logged(&["WARN", "the certificate in use stays", "tls.certFile"]);
    assert_eq!(found(ports[1], &config), second);
    fs::write(&files.certificate, certificate).expect("written");
    server.is_well();
    let told = |line: &&String| line.contains("WARN") && line.contains("holds no certificate");
    assert_eq!(server.log().iter().filter(told).count(), 1, "{:#?}", server.log());

    // Told to look.
    authority.sign(&files, 3, 2047);
    server.signal("HUP");
    until("the third is found", || ports.iter().all(|port| found(*port, &config) != second));

    let ack = alice.say("bob", "m", "still here");
    assert_eq!(bob.pushed()["serverMsgID"], *ack.server_id);
    server.newcomer("carol").close();
    alice.close();
    bob.close();
}
