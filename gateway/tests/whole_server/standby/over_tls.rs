//! A standby follows a server whose operators' port has TLS, is promoted, and tells that one by TLS that it is replaced.

use crate::support::engine::embedded_only;
use crate::support::server::{Server, Setup};

/// What `/readyz` says, which is asked by TLS.
#[track_caller]
fn until_says(server: &Server, what: &str) {
    let bridge = server.setup().tls().bridge(server.operator());
    let until = std::time::Instant::now() + crate::support::PATIENCE;
    loop {
        let said = crate::support::http::call(bridge.address, "GET", "/readyz", &[], b"").text();
        if said.contains(what) {
            return;
        }
        assert!(std::time::Instant::now() < until, "{said}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn setup() -> Setup {
    super::setup().with_tls_for_operators()
}

#[test]
fn it_follows_and_fences() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let old = setup().start();
    old.newcomer("alice").close();
    let ca = old.setup().path("ca.pem");
    old.setup().tls().authority.write(&ca);
    let url = format!("https://{}", old.operator());
    let mut new = setup().standby_by(url).arg("--ca").arg(&ca).start();
    until_says(&new, "followed up to");
    new.promote();
    until_says(&old, "fenced: epoch 1 of the log began at");
    until_says(&new, "ready");
}

/// Both have the same certificate, and nobody names an authority.
#[test]
fn the_same_certificate_is_trusted() {
    if embedded_only("a cluster has its copies in its components") {
        return;
    }
    let old = setup().start();
    let files = old.setup().tls().files.clone();
    let url = format!("https://{}", old.operator());
    let new = super::setup()
        .set("OPENIM_TLS_CERTFILE", files.certificate.display())
        .set("OPENIM_TLS_KEYFILE", files.key.display())
        .standby_by(url)
        .start();
    new.says(503, "followed up to");
}
