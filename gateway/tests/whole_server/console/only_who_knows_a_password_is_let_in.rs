//! Logins: by the generated password or ones of the settings, from pages of this server only, for a time; guesses are slowed, and all of it
//! is in the audit.

use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use serde_json::json;

use crate::support::console::log_in_at;
use crate::support::engine::embedded_only;
use crate::support::http::call;
use crate::support::server::{Server, Setup};

const NO_CLUSTER: &str = "a cluster has no console";

#[test]
fn the_start_says_where_it_is_and_which_file_has_the_password() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let mut server = Server::start();
    let (line, file) = (server.line_with(" console "), server.data_dir().join("console_password"));
    for part in [&format!("http://{}/console", server.operator()), file.to_str().expect("UTF-8")] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(
        server.line_with(" metrics ").ends_with(&format!("http://{}/metrics", server.operator()))
    );
    let password = server.console_password();
    assert!(server.banner().iter().all(|line| !line.contains(&password)), "it is shown to nobody");
    let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(server.console().sees("who")["role"], "operator");
    server.restart();
    assert_eq!(server.console_password(), password);
}

#[test]
fn a_cookie_is_good_until_it_is_given_back() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Server::start();
    let answer = server.log_in(&server.console_password());
    assert_eq!((answer.status, answer.json()), (200, json!({ "role": "operator" })));
    let set = answer.header("set-cookie").expect("a cookie").to_owned();
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/console", "; Max-Age=28800"] {
        assert!(set.contains(part), "{part} in {set}");
    }
    let operator = server.console();
    let cookie = [("cookie", operator.cookie.as_str())];
    assert_eq!(call(server.operator(), "POST", "/console/logout", &cookie, b"").status, 200);
    assert_eq!(operator.asks("who").status, 401);
    server.logged(&["\"operator\"", "\"act\":\"login\"", "\"role\":\"operator\"", "127.0.0.1"]);
}

#[test]
fn nobody_else_is_told_anything() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Server::start();
    let password = server.console_password();
    for guess in ["", "guessed", &password[1..], &format!("{password}x")] {
        let answer = server.log_in(guess);
        assert_eq!((answer.status, answer.json()["error"].as_str()), (403, Some("wrong")));
        assert!(answer.header("set-cookie").is_none());
    }
    server.logged(&["\"operator\"", "\"act\":\"login\"", "\"outcome\":\"refused\""]);
    for headers in [&[][..], &[("cookie", "openim_console=")], &[("cookie", "openim_console=00")]] {
        for path in ["who", "live", "nothing"] {
            let path = format!("/console/api/{path}");
            assert_eq!(call(server.operator(), "GET", &path, headers, b"").status, 401, "{path}");
        }
    }
    let get = call(server.operator(), "GET", "/console/login", &[], b"");
    assert_eq!(get.status, 405);
    let long = vec![b' '; 100_000];
    assert_eq!(call(server.operator(), "POST", "/console/login", &[], &long).status, 400);
    // Programs show the secret of the operators' port instead.
    let secret = std::fs::read_to_string(server.data_dir().join("admin_secret")).expect("made");
    for (secret, status) in [(secret.trim(), 200), ("guessed", 403)] {
        let shown = format!("Bearer {secret}");
        let headers = [("authorization", shown.as_str())];
        let answer = call(server.operator(), "GET", "/console/api/who", &headers, b"");
        assert_eq!(answer.status, status);
    }
}

#[test]
fn pages_of_other_sites_are_refused() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Server::start();
    let operator = server.console();
    let own = format!("http://{}", server.operator());
    let chat = format!("http://{}", server.rest());
    for (name, value, status) in [
        ("origin", own.as_str(), 200),
        ("origin", &chat, 403),
        ("origin", "https://example.com", 403),
        ("sec-fetch-site", "same-origin", 200),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "cross-site", 403),
    ] {
        let headers = [("cookie", operator.cookie.as_str()), (name, value)];
        let answer = call(server.operator(), "GET", "/console/api/who", &headers, b"");
        assert_eq!(answer.status, status, "{name}: {value}");
        let body = json!({ "password": server.console_password() }).to_string();
        let login = call(server.operator(), "POST", "/console/login", &headers, body.as_bytes());
        assert_eq!(login.status, status, "{name}: {value}");
        assert!(login.header("access-control-allow-origin").is_none());
    }
}

