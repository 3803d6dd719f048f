//! The operators' port with TLS (`tls.operators`): who asks it learns it, by every command, and who does not is told.

use std::process::{Command, Output};

use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::platform::IOS;
use crate::support::server::{Server, Setup};
use crate::support::tls::{Authority, Tls, dial};

/// A server whose operators come by TLS alone, and a file that says who signed its certificate.
fn served() -> Option<Server> {
    let is_elsewhere = embedded_only("a cluster has neither console nor copies");
    (!is_elsewhere).then(|| Setup::new().with_tls_for_operators().start())
}

/// A command with the settings of the server, and what they say of its operators' port.
fn beside(server: &Server, name: &str) -> Command {
    let mut command = server.beside(name);
    command.env("OPENIM_TLS_OPERATORS", "on");
    command
}

/// A command that knows nothing of the server but its secret.
fn elsewhere(server: &Server, words: &[&str]) -> Command {
    let mut command = server.beside(words[0]);
    let secret = std::fs::read_to_string(server.data_dir().join("admin_secret")).expect("a secret");
    command.args(&words[1..]).env("OPENIM_ADMIN_SECRET", secret.trim());
    for key in ["OPENIM_TLS_CERTFILE", "OPENIM_TLS_KEYFILE", "OPENIM_ADMIN_LISTEN"] {
        command.env_remove(key);
    }
    command
}

#[track_caller]
fn told(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let complaint = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(0), "{command:?}: {complaint}");
    String::from_utf8(stdout).expect("text")
}

/// Why it fails, in one line.
#[track_caller]
fn refused(mut command: Command, words: &[&str]) {
    let Output { status, stderr, .. } = command.output().expect("it runs");
    let complaint = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{command:?}: {complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(words.iter().all(|word| complaint.contains(word)), "{complaint}");
}

#[test]
fn a_browser_gets_a_cookie_that_goes_by_tls_alone() {
    let Some(server) = served() else { return };
    let Tls { authority, files } = server.setup().tls().clone();
    let answer = call(server.operator(), "GET", "/readyz", &[], b"");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("this port speaks TLS: ask by https://"), "{}", answer.text());
    let bridge = server.setup().tls().bridge(server.operator());
    let ask = |method, path, body: &str| call(bridge.address, method, path, &[], body.as_bytes());
    assert_eq!(ask("GET", "/readyz", "").text(), "ready\n");
    assert!(ask("GET", "/metrics", "").text().contains("openim_phase"));
    let password = format!("{{\"password\":\"{}\"}}", server.console_password());
    let let_in = ask("POST", "/console/login", &password);
    let cookie = let_in.header("set-cookie").expect("a cookie");
    assert!(cookie.ends_with("; SameSite=Strict; Secure"), "{cookie}");
    server.line_with(&format!("https://{}/console", server.operator()));

    // It changes there as for clients.
    let config = authority.trusting();
    let found = || {
        let stream = dial(server.operator(), &config).expect("a handshake");
        stream.conn.peer_certificates().map(|chain| chain[0].to_vec())
    };
    let first = found();
    authority.sign(&files, 2, 2048);
    let until = std::time::Instant::now() + crate::support::PATIENCE;
    while found() == first {
        assert!(std::time::Instant::now() < until, "the new one is found");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn commands_beside_it_know_its_certificate() {
    let Some(server) = served() else { return };
    server.register("bob", IOS);
    assert!(
        told({
            let mut users = beside(&server, "users");
            users.arg("bo");
            users
        })
        .contains("\nbob ")
    );
    assert!(
        told({
            let mut top = beside(&server, "top");
            top.arg("--once");
            top
        })
        .contains("links")
    );
    let copy = server.setup().path("copy");
    let mut backup = beside(&server, "backup");
    backup.arg(&copy);
    assert!(told(backup).contains("a backup up to position"));
    let folder = server.setup().path("support");
    let mut support = beside(&server, "support");
    support.arg(&folder);
    told(support);
    let ready = std::fs::read_to_string(folder.join("readyz.txt")).expect("written");
    assert_eq!(ready, "# status 200\nready\n");
    let doctor = beside(&server, "doctor").output().expect("it runs");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    let at = format!("one runs, and answers at https://{}", server.operator());
    assert!(said.contains(&at) && said.contains("ok   /readyz: ready"), "{said}");

    // Settings that are not those of the server.
    let plain = || server.beside("users");
    refused(
        {
            let mut users = plain();
            users.arg("bo");
            users
        },
        &["it speaks TLS there", "tls.operators"],
    );
    let doctor = plain_doctor(&server);
    assert!(
        doctor.contains("speaks TLS, and the operators' port of these settings is plain"),
        "{doctor}"
    );
}

/// What the doctor says with settings without TLS for operators.
fn plain_doctor(server: &Server) -> String {
    let doctor = server.beside("doctor").output().expect("it runs");
    assert_eq!(doctor.status.code(), Some(1));
    String::from_utf8_lossy(&doctor.stdout).into_owned()
}

#[test]
fn commands_from_elsewhere_are_told_whom_to_trust() {
    let Some(server) = served() else { return };
    let [ca, other, copy] = ["ca.pem", "other.pem", "copy"].map(|name| server.setup().path(name));
    server.setup().tls().authority.write(&ca);
    Authority::new().write(&other);
    let [ca, other, copy] = [&ca, &other, &copy].map(|path| path.to_str().expect("text"));
    let certificate = server.setup().tls().files.certificate.to_str().expect("text").to_owned();
    let url = &format!("https://{}", server.operator());
    let plain = &format!("http://{}", server.operator());
    let words = ["backup", copy, "--from", url];
    let with = |ca| elsewhere(&server, &[&words[..], &["--ca", ca]].concat());
    assert!(told(with(ca)).contains("a backup up to position"));
    assert!(told(with(&certificate)).contains("a backup up to position"), "the certificate itself");
    let mut by_settings = elsewhere(&server, &words);
    by_settings.env("OPENIM_ADMIN_CAFILE", ca);
    told(by_settings);
    told(elsewhere(&server, &["users", "a", "--from", url, "--ca", ca]));
    refused(elsewhere(&server, &words), &["signed by nobody who is trusted here", "--ca FILE"]);
    refused(with(other), &["signed by nobody who is trusted here"]);
    refused(
        elsewhere(&server, &["backup", copy, "--from", plain]),
        &["it speaks TLS there", "https://"],
    );
    refused(
        elsewhere(&server, &["users", "a", "--from", plain]),
        &["it speaks TLS there", "https://"],
    );

    let other_server = Setup::new().start();
    let url = &format!("https://{}", other_server.operator());
    let why = ["why", "bob", "7", "--from", url, "--ca", ca];
    refused(elsewhere(&other_server, &why), &["it speaks no TLS", "http://"]);
    refused(
        elsewhere(&other_server, &["users", "a", "--from", url]),
        &["speaks no TLS", "http://"],
    );
}

/// The ports of clients likewise.
#[test]
fn settings_without_tls_are_told_from_another_program() {
    let server = Setup::new().with_tls().start();
    server.register("bob", IOS);
    let plain = |name| {
        let mut command = server.beside(name);
        command.env_remove("OPENIM_TLS_CERTFILE").env_remove("OPENIM_TLS_KEYFILE");
        command
    };
    let mut token = plain("token");
    token.arg("bob");
    refused(token, &["speaks TLS", "--config"]);
    let doctor = plain("doctor").output().expect("it runs");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    for about in ["websocket", "REST"] {
        let bad = said.lines().find(|line| line.starts_with(&format!("bad  {about}: ")));
        assert!(
            bad.is_some_and(|bad| bad.contains("speaks TLS, and these settings have none")),
            "{said}"
        );
    }
    let without = Setup::new().start();
    let mut doctor = without.beside("doctor");
    let Tls { files, .. } = server.setup().tls();
    doctor.env("OPENIM_TLS_CERTFILE", &files.certificate).env("OPENIM_TLS_KEYFILE", &files.key);
    let said = doctor.output().expect("it runs").stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(
        said.matches("speaks no TLS, and these settings have a certificate").count(),
        2,
        "{said}"
    );
}