#[test]
fn who_guesses_waits_and_then_is_refused_while_others_wait() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Server::start();
    let at = server.operator();
    let guess = || log_in_at(at, "guessed").status;
    let statuses: Vec<u16> = thread::scope(|scope| {
        let many: Vec<_> = (0..60).map(|_| scope.spawn(guess)).collect();
        many.into_iter().map(|guess| guess.join().expect("no panic")).collect()
    });
    assert!(statuses.iter().all(|status| [403, 429].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&429), "all of sixty were looked at: {statuses:?}");
    // The right one is still good, behind the wait.
    assert_eq!(server.log_in(&server.console_password()).status, 200);
}

#[test]
fn viewers_have_a_password_of_their_own_and_logins_are_bounded() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let keys = [
        ("OPENIM_CONSOLE_PASSWORD", "a password of my own 7"),
        ("OPENIM_CONSOLE_VIEWERPASSWORD", "another one to look 8"),
        ("OPENIM_CONSOLE_SESSIONSMAX", "2"),
    ];
    let server =
        keys.iter().fold(Setup::new(), |setup, (key, value)| setup.set(key, value)).start();
    assert!(!server.data_dir().join("console_password").exists());
    let viewer = server.operator_with("another one to look 8");
    assert_eq!(viewer.sees("who")["role"], "viewer");
    let operator = server.operator_with("a password of my own 7");
    assert_eq!(operator.sees("who")["role"], "operator");
    let third = server.operator_with("a password of my own 7");
    assert_eq!([viewer.asks("who").status, operator.asks("who").status], [401, 200]);
    let metrics = call(server.operator(), "GET", "/metrics", &[], b"").text();
    for line in ["openim_console_sessions 2", "openim_console_logins_total 3"] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{line} in {metrics}");
    }
    drop(third);
}

#[test]
fn off_means_that_nothing_of_it_is_there() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Setup::new().set("OPENIM_CONSOLE_ON", "off").start();
    for path in ["/console", "/console/console.js", "/console/api/who"] {
        assert_eq!(call(server.operator(), "GET", path, &[], b"").status, 404, "{path}");
    }
    assert!(!server.data_dir().join("console_password").exists());
    assert!(server.banner().iter().all(|line| !line.contains("/console")));
}

#[test]
fn its_files_may_do_little_and_are_of_no_other_port() {
    if embedded_only(NO_CLUSTER) {
        return;
    }
    let server = Server::start();
    for (path, kind) in [
        ("/console", "text/html; charset=utf-8"),
        ("/console/", "text/html; charset=utf-8"),
        ("/console/console.js", "text/javascript; charset=utf-8"),
        ("/console/console.css", "text/css; charset=utf-8"),
    ] {
        let answer = call(server.operator(), "GET", path, &[], b"");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let tag = answer.header("etag").expect("a tag").to_owned();
        let known = call(server.operator(), "GET", path, &[("if-none-match", &tag)], b"");
        assert_eq!((known.status, known.body.len()), (304, 0), "{path}");
        let packed = call(server.operator(), "GET", path, &[("accept-encoding", "gzip")], b"");
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{path}");
        assert_eq!(call(server.rest(), "GET", path, &[], b"").status, 404, "{path}");
        assert_eq!(call(server.operator(), "POST", path, &[], b"").status, 405, "{path}");
    }
    assert_eq!(call(server.operator(), "GET", "/chat", &[], b"").status, 404);
    assert_eq!(call(server.operator(), "GET", "/consoles", &[], b"").status, 404);
}
